/* SPDX-License-Identifier: MIT */
/*
 * A thousand cancels in each phase of an exchange, from another thread, and how long each takes
 * until the call that was cancelled is back (or DONE is told).
 *
 * One thread waits in a call, the other cancels it: in even rounds when the kernel says that the
 * first one sleeps, in odd rounds somewhere on its way there. The failure tells in which phase it
 * was: in the even rounds that has to be the phase that is looked at.
 *
 *   victim:    go -> call ...................... back -> judge
 *   canceller:       asleep? -> cancel .........
 *
 * What counts is the time that weir takes: not that for which one of the two threads could have run
 * and the machine did other things, as far as the kernel tells it.
 *
 * Short: 50 rounds for each; half of the even ones and half of the odd ones take at most ten
 * milliseconds, the worst on a machine that does other things too is bounded by seconds. Long:
 * 1,000, and ten milliseconds for each.
 */
#include "support/listener.h"
#include "support/peer.h"
#include "support/world.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_NS         (10 * WEIR_NS_PER_MS)
#define BUSY_LIMIT_NS    (2 * WEIR_NS_PER_SECOND)
#define ROUNDS           50
#define LONG_ROUNDS      1000
#define BODY_OCTETS      (16 * 1024 * 1024) /* more than the kernel buffers for one connection */
#define BYSTANDERS       3
#define DIALS            8 /* at once: places are needed again all the time */
#define BYSTANDER_OCTETS 50000

static const uint8_t body[BODY_OCTETS];

typedef struct storm {
    weir_world *world;
    weir_phase phase;
    size_t rounds;
    /* Between the two threads: go is posted for each round, and once more with `over`. */
    sem_t go;
    sem_t cancelled;
    pid_t victim;
    bool over;
    size_t round;
    bool asleep; /* waits until the victim sleeps before it cancels */
    weir_token *token;
    weir_time cancelled_ns;
    weir_time queued_ns[2]; /* for a processor: the victim before, the canceller during it */
    /* What came of it. */
    weir_time worst_ns;
    weir_time sum_ns;
    size_t within[2]; /* LIMIT_NS: of the even rounds, of the odd ones */
    size_t in_phase;
    size_t elsewhere; /* even rounds that were not in the phase */
    weir_status status;
    pthread_t canceller;
} storm;

static bool sleeps(pid_t thread)
{
    char path[64];
    char text[512] = "";
    const char *state;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)thread);
    FILE *stat = fopen(path, "r");
    if (stat == NULL) {
        return false;
    }
    (void)!fgets(text, sizeof(text), stat);
    (void)fclose(stat);
    state = strrchr(text, ')');
    return state != NULL && state[1] == ' ' && state[2] == 'S';
}

/* Twenty times in a row: not for a moment only, as for a lock or for the next octets. */
static void await_sleep(pid_t thread)
{
    for (unsigned seen = 0; seen < 20;) {
        seen = sleeps(thread) ? seen + 1 : 0;
        (void)sched_yield();
    }
}

/* For how long the thread has waited for a processor since it began; 0: the kernel does not say. */
static weir_time queued_ns(pid_t thread)
{
    char path[64];
    uint64_t on_ns = 0;
    uint64_t waited_ns = 0;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)thread);
    FILE *stat = fopen(path, "r");
    if (stat == NULL) {
        return 0;
    }
    const int read = fscanf(stat, "%" SCNu64 " %" SCNu64, &on_ns, &waited_ns);
    (void)fclose(stat);
    return read == 2 ? waited_ns : 0;
}

static void *run_canceller(void *at)
{
    storm *s = at;

    for (;;) {
        (void)sem_wait(&s->go);
        if (s->over) {
            return NULL;
        }
        if (s->asleep) {
            await_sleep(s->victim);
        } else {
            for (size_t i = 0; i < s->round * 37 % 64; i++) {
                (void)sched_yield();
            }
        }
        s->queued_ns[0] = queued_ns(s->victim);
        const weir_time before_ns = queued_ns(gettid());
        s->cancelled_ns = weir_now();
        weir_token_cancel(s->token);
        s->queued_ns[1] = queued_ns(gettid()) - before_ns;
        (void)sem_post(&s->cancelled);
    }
}

static void storm_open(storm *s, weir_world *world, weir_phase phase)
{
    (void)alarm(weir_tests_are_long() ? 600 : 60);
    *s = (storm){
        .world = world, .phase = phase, .rounds = weir_tests_are_long() ? LONG_ROUNDS : ROUNDS};
    assert_int_equal(sem_init(&s->go, 0, 0), 0);
    assert_int_equal(sem_init(&s->cancelled, 0, 0), 0);
    assert_int_equal(pthread_create(&s->canceller, NULL, run_canceller, s), 0);
}

/* The next token; whoever calls is the victim. */
static void storm_begin(storm *s, size_t round, bool asleep)
{
    s->victim = gettid();
    s->round = round;
    s->asleep = asleep;
    s->token = weir_token_new(&s->world->memory.allocator);
}

/* From here on it may be cancelled. */
static void storm_go(storm *s)
{
    (void)sem_post(&s->go);
}

/* The victim is back with `status`. */
static void storm_end(storm *s, weir_exchange *exchange, weir_status status)
{
    const weir_time back_ns = weir_now();
    const weir_time victim_ns = queued_ns(s->victim);

    (void)sem_wait(&s->cancelled);
    const weir_time others_ns = victim_ns - s->queued_ns[0] + s->queued_ns[1];
    const weir_time until_ns = s->cancelled_ns + others_ns;
    const weir_time took_ns = back_ns > until_ns ? back_ns - until_ns : 0;
    s->worst_ns = took_ns > s->worst_ns ? took_ns : s->worst_ns;
    s->sum_ns += took_ns;
    s->within[s->round % 2] += took_ns <= LIMIT_NS ? 1 : 0;
    if (status != WEIR_E_CANCELLED && s->status == WEIR_OK) {
        s->status = status;
    }
    if (exchange != NULL && weir_exchange_failure(exchange).phase == s->phase) {
        s->in_phase++;
    } else if (s->asleep) {
        s->elsewhere++;
    }
    weir_world_drop(s->world, exchange);
    weir_token_free(s->token);
}

static void storm_close(storm *s)
{
    s->over = true;
    (void)sem_post(&s->go);
    (void)pthread_join(s->canceller, NULL);
    (void)sem_destroy(&s->go);
    (void)sem_destroy(&s->cancelled);
    print_message("# %s: %zu cancels, %zu of them in it, worst %" PRIu64 " us, mean %" PRIu64
                  " us, %zu and %zu within 10 ms\n",
                  weir_phase_name(s->phase), s->rounds, s->in_phase, s->worst_ns / 1000,
                  s->sum_ns / s->rounds / 1000, s->within[0], s->within[1]);
    assert_int_equal(s->status, WEIR_OK);
    assert_int_equal(s->elsewhere, 0);
    assert_in_range(s->worst_ns, 0, weir_tests_are_long() ? LIMIT_NS : BUSY_LIMIT_NS);
    assert_in_range(s->within[0], s->rounds / 4, s->rounds / 2);
    assert_in_range(s->within[1], s->rounds / 4, s->rounds / 2);
}

/* The pool was not poisoned: nothing is held, and the next call is answered. */
static void assert_usable(weir_world *world)
{
    weir_counts counts;

    weir_user_counts(weir_world_user(world), &counts);
    assert_int_equal(counts.leases, 0);
    assert_int_equal(counts.waiting, 0);
    /* A dial that nobody waits for may go on, but makes place. */
    assert_in_range(counts.connections_dialing, 0, world->way.kind == WEIR_USER_LOOP ? DIALS : 0);
    assert_int_equal(counts.connections_active, 0);
    weir_ask ask = weir_world_ask(world, "/octets/1000");
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_true(fetched.is_pattern);
}

/* Phases that the call itself does not come out of. `host`: an origin below it for each round,
 * because a loop may go on with a dial that nobody waits for any more, and the next call to that
 * origin would wait for it and not dial. */
static void storm_of_calls(storm *s, const weir_ask *like, const char *host)
{
    for (size_t i = 0; i < s->rounds; i++) {
        char url[64];
        weir_ask ask = *like;
        weir_exchange *exchange = NULL;
        if (host != NULL) {
            (void)snprintf(url, sizeof(url), "%s://%zu.%s/", s->world->way.tls ? "https" : "http",
                           i, host);
            ask.request.url = weir_span_of(url);
        }
        storm_begin(s, i, i % 2 == 0);
        ask.call.token = s->token;
        storm_go(s);
        const weir_status status = weir_world_call(s->world, &ask, &exchange);
        storm_end(s, exchange, status);
    }
}

static void queued(weir_world *world)
{
    storm s;
    weir_exchange *holder = NULL;
    const weir_ask held = weir_world_ask(world, "/drip/100000?ms=1000");

    world->limits.connections_per_origin = 1;
    assert_int_equal(weir_world_call(world, &held, &holder), WEIR_OK);
    storm_open(&s, world, WEIR_PHASE_QUEUE);
    const weir_ask ask = weir_world_ask(world, "/octets/1");
    storm_of_calls(&s, &ask, NULL);
    storm_close(&s);
    weir_world_drop(world, holder);
    assert_usable(world);
}

typedef struct silence {
    size_t started;
    size_t cancelled;
} silence;

static void start_silence(weir_lookup *lookup, weir_span host, void *user)
{
    silence *sly = user;

    (void)lookup;
    (void)host;
    sly->started++;
}

static void cancel_silence(weir_lookup *lookup, void *user)
{
    silence *sly = user;

    (void)lookup;
    sly->cancelled++;
}

static void resolving(weir_world *world)
{
    storm s;
    silence sly = {0, 0};
    const weir_resolver resolver = {sizeof(resolver), &sly, start_silence, cancel_silence};

    world->options.resolver = &resolver;
    world->limits.connections = DIALS;
    storm_open(&s, world, WEIR_PHASE_DNS);
    weir_ask ask = weir_world_ask(world, "/");
    storm_of_calls(&s, &ask, "invalid");
    storm_close(&s);
    assert_usable(world);
    weir_world_close(world);
    assert_true(sly.started >= s.rounds / 2);
    assert_int_equal(sly.cancelled, sly.started);
}

static void connecting(weir_world *world)
{
    storm s;
    weir_full_port full;

    weir_full_port_open(&full);
    world->limits.connections = DIALS;
    storm_open(&s, world, WEIR_PHASE_CONNECT);
    const weir_ask ask = weir_world_ask_at(world, "/", full.port);
    storm_of_calls(&s, &ask, "invalid");
    storm_close(&s);
    weir_full_port_close(&full);
    assert_usable(world);
}

static void in_the_handshake(weir_world *world)
{
    storm s;

    world->limits.connections = DIALS;
    storm_open(&s, world, WEIR_PHASE_TLS);
    const weir_ask ask = weir_world_ask_at(world, "/", world->origin->mute_port);
    storm_of_calls(&s, &ask, "invalid");
    storm_close(&s);
    assert_usable(world);
}

/* Writes until it is cancelled. */
static void storm_of_uploads(storm *s, const weir_ask *like, int listener)
{
    for (size_t i = 0; i < s->rounds; i++) {
        weir_ask ask = *like;
        weir_exchange *exchange = NULL;
        size_t taken = 0;
        storm_begin(s, i, i % 2 == 0);
        ask.request.method = WEIR_SPAN("POST");
        ask.request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = WEIR_UNKNOWN};
        ask.call.token = s->token;
        weir_status status = weir_world_call(s->world, &ask, &exchange);
        storm_go(s);
        if (status == WEIR_OK) {
            status = weir_user_write(weir_world_user(s->world), exchange,
                                     (weir_span){body, sizeof(body)}, &taken);
        }
        storm_end(s, exchange, status);
        if (listener >= 0) {
            (void)close(accept(listener, NULL, NULL));
        }
    }
}

/* Takes connections and does not read: the kernel's buffers fill. */
static int listen_deaf(uint16_t *port)
{
    const int room = 8192;
    const int listener = weir_listener_open(port, 16);

    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    return listener;
}

static void sending(weir_world *world)
{
    storm s;
    uint16_t port = 0;
    const bool h1 = world->way.protocol == WEIR_H1;
    const int listener = h1 ? listen_deaf(&port) : -1;

    storm_open(&s, world, WEIR_PHASE_SEND);
    weir_ask ask = weir_world_ask(world, "/windows?stream=0");
    if (h1) {
        ask.call.connect_to = WEIR_SPAN("127.0.0.1");
        ask.call.connect_port = port;
    }
    storm_of_uploads(&s, &ask, listener);
    storm_close(&s);
    if (h1) {
        (void)close(listener);
    }
    assert_usable(world);
}

/* Sends a request that is not answered; goes when it is sent, so that only the head is waited for,
 * or before. */
static weir_status hang(storm *s, weir_ask *ask, weir_exchange **exchange, bool go_first)
{
    weir_user *user = weir_world_user(s->world);

    ask->request.method = WEIR_SPAN("POST");
    ask->request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = WEIR_UNKNOWN};
    if (go_first) {
        storm_go(s);
    }
    weir_status status = weir_world_call(s->world, ask, exchange);
    if (status == WEIR_OK) {
        status = weir_user_finish(user, *exchange, NULL, 0);
    }
    if (!go_first) {
        storm_go(s);
    }
    return status == WEIR_OK ? weir_user_response(user, *exchange) : status;
}

static void awaiting_the_head(weir_world *world)
{
    storm s;

    storm_open(&s, world, WEIR_PHASE_HEAD);
    for (size_t i = 0; i < s.rounds; i++) {
        weir_ask ask = weir_world_ask(world, "/hang");
        weir_exchange *exchange = NULL;
        storm_begin(&s, i, i % 2 == 0);
        ask.call.token = s.token;
        const weir_status status = hang(&s, &ask, &exchange, false);
        storm_end(&s, exchange, status);
    }
    storm_close(&s);
    assert_usable(world);
}

static void amid_the_body(weir_world *world)
{
    storm s;
    weir_user *user = weir_world_user(world);

    storm_open(&s, world, WEIR_PHASE_BODY);
    for (size_t i = 0; i < s.rounds; i++) {
        weir_ask ask = weir_world_ask(world, "/drip/1000000?ms=5");
        weir_exchange *exchange = NULL;
        storm_begin(&s, i, i % 2 == 0);
        ask.call.token = s.token;
        weir_status status = weir_world_call(world, &ask, &exchange);
        storm_go(&s);
        if (status == WEIR_OK) {
            status = weir_user_read_on(user, exchange);
        }
        storm_end(&s, exchange, status);
    }
    storm_close(&s);
    assert_usable(world);
}

/* -- on one connection with others -- */

typedef struct shared_storm {
    storm s;
    atomic_bool over;
    size_t fetched[BYSTANDERS];
    size_t whole[BYSTANDERS];
} shared_storm;

/* In the wait for the head and amid the body, in turn; every fourth time on the way there. */
static void be_cancelled(shared_storm *shared)
{
    storm *s = &shared->s;

    for (size_t i = 0; i < s->rounds; i++) {
        weir_ask ask = weir_world_ask(s->world, i % 2 == 0 ? "/hang" : "/drip/1000000?ms=5");
        weir_exchange *exchange = NULL;
        weir_status status = WEIR_OK;
        storm_begin(s, i, false);
        ask.call.token = s->token;
        if (i % 2 == 0) {
            status = hang(s, &ask, &exchange, i % 4 == 0);
        } else {
            if (i % 4 == 1) {
                storm_go(s);
            }
            status = weir_world_call(s->world, &ask, &exchange);
            if (i % 4 != 1) {
                storm_go(s);
            }
        }
        if (status == WEIR_OK) {
            status = weir_user_read_on(weir_world_user(s->world), exchange);
        }
        storm_end(s, exchange, status);
    }
    atomic_store(&shared->over, true);
}

static void stand_by(weir_user *user, size_t index, void *at)
{
    shared_storm *shared = at;

    (void)user;
    if (index == 0) {
        be_cancelled(shared);
        return;
    }
    do {
        weir_ask ask = weir_world_ask(shared->s.world, "/octets/50000");
        const weir_fetched fetched = weir_world_fetch(shared->s.world, &ask);
        shared->fetched[index - 1]++;
        shared->whole[index - 1] +=
            fetched.ended == WEIR_END && fetched.is_pattern && fetched.octets == BYSTANDER_OCTETS
                ? 1
                : 0;
    } while (!atomic_load(&shared->over));
}

static void others_are_unharmed(weir_world *world)
{
    shared_storm shared = {.over = false};
    weir_counts counts;
    size_t whole = 0;

    assert_usable(world); /* the one connection is there */
    storm_open(&shared.s, world, WEIR_PHASE_BODY);
    weir_user_together(weir_world_user(world), 1 + BYSTANDERS, stand_by, &shared);
    for (size_t i = 0; i < BYSTANDERS; i++) {
        assert_int_equal(shared.whole[i], shared.fetched[i]);
        whole += shared.whole[i];
    }
    storm_close(&shared.s);
    assert_usable(world);
    weir_user_counts(weir_world_user(world), &counts);
    assert_int_equal(counts.dials, 1);
    print_message("# %zu others on the connection finished\n", whole);
}

int main(void)
{
    static const weir_behaviour behaviours[] = {
        {.name = "cancel: queued", .run = queued, .only = WEIR_ONLY_H1 | WEIR_ONLY_CLEAR},
        {.name = "cancel: resolving", .run = resolving, .only = WEIR_ONLY_H1 | WEIR_ONLY_CLEAR},
        {.name = "cancel: connecting", .run = connecting, .only = WEIR_ONLY_H1 | WEIR_ONLY_CLEAR},
        {.name = "cancel: in the TLS handshake", .run = in_the_handshake, .only = WEIR_ONLY_TLS},
        {.name = "cancel: sending to a peer that does not read",
         .run = sending,
         .only = WEIR_ONLY_H1 | WEIR_ONLY_CLEAR},
        {.name = "cancel: sending without a window", .run = sending, .only = WEIR_ONLY_H2},
        {.name = "cancel: awaiting the head", .run = awaiting_the_head},
        {.name = "cancel: amid the body", .run = amid_the_body},
        {.name = "cancel: others on the connection are unharmed",
         .run = others_are_unharmed,
         .only = WEIR_ONLY_H2},
    };
    return weir_world_run("cancel_storm", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
