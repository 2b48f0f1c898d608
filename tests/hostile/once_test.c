/* SPDX-License-Identifier: MIT */
/*
 * The kernel tells of a reset once, to one system call, and to every other it says "over": 0 to
 * recv, EPIPE to send, which is what it says of a FIN too. Two threads share an HTTP/2 connection,
 * one reads and one writes when the reset comes; whoever is told of it, and whoever comes first
 * with what it was told: no FIN was seen, so the ledger agrees with the kernel, and both calls end
 * with the reset.
 */
#include "cue.h"
#include "stage.h"

#include "engine/os.h"
#include "engine/seat.h"
#include "support/asleep.h"
#include "wire.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef enum told { SEND_IS_TOLD, RECV_IS_TOLD } told;

typedef struct scene {
    told told;
    weir_cue cue;
    weir_stage stage;
    int client; /* the descriptor at the other end of the connection */
    pid_t reader;
    bool is_heard; /* the reader's request */
    bool may_reset;
    bool is_told;         /* one system call knows of the reset */
    bool comes_back;      /* what the other call was told has been taken in, or is waited with */
    weir_outcome outcome; /* of the reader */
} scene;

static _Atomic(scene *) armed;
static _Thread_local bool is_writer;

/* Names that the linker's --wrap prescribes. */
weir_io __real_weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait);
weir_io __wrap_weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait);
weir_io __real_weir_os_recv(int fd, void *to, size_t room, bool dont_wait);
weir_io __wrap_weir_os_recv(int fd, void *to, size_t room, bool dont_wait);
void __real_weir_seat_park(weir_seat *seat, weir_time deadline_ns);
void __wrap_weir_seat_park(weir_seat *seat, weir_time deadline_ns);

weir_io __wrap_weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait)
{
    scene *s = armed;

    if (s == NULL || fd != s->client || !is_writer || weir_cue_has(&s->cue, &s->may_reset)) {
        return __real_weir_os_send(fd, spans, count, dont_wait);
    }
    weir_cue_give(&s->cue, &s->may_reset);
    weir_wire_await_end(fd);
    if (s->told == RECV_IS_TOLD) {
        (void)weir_cue_await(&s->cue, &s->is_told, NULL);
        return __real_weir_os_send(fd, spans, count, dont_wait);
    }
    const weir_io io = __real_weir_os_send(fd, spans, count, dont_wait);
    weir_cue_give(&s->cue, &s->is_told);
    (void)weir_cue_await(&s->cue, &s->comes_back, NULL);
    return io;
}

weir_io __wrap_weir_os_recv(int fd, void *to, size_t room, bool dont_wait)
{
    scene *s = armed;

    if (s == NULL || fd != s->client || is_writer) {
        return __real_weir_os_recv(fd, to, room, dont_wait);
    }
    if (s->told == RECV_IS_TOLD) {
        const weir_io io = __real_weir_os_recv(fd, to, room, dont_wait);
        weir_cue_give(&s->cue, &s->is_told);
        (void)weir_cue_await(&s->cue, &s->comes_back, NULL);
        return io;
    }
    if (weir_cue_has(&s->cue, &s->is_told)) {
        weir_cue_give(&s->cue, &s->comes_back); /* it was here before, and took no end for one */
    }
    (void)weir_cue_await(&s->cue, &s->is_told, NULL);
    return __real_weir_os_recv(fd, to, room, dont_wait);
}

void __wrap_weir_seat_park(weir_seat *seat, weir_time deadline_ns)
{
    scene *s = armed;

    if (s != NULL && is_writer) {
        weir_cue_give(&s->cue, &s->comes_back);
    }
    __real_weir_seat_park(seat, deadline_ns);
}

static weir_hostile_end play(int fd, size_t number, void *user)
{
    scene *s = user;

    (void)number;
    weir_cue_lock(&s->cue);
    s->client = weir_wire_client(fd);
    weir_cue_unlock(&s->cue);
    if (weir_hostile_preface(fd, NULL, 0) && weir_hostile_request(fd) != 0) {
        weir_cue_give(&s->cue, &s->is_heard);
        (void)weir_cue_await(&s->cue, &s->may_reset, NULL);
    }
    return WEIR_HOSTILE_RESET;
}

static void *read_first(void *user)
{
    scene *s = user;

    weir_cue_lock(&s->cue);
    s->reader = gettid();
    weir_cue_unlock(&s->cue);
    s->outcome = weir_stage_get(&s->stage, WEIR_H2, "/reader");
    weir_cue_give(&s->cue, &s->comes_back);
    return NULL;
}

static void run(told who)
{
    scene s = {.told = who, .client = -1};
    pthread_t thread;

    weir_cue_open(&s.cue);
    weir_stage_open(&s.stage, WEIR_USER_BLOCKING);
    s.stage.limits.connections_per_origin = 1;
    weir_stage_begin(&s.stage, play, &s);
    assert_int_equal(pthread_create(&thread, NULL, read_first, &s), 0);
    (void)weir_cue_await(&s.cue, &s.is_heard, NULL);
    weir_await_asleep(s.reader, 5 * WEIR_NS_PER_MS);
    armed = &s;
    is_writer = true;
    const weir_outcome outcome = weir_stage_get(&s.stage, WEIR_H2, "/writer");
    weir_cue_give(&s.cue, &s.comes_back);
    assert_int_equal(pthread_join(thread, NULL), 0);
    is_writer = false;
    armed = NULL;
    assert_true(s.is_told);
    assert_int_equal(outcome.status, WEIR_E_RESET);
    assert_int_equal(s.outcome.status, WEIR_E_RESET);
    weir_stage_close(&s.stage); /* no ledger differs */
    weir_cue_close(&s.cue);
}

static void a_reset_that_send_is_told_of_is_no_fin_to_the_reader(void **state)
{
    (void)state;
    run(SEND_IS_TOLD);
}

static void a_reset_that_recv_is_told_of_is_no_fin_to_the_writer(void **state)
{
    (void)state;
    run(RECV_IS_TOLD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reset_that_send_is_told_of_is_no_fin_to_the_reader),
        cmocka_unit_test(a_reset_that_recv_is_told_of_is_no_fin_to_the_writer),
    };

    cmocka_set_test_filter(getenv("WEIR_TESTS_ONLY"));
    return cmocka_run_group_tests_name("once", tests, NULL, NULL);
}
