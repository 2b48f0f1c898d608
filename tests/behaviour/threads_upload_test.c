/* SPDX-License-Identifier: MIT */
/*
 * Threads write their requests' content in many small pieces over one HTTP/2 connection, while
 * another waits on it for an answer that never comes and so reads for all. Each piece is to be sent
 * before weir_write() returns; whoever writes may send the pieces of others, and then must say so
 * to the threads that wait for it. No call has a limit that would hide a thread that was forgotten:
 * then this test hangs, until its watchdog.
 */
#include "support/world.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define WRITERS    3
#define MOST_NS    (5 * WEIR_NS_PER_SECOND)
#define PIECE_MOST 7

typedef struct writer {
    weir_status ended; /* WEIR_END: answered */
    weir_time longest_ns;
} writer;

typedef struct shared {
    weir_world *world;
    size_t pieces;
    weir_token *token; /* of the call that is not answered */
    atomic_size_t over;
    weir_status hung;
    writer writers[WRITERS];
} shared;

static void without_limits(weir_call *call)
{
    call->write_ns = WEIR_NEVER;
    call->first_octet_ns = WEIR_NEVER;
    call->idle_ns = WEIR_NEVER;
}

static weir_status write_all(const shared *all, weir_exchange *exchange, weir_time *longest_ns)
{
    uint64_t at = 0;

    for (size_t i = 0; i < all->pieces; i++) {
        uint8_t piece[PIECE_MOST];
        const size_t length = 1 + i % PIECE_MOST;
        size_t taken = 0;
        weir_pattern_fill(piece, at, length);
        const weir_time begun_ns = weir_now();
        const weir_status status = weir_write(exchange, (weir_span){piece, length}, &taken);
        const weir_time took_ns = weir_now() - begun_ns;
        *longest_ns = took_ns > *longest_ns ? took_ns : *longest_ns;
        if (status != WEIR_OK || taken != length) {
            return status;
        }
        at += length;
    }
    return weir_finish(exchange, NULL, 0);
}

static void upload(shared *all, writer *mine)
{
    weir_exchange *exchange = NULL;
    weir_ask ask = weir_world_ask(all->world, "/sink");

    without_limits(&ask.call);
    ask.request.method = WEIR_SPAN("POST");
    ask.request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = WEIR_UNKNOWN};
    mine->ended = weir_world_call(all->world, &ask, &exchange);
    if (mine->ended == WEIR_OK) {
        mine->ended = write_all(all, exchange, &mine->longest_ns);
    }
    if (mine->ended == WEIR_OK) {
        weir_fetched fetched = {.called = WEIR_OK};
        weir_world_drain(all->world, exchange, &fetched);
        mine->ended = fetched.code == 200 ? fetched.ended : WEIR_E_STATE;
    }
    weir_world_drop(all->world, exchange);
    if (atomic_fetch_add(&all->over, 1) + 1 == WRITERS) {
        weir_token_cancel(all->token);
    }
}

static void wait_for_nothing(shared *all)
{
    weir_ask ask = weir_world_ask(all->world, "/hang");

    without_limits(&ask.call);
    ask.call.token = all->token;
    all->hung = weir_world_fetch(all->world, &ask).called;
}

static void work(weir_user *user, size_t index, void *at)
{
    shared *all = at;

    (void)user;
    if (index < WRITERS) {
        upload(all, &all->writers[index]);
    } else {
        wait_for_nothing(all);
    }
}

static void a_writer_is_told_what_another_thread_sent(weir_world *world)
{
    shared all = {
        .world = world,
        .pieces = weir_tests_are_long() ? 20000 : 2000,
        .token = weir_token_new(NULL),
    };
    weir_time longest_ns = 0;
    weir_counts counts;

    (void)alarm(120);
    assert_non_null(all.token);
    weir_user_together(weir_world_user(world), WRITERS + 1, work, &all);
    weir_token_free(all.token);
    weir_user_counts(weir_world_user(world), &counts);
    assert_int_equal(all.hung, WEIR_E_CANCELLED);
    assert_int_equal(counts.dials, 1);
    for (size_t i = 0; i < WRITERS; i++) {
        assert_int_equal(all.writers[i].ended, WEIR_END);
        longest_ns =
            longest_ns > all.writers[i].longest_ns ? longest_ns : all.writers[i].longest_ns;
    }
    print_message("# %d times %zu pieces; the longest write took %" PRIu64 " us\n", WRITERS,
                  all.pieces, longest_ns / 1000);
    assert_true(longest_ns < MOST_NS);
}

int main(void)
{
    static const weir_behaviour behaviours[] = {
        {.name = "a writer is told what another thread sent",
         .run = a_writer_is_told_what_another_thread_sent,
         .only = WEIR_ONLY_BLOCKING | WEIR_ONLY_H2},
    };
    return weir_world_run("threads_upload", behaviours, 1, NULL);
}
