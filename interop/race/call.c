/* SPDX-License-Identifier: MIT */
/* One call of the race test: what is asked, what must come back, and what is written down. */
#include "race.h"

#include "../cases/text.h"

#include <inttypes.h>
#include <string.h>

enum { EVENTS = 64 };

static bool is_right(const race_run *run, const char *octets, size_t count);

const char *race_way_name(unsigned way)
{
    static const char *const names[RACE_WAYS] = {"http/1.1 clear", "h2 clear", "http/1.1 tls",
                                                 "h2 tls"};
    return names[way];
}

uint16_t race_port(const race_options *options, unsigned way)
{
    return way >= 2 ? options->tls : way % 2 == 1 ? options->clear_h2 : options->clear_h1;
}

bool race_prepare(race_front *front, race_run *run, unsigned way, unsigned dice)
{
    size_t at = atomic_fetch_add(&front->next, 1);
    bool is_h2 = way % 2 == 1;
    bool is_tls = way >= 2;
    if (at >= front->call_count) {
        return false;
    }
    *run = (race_run){.front = front, .call = &front->calls[at]};
    *run->call =
        (race_call){.id = front->calls[at].id, .way = (uint8_t)way, .is_post = dice % 2 == 0};
    (void)snprintf(run->url, sizeof run->url, "%s://127.0.0.1:%u/%s?id=%" PRIu32,
                   is_tls ? "https" : "http", race_port(front->options, way), is_h2 ? "h2" : "h1",
                   run->call->id);
    run->request = (weir_request)WEIR_REQUEST_INIT;
    run->request.url = weir_span_of(run->url);
    if (run->call->is_post) {
        int length = snprintf(run->body, sizeof run->body, "order %" PRIu32, run->call->id);
        run->request.method = weir_span_of("POST");
        run->request.body = (weir_body){.kind = WEIR_BODY_SPAN,
                                        .span = {(const uint8_t *)run->body, (size_t)length}};
    }
    run->expected_octets = (size_t)snprintf(run->expected, sizeof run->expected, "%s %" PRIu32 " ",
                                            run->call->is_post ? "POST" : "GET", run->call->id);
    run->options = (weir_call)WEIR_CALL_INIT;
    run->observer = (weir_observer){sizeof(weir_observer), run, race_observe};
    run->options.observer = &run->observer;
    if (front->address != NULL) {
        run->options.connect_to = weir_span_of(front->address);
    }
    run->options.pin = is_h2 ? WEIR_H2 : WEIR_H1;
    run->options.tls = is_tls ? front->tls : NULL;
    run->options.deadline_ns = weir_now() + 30 * WEIR_NS_PER_SECOND;
    return true;
}

weir_status race_read(race_run *run)
{
    char octets[4096];
    size_t got = 0;
    weir_status status;
    while ((status = weir_read(run->exchange, octets, sizeof octets, &got)) == WEIR_OK) {
        run->wrong = run->wrong || !is_right(run, octets, got);
        run->octets += got;
    }
    return status;
}

void race_end(race_run *run, weir_status status)
{
    race_call *c = run->call;
    weir_failure failure = {.status = status};
    weir_attempt attempt = WEIR_ATTEMPT_INIT;
    if (run->exchange != NULL) {
        failure = weir_exchange_failure(run->exchange);
        size_t count = weir_exchange_attempt_count(run->exchange);
        for (size_t i = 0; i < count && weir_exchange_attempt_at(run->exchange, i, &attempt); i++) {
            c->reused = i == 0 ? attempt.reused : c->reused;
            if (i + 1 < count) {
                c->replays[attempt.failure.processed]++;
            }
        }
        bool is_whole = weir_exchange_code(run->exchange) == 200 && !run->wrong &&
                        run->octets == run->expected_octets + RACE_PAD;
        c->wrong = run->wrong || (status == WEIR_END && !is_whole);
    }
    c->status = (int16_t)(status == WEIR_END ? WEIR_OK : status);
    c->processed = (uint8_t)failure.processed;
    weir_exchange_free(run->exchange);
    run->exchange = NULL;
}

void race_turn(weir_loop *loop, weir_time until_ns, size_t *over)
{
    weir_loop_event events[EVENTS];

    weir_loop_wait(loop, until_ns);
    const size_t count = weir_loop_turn(loop, events, EVENTS);
    for (size_t i = 0; i < count; i++) {
        race_run *run = events[i].user;
        if (events[i].told == WEIR_TOLD_READABLE) {
            (void)race_read(run);
        } else if (events[i].told == WEIR_TOLD_DONE) {
            race_end(run, race_read(run));
            (*over)++;
        }
    }
}

uint32_t race_dice(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (uint32_t)(*seed * UINT64_C(0x2545f4914f6cdd1d) >> 32);
}

/* The method and the id, and then zeros. */
static bool is_right(const race_run *run, const char *octets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = run->octets + i;
        if (octets[i] != (at < run->expected_octets ? run->expected[at] : '0')) {
            return false;
        }
    }
    return true;
}
