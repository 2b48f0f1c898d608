/* SPDX-License-Identifier: MIT */
/* A weir_loop in a program whose event loop is libuv, beside a timer of its own. */
#include "embed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <uv.h>

#include <cmocka.h>

static uv_timer_t timer;

static void on_timer(uv_timer_t *its)
{
    weir_embed_tick(its->data);
}

/* glue begins: one uv_poll_t; when it is readable, turn */
static void on_weir(uv_poll_t *its, int status, int ready)
{
    weir_embed *embed = its->data;
    weir_loop_event events[16];
    const size_t count = weir_loop_turn(embed->loop, events, 16);
    for (size_t i = 0; i < count; i++) {
        weir_embed_told(embed, &events[i]);
    }
    /* glue ends */
    assert_int_equal(status, 0);
    assert_int_equal(ready, UV_READABLE);
    if (weir_embed_is_over(embed)) {
        uv_close((uv_handle_t *)its, NULL);
        uv_close((uv_handle_t *)&timer, NULL);
    }
}

static void in_a_libuv_loop(weir_world *world)
{
    weir_embed embed;
    uv_loop_t uv;

    weir_embed_open(&embed, world);
    assert_int_equal(uv_loop_init(&uv), 0);
    assert_int_equal(uv_timer_init(&uv, &timer), 0);
    timer.data = &embed;
    assert_int_equal(uv_timer_start(&timer, on_timer, 1, 1), 0);
    /* glue begins */
    uv_poll_t weir;
    uv_poll_init(&uv, &weir, weir_loop_fd(embed.loop));
    weir.data = &embed;
    uv_poll_start(&weir, UV_READABLE, on_weir);
    /* glue ends */
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&uv), 0);
    weir_embed_close(&embed, WEIR_TESTS_DIR "/behaviour/embed_libuv_test.c");
}

int main(void)
{
    static const weir_behaviour behaviours[] = {
        {.name = "weir runs in a libuv loop", .run = in_a_libuv_loop, .only = WEIR_ONLY_LOOP},
    };
    return weir_world_run("embed_libuv", behaviours, 1, NULL);
}
