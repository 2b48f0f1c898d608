/* SPDX-License-Identifier: MIT */
/*
 * A hundred streams on one HTTP/2 connection. One of them is not read: it fills its own window and
 * stops there, while the others go on as if it were not there. Then it is read to its end.
 *
 * Short: each of the others fetches once. Long: they go on fetching for ten seconds.
 */
#include "support/world.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define OTHERS        99
#define UNREAD_OCTETS 1000000 /* more than a stream's window */
#define WINDOW_OCTETS 262144
#define OTHER_OCTETS  100000 /* all of them together: many times the connection's window */

typedef struct other {
    weir_world *world;
    weir_time until_ns;
    size_t fetched;
    size_t whole;
} other;

static void fetch_others(weir_user *user, size_t index, void *shared)
{
    other *mine = (other *)shared + index;
    char path[64];

    (void)user;
    do {
        const uint64_t octets = OTHER_OCTETS + index;
        (void)snprintf(path, sizeof(path), "/octets/%" PRIu64, octets);
        weir_ask ask = weir_world_ask(mine->world, path);
        const weir_fetched fetched = weir_world_fetch(mine->world, &ask);
        mine->fetched++;
        mine->whole += fetched.ended == WEIR_END && fetched.code == 200 &&
                               fetched.octets == octets && fetched.is_pattern
                           ? 1
                           : 0;
    } while (weir_now() < mine->until_ns);
}

/* It holds as much as its window lets it, and no more. (The blocking client keeps a receive buffer
 * for each thread that was inside; they would hide the difference.) */
static void assert_waits_at_its_window(weir_world *world, const weir_exchange *unread)
{
    assert_false(weir_exchange_is_done(unread));
    assert_true(world->memory.live_octets >= WINDOW_OCTETS);
    if (world->way.kind == WEIR_USER_LOOP) {
        assert_true(world->memory.live_octets < WINDOW_OCTETS + UNREAD_OCTETS / 4);
    }
}

static void unread_holds_up_nobody(weir_world *world)
{
    other others[OTHERS];
    weir_exchange *unread = NULL;
    weir_fetched rest = {.called = WEIR_OK};
    weir_counts counts;
    size_t whole = 0;
    size_t fetched = 0;

    (void)alarm(120);
    weir_ask ask = weir_world_ask(world, "/octets/1000000");
    assert_int_equal(weir_world_call(world, &ask, &unread), WEIR_OK);
    assert_int_equal(weir_exchange_length(unread), UNREAD_OCTETS);
    const weir_time begun_ns = weir_now();
    for (size_t i = 0; i < OTHERS; i++) {
        others[i] =
            (other){.world = world,
                    .until_ns = weir_tests_are_long() ? begun_ns + 10 * WEIR_NS_PER_SECOND : 0};
    }
    weir_user_together(weir_world_user(world), OTHERS, fetch_others, others);
    const weir_time took_ns = weir_now() - begun_ns;
    for (size_t i = 0; i < OTHERS; i++) {
        assert_true(others[i].fetched > 0);
        assert_int_equal(others[i].whole, others[i].fetched);
        whole += others[i].whole;
        fetched += others[i].fetched;
    }
    assert_waits_at_its_window(world, unread);
    weir_world_drain(world, unread, &rest);
    assert_int_equal(rest.ended, WEIR_END);
    assert_int_equal(rest.octets, UNREAD_OCTETS);
    assert_true(rest.is_pattern);
    weir_world_drop(world, unread);
    weir_user_counts(weir_world_user(world), &counts);
    assert_int_equal(counts.dials, 1);
    weir_world_close(world);
    assert_int_equal(world->agreed, 1);
    print_message("# %zu of %zu others finished in %" PRIu64 " ms beside one that was not read\n",
                  whole, fetched, took_ns / WEIR_NS_PER_MS);
}

int main(void)
{
    static const weir_behaviour behaviours[] = {
        {.name = "a stream that is not read holds up nobody",
         .run = unread_holds_up_nobody,
         .only = WEIR_ONLY_H2},
    };
    return weir_world_run("unread_stream", behaviours, 1, NULL);
}
