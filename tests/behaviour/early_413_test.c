/* SPDX-License-Identifier: MIT */
/*
 * An upload of ten megabytes that is answered with 413 before its end: the answer is read, every
 * time, whatever became of the upload.
 *
 * Short: 42 times each way. Long: 1,000 times.
 */
#include "support/upload.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define OCTETS 10000000

static uint8_t content[OCTETS];

/* The answer comes before the first octet of the body, or while octets are on their way. */
static const char *const paths[] = {"/early/413", "/early/413?ms=1", "/early/413?ms=3"};
/* HTTP/2: a complete answer and then RST_STREAM with NO_ERROR (RFC 9113 s8.1) is a success. */
static const char *const h2_paths[] = {"/early/413?rst=1", "/early/413?ms=1&rst=1", "/early/413"};

static weir_fetched upload_span(weir_world *world, weir_ask *ask)
{
    ask->request.method = WEIR_SPAN("POST");
    ask->request.body =
        (weir_body){.kind = WEIR_BODY_SPAN, .span = (weir_span){content, sizeof(content)}};
    return weir_world_fetch(world, ask);
}

/* *cut: the answer came before all was written. It need not: the kernel may take the rest at once.
 */
static weir_fetched upload_pieces(weir_world *world, weir_ask *ask, weir_body_kind kind,
                                  bool counted, size_t *cut)
{
    weir_upload upload = {.kind = kind, .octets = OCTETS, .counted = counted, .piece = 65536};
    const weir_fetched fetched = weir_upload_all(world, ask, &upload);

    *cut += upload.taken < OCTETS ? 1 : 0;
    return fetched;
}

static void answer_is_read(weir_world *world)
{
    const size_t times = weir_tests_are_long() ? 1000 : 42;
    weir_counts counts;
    size_t read = 0;
    size_t cut = 0; /* of the two thirds whose writing is counted */

    (void)alarm(weir_tests_are_long() ? 600 : 60);
    for (size_t i = 0; i < times; i++) {
        const char *const *choice = world->way.protocol == WEIR_H2 && i % 2 == 1 ? h2_paths : paths;
        weir_ask ask = weir_world_ask(world, choice[i / 3 % 3]);
        const weir_fetched fetched =
            i % 3 == 0
                ? upload_span(world, &ask)
                : upload_pieces(world, &ask, i % 3 == 1 ? WEIR_BODY_SOURCE : WEIR_BODY_STREAM,
                                i % 4 < 2, &cut);
        if (fetched.ended != WEIR_END || fetched.code != 413 ||
            strcmp(fetched.text, "early 413\n") != 0) {
            fail_msg("time %zu of %zu: %s, code %d, \"%s\"", i + 1, times,
                     weir_status_name(fetched.ended), fetched.code, fetched.text);
        }
        read++;
    }
    weir_user_counts(weir_world_user(world), &counts);
    assert_int_equal(counts.leases, 0);
    weir_world_close(world);
    assert_int_equal(world->agreed, counts.dials);
    assert_true(cut > 0); /* or nothing was early */
    print_message("# the answer was read %zu times of %zu on %" PRIu64
                  " connections; %zu were cut\n",
                  read, times, counts.dials, cut);
}

int main(void)
{
    static const weir_behaviour behaviours[] = {
        {.name = "the answer to an upload that is not wanted is read", .run = answer_is_read},
    };
    return weir_world_run("early_413", behaviours, 1, NULL);
}
