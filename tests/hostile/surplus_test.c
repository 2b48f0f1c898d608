/* SPDX-License-Identifier: MIT */
/*
 * Responses that nobody asked for. A connection on which octets lie that answer no request is not
 * used again (RFC 9112 s6.3, s9.2): the next call gets its own answer, over another connection, and
 * the one with the surplus is closed with octets_left_over. Every answer carries its request's
 * number, which is compared.
 *
 * "On the wire before the next call starts" is meant to the letter: the server waits until the
 * surplus lies in the client's kernel, and only then does the next call begin.
 *
 * What comes between the look at a connection and the request cannot be told from an answer: that
 * is counted and printed, and nothing is claimed.
 *
 * WEIR_TESTS_LONG=1 in the environment asks for 10,000 calls each, and for the run by the clock:
 * surplus after 5 ms, reuse after 10 ms.
 */
#include "cue.h"
#include "secure.h"
#include "wire.h"

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

#define LONG_CALLS  10000
#define BLOCK_CALLS 500 /* on one stage: the hostile server has room for so many connections */
#define CROWD       300 /* more sockets than a turn learns of at once */
#define BETWEEN     50
#define CLOCKS      20 /* clients side by side in the run by the clock */

#define EVIL "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"

typedef enum place {
    IN_ONE_SEGMENT,    /* with the answer, and over TLS in its record */
    IN_TWO_RECORDS,    /* in one segment with the answer, in a record of its own */
    IN_A_TORN_RECORD,  /* half of its record is in the answer's segment, the rest comes after the
                          next request */
    BEFORE_REUSE,      /* after the answer was read */
    TORN_BEFORE_REUSE, /* half of its record then, the rest after the next request */
    AFTER_5_MS         /* by the clock */
} place;

typedef struct surplus {
    place place;
    const char *text;
    const weir_tls_server_options *tls; /* NULL: clear */
    weir_observer told;
    weir_cue cue;
    size_t wanted; /* connections may send their surplus up to this number of them */
    size_t lying;  /* surpluses in the client's kernel */
    size_t crowd;  /* answered together: nobody before so many have asked, or one connection would
                      serve two */
    size_t heard;
    bool once; /* only after the first answer of a connection */
    bool over;
    size_t left_over; /* connections closed for that reason */
    size_t otherwise;
    const char *other_reason;
} surplus;

/* AFTER_5_MS: when the surplus behind the answer to that call was sent. */
static _Atomic(weir_time) sent_ns[LONG_CALLS];

static bool is_long(void)
{
    const char *word = getenv("WEIR_TESTS_LONG");

    return word != NULL && *word != '\0' && *word != '0';
}

static size_t calls_of(const surplus *s)
{
    if (is_long()) {
        return LONG_CALLS;
    }
    return s->tls != NULL ? 60 : BLOCK_CALLS;
}

/* -- the server -- */

static bool may_send(surplus *s)
{
    weir_cue_lock(&s->cue);
    while (s->lying >= s->wanted && !s->over) {
        (void)pthread_cond_wait(&s->cue.changed, &s->cue.lock);
    }
    const bool over = s->over;
    weir_cue_unlock(&s->cue);
    return !over;
}

static void await_crowd(surplus *s)
{
    weir_cue_lock(&s->cue);
    const size_t mine = s->heard++;
    (void)pthread_cond_broadcast(&s->cue.changed);
    while (s->crowd > 0 && s->heard < (mine / s->crowd + 1) * s->crowd && !s->over) {
        (void)pthread_cond_wait(&s->cue.changed, &s->cue.lock);
    }
    weir_cue_unlock(&s->cue);
}

static void lies_there(surplus *s)
{
    weir_cue_lock(&s->cue);
    s->lying++;
    (void)pthread_cond_broadcast(&s->cue.changed);
    weir_cue_unlock(&s->cue);
}

static void say_surplus(surplus *s, weir_wire *wire)
{
    const int client = weir_wire_client(wire->fd);

    weir_wire_pack(wire, s->text);
    const size_t octets =
        s->place == TORN_BEFORE_REUSE ? wire->packed_octets / 2 : wire->packed_octets;
    if (weir_wire_send(wire, octets)) {
        weir_wire_await_octets(client, octets);
        lies_there(s);
    }
}

static void answer(surplus *s, weir_wire *wire, const char *path, bool is_first)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    char both[512];

    switch (s->place) {
    case IN_ONE_SEGMENT:
        (void)snprintf(both, sizeof(both), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s%s",
                       strlen(path), path, s->text);
        weir_wire_pack(wire, both);
        (void)weir_wire_send_all(wire);
        return;
    case IN_TWO_RECORDS:
    case IN_A_TORN_RECORD: {
        weir_wire_pack_answer(wire, path);
        const size_t alone = wire->packed_octets;
        weir_wire_pack(wire, s->text);
        const size_t record = wire->packed_octets - alone;
        (void)weir_wire_send(wire,
                             s->place == IN_TWO_RECORDS ? alone + record : alone + record / 2);
        return;
    }
    case BEFORE_REUSE:
    case TORN_BEFORE_REUSE:
        weir_wire_pack_answer(wire, path);
        if (weir_wire_send_all(wire) && (is_first || !s->once) && may_send(s)) {
            say_surplus(s, wire);
        }
        return;
    case AFTER_5_MS:
        weir_wire_pack_answer(wire, path);
        (void)weir_wire_send_all(wire);
        (void)nanosleep(&pause, NULL);
        weir_wire_pack(wire, s->text);
        (void)weir_wire_send_all(wire);
        atomic_store(&sent_ns[strtoul(path + strlen("/call-"), NULL, 10)], weir_now());
        return;
    }
}

static weir_hostile_end play(int fd, size_t number, void *user)
{
    surplus *s = user;
    weir_heard heard;
    weir_wire wire;

    (void)number;
    if (weir_wire_open(&wire, fd, s->tls)) {
        for (size_t served = 0; weir_wire_hear(&wire, &heard); served++) {
            await_crowd(s);
            (void)weir_wire_send_all(
                &wire); /* the rest of a torn surplus: it lies before the answer */
            answer(s, &wire, heard.path, served == 0);
        }
    }
    weir_wire_close(&wire);
    return WEIR_HOSTILE_RESET;
}

/* -- the client -- */

static void tell(const weir_event *event, void *user)
{
    surplus *s = user;

    if (event->kind == WEIR_EVENT_CONNECTION_CLOSED) {
        weir_cue_lock(&s->cue);
        if (strcmp(event->why, weir_reason_name(WEIR_REASON_OCTETS_LEFT_OVER)) == 0) {
            s->left_over++;
        } else {
            s->otherwise++;
            s->other_reason = event->why;
        }
        weir_cue_unlock(&s->cue);
    }
    s->told.tell(event, s->told.user);
}

static void open_surplus(surplus *s, weir_stage *stage, weir_observer *observer)
{
    weir_cue_open(&s->cue);
    s->told = stage->observer;
    *observer = (weir_observer){.size = sizeof(*observer), .user = s, .tell = tell};
    stage->options.observer = observer;
}

static void close_surplus(surplus *s, weir_stage *stage)
{
    weir_cue_give(&s->cue, &s->over);
    weir_stage_close(stage);
    weir_cue_close(&s->cue);
}

/* Lets `count` more connections send theirs, and waits until it lies in our kernel. */
static void await_surplus(surplus *s, size_t count)
{
    weir_cue_lock(&s->cue);
    s->wanted += count;
    (void)pthread_cond_broadcast(&s->cue.changed);
    while (s->lying < s->wanted) {
        (void)pthread_cond_wait(&s->cue.changed, &s->cue.lock);
    }
    weir_cue_unlock(&s->cue);
}

static void ask(weir_stage *stage, weir_plea *plea, const surplus *s, size_t number)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/call-%zu", number);
    weir_secure_ask(stage, plea, s->tls != NULL, path);
}

/* Calls one after the other; each finds the surplus of the one before. */
static void one_by_one(surplus *s, weir_user_kind kind, size_t first, size_t count)
{
    weir_stage stage;
    weir_observer observer;

    weir_stage_open(&stage, kind);
    open_surplus(s, &stage, &observer);
    weir_stage_begin(&stage, play, s);
    for (size_t i = first; i < first + count; i++) {
        weir_plea plea;
        char path[64];
        ask(&stage, &plea, s, i);
        const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
        (void)snprintf(path, sizeof(path), "/call-%zu", i);
        assert_int_equal(outcome.status, WEIR_END);
        assert_string_equal(outcome.text, path);
        if (s->place == BEFORE_REUSE || s->place == TORN_BEFORE_REUSE) {
            await_surplus(s, 1);
        }
    }
    assert_int_equal(weir_hostile_accepted(stage.server), count);
    close_surplus(s, &stage);
    if (s->otherwise > 1) { /* the last one is closed by us, perhaps before it was looked at */
        fail_msg("%zu connections were closed with another reason: %s", s->otherwise,
                 s->other_reason);
    }
    assert_int_equal(s->left_over + s->otherwise, count);
}

static void all_ways(place where, const char *text, bool is_tls)
{
    static const weir_user_kind kinds[] = {WEIR_USER_BLOCKING, WEIR_USER_LOOP};

    for (size_t k = 0; k < WEIR_COUNT_OF(kinds); k++) {
        const surplus begin = {.place = where, .text = text, .tls = weir_secure_server(is_tls)};
        const size_t calls = calls_of(&begin);
        for (size_t first = 0; first < calls; first += BLOCK_CALLS) {
            surplus s = begin;
            const size_t left = calls - first;
            one_by_one(&s, kinds[k], first, left < BLOCK_CALLS ? left : BLOCK_CALLS);
        }
    }
}

static void in_the_same_segment(void **state)
{
    (void)state;
    all_ways(IN_ONE_SEGMENT, EVIL, false);
}

static void in_the_same_record(void **state)
{
    (void)state;
    all_ways(IN_ONE_SEGMENT, EVIL, true);
}

static void in_a_record_of_its_own(void **state)
{
    (void)state;
    all_ways(IN_TWO_RECORDS, EVIL, true);
}

static void in_a_record_that_is_not_whole_yet(void **state)
{
    (void)state;
    all_ways(IN_A_TORN_RECORD, EVIL, true);
}

static void just_before_reuse(void **state)
{
    (void)state;
    all_ways(BEFORE_REUSE, EVIL, false);
}

static void just_before_reuse_over_tls(void **state)
{
    (void)state;
    all_ways(BEFORE_REUSE, EVIL, true);
}

static void half_a_record_before_reuse(void **state)
{
    (void)state;
    all_ways(TORN_BEFORE_REUSE, EVIL, true);
}

static void half_a_head_before_reuse(void **state)
{
    (void)state;
    all_ways(BEFORE_REUSE, "HTTP/1.1 2", false);
    all_ways(BEFORE_REUSE, "HTTP/1.1 2", true);
}

static void an_empty_line_before_reuse(void **state)
{
    (void)state;
    all_ways(BEFORE_REUSE, "\r\n", false);
}

/* -- the loop, when there is much to do in one turn -- */

typedef struct crowd {
    weir_loop *loop;
    weir_plea pleas[CROWD];
    weir_exchange *exchanges[CROWD];
    size_t dones;
} crowd;

static void submit(weir_stage *stage, const surplus *s, crowd *c, size_t first)
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
    surplus s = {
        .place = BEFORE_REUSE, .text = EVIL, .tls = weir_secure_server(is_tls), .crowd = CROWD};
    crowd *c = calloc(1, sizeof(*c));
    weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;
    weir_observer observer;
    weir_stage stage;

    assert_non_null(c);
    weir_stage_open(&stage, WEIR_USER_LOOP);
    open_surplus(&s, &stage, &observer);
    weir_stage_begin(&stage, play, &s);
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
    await_surplus(&s, CROWD);
    submit(&stage, &s, c, CROWD);
    turn_until_done(c);
    check_answers(c, CROWD);
    assert_int_equal(weir_hostile_accepted(stage.server), 2 * CROWD);
    weir_loop_free(c->loop);
    free(c);
    close_surplus(&s, &stage);
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

/* -- what cannot be seen -- */

weir_io __real_weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait);
weir_io __wrap_weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait);

static surplus *unseen; /* comes when the next request is about to leave, after the look */

weir_io __wrap_weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait)
{
    surplus *s = unseen;

    if (s != NULL) {
        unseen = NULL;
        await_surplus(s, 1);
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
    surplus s = {.place = BEFORE_REUSE, .text = EVIL, .once = true};
    weir_stage stage;
    weir_plea plea;
    weir_observer observer;

    weir_stage_open(&stage, kind);
    open_surplus(&s, &stage, &observer);
    weir_stage_begin(&stage, play, &s);
    ask(&stage, &plea, &s, 0);
    assert_int_equal(weir_stage_fetch(&stage, &plea).status, WEIR_END);
    unseen = &s;
    ask(&stage, &plea, &s, 1);
    const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
    assert_null(unseen);
    assert_int_equal(weir_hostile_accepted(stage.server), 1);
    close_surplus(&s, &stage);
    return strcmp(outcome.text, "EVIL") == 0;
}

static void between(weir_user_kind kind)
{
    size_t taken = 0;

    for (size_t i = 0; i < BETWEEN; i++) {
        taken += is_taken_between(kind) ? 1 : 0;
    }
    print_message(
        "%s: a surplus between look and send was taken for the answer in %zu of %d calls\n",
        weir_user_kind_name(kind), taken, BETWEEN);
}

static void between_the_look_and_the_send(void **state)
{
    (void)state;
    weir_stage_both(between);
}

/* -- by the clock: surplus after 5 ms, reuse after 10 ms -- */

typedef struct clocked {
    pthread_t thread;
    weir_stage *stage;
    surplus *s;
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
            const weir_time at_ns = i > 0 ? atomic_load(&sent_ns[c->first + i - 1]) : 0;
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

static void clocks(weir_user_kind kind)
{
    size_t late = 0;

    for (size_t i = 0; i < LONG_CALLS; i++) {
        atomic_store(&sent_ns[i], 0); /* of the other front end */
    }
    for (size_t first = 0; first < LONG_CALLS; first += BLOCK_CALLS) {
        surplus s = {.place = AFTER_5_MS, .text = EVIL};
        clocked all[CLOCKS];
        weir_stage stage;
        weir_observer observer;
        weir_stage_open(&stage, kind);
        open_surplus(&s, &stage, &observer);
        weir_stage_begin(&stage, play, &s);
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
        close_surplus(&s, &stage);
    }
    print_message(
        "%s: of %d surpluses %zu came too late to be seen, and were taken for an answer\n",
        weir_user_kind_name(kind), LONG_CALLS, late);
}

static void five_ms_after_the_answer(void **state)
{
    (void)state;
    weir_stage_both(clocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_same_segment),
        cmocka_unit_test(in_the_same_record),
        cmocka_unit_test(in_a_record_of_its_own),
        cmocka_unit_test(in_a_record_that_is_not_whole_yet),
        cmocka_unit_test(just_before_reuse),
        cmocka_unit_test(just_before_reuse_over_tls),
        cmocka_unit_test(half_a_record_before_reuse),
        cmocka_unit_test(half_a_head_before_reuse),
        cmocka_unit_test(an_empty_line_before_reuse),
        cmocka_unit_test(between_the_look_and_the_send),
        cmocka_unit_test(on_more_connections_than_a_turn_learns_of),
        cmocka_unit_test(on_more_octets_than_a_turn_may_read),
        cmocka_unit_test(five_ms_after_the_answer), /* the last: only of the long run */
    };
    const size_t count = sizeof(tests) / sizeof(tests[0]) - (is_long() ? 0 : 1);

    return weir_secure_run("surplus", tests, count);
}
