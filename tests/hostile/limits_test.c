/* SPDX-License-Identifier: MIT */
/*
 * Limits at their ends: every number 1, and every span of time as long as there is. A call ends
 * with its answer or with the name of the limit that stood in its way, and nothing waits for ever.
 */
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define LONG_OCTETS  20000
#define ALMOST_NEVER (WEIR_NEVER - 1)

static char long_text[LONG_OCTETS + 1];

static uint32_t number_at(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* An HTTP/2 server with manners: content as far as our windows go, one frame for what they allow.
 */
static bool send_content(int fd, uint32_t stream, size_t window)
{
    weir_hostile_frame frame;
    size_t at = 0;

    if (!weir_hostile_frame_send(fd, 1, 4, stream, "\x88", 1)) {
        return false;
    }
    while (at < LONG_OCTETS) {
        size_t step = LONG_OCTETS - at < window ? LONG_OCTETS - at : window;
        step = step < 16384 ? step : 16384;
        if (step > 0) {
            const uint8_t flags = at + step == LONG_OCTETS ? 1 : 0;
            if (!weir_hostile_frame_send(fd, 0, flags, stream, long_text + at, step)) {
                return false;
            }
            at += step;
            window -= step;
            continue;
        }
        if (!weir_hostile_frame_read(fd, &frame)) {
            return false;
        }
        if (frame.type == 8 && frame.stream == stream) {
            window += number_at(frame.payload);
        }
    }
    return true;
}

/* What a stream's window is at first: SETTINGS_INITIAL_WINDOW_SIZE of the client. */
static size_t window_in(const weir_hostile_frame *settings)
{
    for (size_t i = 0; i + 6 <= settings->length && i + 6 <= sizeof(settings->payload); i += 6) {
        if (settings->payload[i] == 0 && settings->payload[i + 1] == 4) {
            return number_at(settings->payload + i + 2);
        }
    }
    return 65535;
}

static void play_streams(int fd)
{
    weir_hostile_frame frame;
    size_t window = 65535;
    bool goes_on = weir_hostile_preface(fd, NULL, 0);

    while (goes_on && weir_hostile_frame_read(fd, &frame)) {
        if (frame.type == 4 && (frame.flags & 1) == 0) {
            window = window_in(&frame);
            goes_on = weir_hostile_frame_send(fd, 4, 1, 0, NULL, 0);
        } else if (frame.type == 1) {
            goes_on = send_content(fd, frame.stream, window);
        }
    }
}

static weir_hostile_end play(int fd, size_t number, void *user)
{
    char first = 0;
    char head[128];
    char path[128];

    (void)number;
    (void)user;
    if (recv(fd, &first, 1, MSG_PEEK) == 1 && first == 'P') {
        play_streams(fd);
        return WEIR_HOSTILE_FIN;
    }
    while (weir_hostile_head(fd, path, sizeof(path))) {
        (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n",
                       LONG_OCTETS);
        (void)weir_hostile_say(fd, head);
        (void)weir_hostile_send(fd, long_text, LONG_OCTETS);
    }
    return WEIR_HOSTILE_FIN;
}

static void fetch_all(weir_stage *stage, weir_protocol protocol, void (*change)(weir_call *call))
{
    weir_plea plea;

    weir_stage_ask(stage, &plea, protocol, "/");
    if (change != NULL) {
        change(&plea.call);
    }
    const weir_outcome outcome = weir_stage_fetch(stage, &plea);
    if (outcome.status != WEIR_END) {
        print_error("%s, %s: %s (%s)\n", weir_user_kind_name(stage->kind),
                    weir_protocol_name(protocol), weir_status_name(outcome.status),
                    outcome.failure.what != NULL ? outcome.failure.what : "");
    }
    assert_int_equal(outcome.status, WEIR_END);
    assert_int_equal(outcome.octets, LONG_OCTETS);
}

static void limits_of_one(weir_user_kind kind)
{
    weir_stage stage;

    weir_stage_open(&stage, kind);
    stage.limits.connections_per_origin = 1;
    stage.limits.connections = 1;
    stage.limits.waiting_per_origin = 1;
    stage.limits.waiting = 1;
    stage.limits.h2_connections = 1;
    stage.limits.inbox_octets = 1;
    stage.limits.streams_per_connection = 1;
    stage.limits.requests_per_connection = 1;
    weir_stage_begin(&stage, play, NULL);
    for (unsigned i = 0; i < 3; i++) {
        fetch_all(&stage, WEIR_H1, NULL);
        fetch_all(&stage, WEIR_H2, NULL);
    }
    assert_int_equal(weir_hostile_accepted(stage.server), 6);
    weir_stage_close(&stage);
}

/* Heads of one octet are none: the limit says so by its name. */
static void heads_of_one_octet(weir_user_kind kind)
{
    weir_stage stage;

    weir_stage_open(&stage, kind);
    stage.limits.head_octets = 1;
    weir_stage_begin(&stage, play, NULL);
    assert_int_equal(weir_stage_get(&stage, WEIR_H1, "/").status, WEIR_E_LIMIT_HEAD);
    assert_int_equal(weir_stage_get(&stage, WEIR_H2, "/").status, WEIR_E_LIMIT_HEAD);
    weir_stage_close(&stage);
}

/* A nanosecond of everything that only ends idle connections: calls are answered all the same. */
static void spans_of_a_nanosecond(weir_user_kind kind)
{
    weir_stage stage;

    weir_stage_open(&stage, kind);
    stage.limits.idle_ns = 1;
    stage.limits.address_left_ns = 1;
    weir_stage_begin(&stage, play, NULL);
    for (unsigned i = 0; i < 5; i++) {
        fetch_all(&stage, WEIR_H1, NULL);
        fetch_all(&stage, WEIR_H2, NULL);
    }
    weir_stage_close(&stage);
}

static void wait_for_ever(weir_call *call)
{
    call->deadline_ns = ALMOST_NEVER;
    call->queue_ns = ALMOST_NEVER;
    call->dns_ns = ALMOST_NEVER;
    call->connect_ns = ALMOST_NEVER;
    call->tls_ns = ALMOST_NEVER;
    call->write_ns = ALMOST_NEVER;
    call->first_octet_ns = ALMOST_NEVER;
    call->idle_ns = ALMOST_NEVER;
    call->continue_ns = ALMOST_NEVER;
    call->attempts = UINT32_MAX;
}

static void wait_half_of_it(weir_call *call)
{
    wait_for_ever(call);
    call->deadline_ns = INT64_MAX;
    call->queue_ns = INT64_MAX;
    call->connect_ns = INT64_MAX;
    call->first_octet_ns = (weir_time)INT64_MAX + 1;
    call->idle_ns = INT64_MAX;
}

static void spans_without_end(weir_user_kind kind)
{
    weir_stage stage;

    weir_stage_open(&stage, kind);
    stage.limits.idle_ns = ALMOST_NEVER;
    stage.limits.lifetime_ns = ALMOST_NEVER;
    stage.limits.ping_ns = ALMOST_NEVER;
    stage.limits.ping_timeout_ns = ALMOST_NEVER;
    stage.limits.ping_idle = true;
    stage.limits.address_left_ns = ALMOST_NEVER;
    stage.limits.connections = UINT32_MAX;
    stage.limits.connections_per_origin = UINT32_MAX;
    stage.limits.waiting = UINT32_MAX;
    stage.limits.waiting_per_origin = UINT32_MAX;
    stage.limits.streams_per_connection = UINT32_MAX;
    stage.limits.requests_per_connection = UINT32_MAX;
    weir_stage_begin(&stage, play, NULL);
    for (unsigned i = 0; i < 3; i++) {
        fetch_all(&stage, WEIR_H1, wait_for_ever);
        fetch_all(&stage, WEIR_H2, wait_for_ever);
        fetch_all(&stage, WEIR_H1, wait_half_of_it);
        fetch_all(&stage, WEIR_H2, wait_half_of_it);
        if (kind == WEIR_USER_BLOCKING) {
            assert_true(weir_client_maintain(weir_user_client(stage.user)) > weir_now());
        }
    }
    assert_int_equal(weir_hostile_accepted(stage.server), 2);
    weir_stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        weir_stage_test(limits_of_one),
        weir_stage_test(heads_of_one_octet),
        weir_stage_test(spans_of_a_nanosecond),
        weir_stage_test(spans_without_end),
    };

    memset(long_text, 'x', LONG_OCTETS);
    cmocka_set_test_filter(getenv("WEIR_TESTS_ONLY"));
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
