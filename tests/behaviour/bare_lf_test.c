/* SPDX-License-Identifier: MIT */
/*
 * A head whose lines end in LF alone: refused, unless the limits say that it is forgiven (RFC 9112
 * s2.2). What it means for each octet is tests/proto's; here it is that the option arrives.
 */
#include "support/scold_way.h"
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void answer(weir_scold_line *line, void *user)
{
    static const char octets[] = "HTTP/1.1 200 OK\nContent-Length: 2\n\nok";
    char room[4096];

    (void)user;
    (void)weir_scold_read(line, room, sizeof(room));
    weir_scold_write(line, octets, sizeof(octets) - 1);
}

static weir_fetched fetch(weir_world *world, bool bare_lf)
{
    weir_scold *server = weir_scold_way_start(world, answer, NULL);
    const weir_ask ask = weir_scold_way_ask(world, server);

    world->limits.bare_lf = bare_lf;
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    (void)weir_scold_way_end(world, server, 1);
    return fetched;
}

static void refused(weir_world *world)
{
    const weir_fetched fetched = fetch(world, false);

    assert_int_equal(fetched.called, WEIR_E_H1_SYNTAX);
}

static void forgiven(weir_world *world)
{
    const weir_fetched fetched = fetch(world, true);

    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.code, 200);
    assert_string_equal(fetched.text, "ok");
}

static const weir_behaviour behaviours[] = {
    {"a line that ends in LF alone is refused", refused, WEIR_ONLY_H1, NULL},
    {"a line that ends in LF alone is forgiven to who asks for it", forgiven, WEIR_ONLY_H1, NULL},
};

int main(void)
{
    return weir_world_run("bare_lf", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
