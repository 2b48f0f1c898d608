/* SPDX-License-Identifier: MIT */
/*
 * A call whose connection died under it, or refused it with GOAWAY, is sent again, and keeps its place: those that asked after
 * it and wait for the only connection are served after it. Once: the second time it asks like a new
 * one, or a call whose every connection dies would hold the others up for as long as it lasts.
 */
#include "cue.h"
#include "stage.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { CALLERS = 3 };

typedef struct line {
    weir_cue cue;
    bool all_wait; /* behind the first caller */
    weir_protocol protocol;
    bool goes_away; /* the first connection does not die: its GOAWAY refuses what it has */
    bool refuses;   /* the second connection refuses its first stream */
    bool
        refuses_one; /* the first connection does not die: it refuses its second stream, that one */
    atomic_uint served;
    weir_stage stage;
    char places[CALLERS + 1]; /* when each caller was served, as the server counts */
} line;

/* -- the server: the first connection answers one request, and dies at the next, or goes away -- */

static void say_place(line *all, int fd, uint32_t stream)
{
    char text[128];
    const unsigned place = atomic_fetch_add(&all->served, 1);

    if (stream != 0) {
        (void)snprintf(text, sizeof(text), "%u", place);
        (void)weir_hostile_answer(fd, stream, text);
        return;
    }
    (void)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%u", place);
    (void)weir_hostile_say(fd, text);
}

/* HTTP/1.1 has no streams: 0. False: the client is gone. */
static bool hear(const line *all, int fd, uint32_t *stream)
{
    char path[64];

    *stream = 0;
    if (all->protocol == WEIR_H1) {
        return weir_hostile_head(fd, path, sizeof(path));
    }
    *stream = weir_hostile_request(fd);
    return *stream != 0;
}

static weir_hostile_end play(int fd, size_t number, void *user)
{
    static const uint8_t refused[4] = {0, 0, 0, 7};
    static const uint8_t only_the_first[8] = {0, 0, 0, 1};
    line *all = user;
    uint32_t stream = 0;

    if (all->protocol == WEIR_H2 && !weir_hostile_preface(fd, NULL, 0)) {
        return WEIR_HOSTILE_FIN;
    }
    for (unsigned i = 0; hear(all, fd, &stream); i++) {
        if (number == 0 && i > 0) {
            (void)weir_cue_await(&all->cue, &all->all_wait, NULL);
            if (all->refuses_one && i > 1) {
                say_place(all, fd, stream);
                continue;
            }
            if (all->refuses_one) {
                (void)weir_hostile_frame_send(fd, 3, 0, stream, refused, sizeof(refused));
                continue;
            }
            if (!all->goes_away) {
                break;
            }
            (void)weir_hostile_frame_send(fd, 7, 0, 0, only_the_first, sizeof(only_the_first));
            continue; /* until the client is gone: it closes what it has no use for */
        }
        if (number == 1 && i == 0 && all->refuses) {
            (void)weir_hostile_frame_send(fd, 3, 0, stream, refused, sizeof(refused));
            continue;
        }
        say_place(all, fd, stream);
    }
    return WEIR_HOSTILE_FIN;
}

/* -- the callers: each enters when those before it are seen to wait -- */

static void await_waiting(line *all, size_t callers)
{
    weir_counts counts = WEIR_COUNTS_INIT;

    while (all->stage.kind == WEIR_USER_BLOCKING && counts.waiting + counts.leases < callers) {
        (void)sched_yield();
        weir_user_counts(all->stage.user, &counts);
    }
}

static void enter(weir_user *user, size_t index, void *shared)
{
    line *all = shared;
    weir_plea plea;

    (void)user;
    await_waiting(all, index);
    if (index == CALLERS) {
        weir_cue_give(&all->cue, &all->all_wait);
        return;
    }
    weir_stage_ask(&all->stage, &plea, all->protocol, "/");
    plea.call.attempts = 0;
    const weir_outcome outcome = weir_stage_fetch(&all->stage, &plea);
    all->places[index] = outcome.status == WEIR_END ? outcome.text[0] : '!';
}

static void run_line(weir_user_kind kind, const line *like, const char *places)
{
    const weir_protocol protocol = like->protocol;
    line all = {.protocol = protocol,
                .goes_away = like->goes_away,
                .refuses = like->refuses,
                .refuses_one = like->refuses_one};

    weir_cue_open(&all.cue);
    weir_stage_open(&all.stage, kind);
    all.stage.limits.connections_per_origin = 1;
    all.stage.limits.h2_connections = 1;
    all.stage.limits.streams_per_connection = 1;
    weir_stage_begin(&all.stage, play, &all);
    assert_int_equal(weir_stage_get(&all.stage, protocol, "/").status, WEIR_END);
    weir_user_together(all.stage.user, CALLERS + 1, enter, &all);
    assert_string_equal(all.places, places);
    weir_stage_close(&all.stage);
    weir_cue_close(&all.cue);
}

static void run(const line *like, const char *places)
{
    run_line(WEIR_USER_BLOCKING, like, places);
    run_line(WEIR_USER_LOOP, like, places);
}

static void who_is_sent_again_keeps_its_place(void **state)
{
    (void)state;
    run(&(line){.protocol = WEIR_H1}, "123");
    run(&(line){.protocol = WEIR_H2}, "123");
}

static void who_is_refused_by_goaway_keeps_its_place(void **state)
{
    (void)state;
    run(&(line){.protocol = WEIR_H2, .goes_away = true}, "123");
}

/* Its connection goes on, with room for the one that it refused or for another. */
static void who_is_refused_alone_keeps_its_place(void **state)
{
    (void)state;
    run(&(line){.protocol = WEIR_H2, .refuses_one = true}, "123");
}

static void but_only_once(void **state)
{
    (void)state;
    run(&(line){.protocol = WEIR_H2, .refuses = true}, "312");
    run(&(line){.protocol = WEIR_H2, .goes_away = true, .refuses = true}, "312");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_sent_again_keeps_its_place),
        cmocka_unit_test(who_is_refused_by_goaway_keeps_its_place),
        cmocka_unit_test(who_is_refused_alone_keeps_its_place),
        cmocka_unit_test(but_only_once),
    };

    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
