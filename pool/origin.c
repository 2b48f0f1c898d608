/* SPDX-License-Identifier: MIT */
/*
 * The key's hash and comparison. The hash is SipHash-1-3 (Aumasson and Bernstein 2012), written
 * from its description: host names are chosen by strangers, and with a hash that can be guessed a
 * stranger chooses the bucket too.
 *
 * The words that are hashed: the TLS identity, the small members with a bit for each span that is
 * not empty, and for each of those its length and its octets, padded with zeros. Keys that differ
 * give different words.
 */
#include "pool/origin.h"

#include <string.h>

typedef struct sip {
    uint64_t v0, v1, v2, v3;
} sip;

enum { SPANS = 6 };

static void spans_of(const weir_origin_key *key, weir_span spans[SPANS]);
static inline uint64_t spans_present(const weir_origin_key *key);
static inline uint64_t small_members(const weir_origin_key *key);
static inline void sip_word(sip *state, uint64_t word);
static void sip_span(sip *state, weir_span span);
static bool span_equal(weir_span a, weir_span b);

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void sip_round(sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

uint64_t weir_origin_key_hash(const weir_origin_key *key, uint64_t seed)
{
    const uint64_t k0 = seed;
    const uint64_t k1 = rotate(seed, 32) * UINT64_C(0x9e3779b97f4a7c15) + 1;
    sip state = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                 k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    const uint64_t present = spans_present(key);
    sip_word(&state, key->tls);
    sip_word(&state, small_members(key) | present << 56);
    sip_span(&state, key->host);
    if (present >> 1 != 0) {
        sip_span(&state, key->zone);
        sip_span(&state, key->address);
        sip_span(&state, key->proxy);
        sip_span(&state, key->socket_path);
        sip_span(&state, key->local);
    }
    state.v2 ^= 0xff;
    for (int i = 0; i < 3; i++) {
        sip_round(&state);
    }
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

bool weir_origin_key_equal(const weir_origin_key *a, const weir_origin_key *b)
{
    return a->port == b->port && a->address_port == b->address_port && a->https == b->https &&
           a->kind == b->kind && a->pin == b->pin && a->reserved == b->reserved &&
           a->tls == b->tls && span_equal(a->host, b->host) && span_equal(a->zone, b->zone) &&
           span_equal(a->address, b->address) && span_equal(a->proxy, b->proxy) &&
           span_equal(a->socket_path, b->socket_path) && span_equal(a->local, b->local);
}

size_t weir_origin_key_octets(const weir_origin_key *key)
{
    weir_span spans[SPANS];
    size_t octets = 0;
    spans_of(key, spans);
    for (size_t i = 0; i < SPANS; i++) {
        octets += spans[i].length;
    }
    return octets;
}

void weir_origin_key_copy(weir_origin_key *to, const weir_origin_key *key, uint8_t *room)
{
    *to = *key;
    weir_span *const spans[SPANS] = {&to->host,  &to->zone,        &to->address,
                                     &to->proxy, &to->socket_path, &to->local};
    for (size_t i = 0; i < SPANS; i++) {
        if (spans[i]->length == 0) {
            *spans[i] = (weir_span){NULL, 0};
            continue;
        }
        memcpy(room, spans[i]->at, spans[i]->length);
        spans[i]->at = room;
        room += spans[i]->length;
    }
    WEIR_ASSERT(weir_origin_key_equal(to, key));
}

static void spans_of(const weir_origin_key *key, weir_span spans[SPANS])
{
    spans[0] = key->host;
    spans[1] = key->zone;
    spans[2] = key->address;
    spans[3] = key->proxy;
    spans[4] = key->socket_path;
    spans[5] = key->local;
}

/* A bit for each span that is not empty, the host's the lowest. */
static inline uint64_t spans_present(const weir_origin_key *key)
{
    return (uint64_t)(key->host.length > 0) | (uint64_t)(key->zone.length > 0) << 1 |
           (uint64_t)(key->address.length > 0) << 2 | (uint64_t)(key->proxy.length > 0) << 3 |
           (uint64_t)(key->socket_path.length > 0) << 4 | (uint64_t)(key->local.length > 0) << 5;
}

/* https is a truth value, reserved is zero; each has bits of its own, and 56 to 61 are left. */
static inline uint64_t small_members(const weir_origin_key *key)
{
    return (uint64_t)key->port | (uint64_t)key->address_port << 16 | (uint64_t)key->kind << 32 |
           (uint64_t)key->pin << 40 | (uint64_t)key->https << 48 |
           (uint64_t)(key->reserved & 3) << 62;
}

static inline void sip_word(sip *state, uint64_t word)
{
    state->v3 ^= word;
    sip_round(state);
    state->v0 ^= word;
}

static void sip_span(sip *state, weir_span span)
{
    if (span.length == 0) {
        return;
    }
    sip_word(state, span.length);
    size_t at = 0;
    for (; span.length - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, span.at + at, sizeof word);
        sip_word(state, word);
    }
    if (at < span.length) {
        uint64_t word = 0;
        for (size_t i = 0; at < span.length; i++, at++) {
            word |= (uint64_t)span.at[at] << (8 * i);
        }
        sip_word(state, word);
    }
}

static bool span_equal(weir_span a, weir_span b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}
