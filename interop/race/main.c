/* SPDX-License-Identifier: MIT */
/* weir-race: plays the race test, and counts what came of it. interop/run --race is how a person
 * uses it. */
#include "race.h"

#include "../cases/notes.h"
#include "../cases/text.h"
#include "../cases/trust.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_NS  (WEIR_NS_PER_SECOND) /* the server's keepalive_timeout */
#define AROUND_NS (60 * WEIR_NS_PER_MS)
#define STEP_NS   (WEIR_NS_PER_MS)
#define SPREAD_NS (2 * WEIR_NS_PER_MS)

static const char usage[] =
    "usage: weir-race run --server FILE --calls N --rounds N --records FILE\n"
    "       weir-race count --records FILE --log FILE --witness FILE [--json FILE]\n"
    "       weir-race rows --records FILE --log FILE --witness FILE --rows FILE\n";

static void take_server(race_options *o, const char *path);
static uint32_t run_front(const race_options *o, const char *name, void (*run)(race_front *),
                          bool forgets, uint32_t first_id);
static void tell(const weir_event *event, void *user);
static void tell_closed(race_front *front, const weir_event *event);
static void write_octets(FILE *to, weir_octets octets);
static void write_calls(race_front *front);

int main(int count, char **words)
{
    race_options o = {.calls = 100000, .rounds = 36};
    race_report r = {.records = NULL};
    const char *command = count > 1 ? words[1] : "";
    const char *server = NULL;
    signal(SIGPIPE, SIG_IGN);
    for (int i = 2; i + 1 < count; i += 2) {
        const char *value = words[i + 1];
        if (strcmp(words[i], "--server") == 0) {
            server = value;
        } else if (strcmp(words[i], "--calls") == 0) {
            o.calls = number_of(value);
        } else if (strcmp(words[i], "--rounds") == 0) {
            o.rounds = number_of(value);
        } else if (strcmp(words[i], "--records") == 0) {
            r.records = value;
        } else if (strcmp(words[i], "--log") == 0) {
            r.log = value;
        } else if (strcmp(words[i], "--witness") == 0) {
            r.witness = value;
        } else if (strcmp(words[i], "--json") == 0) {
            r.json = value;
        } else if (strcmp(words[i], "--rows") == 0) {
            r.rows = value;
        } else {
            die("%s is not understood", words[i]);
        }
    }
    if (strcmp(command, "run") == 0 && server != NULL && r.records != NULL && o.rounds > 0) {
        take_server(&o, server);
        o.records = must_open(r.records, "w");
        uint32_t id = run_front(&o, "threads", race_run_threads, false, 1);
        id = run_front(&o, "loop", race_run_loop, false, id);
        id = run_front(&o, "threads*", race_run_threads, true, id);
        id = run_front(&o, "loop*", race_run_loop, true, id);
        o.calls = 2 * RACE_ORDER;
        (void)run_front(&o, "order", race_run_order, false, id);
        free(o.ca);
        return fclose(o.records) == 0 ? 0 : 1;
    }
    const bool has_all = r.records != NULL && r.log != NULL && r.witness != NULL;
    if (strcmp(command, "count") == 0 && has_all) {
        return race_count(&r);
    }
    if (strcmp(command, "rows") == 0 && has_all && r.rows != NULL) {
        return race_rows(&r);
    }
    fputs(usage, stderr);
    return 64;
}

void race_adapt(race_front *front, size_t first, size_t last, size_t round)
{
    size_t calls = 0;
    size_t reused = 0;
    for (size_t i = first; i < last && i < front->call_count; i++) {
        if (front->calls[i].way % 2 == 0) { /* HTTP/1.1: one connection to a call */
            calls++;
            reused += front->calls[i].reused ? 1 : 0;
        }
    }
    /* Half of them still open is the moment; around it is gone to and fro. */
    static _Thread_local weir_time middle_ns = PAUSE_NS;
    if (round == 1) {
        middle_ns = PAUSE_NS;
    }
    middle_ns = 2 * reused > calls ? middle_ns + STEP_NS : middle_ns - STEP_NS;
    if (middle_ns < PAUSE_NS - AROUND_NS || middle_ns > PAUSE_NS + AROUND_NS) {
        middle_ns = PAUSE_NS;
    }
    front->pause_ns = round % 3 == 0   ? middle_ns - SPREAD_NS
                      : round % 3 == 1 ? middle_ns
                                       : middle_ns + SPREAD_NS;
}

void race_progress(const race_front *front, size_t round)
{
    size_t done = atomic_load(&front->next);
    fprintf(stderr, "race: %s: round %zu of %zu, %zu calls, next pause %.1f ms\n", front->name,
            round, front->rounds, done < front->call_count ? done : front->call_count,
            (double)front->pause_ns / (double)WEIR_NS_PER_MS);
}

static void take_server(race_options *o, const char *path)
{
    FILE *file = must_open(path, "r");
    char *line;
    while ((line = next_line(file)) != NULL) {
        char *value = strchr(line, '=');
        if (value == NULL) {
            continue;
        }
        *value++ = '\0';
        if (strcmp(line, "clear_h1") == 0) {
            o->clear_h1 = (uint16_t)number_of(value);
        } else if (strcmp(line, "clear_h2") == 0) {
            o->clear_h2 = (uint16_t)number_of(value);
        } else if (strcmp(line, "tls") == 0) {
            o->tls = (uint16_t)number_of(value);
        } else if (strcmp(line, "ca") == 0) {
            o->ca = must_copy(value);
        }
    }
    fclose(file);
    if (o->clear_h1 == 0 || o->clear_h2 == 0 || o->tls == 0 || o->ca == NULL) {
        die("%s: a port or the CA is missing", path);
    }
}

/* The calls have the ids from first_id on; the next id that is free. */
static uint32_t run_front(const race_options *o, const char *name, void (*run)(race_front *),
                          bool forgets, uint32_t first_id)
{
    race_front front = {.name = name,
                        .options = o,
                        .pause_ns = PAUSE_NS,
                        .forgets = forgets,
                        .call_count = forgets ? o->calls / 4 : o->calls,
                        .rounds = forgets ? (o->rounds + 2) / 3 : o->rounds,
                        .counts = WEIR_COUNTS_INIT};
    bool is_loop = run == race_run_loop;
    front.calls = must_alloc(front.call_count * sizeof front.calls[0]);
    for (size_t i = 0; i < front.call_count; i++) {
        front.calls[i].id = first_id + (uint32_t)i;
    }
    front.tls = must_trust(o->ca);
    front.observer = (weir_observer){.size = sizeof front.observer, .user = &front, .tell = tell};
    front.limits = (weir_pool_limits)WEIR_POOL_LIMITS_INIT;
    front.limits.connections_per_origin = RACE_ORIGIN;
    front.limits.inbox_octets = RACE_INBOX;
    /* A thread that holds calls and waits for one more must not wait for itself: room for all of a
     * full batch. */
    front.limits.h2_connections = is_loop ? 4 : RACE_ORIGIN / 4;
    pthread_mutex_init(&front.lock, NULL);
    weir_time began_ns = weir_now();
    run(&front);
    front.took_ns = weir_now() - began_ns;
    write_calls(&front);
    weir_tls_config_release(front.tls);
    pthread_mutex_destroy(&front.lock);
    free(front.calls);
    return first_id + (uint32_t)front.call_count;
}

void race_add_counts(race_front *front, const weir_counts *counts)
{
    front->counts.dials += counts->dials;
    front->counts.reuses += counts->reuses;
    front->counts.bounces += counts->bounces;
    front->counts.ledger_differ += counts->ledger_differ;
}

static void tell(const weir_event *event, void *user)
{
    race_front *front = user;
    if (event->kind == WEIR_EVENT_CONNECTION_CLOSED) {
        tell_closed(front, event);
    }
}

/* The observer of one call, which knows its way. */
void race_observe(const weir_event *event, void *user)
{
    const race_run *run = user;
    race_front *front = run->front;
    if (event->kind == WEIR_EVENT_CONNECTION_ACQUIRED) {
        pthread_mutex_lock(&front->lock);
        front->acquired[run->call->way][event->reused ? 1 : 0]++;
        pthread_mutex_unlock(&front->lock);
    }
}

static void tell_closed(race_front *front, const weir_event *event)
{
    const weir_account *a = event->account;
    const weir_octets sum = account_sum(a);
    const weir_octets other = a->rows[WEIR_ROW_OTHER];
    bool is_tls = a->rows[WEIR_ROW_TLS_HANDSHAKE].sent > 0;
    unsigned way = (is_tls ? 2u : 0u) + (event->protocol == WEIR_H2 ? 1u : 0u);
    pthread_mutex_lock(&front->lock);
    fprintf(front->options->records,
            "conn\t%s\t%u\t%u\t%" PRIu64 "\t%" PRIu64 "\t%d\t%s\t%" PRIu64 "\t%d", front->name, way,
            a->local_port, a->verdict.ledger.sent, a->verdict.ledger.received,
            (int)a->verdict.agreement, event->why, event->conn, event->protocol == WEIR_H2);
    write_octets(front->options->records, sum);
    write_octets(front->options->records, a->wire);
    write_octets(front->options->records, a->verdict.kernel);
    write_octets(front->options->records, other);
    fputc('\n', front->options->records);
    pthread_mutex_unlock(&front->lock);
}

static void write_octets(FILE *to, weir_octets octets)
{
    fprintf(to, "\t%" PRIu64 "\t%" PRIu64, octets.sent, octets.received);
}

static void write_calls(race_front *front)
{
    FILE *to = front->options->records;
    size_t made = atomic_load(&front->next);
    for (size_t i = 0; i < front->call_count && i < made; i++) {
        const race_call *c = &front->calls[i];
        fprintf(to, "call\t%s\t%u\t%" PRIu32 "\t%d\t%d\t%d\t%s\t%u\t%u\t%u\t%u\n", front->name,
                c->way, c->id, c->is_post, c->wrong, c->reused, weir_status_name(c->status),
                c->processed, c->replays[WEIR_NOT_SENT], c->replays[WEIR_REFUSED_BY_PEER],
                c->replays[WEIR_MAYBE_PROCESSED]);
    }
    for (unsigned way = 0; way < RACE_WAYS; way++) {
        fprintf(to, "acquired\t%s\t%u\t%u\t%" PRIu64 "\t%" PRIu64 "\n", front->name, way,
                race_port(front->options, way), front->acquired[way][0], front->acquired[way][1]);
    }
    fprintf(to, "front\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n",
            front->name, front->counts.dials, front->counts.reuses, front->counts.bounces,
            front->counts.ledger_differ, front->took_ns);
}
