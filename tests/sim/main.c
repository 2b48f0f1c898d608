/* SPDX-License-Identifier: MIT */
/*
 * weir_sim: runs seeds, counts, and says what it found. docs/simulator.md explains what a run is.
 *
 * With --tap it is a suite of tests of itself: seeds without a violation, the same seeds with the
 * same hash, and each planted fault found.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"
#include "weir/status.h"

#define RUNS             1000
#define RUN_SECONDS_MOST 60
#define PLANT_RUNS_MOST  2000
#define REPLAY_RUNS_MOST 100

typedef struct options {
    uint64_t runs;
    uint64_t seed;
    bool hash;
    bool keep_going;
    bool tap;
    sim_run_options run;
} options;

static bool parse(int count, char **arguments, options *to);
static bool number_after(int count, char **arguments, int *at, uint64_t *to);
static void usage(FILE *to);
static void run_all(const options *given, sim_totals *totals);
static int run_plant(const options *given);
static bool has_all_stalls(const sim_totals *totals);
static bool has_all_reasons(const sim_totals *totals);
static bool oracle_compares(const sim_totals *totals);
static int run_tests(const options *given);
static bool finds(const options *given, sim_plant plant, sim_totals *totals);
static void report(const sim_totals *totals);
static void died(int signal_number);
static void say_seed(void);
static const char *name_of(size_t status);

static volatile uint64_t current_seed;

/* A sanitizer calls it before it ends the process; there is none in a build without. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

int main(int count, char **arguments)
{
    static sim_totals totals;
    options given = {.seed = 1};

    if (!parse(count, arguments, &given)) {
        usage(stderr);
        return 2;
    }
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(say_seed);
    }
    (void)signal(SIGALRM, died);
    (void)signal(SIGSEGV, died);
    (void)signal(SIGABRT, died);
    if (given.tap) {
        return run_tests(&given);
    }
    if (given.run.plant != SIM_PLANT_NONE) {
        return run_plant(&given);
    }
    run_all(&given, &totals);
    report(&totals);
    if (given.hash) {
        printf("hash %016" PRIx64 "\n", totals.hash);
    }
    printf("%" PRIu64 " runs, %" PRIu64 " violations\n", totals.runs, totals.violations);
    return totals.violations == 0 ? 0 : 1;
}

static bool parse(int count, char **arguments, options *to)
{
    bool seed_given = false;

    for (int i = 1; i < count; i++) {
        const char *argument = arguments[i];
        bool known = true;
        if (strcmp(argument, "--runs") == 0) {
            known = number_after(count, arguments, &i, &to->runs) && to->runs > 0;
        } else if (strcmp(argument, "--seed") == 0) {
            seed_given = true;
            known = number_after(count, arguments, &i, &to->seed);
        } else if (strcmp(argument, "--plant") == 0 && i + 1 < count) {
            to->run.plant = sim_plant_of(arguments[++i]);
            known = to->run.plant != SIM_PLANT_COUNT;
        } else if (strcmp(argument, "--verbose") == 0) {
            to->run.verbose = true;
        } else if (strcmp(argument, "--hash") == 0) {
            to->hash = true;
        } else if (strcmp(argument, "--keep-going") == 0) {
            to->keep_going = true;
        } else if (strcmp(argument, "--tap") == 0) {
            to->tap = true;
        } else {
            known = false;
        }
        if (!known) {
            return false;
        }
    }
    if (to->runs == 0) {
        to->runs = seed_given ? 1 : RUNS;
    }
    return true;
}

static bool number_after(int count, char **arguments, int *at, uint64_t *to)
{
    char *end = NULL;

    if (++*at >= count) {
        return false;
    }
    *to = strtoull(arguments[*at], &end, 0);
    return end != arguments[*at] && *end == '\0';
}

static void usage(FILE *to)
{
    fputs("usage: weir_sim [--runs N] [--seed S] [--verbose] [--hash] [--keep-going] [--plant "
          "WHAT] [--tap]\n"
          "  --runs N      so many seeds, one after the other (1000; 1 if --seed is given)\n"
          "  --seed S      the first seed (1)\n"
          "  --verbose     print everything that happens\n"
          "  --hash        print the hash of all that happened: the same for the same seeds\n"
          "  --keep-going  do not stop at a violation\n"
          "  --plant WHAT  lost-release, double-charge, wrong-row, no-horizon, near-horizon,\n"
          "                elsewhere or more-h2: it must be found\n"
          "  --tap         test the simulator itself\n",
          to);
}

static void run_all(const options *given, sim_totals *totals)
{
    for (uint64_t i = 0; i < given->runs && (totals->violations == 0 || given->keep_going); i++) {
        current_seed = given->seed + i;
        alarm(RUN_SECONDS_MOST);
        (void)sim_run(given->seed + i, &given->run, totals);
    }
    alarm(0);
}

static int run_plant(const options *given)
{
    static sim_totals totals;
    const bool found = finds(given, given->run.plant, &totals);

    printf("planted %s: %s after %" PRIu64 " runs%s%s\n", sim_plant_name(given->run.plant),
           found ? "found" : "not found", totals.runs, found ? ": " : "", totals.what);
    return found ? 0 : 1;
}

static bool finds(const options *given, sim_plant plant, sim_totals *totals)
{
    const options planted = {
        .runs = PLANT_RUNS_MOST,
        .seed = given->seed,
        .run = {.quiet = true, .plant = plant},
    };

    run_all(&planted, totals);
    return totals->violations > 0;
}

static bool has_all_stalls(const sim_totals *totals)
{
    bool all = true;

    for (size_t i = 0; i < SIM_STALLS; i++) {
        all = all && totals->stalls_ns[i] > 0;
    }
    return all;
}

/* What a simulated user is not told, and why. */
static bool is_excused(weir_reason reason)
{
    switch ((int)reason) {
    case WEIR_REASON_NONE:
    case WEIR_REASON_UNFIT:     /* a conn that takes no more always says why */
    case WEIR_REASON_FORKED:    /* there are no processes */
    case WEIR_REASON_LOST_RACE: /* of sockets, which are a driver's own */
    case WEIR_REASON_UNAWAITED: /* of threads: the turn goes on with a dial by itself */
    case WEIR_REASON_REFUSING:  /* within a turn no time passes */
    case WEIR_REASON_NO_MEMORY: /* once in thousands of runs */
        return true;
    default:
        return false;
    }
}

static bool has_all_reasons(const sim_totals *totals)
{
    bool all = true;

    for (int i = 0; i < WEIR_REASON_COUNT; i++) {
        const bool missing = totals->reasons[i] == 0 && !is_excused((weir_reason)i);
        if (missing) {
            printf("# nobody was told %s\n", weir_reason_name((weir_reason)i));
        }
        all = all && !missing;
    }
    return all;
}

/* Most of what there is, of many conns, and with calls that were given up among them. */
static bool oracle_compares(const sim_totals *totals)
{
    const sim_oracle_sums *sums = &totals->oracle;

    return sums->compared >= 10 * sums->conns && 2 * sums->compared >= sums->frames &&
           sums->conns > 0 && sums->cancels > 0;
}

static int run_tests(const options *given)
{
    static sim_totals once;
    static sim_totals again;
    options replay = *given;
    int failed = 0;
    int number = 0;

    printf("1..%d\n", SIM_PLANT_COUNT + 6);
    run_all(given, &once);
    failed += once.violations > 0;
    printf("%sok %d - %" PRIu64 " seeds without a violation\n", once.violations > 0 ? "not " : "",
           ++number, once.runs);
    const bool all = has_all_stalls(&once);
    failed += !all;
    printf("%sok %d - calls were held up by everything there is\n", all ? "" : "not ", ++number);
    const bool told = has_all_reasons(&once);
    failed += !told;
    printf("%sok %d - every reason was told\n", told ? "" : "not ", ++number);
    const bool learned = once.horizons > 0 && once.rest_reuses > 0 && once.rests_passed > 0;
    failed += !learned;
    printf("%sok %d - horizons were learned, and rests lay within and beyond\n",
           learned ? "" : "not ", ++number);
    failed += once.unstowed == 0;
    printf("%sok %d - requests came to connections that had put their header coders away\n",
           once.unstowed > 0 ? "" : "not ", ++number);
    const bool compares = oracle_compares(&once);
    failed += !compares;
    printf("%sok %d - the oracle of HTTP/2 compared %" PRIu64 " frames of %" PRIu64 "\n",
           compares ? "" : "not ", ++number, once.oracle.compared, once.oracle.frames);
    memset(&once, 0, sizeof(once));
    replay.runs = given->runs < REPLAY_RUNS_MOST ? given->runs : REPLAY_RUNS_MOST;
    run_all(&replay, &once);
    run_all(&replay, &again);
    const bool same = once.hash == again.hash && once.runs == replay.runs;
    failed += !same;
    printf("%sok %d - the same seeds have the same hash\n", same ? "" : "not ", ++number);
    for (sim_plant plant = SIM_PLANT_LOST_RELEASE; plant < SIM_PLANT_COUNT; plant++) {
        static sim_totals planted;
        memset(&planted, 0, sizeof(planted));
        const bool found = finds(given, plant, &planted);
        failed += !found;
        printf("%sok %d - planted %s is found # %s\n", found ? "" : "not ", ++number,
               sim_plant_name(plant), planted.what);
    }
    return failed == 0 ? 0 : 1;
}

static void report(const sim_totals *totals)
{
    printf("calls by outcome\n");
    for (size_t i = 0; i < WEIR_COUNT_OF(totals->statuses); i++) {
        if (totals->statuses[i] > 0) {
            printf("  %-28s %12" PRIu64 "\n", name_of(i), totals->statuses[i]);
        }
    }
    printf("  %-28s %12" PRIu64 "\n", "freed under way", totals->freed_early);
    printf("  %-28s %12" PRIu64 ", of which %" PRIu64 " after the storm, each a success\n", "all",
           totals->calls, totals->calm_calls);
    printf("faults\n");
    for (size_t i = 0; i < SIM_FAULT_COUNT; i++) {
        printf("  %-38s %12" PRIu64 "\n", sim_fault_name((sim_fault_kind)i), totals->faults[i]);
    }
    printf("calls were held up by\n");
    for (size_t i = 0; i < SIM_STALLS; i++) {
        printf("  %-28s %12" PRIu64 " ms\n", sim_measure_stall_name(i),
               totals->stalls_ns[i] / WEIR_NS_PER_MS);
    }
    printf("reasons that were told\n");
    for (size_t i = 1; i < WEIR_REASON_COUNT; i++) {
        printf("  %-28s %12" PRIu64 "\n", weir_reason_name((weir_reason)i), totals->reasons[i]);
    }
    printf("%" PRIu64 " sockets; %" PRIu64 " connections closed, of which %" PRIu64
           " had a socket, and its octets agreed\n",
           totals->sockets, totals->links, totals->links_agreed);
    printf("%" PRIu64 " leases on used connections, %" PRIu64 " replays, %" PRIu64
           " leases bounced, %" PRIu64 " idle connections evicted, %" PRIu64 " closed of age\n",
           totals->reuses, totals->replays, totals->bounces, totals->evictions,
           totals->closed_idle);
    printf("%" PRIu64 " requests on connections that had put their header coders away\n",
           totals->unstowed);
    printf("%" PRIu64 " horizons could be learned; then %" PRIu64
           " leases after a rest within, %" PRIu64 " calls after one beyond\n",
           totals->horizons, totals->rest_reuses, totals->rests_passed);
    printf("the oracle of HTTP/2 compared %" PRIu64 " frames of %" PRIu64 ", on %" PRIu64
           " conns with %" PRIu64 " cancels\n",
           totals->oracle.compared, totals->oracle.frames, totals->oracle.conns,
           totals->oracle.cancels);
    printf("%" PRIu64 " octets, %" PRIu64 " turns, %" PRIu64 " events, %" PRIu64
           " allocations, %" PRIu64 " s of virtual time\n",
           totals->octets, totals->turns, totals->events, totals->allocations,
           totals->simulated_ns / WEIR_NS_PER_SECOND);
}

static const char *name_of(size_t status)
{
    return weir_status_name((weir_status)(-(int)status));
}

/* The seed is all that is needed to see it again. */
static void say_seed(void)
{
    char text[64];
    const int length = snprintf(text, sizeof(text), "weir_sim: died in seed %" PRIu64 "\n",
                                (uint64_t)current_seed);

    if (length > 0) {
        const ssize_t written = write(STDERR_FILENO, text, (size_t)length);
        (void)written;
    }
}

static void died(int signal_number)
{
    say_seed();
    _exit(128 + signal_number);
}
