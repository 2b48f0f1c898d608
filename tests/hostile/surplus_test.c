/* SPDX-License-Identifier: MIT */
/*
 * Responses that nobody asked for. A connection on which octets lie that answer no request is not
 * used again (RFC 9112 s6.3, s9.2): the next call gets its own answer, over another connection, and
 * the one with the surplus is closed with octets_left_over. Every answer carries its request's
 * number, which is compared.
 *
 * What comes between the look at a connection and the request cannot be told from an answer: that
 * is counted and printed, and nothing is claimed.
 *
 * WEIR_TESTS_LONG=1 in the environment asks for 10,000 calls each, and for the run by the clock:
 * surplus after 5 ms, reuse after 10 ms.
 */
#include "surplus.h"

#include "engine/os.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define BLOCK_CALLS 500 /* on one stage: the hostile server has room for so many connections */
#define CROWD       300 /* more sockets than a turn learns of at once */
#define BETWEEN     50
#define CLOCKS      20 /* clients side by side in the run by the clock */
#define EVIL        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"

static bool is_long(void)
{
    const char *word = getenv("WEIR_TESTS_LONG");

    return word != NULL && *word != '\0' && *word != '0';
}

static size_t calls_of(const weir_surplus *s)
{
    if (is_long()) {
        return LONG_CALLS;
    }
    return s->tls != NULL ? 60 : BLOCK_CALLS;
}

static void ask(weir_stage *stage, weir_plea *plea, const weir_surplus *s, size_t number)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/call-%zu", number);
    weir_secure_ask(stage, plea, s->tls != NULL, path);
}

/* Calls one after the other; each finds the surplus of the one before. */
static void one_by_one(weir_surplus *s, weir_user_kind kind, size_t first, size_t count)
{
    weir_stage stage;
    weir_observer observer;

    weir_stage_open(&stage, kind);
    weir_surplus_open(s, &stage, &observer);
    weir_stage_begin(&stage, weir_surplus_play, s);
    for (size_t i = first; i < first + count; i++) {
        weir_plea plea;
        char path[64];
        ask(&stage, &plea, s, i);
        const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
        (void)snprintf(path, sizeof(path), "/call-%zu", i);
        assert_int_equal(outcome.status, WEIR_END);
        assert_string_equal(outcome.text, path);
        if (s->place == BEFORE_REUSE || s->place == TORN_BEFORE_REUSE) {
            weir_surplus_await(s, 1);
        }
    }
    assert_int_equal(weir_hostile_accepted(stage.server), count);
    weir_surplus_close(s, &stage);
    if (s->otherwise > 1) { /* the last one is closed by us, perhaps before it was looked at */
        fail_msg("%zu connections were closed with another reason: %s", s->otherwise,
                 s->other_reason);
    }
    assert_int_equal(s->left_over + s->otherwise, count);
}

typedef struct extra {
    weir_surplus_place place;
    const char *text;
    bool is_tls;
} extra;

/* The state: the surplus. */
static void all_ways(void **state)
{
    const extra *more = *state;
    static const weir_user_kind kinds[] = {WEIR_USER_BLOCKING, WEIR_USER_LOOP};

    for (size_t k = 0; k < WEIR_COUNT_OF(kinds); k++) {
        const weir_surplus begin = {
            .place = more->place, .text = more->text, .tls = weir_secure_server(more->is_tls)};
        const size_t calls = calls_of(&begin);
        for (size_t first = 0; first < calls; first += BLOCK_CALLS) {
            weir_surplus s = begin;
            const size_t left = calls - first;
            one_by_one(&s, kinds[k], first, left < BLOCK_CALLS ? left : BLOCK_CALLS);
        }
    }
}

typedef struct crowd {
    weir_loop *loop;
    weir_plea pleas[CROWD];
    weir_exchange *exchanges[CROWD];
    size_t dones;
} crowd;

static void submit(weir_stage *stage, const weir_surplus *s, crowd *c, size_t first)
{
    for (size_t i = 0; i < CROWD; i++) {
        ask(stage, &c->pleas[i], s, first + i);
        c->pleas[i].call.attempts =
            3; /* a replay of what was not sent is none that the server sees */
        const weir_status status = weir_loop_submit(c->loop, &c->pleas[i].request,
                                                    &c->pleas[i].call, NULL, &c->exchanges[i]);
        assert_int_equal(status, WEIR_OK);
        atomic_fetch_add(&stage->begun, 1);
    }
    c->dones = 0;
}

static void turn_until_done(crowd *c)
{
    weir_loop_event events[64];

    while (c->dones < CROWD) {
        struct pollfd wait = {.fd = weir_loop_fd(c->loop), .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 30000), 1);
        const size_t count = weir_loop_turn(c->loop, events, WEIR_COUNT_OF(events));
        for (size_t i = 0; i < count; i++) {
            c->dones += events[i].told == WEIR_TOLD_DONE ? 1 : 0;
        }
    }
}

/* Every one has its own answer. */
static void check_answers(crowd *c, size_t first)
{
    for (size_t i = 0; i < CROWD; i++) {
        char path[64];
        char text[64] = "";
        size_t got = 0;
        (void)snprintf(path, sizeof(path), "/call-%zu", first + i);
        assert_int_equal(weir_exchange_failure(c->exchanges[i]).status, WEIR_OK);
        assert_int_equal(weir_read(c->exchanges[i], text, sizeof(text) - 1, &got), WEIR_OK);
        assert_string_equal(text, path);
        weir_exchange_free(c->exchanges[i]);
    }
}

/* So many connections at once, a surplus on each of them, and then all are wanted again. */
static void crowd_of(uint32_t turn_octets, bool is_tls)
{
    weir_surplus s = {
        .place = BEFORE_REUSE, .text = EVIL, .tls = weir_secure_server(is_tls), .crowd = CROWD};
    crowd *c = calloc(1, sizeof(*c));
    weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;
    weir_observer observer;
    weir_stage stage;

    assert_non_null(c);
    weir_stage_open(&stage, WEIR_USER_LOOP);
    weir_surplus_open(&s, &stage, &observer);
    weir_stage_begin(&stage, weir_surplus_play, &s);
    stage.limits.connections_per_origin = 2 * CROWD;
    options.limits = &stage.limits;
    options.observer = &observer;
    options.turn_octets = turn_octets;
    c->loop = weir_loop_new(&options, NULL);
    assert_non_null(c->loop);
    submit(&stage, &s, c, 0);
    turn_until_done(c);
    check_answers(c, 0);
    assert_int_equal(weir_hostile_accepted(stage.server), CROWD);
    weir_surplus_await(&s, CROWD);
    submit(&stage, &s, c, CROWD);
    turn_until_done(c);
    check_answers(c, CROWD);
    assert_int_equal(weir_hostile_accepted(stage.server), 2 * CROWD);
    weir_loop_free(c->loop);
    free(c);
    weir_surplus_close(&s, &stage);
    assert_true(s.left_over >=
                CROWD / 2); /* an observer without an exchange is told a bounded number */
}

static void on_more_connections_than_a_turn_learns_of(void **state)
{
    (void)state;
    crowd_of(0, false);
}

static void on_more_octets_than_a_turn_may_read(void **state)
{
    (void)state;
    crowd_of(1, false);
    crowd_of(100, false);
    crowd_of(1000, true);
}

weir_io __real_weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait);
weir_io __wrap_weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait);

static weir_surplus *unseen; /* comes when the next request is about to leave, after the look */

weir_io __wrap_weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait)
{
    weir_surplus *s = unseen;

    if (s != NULL) {
        unseen = NULL;
        weir_surplus_await(s, 1);
    }
    return __real_weir_os_send(fd, spans, count, dont_wait);
}

/*
 * Nothing tells it from an answer: it is counted and printed. The answer itself is then what is
 * surplus, and may come after the next look in its turn: so each pair of calls has a client of its
 * own.
 */
static bool is_taken_between(weir_user_kind kind)
{
    weir_surplus s = {.place = BEFORE_REUSE, .text = EVIL, .once = true};
    weir_stage stage;
    weir_plea plea;
    weir_observer observer;

    weir_stage_open(&stage, kind);
    weir_surplus_open(&s, &stage, &observer);
    weir_stage_begin(&stage, weir_surplus_play, &s);
    ask(&stage, &plea, &s, 0);
    assert_int_equal(weir_stage_fetch(&stage, &plea).status, WEIR_END);
    unseen = &s;
    ask(&stage, &plea, &s, 1);
    const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
    assert_null(unseen);
    assert_int_equal(weir_hostile_accepted(stage.server), 1);
    weir_surplus_close(&s, &stage);
    return strcmp(outcome.text, "EVIL") == 0;
}

static void between_the_look_and_the_send(weir_user_kind kind)
{
    size_t taken = 0;

    for (size_t i = 0; i < BETWEEN; i++) {
        taken += is_taken_between(kind) ? 1 : 0;
    }
    print_message(
        "%s: a surplus between look and send was taken for the answer in %zu of %d calls\n",
        weir_user_kind_name(kind), taken, BETWEEN);
}

typedef struct clocked {
    pthread_t thread;
    weir_stage *stage;
    weir_surplus *s;
    weir_user_options options;
    size_t first;
    size_t count;
    size_t wrong;
    size_t late; /* wrong, but the surplus was not there when the call began: a machine that was
                    busy */
} clocked;

static void *run_clocked(void *user)
{
    clocked *c = user;
    const struct timespec pause = {.tv_nsec = 10000000};
    weir_user *mine = weir_user_new(&c->options, NULL);

    for (size_t i = 0; i < c->count && mine != NULL; i++) {
        weir_plea plea;
        weir_exchange *exchange = NULL;
        char text[64] = "";
        char path[64];
        size_t got = 0;
        ask(c->stage, &plea, c->s, c->first + i);
        plea.call.observer = NULL;
        const weir_time began_ns = weir_now();
        weir_status status = weir_user_call(mine, &plea.request, &plea.call, &exchange);
        while (status == WEIR_OK) {
            status = weir_user_read(mine, exchange, text, sizeof(text) - 1, &got);
        }
        (void)snprintf(path, sizeof(path), "/call-%zu", c->first + i);
        if (status != WEIR_END || strcmp(text, path) != 0) {
            const weir_time at_ns =
                i > 0 ? atomic_load(&weir_surplus_sent_ns[c->first + i - 1]) : 0;
            const bool is_late = at_ns == 0 || at_ns > began_ns;
            c->late += i > 0 && is_late ? 1 : 0;
            c->wrong += i == 0 || !is_late ? 1 : 0;
        }
        weir_user_drop(mine, exchange);
        (void)nanosleep(&pause, NULL);
    }
    weir_user_free(mine);
    return NULL;
}

static void five_ms_after_the_answer(weir_user_kind kind)
{
    size_t late = 0;

    for (size_t i = 0; i < LONG_CALLS; i++) {
        atomic_store(&weir_surplus_sent_ns[i], 0); /* of the other front end */
    }
    for (size_t first = 0; first < LONG_CALLS; first += BLOCK_CALLS) {
        weir_surplus s = {.place = AFTER_5_MS, .text = EVIL};
        clocked all[CLOCKS];
        weir_stage stage;
        weir_observer observer;
        weir_stage_open(&stage, kind);
        weir_surplus_open(&s, &stage, &observer);
        weir_stage_begin(&stage, weir_surplus_play, &s);
        for (size_t i = 0; i < CLOCKS; i++) {
            all[i] = (clocked){.stage = &stage,
                               .s = &s,
                               .options = stage.options,
                               .first = first + i * (BLOCK_CALLS / CLOCKS),
                               .count = BLOCK_CALLS / CLOCKS};
            assert_int_equal(pthread_create(&all[i].thread, NULL, run_clocked, &all[i]), 0);
        }
        for (size_t i = 0; i < CLOCKS; i++) {
            assert_int_equal(pthread_join(all[i].thread, NULL), 0);
            assert_int_equal(all[i].wrong, 0);
            late += all[i].late;
        }
        weir_surplus_close(&s, &stage);
    }
    print_message(
        "%s: of %d surpluses %zu came too late to be seen, and were taken for an answer\n",
        weir_user_kind_name(kind), LONG_CALLS, late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"in_the_same_segment", all_ways, NULL, NULL, &(extra){IN_ONE_SEGMENT, EVIL, false}},
        {"in_the_same_record", all_ways, NULL, NULL, &(extra){IN_ONE_SEGMENT, EVIL, true}},
        {"in_a_record_of_its_own", all_ways, NULL, NULL, &(extra){IN_TWO_RECORDS, EVIL, true}},
        {"in_a_record_that_is_not_whole_yet", all_ways, NULL, NULL,
         &(extra){IN_A_TORN_RECORD, EVIL, true}},
        {"just_before_reuse", all_ways, NULL, NULL, &(extra){BEFORE_REUSE, EVIL, false}},
        {"just_before_reuse_over_tls", all_ways, NULL, NULL, &(extra){BEFORE_REUSE, EVIL, true}},
        {"half_a_record_before_reuse", all_ways, NULL, NULL,
         &(extra){TORN_BEFORE_REUSE, EVIL, true}},
        {"half_a_head_before_reuse", all_ways, NULL, NULL,
         &(extra){BEFORE_REUSE, "HTTP/1.1 2", false}},
        {"half_a_head_before_reuse_over_tls", all_ways, NULL, NULL,
         &(extra){BEFORE_REUSE, "HTTP/1.1 2", true}},
        {"an_empty_line_before_reuse", all_ways, NULL, NULL, &(extra){BEFORE_REUSE, "\r\n", false}},
        weir_stage_test(between_the_look_and_the_send),
        cmocka_unit_test(on_more_connections_than_a_turn_learns_of),
        cmocka_unit_test(on_more_octets_than_a_turn_may_read),
        weir_stage_test(five_ms_after_the_answer), /* the last: only of the long run */
    };
    const size_t count = sizeof(tests) / sizeof(tests[0]) - (is_long() ? 0 : 1);

    return weir_secure_run("surplus", tests, count);
}
