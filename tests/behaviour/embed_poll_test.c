/* SPDX-License-Identifier: MIT */
/* A weir_loop in a program whose event loop is poll(2), beside a timerfd of its own. */
#include "embed.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

static int timer_open(void)
{
    const struct itimerspec every = {.it_interval = {.tv_nsec = 1000000},
                                     .it_value = {.tv_nsec = 1000000}};
    const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    assert_true(timer >= 0);
    assert_int_equal(timerfd_settime(timer, 0, &every, NULL), 0);
    return timer;
}

static void on_timer(int timer, weir_embed *embed)
{
    uint64_t expired = 0;

    assert_int_equal(read(timer, &expired, sizeof(expired)), sizeof(expired));
    weir_embed_tick(embed);
}

/* glue begins: the descriptor is polled with the program's others; when it is readable, turn */
static void on_weir(weir_embed *embed)
{
    weir_loop_event events[16];
    const size_t count = weir_loop_turn(embed->loop, events, 16);
    for (size_t i = 0; i < count; i++) {
        weir_embed_told(embed, &events[i]);
    }
}
/* glue ends */

static void in_a_poll_loop(weir_world *world)
{
    weir_embed embed;
    const int timer = timer_open();

    weir_embed_open(&embed, world);
    struct pollfd fds[] = {
        {.fd = timer, .events = POLLIN},
        /* glue begins */
        {.fd = weir_loop_fd(embed.loop), .events = POLLIN},
        /* glue ends */
    };
    while (!weir_embed_is_over(&embed)) {
        assert_true(poll(fds, 2, -1) > 0);
        if (fds[0].revents != 0) {
            on_timer(timer, &embed);
        }
        /* glue begins */
        if (fds[1].revents != 0) {
            on_weir(&embed);
        }
        /* glue ends */
    }
    (void)close(timer);
    weir_embed_close(&embed, WEIR_TESTS_DIR "/behaviour/embed_poll_test.c");
}

/* Between events the descriptor is quiet: a loop that polls it does not spin. */
static void descriptor_is_quiet(weir_world *world)
{
    const weir_ask ask = weir_world_ask(world, "/delay/100");
    weir_loop *loop = weir_user_loop(weir_world_user(world));
    weir_exchange *exchange = NULL;
    size_t turns = 0;

    assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &exchange), WEIR_OK);
    world->begun++;
    while (!weir_exchange_is_done(exchange)) {
        weir_loop_event events[16];
        struct pollfd fd = {.fd = weir_loop_fd(loop), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, -1), 1);
        (void)weir_loop_turn(loop, events, 16);
        turns++;
    }
    assert_int_equal(weir_exchange_code(exchange), 200);
    weir_exchange_free(exchange);
    /* Connecting, two flights of TLS, SETTINGS, tickets, the answer in pieces: not 100 ms of turns.
     */
    assert_in_range(turns, 1, 40);
    print_message("# %zu turns for one answer that took 100 ms\n", turns);
}

int main(void)
{
    static const weir_behaviour behaviours[] = {
        {.name = "weir runs in a poll() loop", .run = in_a_poll_loop, .only = WEIR_ONLY_LOOP},
        {.name = "the descriptor is quiet while nothing happens",
         .run = descriptor_is_quiet,
         .only = WEIR_ONLY_LOOP},
    };
    return weir_world_run("embed_poll", behaviours, 2, NULL);
}
