/* SPDX-License-Identifier: MIT */
/*
 * An idle HTTP/2 connection puts the coders of header blocks away: when, what it holds then, and
 * that both sides still understand each other, whatever comes next and whatever fails. That coders
 * are the same afterwards is shown in h2_hpack_test.c, and for whole connections in
 * h2_session_test.c.
 */
#include "proto/h2_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"
#include "support/h2_player.h"
#include "support/h2_wire.h"

#define SECOND      WEIR_NS_PER_SECOND
#define MANY        100 /* short fields are more than a table of 4096 octets holds */
#define MANY_OCTETS 8192

/* The server decodes with nghttp2's own, in step from the first block. */
typedef struct fixture {
    weir_failalloc failalloc;
    weir_conn_limits limits;
    weir_h2_player player;
    weir_h2_wire wire;
    weir_failalloc server;
    weir_h2_hpack *decoder;
    weir_text heads; /* what the server decoded */
    size_t head_octets;
} fixture;

static void on_frame(weir_h2_player *player, weir_span frame, void *user)
{
    (void)player;
    fixture *f = user;
    weir_span block = weir_span_from(frame, WEIR_H2_FRAME_HEAD_OCTETS);
    bool found = true;
    if (frame.at[3] != WEIR_H2_HEADERS) {
        return;
    }
    f->head_octets = block.length;
    weir_text_reset(&f->heads);
    while (found) {
        weir_field field;
        assert_int_equal(weir_h2_hpack_decode(f->decoder, &block, true, &field, &found), WEIR_OK);
        if (found) {
            weir_text_append(&f->heads, field.name);
            weir_text_append(&f->heads, WEIR_SPAN("="));
            weir_text_append(&f->heads, field.value);
            weir_text_append(&f->heads, WEIR_SPAN(" "));
        }
    }
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    weir_failalloc_init(&f->failalloc, 0);
    weir_failalloc_init(&f->server, 0);
    f->decoder = weir_h2_hpack_new(&f->server.allocator);
    weir_h2_wire_init(&f->wire);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    weir_h2_player_free(&f->player);
    weir_h2_wire_clear(&f->wire);
    weir_h2_hpack_free(f->decoder);
    weir_text_clear(&f->heads);
    weir_failalloc_finish(&f->server);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

static void says(fixture *f, const char *key, const char *value)
{
    weir_corpus_document document = {.file = "here"};
    weir_corpus_step step = {.key = key, .value = value};
    assert_true(weir_h2_wire_step(&f->wire, &document, &step));
    weir_h2_player_feed(&f->player, weir_text_span(&f->wire.octets));
    weir_text_reset(&f->wire.octets);
}

static void begin(fixture *f)
{
    weir_h2_watch watch = {.user = f, .sent = on_frame};
    assert_true(weir_h2_player_init(&f->player, &f->failalloc.allocator, &f->limits, &watch));
    weir_h2_player_settle(&f->player);
    says(f, "hello", "");
}

static weir_h2_hpack *coders(fixture *f)
{
    return weir_h2_session_of(f->player.conn)->hpack;
}

static bool is_put_away(fixture *f)
{
    return !weir_h2_hpack_has_encoder(coders(f)) && !weir_h2_hpack_has_decoder(coders(f));
}

static weir_time due_ns(fixture *f, weir_why *why)
{
    return weir_conn_deadline(f->player.conn, why);
}

/* A request and its response, both with many fields; the stream's id. */
static uint32_t ask(fixture *f, bool close)
{
    static weir_field fields[MANY];
    static char names[MANY][16];
    static char text[MANY_OCTETS];
    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof(names[0]), "x-f-%zu", i);
        fields[i] =
            (weir_field){.name = weir_span_of(names[i]), .value = weir_span_of("sixteen letters!")};
    }
    weir_h2_request request = {.method = "GET", .fields = fields, .field_count = MANY};
    if (weir_h2_player_open(&f->player, &request) != WEIR_OK) {
        return 0;
    }
    const uint32_t id = f->player.played[f->player.count - 1].id;
    int length = snprintf(text, sizeof(text), "%u END_HEADERS|END_STREAM :status=200", id);
    for (size_t i = 0; i < MANY; i++) {
        length += snprintf(text + length, sizeof(text) - (size_t)length,
                           " x-g-%zu=sixteen\\x20letters?", i);
    }
    says(f, "headers", text);
    if (close) {
        weir_h2_player_close(&f->player, id);
    }
    return id;
}

static void must_understand(fixture *f, uint32_t id)
{
    const weir_h2_played *played = weir_h2_player_find(&f->player, id);
    assert_non_null(played);
    assert_true(played->ended);
    assert_non_null(strstr(weir_text_string(&f->heads), " x-f-0=sixteen letters! x-f-1="));
    assert_non_null(strstr(weir_text_string(&f->heads), " x-f-99=sixteen letters! "));
    assert_non_null(strstr(weir_text_string(&played->fields), " x-g-0=sixteen letters? x-g-1="));
    assert_non_null(strstr(weir_text_string(&played->fields), " x-g-99=sixteen letters?"));
}

static void stow__is_due_a_second_after_the_last_stream(void **state)
{
    fixture *f = *state;
    weir_why why;
    begin(f);
    assert_true(due_ns(f, &why) == SECOND);
    assert_int_equal(why, WEIR_WHY_STOW);
    weir_h2_player_tick(&f->player, SECOND - 1);
    assert_false(is_put_away(f));
    const uint32_t id = ask(f, false);
    assert_true(due_ns(f, &why) == WEIR_NEVER);
    assert_int_equal(why, WEIR_WHY_NONE);
    weir_h2_player_tick(&f->player, 10 * SECOND);
    assert_false(is_put_away(f));
    weir_h2_player_close(&f->player, id);
    assert_true(due_ns(f, &why) == 11 * SECOND);
    weir_h2_player_tick(&f->player, 11 * SECOND);
    assert_true(is_put_away(f));
    assert_true(due_ns(f, &why) == WEIR_NEVER);
    weir_h2_player_tick(&f->player, 12 * SECOND);
    must_understand(f, ask(f, true));
    assert_true(due_ns(f, &why) == 13 * SECOND);
}

static void stow__full_tables_are_below_the_limit_and_still_of_use(void **state)
{
    fixture *f = *state;
    begin(f);
    (void)ask(f, true);
    must_understand(f, ask(f, true));
    const size_t again = f->head_octets;
    weir_bin_clear(&f->player.bin);
    const size_t before = atomic_load(&f->failalloc.live_octets);
    assert_true(before > 2 * WEIR_H2_TABLE_OCTETS + 4096);
    weir_h2_player_tick(&f->player, SECOND);
    assert_true(is_put_away(f));
    weir_bin_clear(&f->player.bin);
    const size_t after = atomic_load(&f->failalloc.live_octets);
    print_message("# full tables: %zu octets before, %zu after\n", before, after);
    assert_true(after < 2 * WEIR_H2_TABLE_OCTETS + 4096);
    must_understand(f, ask(f, true));
    assert_int_equal(f->head_octets, again);
}

/* What arrives while nothing is open needs the decoder, and does not keep it. */
static void stow__a_late_head_is_decoded_and_the_decoder_put_away_again(void **state)
{
    fixture *f = *state;
    weir_why why;
    begin(f);
    (void)ask(f, true);
    weir_h2_request request = {.method = "GET"};
    assert_int_equal(weir_h2_player_open(&f->player, &request), WEIR_OK);
    weir_h2_player_close(&f->player, 3);
    weir_h2_player_tick(&f->player, SECOND);
    assert_true(is_put_away(f));
    says(f, "headers", "3 END_HEADERS|END_STREAM :status=200 x-late=1 x-g-99=sixteen\\x20letters?");
    assert_true(weir_h2_hpack_has_decoder(coders(f)));
    assert_false(weir_h2_hpack_has_encoder(coders(f)));
    assert_true(due_ns(f, &why) == 2 * SECOND);
    weir_h2_player_tick(&f->player, 2 * SECOND);
    assert_true(is_put_away(f));
    must_understand(f, ask(f, true));
}

/* A block that is half there when its time comes: it waits until the block is whole. */
static void stow__half_a_head_keeps_the_decoder(void **state)
{
    fixture *f = *state;
    weir_why why;
    begin(f);
    weir_h2_request request = {.method = "GET"};
    assert_int_equal(weir_h2_player_open(&f->player, &request), WEIR_OK);
    weir_h2_player_close(&f->player, 1);
    says(f, "block", ":status=200 x-late=1 x-later=2");
    says(f, "headers", "1 - +take=7");
    weir_h2_player_tick(&f->player, SECOND);
    assert_true(weir_h2_hpack_has_decoder(coders(f)));
    says(f, "continuation", "1 END_HEADERS +rest");
    assert_true(due_ns(f, &why) == 2 * SECOND);
    weir_h2_player_tick(&f->player, 2 * SECOND);
    assert_true(is_put_away(f));
    must_understand(f, ask(f, true));
}

static void stow__settings_are_obeyed_by_what_is_put_away(void **state)
{
    fixture *f = *state;
    weir_why why;
    begin(f);
    (void)ask(f, true);
    weir_h2_player_tick(&f->player, SECOND);
    says(f, "settings", "HEADER_TABLE_SIZE=100 HEADER_TABLE_SIZE=2000");
    assert_true(is_put_away(f));
    assert_true(due_ns(f, &why) == WEIR_NEVER);
    must_understand(f, ask(f, true));
    must_understand(f, ask(f, true));
}

static void stow__our_own_table_size_is_owed_by_the_peer_at_rest_too(void **state)
{
    fixture *f = *state;
    weir_why why;
    f->limits.header_table_octets = 256;
    weir_h2_watch watch = {.user = f, .sent = on_frame};
    assert_true(weir_h2_player_init(&f->player, &f->failalloc.allocator, &f->limits, &watch));
    weir_h2_player_settle(&f->player);
    weir_h2_player_tick(&f->player, SECOND);
    assert_true(is_put_away(f));
    says(f, "hello", "");
    assert_true(weir_h2_hpack_has_decoder(coders(f)));
    assert_true(due_ns(f, &why) == 2 * SECOND);
    weir_h2_player_tick(&f->player, 2 * SECOND);
    assert_true(weir_h2_hpack_has_decoder(coders(f)));
    assert_true(due_ns(f, &why) == WEIR_NEVER);
    weir_h2_request request = {.method = "GET"};
    assert_int_equal(weir_h2_player_open(&f->player, &request), WEIR_OK);
    says(f, "headers", "1 END_HEADERS|END_STREAM +hex=88"); /* :status 200, and no new size */
    assert_int_equal(weir_conn_failure(f->player.conn).status, WEIR_E_H2_COMPRESSION);
}

/*
 * Without memory to put them away they stay. A request for which there is none to make the encoder
 * anew fails alone, and so leaves the connection as it was; a response for which there is none to
 * make the decoder anew is the end of the connection.
 */
static void without_memory(weir_failalloc *failalloc, void *user)
{
    fixture *f = user;
    f->player = (weir_h2_player){.conn = NULL};
    weir_h2_watch watch = {.user = f, .sent = on_frame};
    weir_h2_hpack_free(f->decoder);
    f->decoder = weir_h2_hpack_new(&f->server.allocator);
    weir_h2_wire_clear(&f->wire);
    weir_h2_wire_init(&f->wire);
    if (weir_h2_player_init(&f->player, &failalloc->allocator, NULL, &watch)) {
        weir_h2_player_settle(&f->player);
        says(f, "hello", "");
        for (unsigned round = 1; round < 3; round++) {
            const uint32_t id = ask(f, true);
            const weir_h2_played *played = id != 0 ? weir_h2_player_find(&f->player, id) : NULL;
            if (played && played->ended) {
                must_understand(f, id);
            }
            weir_h2_player_tick(&f->player, round * SECOND);
        }
        const weir_status status = weir_conn_failure(f->player.conn).status;
        assert_true(status == WEIR_OK || status == WEIR_E_NOMEM);
    }
    weir_h2_player_free(&f->player);
    f->player = (weir_h2_player){.conn = NULL};
}

static void stow__survives_every_failed_allocation(void **state)
{
    assert_true(weir_failalloc_every(without_memory, *state) > 1000);
}

static void stow__a_request_that_could_not_be_encoded_can_be_sent_later(void **state)
{
    fixture *f = *state;
    weir_why why;
    begin(f);
    must_understand(f, ask(f, true));
    (void)ask(f, true);
    const size_t again = f->head_octets;
    for (unsigned k = 0; k < 300; k++) {
        const weir_time now_ns = f->player.now_ns + SECOND;
        weir_h2_player_tick(&f->player, now_ns);
        assert_true(is_put_away(f));
        f->failalloc.fail_at = atomic_load(&f->failalloc.calls) + 1 + k;
        const uint32_t id = ask(f, true);
        const bool failed = id == 0 || weir_conn_failure(f->player.conn).status != WEIR_OK;
        f->failalloc.fail_at = 0;
        if (!failed) {
            continue;
        }
        if (!weir_h2_hpack_can_encode(coders(f)) ||
            weir_conn_failure(f->player.conn).status != WEIR_OK) {
            assert_true(k > 100);
            break; /* it was made anew, and failed in what came next */
        }
        assert_true(is_put_away(f) || due_ns(f, &why) == now_ns + SECOND);
        must_understand(f, ask(f, true));
        assert_int_equal(f->head_octets, again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STOW(name) cmocka_unit_test_setup_teardown(stow__##name, setup, teardown)
        STOW(is_due_a_second_after_the_last_stream),
        STOW(full_tables_are_below_the_limit_and_still_of_use),
        STOW(a_late_head_is_decoded_and_the_decoder_put_away_again),
        STOW(half_a_head_keeps_the_decoder),
        STOW(settings_are_obeyed_by_what_is_put_away),
        STOW(our_own_table_size_is_owed_by_the_peer_at_rest_too),
        STOW(survives_every_failed_allocation),
        STOW(a_request_that_could_not_be_encoded_can_be_sent_later),
    };
    return cmocka_run_group_tests_name("h2_stow", tests, NULL, NULL);
}
