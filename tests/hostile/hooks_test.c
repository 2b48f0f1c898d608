/* SPDX-License-Identifier: MIT */
/*
 * Observers that free and submit while they are told, calls that are freed in every state,
 * deadlines that passed before the call began, and resolvers that answer rubbish.
 */
#include "stage.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define POLL_MS 10000

/* -- observers that act -- */

typedef struct meddler {
    weir_stage *stage;
    weir_event_kind at;
    bool submits; /* else frees */
    bool over;
    unsigned acts;
    char url[128];
    weir_exchange *other;
    weir_observer observer;
} meddler;

static void meddle(const weir_event *event, void *user)
{
    meddler *m = user;
    weir_request request = WEIR_REQUEST_INIT;

    m->over = m->over || event->kind == WEIR_EVENT_DONE;
    if (event->kind != m->at || event->exchange == NULL || m->acts > 0) {
        return;
    }
    m->acts++;
    if (!m->submits) {
        m->over = true;
        weir_exchange_free(event->exchange);
        return;
    }
    request.url = weir_span_of(m->url);
    if (weir_user_client(m->stage->user) != NULL) {
        (void)weir_client_call(weir_user_client(m->stage->user), &request, NULL, &m->other);
        assert_int_equal(weir_exchange_code(m->other), 200);
    } else {
        (void)weir_loop_submit(weir_user_loop(m->stage->user), &request, NULL, NULL, &m->other);
    }
}

static void turn_until_over(weir_stage *stage, const meddler *m)
{
    weir_loop *loop = weir_user_loop(stage->user);
    weir_loop_event events[2];

    while (!m->over || (m->other != NULL && !weir_exchange_is_done(m->other))) {
        struct pollfd fd = {.fd = weir_loop_fd(loop), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, POLL_MS), 1);
        (void)weir_loop_turn(loop, events, 2);
    }
}

static unsigned meddle_once(weir_user_kind kind, weir_event_kind at, bool submits)
{
    meddler m = {.at = at, .submits = submits};
    weir_exchange *exchange = NULL;
    char octets[64];
    size_t got = 0;
    weir_stage stage;
    weir_plea plea;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, weir_hostile_play_honest, NULL);
    m.stage = &stage;
    m.observer = (weir_observer){.size = sizeof(m.observer), .user = &m, .tell = meddle};
    weir_stage_ask(&stage, &plea, WEIR_H1, "/meddled");
    (void)snprintf(m.url, sizeof(m.url), "%s", plea.url);
    plea.call.observer = &m.observer;
    if (kind == WEIR_USER_BLOCKING) {
        (void)weir_client_call(weir_user_client(stage.user), &plea.request, &plea.call, &exchange);
        while (!m.over && weir_read(exchange, octets, sizeof(octets), &got) == WEIR_OK) {
        }
    } else {
        (void)weir_loop_submit(weir_user_loop(stage.user), &plea.request, &plea.call, NULL,
                               &exchange);
        turn_until_over(&stage, &m);
    }
    if (submits || m.acts == 0) {
        weir_exchange_free(exchange);
    }
    weir_exchange_free(m.other);
    weir_stage_close(&stage);
    return m.acts;
}

static void observers_that_free_and_submit(weir_user_kind kind)
{
    unsigned acts = 0;

    for (int at = WEIR_EVENT_SUBMITTED; at < WEIR_EVENT_COUNT; at++) {
        acts += meddle_once(kind, (weir_event_kind)at, false);
        acts += meddle_once(kind, (weir_event_kind)at, true);
    }
    assert_in_range(acts, 18, 2 * WEIR_EVENT_COUNT);
}

/* Freed after each number of turns. */
static void free_in_every_state(void **state)
{
    weir_stage stage;

    (void)state;
    weir_stage_open(&stage, WEIR_USER_LOOP);
    weir_stage_begin(&stage, weir_hostile_play_honest, NULL);
    weir_loop *loop = weir_user_loop(stage.user);
    for (int turns = 0; turns < 200; turns++) {
        weir_plea plea;
        weir_exchange *exchange = NULL;
        weir_loop_event event;
        weir_stage_ask(&stage, &plea, WEIR_H1, "/freed");
        plea.call.observer = NULL;
        assert_int_equal(weir_loop_submit(loop, &plea.request, &plea.call, NULL, &exchange),
                         WEIR_OK);
        for (int i = 0; i < turns % 20; i++) {
            if (turns > 100) {
                weir_loop_wait(loop, weir_now() + WEIR_NS_PER_MS / 4);
            }
            (void)weir_loop_turn(loop, &event, 1);
        }
        if (turns % 3 == 0) {
            weir_cancel(exchange);
        }
        weir_exchange_free(exchange);
    }
    weir_stage_close(&stage);
}

/* -- deadlines and resolvers -- */

static void deadlines_that_passed_long_ago(weir_user_kind kind)
{
    weir_stage stage;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, weir_hostile_play_honest, NULL);
    for (size_t i = 0; i < 9; i++) {
        weir_plea plea;
        weir_stage_ask(&stage, &plea, i % 2 == 0 ? WEIR_H1 : WEIR_H2, "/");
        weir_time *const limits[] = {&plea.call.deadline_ns,    &plea.call.queue_ns,
                                     &plea.call.dns_ns,         &plea.call.connect_ns,
                                     &plea.call.tls_ns,         &plea.call.write_ns,
                                     &plea.call.first_octet_ns, &plea.call.idle_ns};
        if (i < 8) {
            *limits[i] = 1;
        } else {
            plea.call.deadline_ns = weir_now() - 1;
        }
        const weir_status status = weir_stage_fetch(&stage, &plea).status;
        if (i == 0 || i == 8) {
            assert_int_equal(status, WEIR_E_DEADLINE_TOTAL);
        } else if (status != WEIR_END && status != WEIR_E_H2_PREFACE &&
                   (status > WEIR_E_DEADLINE_QUEUE || status < WEIR_E_DEADLINE_TOTAL)) {
            fail_msg("limit %zu: %s", i, weir_status_name(status));
        }
    }
    weir_stage_close(&stage);
}

/* What a resolver answers, by number of the call. */
typedef struct oracle {
    unsigned calls;
    unsigned cancels;
    weir_address many[4000];
} oracle;

static void start(weir_lookup *lookup, weir_span host, void *user)
{
    static const weir_address here = {.family = 4, .octets = {127, 0, 0, 1}};
    oracle *o = user;

    (void)host;
    switch (o->calls++) {
    case 0: /* of no family that there is */
        for (size_t i = 0; i < 4000; i++) {
            o->many[i] = (weir_address){.family = 9};
        }
        weir_resolver_answer(lookup, 4, WEIR_OK, o->many, 4000);
        weir_resolver_answer(lookup, 6, WEIR_OK, o->many, 4000);
        return;
    case 1: /* very many, and the good one is first */
        for (size_t i = 0; i < 4000; i++) {
            o->many[i] = here;
        }
        weir_resolver_answer(lookup, 4, WEIR_OK, o->many, 4000);
        weir_resolver_answer(lookup, 6, WEIR_OK, NULL, 0);
        return;
    case 2: /* a family twice, before the other */
        weir_resolver_answer(lookup, 4, WEIR_OK, &here, 1);
        weir_resolver_answer(lookup, 4, WEIR_OK, &here, 1);
        weir_resolver_answer(lookup, 6, WEIR_E_DNS_FAILED, NULL, 0);
        return;
    case 3: /* a status that is none */
        weir_resolver_answer(lookup, 4, (weir_status)12345, &here, 1);
        weir_resolver_answer(lookup, 6, WEIR_AGAIN, &here, 1);
        return;
    case 4: /* nothing is found, in so many words */
        weir_resolver_answer(lookup, 6, WEIR_OK, NULL, 0);
        weir_resolver_answer(lookup, 4, WEIR_OK, NULL, 0);
        return;
    default: /* never */
        return;
    }
}

static void cancel(weir_lookup *lookup, void *user)
{
    oracle *o = user;

    (void)lookup;
    o->cancels++;
}

static void resolvers_that_answer_rubbish(weir_user_kind kind)
{
    static const weir_status ends[] = {
        WEIR_E_DNS_NOT_FOUND, WEIR_END,           WEIR_END, WEIR_E_DNS_FAILED,
        WEIR_E_DNS_NOT_FOUND, WEIR_E_DEADLINE_DNS};
    oracle *o = calloc(1, sizeof(*o));
    const weir_resolver resolver = {
        .size = sizeof(resolver), .user = o, .start = start, .cancel = cancel};
    weir_stage stage;

    assert_non_null(o);
    weir_stage_open(&stage, kind);
    stage.options.resolver = &resolver;
    weir_stage_begin(&stage, weir_hostile_play_honest, NULL);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        weir_plea plea;
        weir_stage_ask(&stage, &plea, WEIR_H1, "/");
        (void)snprintf(plea.url, sizeof(plea.url), "http://name-%zu.test:%u/", i,
                       weir_hostile_port(stage.server));
        plea.request.url = weir_span_of(plea.url);
        plea.call.dns_ns = i < 5 ? 0 : 50 * WEIR_NS_PER_MS;
        const weir_status status = weir_stage_fetch(&stage, &plea).status;
        if (status != ends[i]) {
            fail_msg("resolver %zu: %s, not %s", i, weir_status_name(status),
                     weir_status_name(ends[i]));
        }
    }
    assert_int_equal(o->cancels, 1);
    weir_stage_close(&stage);
    free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        weir_stage_test(observers_that_free_and_submit),
        cmocka_unit_test(free_in_every_state),
        weir_stage_test(deadlines_that_passed_long_ago),
        weir_stage_test(resolvers_that_answer_rubbish),
    };

    cmocka_set_test_filter(getenv("WEIR_TESTS_ONLY"));
    return cmocka_run_group_tests_name("hooks", tests, NULL, NULL);
}
