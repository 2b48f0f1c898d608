/* SPDX-License-Identifier: MIT */
/* Cases of several exchanges: reuse, many at once, connections that go away, requests that are sent
 * again. */
#include "cases.h"

#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE = TRANSFER_BLOCK, MANY = 100, LONG_RUN = 1000, CONNECTIONS_LIMIT = 6 };

static void ask_many(trial *t, transfer *xs, size_t count);
static void expect_many(trial *t, const transfer *xs, size_t count);
static uint64_t fresh_connections(const trial *t);
static bool is_origin(const trial *t);
static void expect_next(trial *t, bool reused);

void case_reuse(trial *t)
{
    transfer first;
    transfer second;
    trial_ask(t, &first, "octets", 1000);
    trial_run(t, &first);
    (void)trial_expect(t, &first, 200, 1000);
    (void)trial_expect_reused(t, &first, false);
    trial_ask(t, &second, "octets", 1000);
    trial_run(t, &second);
    (void)trial_expect(t, &second, 200, 1000);
    (void)trial_expect_reused(t, &second, true);
    (void)trial_check(t, first.last.conn == second.last.conn,
                      "connection %" PRIu64 ", then %" PRIu64, first.last.conn, second.last.conn);
}

void case_sequential_1000(trial *t)
{
    for (int i = 0; i < LONG_RUN; i++) {
        transfer x;
        trial_ask(t, &x, "octets", 1);
        trial_run(t, &x);
        if (!trial_expect(t, &x, 200, 1)) {
            return;
        }
    }
    (void)trial_check(t, fresh_connections(t) == 1, "%" PRIu64 " connections were made",
                      fresh_connections(t));
}

void case_parallel_100(trial *t)
{
    transfer *xs = must_alloc(MANY * sizeof xs[0]);
    ask_many(t, xs, MANY);
    trial_run_all(t, xs, MANY);
    expect_many(t, xs, MANY);
    (void)trial_check(t, fresh_connections(t) <= CONNECTIONS_LIMIT,
                      "%" PRIu64 " connections were made", fresh_connections(t));
    free(xs);
}

void case_unread_beside(trial *t)
{
    transfer *xs = must_alloc((MANY - 1) * sizeof xs[0]);
    transfer unread;
    transfer *list[] = {&unread};
    trial_ask(t, &unread, "octets", LARGE);
    face_begin(t->face, &unread);
    ask_many(t, xs, MANY - 1);
    trial_run_all(t, xs, MANY - 1);
    expect_many(t, xs, MANY - 1);
    (void)trial_check(t, unread.octets == 0, "it was read");
    face_run(t->face, list, 1);
    (void)trial_expect(t, &unread, 200, LARGE);
    free(xs);
}

void case_dropped(trial *t)
{
    transfer x;
    trial_ask(t, &x, "octets", LARGE);
    x.dropped = true;
    trial_run(t, &x);
    (void)trial_expect_text(t, &x, 200);
    if (t->way.protocol == WEIR_H2 && !trial_cannot(t, "reset")) {
        expect_next(t, true);
    } else {
        trial_expect_alive(t);
    }
}

void case_last(trial *t)
{
    transfer x;
    trial_ask(t, &x, "last", 0);
    (void)trial_run_text(t, &x, 200);
    expect_next(t, false);
}

void case_goaway(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/goaway");
    (void)trial_run_text(t, &x, 200);
    expect_next(t, false);
}

/* The second request is on stream 3, above what the server says it has taken: it counts as never
 * sent. */
void case_goaway_unprocessed(trial *t)
{
    transfer x;
    trial_expect_alive(t);
    trial_ask_path(t, &x, "/goaway?last=1");
    x.method = "POST";
    x.upload = UPLOAD_SPAN;
    x.upload_octets = 100;
    (void)trial_run_text(t, &x, 200);
    (void)trial_check(t, x.attempts == 2, "%zu attempts", x.attempts);
    (void)trial_expect_reused(t, &x, false);
}

/*
 * A refusal is REFUSED_STREAM, or an end of a connection that was idle before: both are sent again.
 * The origin refuses once, the others always, and then the second attempt is the last.
 */
void case_refuse(trial *t)
{
    transfer x;
    trial_expect_alive(t);
    trial_ask(t, &x, "refuse", 0);
    x.is_text = true;
    trial_run(t, &x);
    if (is_origin(t)) {
        (void)trial_expect_text(t, &x, 200);
        (void)trial_check(t, x.attempts == 2, "%zu attempts", x.attempts);
        return;
    }
    (void)trial_check(t, x.attempts >= 2, "%zu attempts", x.attempts);
    if (t->way.protocol == WEIR_H2) {
        (void)trial_expect_status(t, &x, WEIR_E_REFUSED);
    } else {
        (void)trial_expect_status(t, &x, WEIR_E_CLOSED_EARLY);
    }
    trial_expect_alive(t);
}

void case_refuse_post(trial *t)
{
    transfer x;
    trial_expect_alive(t);
    trial_ask(t, &x, "refuse", 0);
    x.method = "POST";
    x.upload = UPLOAD_SPAN;
    x.upload_octets = 100;
    x.is_text = true;
    trial_run(t, &x);
    if (t->way.protocol == WEIR_H2) {
        (void)trial_expect_text(t, &x, 200);
        (void)trial_check(t, x.attempts == 2, "%zu attempts", x.attempts);
    } else {
        (void)trial_expect_status(t, &x, WEIR_E_CLOSED_EARLY);
        (void)trial_check(t, x.attempts == 1, "%zu attempts", x.attempts);
        (void)trial_check(t, x.failure.processed == WEIR_MAYBE_PROCESSED,
                          "it is said to be unprocessed");
    }
    trial_expect_alive(t);
}

void case_settings(trial *t)
{
    enum { COUNT = 20 };
    transfer first;
    transfer *xs = must_alloc(COUNT * sizeof xs[0]);
    trial_ask_path(t, &first, "/settings?max_streams=1&window=1000");
    (void)trial_run_text(t, &first, 200);
    for (size_t i = 0; i < COUNT; i++) {
        trial_ask(t, &xs[i], "echo", 5000);
        xs[i].method = "POST";
        xs[i].upload = UPLOAD_SPAN;
        xs[i].upload_octets = 5000;
    }
    trial_run_all(t, xs, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        (void)trial_expect(t, &xs[i], 200, 5000);
    }
    free(xs);
}

void case_ping(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/ping?n=5");
    (void)trial_run_text(t, &x, 200);
    expect_next(t, true);
}

void case_surplus(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/surplus?octets=10");
    (void)trial_run_text(t, &x, 200);
    (void)trial_check(t, x.octets == 9, "%" PRIu64 " octets of content came instead of 9",
                      x.octets);
    /* HTTP/1.1: if they came after the next request, nobody could tell them from an answer. */
    face_pause(t->face, 30 * WEIR_NS_PER_MS);
    if (t->way.protocol == WEIR_H1) {
        expect_next(t, false);
    } else {
        /* DATA of a closed stream is ignored or ends the connection: RFC 9113 s5.1. */
        trial_expect_alive(t);
    }
}

static void ask_many(trial *t, transfer *xs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        trial_ask(t, &xs[i], "octets", 1000);
    }
}

static void expect_many(trial *t, const transfer *xs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)trial_expect(t, &xs[i], 200, 1000);
    }
}

static uint64_t fresh_connections(const trial *t)
{
    uint64_t count = 0;
    for (size_t i = 0; i < t->notes.acquired_count; i++) {
        count += t->notes.acquired[i].fresh;
    }
    return count;
}

static bool is_origin(const trial *t)
{
    return strcmp(t->server->name, "origin") == 0;
}

/* A plain GET works now, and its connection is the old one or is not. */
static void expect_next(trial *t, bool reused)
{
    transfer x;
    trial_ask(t, &x, "octets", 1000);
    trial_run(t, &x);
    (void)trial_expect(t, &x, 200, 1000);
    (void)trial_expect_reused(t, &x, reused);
}
