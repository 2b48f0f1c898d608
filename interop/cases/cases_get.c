/* SPDX-License-Identifier: MIT */
/* Cases that fetch: bodies by length, in chunks, to the end of the connection, and answers without.
 */
#include "cases.h"

#include "../origin/pattern.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LARGE = TRANSFER_BLOCK };

static void get(trial *t, const char *kind, uint64_t octets, bool is_declared);
static void without_content(trial *t, const char *kind, int code);
static const char *trailer(const transfer *x, const char *name);

void case_get(trial *t)
{
    get(t, "octets", 1000, true);
}

void case_get_nothing(trial *t)
{
    get(t, "octets", 0, true);
}

void case_get_10m(trial *t)
{
    get(t, "octets", LARGE, true);
}

void case_head(trial *t)
{
    transfer x;
    trial_ask(t, &x, "head", 1000);
    x.method = "HEAD";
    trial_run(t, &x);
    (void)trial_expect(t, &x, 200, 0);
    (void)trial_check(t, x.declared == 1000 || x.declared == WEIR_UNKNOWN,
                      "a length of %" PRIu64 " octets was declared", x.declared);
    trial_expect_alive(t);
}

void case_chunked(trial *t)
{
    get(t, "chunked", 1000, false);
}

void case_chunked_10m(trial *t)
{
    get(t, "chunked", LARGE, false);
}

/* What ends with the connection takes the connection along. */
void case_close(trial *t)
{
    transfer after;
    get(t, "close", 1000, false);
    trial_ask(t, &after, "octets", 1000);
    trial_run(t, &after);
    (void)trial_expect(t, &after, 200, 1000);
    (void)trial_expect_reused(t, &after, false);
}

void case_close_10m(trial *t)
{
    get(t, "close", LARGE, false);
}

void case_trailers(trial *t)
{
    transfer x;
    trial_ask(t, &x, "trailers", 1000);
    trial_run(t, &x);
    (void)trial_expect(t, &x, 200, 1000);
    (void)trial_check(t, x.received_trailer_count == 2, "%zu trailers came instead of 2",
                      x.received_trailer_count);
    (void)trial_check(t, x.tally.trailers.received > 0, "no octets of trailers in the tally");
    const char *value = trailer(&x, "x-check");
    if (trial_check(t, value != NULL, "no trailer x-check") &&
        strcmp(t->server->name, "origin") == 0) {
        char sum[32];
        (void)snprintf(sum, sizeof sum, "%016" PRIx64,
                       pattern_sum(PATTERN_SUM_START, pattern_block(), 1000));
        (void)trial_check(t, strcmp(value, sum) == 0, "x-check is %s instead of %s", value, sum);
    }
}

void case_no_content(trial *t)
{
    without_content(t, "status_204", 204);
}

void case_not_modified(trial *t)
{
    without_content(t, "status_304", 304);
}

void case_hints(trial *t)
{
    transfer x;
    trial_ask(t, &x, "hints", 0);
    (void)trial_run_text(t, &x, 200);
    (void)trial_check(t, x.informational_count >= 1, "no 103 came");
    for (size_t i = 0; i < x.informational_count && i < TRANSFER_FIELDS; i++) {
        (void)trial_check(t, x.informational[i] == 103, "%d instead of 103", x.informational[i]);
    }
    (void)trial_check(t, strcmp(t->server->name, "origin") != 0 || x.informational_count == 2,
                      "%zu responses before the final one instead of 2", x.informational_count);
}

void case_delay(trial *t)
{
    transfer x;
    trial_ask(t, &x, "delay", 0);
    (void)trial_run_text(t, &x, 200);
    (void)trial_check(t, x.took_ns >= 190 * WEIR_NS_PER_MS, "it was not delayed");
}

void case_drip(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/drip/20?ms=3");
    trial_run(t, &x);
    (void)trial_expect(t, &x, 200, 20);
}

void case_big_head(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/big-head?fields=50&octets=1000");
    (void)trial_run_text(t, &x, 200);
    (void)trial_check(t, x.tally.head.received >= 30000, "the head has %" PRIu64 " octets",
                      x.tally.head.received);
}

static void get(trial *t, const char *kind, uint64_t octets, bool is_declared)
{
    transfer x;
    trial_ask(t, &x, kind, octets);
    trial_run(t, &x);
    if (!trial_expect(t, &x, 200, octets)) {
        return;
    }
    /* A server that has all of an answer by then may declare a length that it was not told. */
    bool may_know = is_declared || strcmp(t->server->name, "origin") != 0;
    bool is_unknown = x.declared == WEIR_UNKNOWN && (!is_declared || octets == 0);
    (void)trial_check(t, is_unknown || (x.declared == octets && may_know),
                      "a length of %" PRIu64 " octets was declared", x.declared);
}

static void without_content(trial *t, const char *kind, int code)
{
    transfer x;
    trial_ask(t, &x, kind, 0);
    trial_run(t, &x);
    (void)trial_expect(t, &x, code, 0);
    (void)trial_check(t, x.tally.body.received == 0, "the tally has octets of content");
    trial_expect_alive(t);
}

static const char *trailer(const transfer *x, const char *name)
{
    for (size_t i = 0; i < x->received_trailer_count && i < TRANSFER_FIELDS; i++) {
        if (strcasecmp(x->received_trailers[i].name, name) == 0) {
            return x->received_trailers[i].value;
        }
    }
    return NULL;
}
