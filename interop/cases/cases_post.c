/* SPDX-License-Identifier: MIT */
/* Cases that upload: from memory, from a source, by weir_write(), and answered before they end. */
#include "cases.h"

#include "../origin/pattern.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LARGE = TRANSFER_BLOCK, EARLY_OCTETS = 300000, TIMES = 1000 };

static void upload_to(trial *t, transfer *x, const char *kind, upload how, uint64_t octets);
static void expect_taken(trial *t, const transfer *x);
static void early(trial *t, upload how);
static bool has_informational(const transfer *x, int code);

void case_post(trial *t)
{
    transfer x;
    upload_to(t, &x, "echo", UPLOAD_SPAN, 1000);
    trial_run(t, &x);
    (void)trial_expect(t, &x, 200, 1000);
    (void)trial_check(t, x.tally.body.sent == 1000, "the tally has %" PRIu64 " octets sent",
                      x.tally.body.sent);
}

void case_post_10m(trial *t)
{
    transfer x;
    upload_to(t, &x, trial_path(t, "sink") != NULL ? "sink" : "echo", UPLOAD_SOURCE, LARGE);
    trial_run(t, &x);
    expect_taken(t, &x);
}

void case_post_uncounted(trial *t)
{
    transfer x;
    upload_to(t, &x, "upload_chunked", UPLOAD_SOURCE, 100000);
    x.upload_uncounted = true;
    trial_run(t, &x);
    expect_taken(t, &x);
    (void)trial_check(t, x.tally.framing.sent > 0, "no octets of framing in the tally");
}

void case_post_written(trial *t)
{
    transfer x;
    upload_to(t, &x, "upload_chunked", UPLOAD_STREAM, 100000);
    x.upload_uncounted = true;
    trial_run(t, &x);
    expect_taken(t, &x);
}

void case_post_written_10m(trial *t)
{
    transfer x;
    upload_to(t, &x, trial_path(t, "sink") != NULL ? "sink" : "echo", UPLOAD_STREAM, LARGE);
    trial_run(t, &x);
    expect_taken(t, &x);
}

void case_echo_10m(trial *t)
{
    transfer x;
    upload_to(t, &x, "echo", UPLOAD_SPAN, LARGE);
    trial_run(t, &x);
    (void)trial_expect(t, &x, 200, LARGE);
}

void case_send_trailers(trial *t)
{
    const weir_field trailers[] = {
        {.name = WEIR_SPAN("x-check"), .value = WEIR_SPAN("sent")},
        {.name = WEIR_SPAN("x-octets"), .value = WEIR_SPAN("1000")},
    };
    transfer x;
    upload_to(t, &x, "request_trailers", UPLOAD_SOURCE, 1000);
    x.upload_uncounted = true;
    x.trailers = trailers;
    x.trailer_count = 2;
    trial_run(t, &x);
    (void)trial_expect_text(t, &x, 200);
    (void)trial_check(t, x.tally.trailers.sent > 0, "no octets of trailers in the tally");
    if (strstr(x.url, "/trailers-echo") != NULL) { /* the origin's and Node's say what they saw */
        (void)trial_check(t,
                          strstr(x.text, "x-check") != NULL && strstr(x.text, "x-octets") != NULL,
                          "the server saw no trailers: %s", x.text);
    }
}

void case_expect(trial *t)
{
    transfer x;
    upload_to(t, &x, "expect", UPLOAD_SPAN, 100000);
    x.call.expect_continue = true;
    x.call.continue_ns = 10 * WEIR_NS_PER_SECOND;
    trial_run(t, &x);
    expect_taken(t, &x);
    (void)trial_check(t, has_informational(&x, 100), "no 100 came");
    (void)trial_check(t, x.took_ns < 10 * WEIR_NS_PER_SECOND, "the 100 was not noticed");
}

void case_expect_refused(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/expect?answer=417");
    x.method = "POST";
    x.upload = UPLOAD_SPAN;
    x.upload_octets = 100000;
    x.call.expect_continue = true;
    x.call.continue_ns = 10 * WEIR_NS_PER_SECOND;
    (void)trial_run_text(t, &x, 417);
    (void)trial_check(t, x.tally.body.sent == 0,
                      "%" PRIu64 " octets of content were sent all the same", x.tally.body.sent);
    trial_expect_alive(t);
}

void case_expect_silence(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/expect?answer=none");
    x.method = "POST";
    x.upload = UPLOAD_SPAN;
    x.upload_octets = 100000;
    x.call.expect_continue = true;
    x.call.continue_ns = 50 * WEIR_NS_PER_MS;
    x.is_text = true;
    trial_run(t, &x);
    expect_taken(t, &x);
    (void)trial_check(t, x.took_ns >= 50 * WEIR_NS_PER_MS, "it did not wait");
}

void case_early(trial *t)
{
    early(t, UPLOAD_SOURCE);
}

void case_early_written(trial *t)
{
    early(t, UPLOAD_STREAM);
}

/* Whatever the race between the upload and the answer comes to, the answer is read. */
void case_early_1000(trial *t)
{
    int answered = 0;
    for (int i = 0; i < TIMES; i++) {
        transfer x;
        upload_to(t, &x, "small", i % 2 == 0 ? UPLOAD_SOURCE : UPLOAD_STREAM, EARLY_OCTETS);
        answered += trial_run_text(t, &x, 413) ? 1 : 0;
    }
    (void)trial_check(t, answered == TIMES, "the answer was read %d times of %d", answered,
                      (int)TIMES);
    trial_expect_alive(t);
}

static void upload_to(trial *t, transfer *x, const char *kind, upload how, uint64_t octets)
{
    trial_ask(t, x, kind, octets);
    x->method = "POST";
    x->upload = how;
    x->upload_octets = octets;
    x->is_text = strstr(x->url, "/echo") == NULL;
}

/* The server has had all of it: it came back, or the server says how much it was. */
static void expect_taken(trial *t, const transfer *x)
{
    if (!x->is_text) {
        (void)trial_expect(t, x, 200, x->upload_octets);
    } else if (trial_expect_text(t, x, 200) && strcmp(t->server->name, "origin") == 0) {
        char octets[64];
        char sum[64];
        (void)snprintf(octets, sizeof octets, "\"octets\":%" PRIu64 ",", x->upload_octets);
        (void)snprintf(sum, sizeof sum, "\"sum\":\"%016" PRIx64 "\"",
                       pattern_sum(PATTERN_SUM_START, pattern_block(), (size_t)x->upload_octets));
        (void)trial_check(t, strstr(x->text, octets) != NULL && strstr(x->text, sum) != NULL,
                          "the origin has something else: %s", x->text);
    }
    (void)trial_check(t, x->tally.body.sent == x->upload_octets,
                      "the tally has %" PRIu64 " octets sent instead of %" PRIu64,
                      x->tally.body.sent, x->upload_octets);
}

static void early(trial *t, upload how)
{
    transfer x;
    upload_to(t, &x, "small", how, LARGE);
    (void)trial_run_text(t, &x, 413);
    trial_expect_alive(t);
}

static bool has_informational(const transfer *x, int code)
{
    for (size_t i = 0; i < x->informational_count && i < TRANSFER_FIELDS; i++) {
        if (x->informational[i] == code) {
            return true;
        }
    }
    return false;
}
