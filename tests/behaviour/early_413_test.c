/* SPDX-License-Identifier: MIT */
/*
 * An upload of ten megabytes that is answered with 413 before its end: the answer is read, every
 * time, whatever became of the upload.
 *
 * Short: 42 times each way. Long: 1,000 times each way.
 */
#include "support/peer.h"
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
/* HTTP/1.1: the peer closes without reading on, so the answer and a reset lie in the socket and
 * sending fails. The answer comes first. */
static const char *const h1_paths[] = {"/early/413?linger=0", "/early/413?linger=0&ms=1",
                                       "/early/413?linger=0"};
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

static void assert_answer(const weir_fetched *fetched, size_t time, size_t times)
{
    if (fetched->ended != WEIR_END || fetched->code != 413 ||
        strcmp(fetched->text, "early 413\n") != 0) {
        fail_msg("time %zu of %zu: %s, code %d, \"%s\"", time + 1, times,
                 weir_status_name(fetched->ended), fetched->code, fetched->text);
    }
}

/* The i-th upload: a span, a source and a stream in turn. */
static weir_fetched upload(weir_world *world, weir_ask *ask, size_t i, size_t *cut)
{
    const weir_body_kind kind = i % 3 == 1 ? WEIR_BODY_SOURCE : WEIR_BODY_STREAM;

    return i % 3 == 0 ? upload_span(world, ask) : upload_pieces(world, ask, kind, i % 4 < 2, cut);
}

static void close_and_judge(weir_world *world, size_t read, size_t times, size_t cut)
{
    weir_counts counts;

    weir_user_counts(weir_world_user(world), &counts);
    assert_int_equal(counts.leases, 0);
    weir_world_close(world);
    assert_int_equal(world->agreed, counts.dials);
    print_message("# the answer was read %zu times of %zu on %" PRIu64
                  " connections; %zu were cut\n",
                  read, times, counts.dials, cut);
}

static void answer_is_read(weir_world *world)
{
    const size_t times = weir_tests_are_long() ? 1000 : 42;
    size_t cut = 0; /* of the two thirds whose writing is counted */
    size_t i = 0;

    (void)alarm(weir_tests_are_long() ? 900 : 60);
    for (; i < times; i++) {
        const char *const *choice = paths;
        if (i % 2 == 1) {
            choice = world->way.protocol == WEIR_H2 ? h2_paths : h1_paths;
        }
        weir_ask ask = weir_world_ask(world, choice[i / 3 % 3]);
        const weir_fetched fetched = upload(world, &ask, i, &cut);
        assert_answer(&fetched, i, times);
    }
    assert_true(cut > 0); /* or nothing was early */
    close_and_judge(world, i, times, cut);
}

/* A peer that answers and leaves the upload where it is: sending never ends, the answer is there.
 */
static void answer_of_one_who_does_not_read(weir_world *world)
{
    static const weir_peer_turn turns[] = {
        {"HTTP/1.1 413 Content Too Large\r\nContent-Length: 10\r\n\r\nearly 413\n", WEIR_PEER_HOLD,
         0}};
    static const weir_peer_turn *const scripts[] = {turns, turns, turns, turns, turns, turns};
    const size_t times = weir_tests_are_long() ? 1002 : 42;
    size_t cut = 0;

    (void)alarm(weir_tests_are_long() ? 900 : 60);
    /* What was sent stays in the kernel's buffers, so only a few of these connections at a time. */
    for (size_t i = 0; i < times; i += WEIR_COUNT_OF(scripts)) {
        weir_peer *peer = weir_peer_start(scripts, WEIR_COUNT_OF(scripts));
        for (size_t j = 0; j < WEIR_COUNT_OF(scripts); j++) {
            weir_ask ask = weir_world_ask_at(world, "/", weir_peer_port(peer));
            const weir_fetched fetched = upload(world, &ask, i + j, &cut);
            assert_answer(&fetched, i + j, times);
        }
        weir_peer_stop(peer);
    }
    assert_int_equal(cut, times - times / 3);
    close_and_judge(world, times, times, cut);
}

int main(void)
{
    static const weir_behaviour behaviours[] = {
        {.name = "the answer to an upload that is not wanted is read", .run = answer_is_read},
        {.name = "the answer is read when the upload is not",
         .run = answer_of_one_who_does_not_read,
         .only = WEIR_ONLY_H1 | WEIR_ONLY_CLEAR},
    };
    return weir_world_run("early_413", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
