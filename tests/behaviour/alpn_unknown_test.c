/* SPDX-License-Identifier: MIT */
/*
 * Many calls at once to an https origin of which nothing is known, and which turns out to speak
 * HTTP/1.1: one handshake tells the protocol, and then all dial that the limit allows. (That HTTP/2
 * is one handshake in all is in lifetime_test.c.)
 */
#include "support/relay.h"
#include "support/world.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { CALLS = 12, LIMIT = 4 };

typedef struct herd {
    weir_world *world;
    weir_relay *relay;
    weir_status ended[CALLS];
} herd;

/* Threads begin when they like, and on a slow machine the first would have come back before the
 * next has begun. */
static void open_when_all_wait(weir_user *user, weir_relay *relay)
{
    weir_counts counts = WEIR_COUNTS_INIT;

    for (weir_user_counts(user, &counts); counts.waiting < CALLS; weir_user_counts(user, &counts)) {
        (void)sched_yield();
    }
    weir_relay_set(relay, WEIR_RELAY_PASS);
}

static void one_of_a_herd(weir_user *user, size_t index, void *shared)
{
    herd *all = shared;

    if (index == CALLS) {
        open_when_all_wait(user, all->relay);
        return;
    }
    weir_ask ask = weir_world_ask(all->world, "/delay/100");
    ask.call.pin = WEIR_PROTOCOL_ANY;
    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = weir_relay_port(all->relay);
    all->ended[index] = weir_world_fetch(all->world, &ask).ended;
}

static weir_time earliest(const weir_world *world, weir_event_kind kind, size_t rank)
{
    weir_time best = 0;

    for (size_t k = 0; k <= rank; k++) {
        weir_time next = WEIR_NEVER;
        for (size_t i = 0; i < weir_world_told(world, kind); i++) {
            const weir_time at = weir_world_event(world, kind, i)->at_ns;
            next = at > best && at < next ? at : next;
        }
        best = next;
    }
    return best;
}

static size_t begun_until(const weir_world *world, weir_time at_ns)
{
    size_t begun = 0;

    for (size_t i = 0; i < weir_world_told(world, WEIR_EVENT_CONNECT_STARTED); i++) {
        begun += weir_world_event(world, WEIR_EVENT_CONNECT_STARTED, i)->at_ns <= at_ns;
    }
    return begun;
}

static void one_handshake_and_then_all(weir_world *world)
{
    const bool blocking = world->way.kind == WEIR_USER_BLOCKING;
    herd all = {.world = world, .relay = weir_relay_start(world->origin->tls_port)};
    weir_counts counts = WEIR_COUNTS_INIT;

    world->limits.connections_per_origin = LIMIT;
    weir_relay_set(all.relay, blocking ? WEIR_RELAY_STALL : WEIR_RELAY_PASS);
    weir_user_together(weir_world_user(world), blocking ? CALLS + 1 : CALLS, one_of_a_herd, &all);
    for (size_t i = 0; i < CALLS; i++) {
        assert_int_equal(all.ended[i], WEIR_END);
    }
    weir_user_counts(weir_world_user(world), &counts);
    assert_int_equal(counts.dials, LIMIT);
    assert_int_equal(weir_world_told(world, WEIR_EVENT_TLS_DONE), LIMIT);
    assert_true(weir_world_told_why(world, WEIR_EVENT_WAITING, "alpn_unknown_wait") >= CALLS - 1);
    /* The second is not begun before the first has told; the others do not wait for the second. */
    const weir_time told_ns = earliest(world, WEIR_EVENT_TLS_DONE, 0);
    assert_true(earliest(world, WEIR_EVENT_CONNECT_STARTED, 0) < told_ns);
    assert_true(earliest(world, WEIR_EVENT_CONNECT_STARTED, 1) >= told_ns);
    if (!blocking) {
        assert_int_equal(begun_until(world, earliest(world, WEIR_EVENT_TLS_DONE, 1)), LIMIT);
    }
    weir_world_close(world);
    weir_relay_stop(all.relay);
}

static const weir_behaviour behaviours[] = {
    {"one handshake tells the protocol, and then all dial", one_handshake_and_then_all,
     WEIR_ONLY_TLS | WEIR_ONLY_H1, NULL},
};

int main(void)
{
    static const char *const arguments[] = {"--alpn", "http/1.1", NULL};

    return weir_world_run("alpn_unknown", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          arguments);
}
