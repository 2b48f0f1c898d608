/* SPDX-License-Identifier: MIT */
/*
 * The bench of h2_send_test.c and h2_credit_test.c; see h2_send_bench.h.
 */
#include "h2_send_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void decode_block(server *s, weir_span block, bool last)
{
    bool found = true;
    while (found) {
        weir_field field;
        assert_int_equal(weir_h2_hpack_decode(s->hpack, &block, last, &field, &found), WEIR_OK);
        if (found) {
            weir_text_escape(&s->heads, field.name);
            weir_text_append(&s->heads, WEIR_SPAN("="));
            weir_text_escape(&s->heads, weir_span_head(field.value, 30));
            weir_text_append(&s->heads, WEIR_SPAN(" "));
        }
    }
    if (last) {
        weir_text_append(&s->heads, WEIR_SPAN("\n"));
    }
}

void bench_on_frame(weir_h2_player *player, weir_span frame, void *user)
{
    (void)player;
    server *s = user;
    uint8_t type = frame.at[3];
    uint8_t flags = frame.at[4];
    uint32_t id = weir_h2_get32(frame.at + 5);
    weir_span payload = weir_span_from(frame, WEIR_H2_FRAME_HEAD_OCTETS);
    weir_text_printf(&s->types, "%s %u %zu\n", weir_h2_type_name(type), id, payload.length);
    if (type == WEIR_H2_HEADERS || type == WEIR_H2_CONTINUATION) {
        decode_block(s, payload, false);
        if (flags & WEIR_H2_FLAG_END_HEADERS) {
            decode_block(s, (weir_span){NULL, 0}, true);
        }
    } else if (type == WEIR_H2_WINDOW_UPDATE && s->credit_count < CREDITS_MOST) {
        s->credits[s->credit_count++] = (credit){id, weir_h2_get32(payload.at)};
    } else if (type == WEIR_H2_DATA && id / 2 < WEIR_COUNT_OF(s->data_octets)) {
        s->data_octets[id / 2] += payload.length;
    }
}

int bench_setup(void **state)
{
    h2_send_bench *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    weir_failalloc_init(&f->failalloc, 0);
    weir_failalloc_init(&f->server.memory, 0);
    f->server.hpack = weir_h2_hpack_new(&f->server.memory.allocator);
    weir_h2_wire_init(&f->wire);
    *state = f;
    return 0;
}

void bench_begin(h2_send_bench *f)
{
    weir_h2_watch watch = {.user = &f->server, .sent = bench_on_frame};
    assert_true(weir_h2_player_init(&f->player, &f->failalloc.allocator, &f->limits, &watch));
    weir_h2_player_settle(&f->player);
}

void bench_server_clear(server *s)
{
    weir_h2_hpack_free(s->hpack);
    weir_text_clear(&s->heads);
    weir_text_clear(&s->types);
    weir_failalloc_finish(&s->memory);
}

int bench_teardown(void **state)
{
    h2_send_bench *f = *state;
    weir_h2_player_free(&f->player);
    weir_h2_wire_clear(&f->wire);
    bench_server_clear(&f->server);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

void bench_says(h2_send_bench *f, const char *key, const char *value)
{
    weir_corpus_document document = {.file = "here"};
    weir_corpus_step step = {.key = key, .value = value};
    assert_true(weir_h2_wire_step(&f->wire, &document, &step));
    weir_h2_player_feed(&f->player, weir_text_span(&f->wire.octets));
    weir_text_reset(&f->wire.octets);
}

void bench_open_request(h2_send_bench *f, const char *method, weir_framing framing)
{
    weir_h2_request request = {.method = method, .body = {framing, 0}};
    assert_int_equal(weir_h2_player_open(&f->player, &request), WEIR_OK);
}

void bench_write_zeros(h2_send_bench *f, uint32_t id, size_t octets, weir_status status,
                       size_t taken)
{
    static const uint8_t zeros[200000];
    size_t took;
    assert_true(octets <= sizeof(zeros));
    assert_int_equal(weir_h2_player_write(&f->player, id, (weir_span){zeros, octets}, false, &took),
                     status);
    assert_int_equal(took, taken);
}

void bench_expect_credit(const h2_send_bench *f, size_t i, uint32_t stream, uint32_t increment)
{
    assert_true(i < f->server.credit_count);
    assert_int_equal(f->server.credits[i].stream, stream);
    assert_int_equal(f->server.credits[i].increment, increment);
}
