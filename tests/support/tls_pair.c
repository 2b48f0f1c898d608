/* SPDX-License-Identifier: MIT */
/* A TLS filter and an OpenSSL server, joined: see tls_pair.h. */
#include "support/tls_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void feed(weir_tls_pair *pair, weir_span octets);
static void tell(weir_tls_told *told, const weir_tls_record *record);
static size_t sum(const weir_tls_told *told);

weir_tls_pair *weir_tls_pair_new(weir_tls *tls, weir_tls_server *server)
{
    weir_tls_pair *pair = calloc(1, sizeof(*pair));

    assert_non_null(pair);
    pair->tls = tls;
    pair->server = server;
    if (tls) {
        weir_tls_start(tls);
    }
    return pair;
}

void weir_tls_pair_free(weir_tls_pair *pair)
{
    if (pair) {
        weir_tls_free(pair->tls);
        weir_tls_server_free(pair->server);
        free(pair);
    }
}

bool weir_tls_pair_send(weir_tls_pair *pair)
{
    bool moved = false;
    weir_span octets;

    while ((octets = weir_tls_pending(pair->tls, 0)).length > 0) {
        weir_tls_record record;

        octets = weir_span_head(octets, pair->out_piece ? pair->out_piece : octets.length);
        weir_tls_server_feed(pair->server, octets);
        weir_tls_sent(pair->tls, octets.length);
        pair->sent.octets += octets.length;
        while (weir_tls_next_sent(pair->tls, &record)) {
            tell(&pair->sent, &record);
        }
        assert_int_equal(pair->sent.octets, sum(&pair->sent) + weir_tls_torn_sent(pair->tls));
        moved = true;
    }
    return moved;
}

bool weir_tls_pair_receive(weir_tls_pair *pair)
{
    size_t before = pair->received.octets;

    pair->kept_octets += weir_tls_server_take(pair->server, pair->kept + pair->kept_octets,
                                              sizeof(pair->kept) - pair->kept_octets);
    if (pair->kept_octets == 0) {
        return false;
    }
    /* An exact copy, so that reading past the end is seen. */
    size_t count = pair->kept_octets;
    uint8_t *copy = malloc(count);
    assert_non_null(copy);
    memcpy(copy, pair->kept, count);
    pair->kept_octets = 0;
    feed(pair, (weir_span){copy, count});
    size_t taken = pair->received.octets - before;
    memcpy(pair->kept, copy + taken, count - taken);
    pair->kept_octets = count - taken;
    free(copy);
    return taken > 0;
}

void weir_tls_pair_run(weir_tls_pair *pair)
{
    bool moved = true;

    while (moved) {
        moved = weir_tls_pair_send(pair);
        moved = weir_tls_pair_receive(pair) || moved;
    }
}

void weir_tls_pair_inject(weir_tls_pair *pair, const void *octets, size_t count)
{
    assert_true(count <= sizeof(pair->kept) - pair->kept_octets);
    memcpy(pair->kept + pair->kept_octets, octets, count);
    pair->kept_octets += count;
    weir_tls_pair_receive(pair);
}

void weir_tls_pair_write(weir_tls_pair *pair, const void *plain, size_t octets)
{
    size_t before = pair->server->got_octets;

    assert_true(weir_tls_can_seal(pair->tls));
    assert_int_equal(weir_tls_seal(pair->tls, (weir_span){plain, octets}), WEIR_OK);
    weir_tls_pair_send(pair);
    assert_int_equal(pair->server->got_octets, before + octets);
    assert_memory_equal(pair->server->got + before, plain, octets);
}

static void feed(weir_tls_pair *pair, weir_span octets)
{
    while (octets.length > 0) {
        weir_span piece = weir_span_head(octets, pair->in_piece ? pair->in_piece : octets.length);
        weir_tls_record record;
        size_t taken = weir_tls_feed(pair->tls, piece, &record);

        assert_true(taken <= piece.length);
        pair->received.octets += taken;
        if (record.kind != WEIR_TLS_NOTHING) {
            tell(&pair->received, &record);
        }
        if (record.kind == WEIR_TLS_DATA) {
            assert_int_equal(record.plain.length, record.plain_octets);
            assert_true(record.plain_octets <= sizeof(pair->got) - pair->got_octets);
            memcpy(pair->got + pair->got_octets, record.plain.at, record.plain.length);
            pair->got_octets += record.plain.length;
        }
        weir_tls_plain_done(pair->tls);
        assert_int_equal(pair->received.octets,
                         sum(&pair->received) + weir_tls_torn_received(pair->tls));
        octets = weir_span_from(octets, taken);
        if (weir_tls_state_of(pair->tls) == WEIR_TLS_FAILED ||
            weir_tls_state_of(pair->tls) == WEIR_TLS_CLOSED) {
            return;
        }
        assert_true(taken > 0);
    }
}

static void tell(weir_tls_told *told, const weir_tls_record *record)
{
    assert_true(record->kind > WEIR_TLS_NOTHING);
    assert_true(record->kind <= WEIR_TLS_CLOSE_NOTIFY);
    assert_true((record->kind == WEIR_TLS_DATA) == (record->plain_octets > 0));
    assert_true(record->wire_octets > record->plain_octets);
    told->wire[record->kind] += record->wire_octets;
    told->records[record->kind]++;
    told->plain += record->plain_octets;
}

static size_t sum(const weir_tls_told *told)
{
    size_t octets = 0;
    for (size_t kind = 0; kind <= WEIR_TLS_CLOSE_NOTIFY; ++kind) {
        octets += told->wire[kind];
    }
    return octets;
}
