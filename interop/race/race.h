/* SPDX-License-Identifier: MIT */
/*
 * The race test: calls at the worst moments against a server that closes idle connections after one
 * second, ends them after a few requests and takes few streams, and what came of every call.
 *
 * A *batch* is some calls that are begun together and then read: a call whose answer is larger than
 * its inbox holds its connection until it is read, so that a batch of sixty-four uses sixty-four
 * connections. The two front ends run the same plan: eight threads on one weir_client, and one
 * weir_loop.
 *
 *   round: bursts -> a batch that fills the pool, one that touches all of it -> the pause
 *          -> a batch at the moment at which the server closes what it was told nothing on for a
 *          second
 */
#ifndef INTEROP_RACE_H
#define INTEROP_RACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <weir/weir.h>

enum {
    RACE_WAYS = 4, /* of a front end: HTTP/1.1 and HTTP/2, clear and TLS */
    RACE_THREADS = 8,
    RACE_EACH = 8, /* calls of one thread and way in a full batch */
    RACE_FULL = RACE_WAYS * RACE_EACH,
    RACE_PAD = 3000, /* octets of an answer behind its id */
    RACE_INBOX = 1024,
    RACE_ORIGIN = RACE_THREADS * RACE_EACH,
    RACE_ORDER = 150 /* calls of a burst: the pool believes in 100 streams, nginx allows eight */
};

typedef struct race_options {
    char *ca;
    uint16_t clear_h1;
    uint16_t clear_h2;
    uint16_t tls;
    size_t calls; /* of each front end */
    size_t rounds;
    FILE *records;
} race_options;

/* What came of a call. */
typedef struct race_call {
    uint32_t id;
    uint8_t way;
    bool is_post;
    bool wrong;  /* the answer was not the one to this call */
    bool reused; /* its first attempt was on a used connection */
    int16_t status;
    uint8_t processed;
    uint8_t replays[3]; /* by weir_processed of the attempt that failed */
} race_call;

typedef struct race_front race_front;

/* A call under way. */
typedef struct race_run {
    race_front *front;
    race_call *call;
    weir_exchange *exchange;
    weir_request request;
    weir_call options;
    weir_observer observer;
    char url[128];
    char body[32];
    char expected[64];
    size_t expected_octets;
    size_t octets; /* of the answer, as far as it was right */
    bool wrong;
    bool over; /* a loop's: told DONE */
} race_run;

struct race_front {
    const char *name;
    bool forgets; /* a new client or loop for each round: nothing is learned of when the server
                     closes */
    const char *address; /* NULL: that of the URL */
    size_t rounds;
    const race_options *options;
    weir_tls_config *tls;
    weir_observer observer;
    weir_pool_limits limits;
    race_call *calls;
    size_t call_count;    /* room */
    atomic_size_t next;   /* call */
    pthread_mutex_t lock; /* of the records */
    weir_counts counts;
    uint64_t acquired[RACE_WAYS][2]; /* connection_acquired: new, used before */
    weir_time took_ns;
    weir_time pause_ns;
};

const char *race_way_name(unsigned way);
uint16_t race_port(const race_options *options, unsigned way); /* of the server */
void race_observe(const weir_event *event, void *run);         /* of a call */

/* Takes the next call and prepares it; false: all were made. */
bool race_prepare(race_front *front, race_run *run, unsigned way, unsigned dice);
/* Reads what is there: WEIR_AGAIN, WEIR_END or the failure. */
weir_status race_read(race_run *run);
/* Writes down what came of it and frees it. */
void race_end(race_run *run, weir_status status);
/* Waits and turns once: reads what came, ends those that are over and counts them. */
void race_turn(weir_loop *loop, weir_time until_ns, size_t *over);

/* The pause before the next batch at the worst moment, from what came of the last: calls first to
 * last. */
void race_adapt(race_front *front, size_t first, size_t last, size_t round);
uint32_t race_dice(uint64_t *seed);
void race_progress(const race_front *front, size_t round);

/* Adds what a client or loop counted before it is freed. */
void race_add_counts(race_front *front, const weir_counts *counts);

void race_run_threads(race_front *front);
void race_run_loop(race_front *front);
void race_run_order(race_front *front);

/* What the server, the witness and the records say together: 0 if all is well. */
typedef struct race_report {
    const char *records;
    const char *log;
    const char *witness;
    const char *json; /* NULL: none */
    const char *rows; /* race_rows() appends to it */
} race_report;
int race_count(const race_report *report);
/* The same as rows of the suite, as cases/record.h has them. */
int race_rows(const race_report *report);

#endif
