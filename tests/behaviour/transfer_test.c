/* SPDX-License-Identifier: MIT */
/* Contents and trailers in both directions, answers without content, 1xx, and the wait for 100. */
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void get_counted(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/100000");
    const weir_fetched fetched = weir_world_fetch(world, &ask);

    assert_int_equal(fetched.called, WEIR_OK);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.code, 200);
    assert_int_equal(fetched.octets, 100000);
    assert_true(fetched.is_pattern);
}

static void post_span(weir_world *world)
{
    static uint8_t body[70000];
    weir_ask ask = weir_world_ask(world, "/echo");

    weir_pattern_fill(body, 0, sizeof(body));
    ask.request.method = WEIR_SPAN("POST");
    ask.request.body = (weir_body){.kind = WEIR_BODY_SPAN, .span = {body, sizeof(body)}};
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.called, WEIR_OK);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.octets, sizeof(body));
    assert_true(fetched.is_pattern);
}

static const weir_behaviour behaviours[] = {
    {"GET answers a counted body", get_counted, 0},
    {"POST of a span is echoed", post_span, 0},
};

int main(void)
{
    return weir_world_run("transfer", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
