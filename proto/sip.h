/* SPDX-License-Identifier: MIT */
/*
 * SipHash-1-3 (Aumasson and Bernstein 2012), written from its description: the hash of every table
 * whose keys strangers choose, such as names of hosts. With a hash that can be guessed a stranger
 * chooses the bucket too, and puts everything into one.
 *
 * It works on words of 64 bits: seed, words, end. What the words of a key are is for the user to
 * say, so that keys that differ give different words; weir_sip_span() is the words of a span.
 *
 * Inline, though longer than a header's functions should be: a host name is a few words, and the
 * calls would take as long as the rounds.
 */
#ifndef WEIR_PROTO_SIP_H
#define WEIR_PROTO_SIP_H

#include "proto/base.h"

typedef struct weir_sip {
    uint64_t v0, v1, v2, v3;
} weir_sip;

static inline uint64_t weir_sip_rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void weir_sip_round(weir_sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = weir_sip_rotate(s->v1, 13) ^ s->v0;
    s->v3 = weir_sip_rotate(s->v3, 16) ^ s->v2;
    s->v0 = weir_sip_rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = weir_sip_rotate(s->v1, 17) ^ s->v2;
    s->v3 = weir_sip_rotate(s->v3, 21) ^ s->v0;
    s->v2 = weir_sip_rotate(s->v2, 32);
}

static inline weir_sip weir_sip_keyed(uint64_t k0, uint64_t k1)
{
    return (weir_sip){k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                      k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
}

/* Both halves of the key from one word that nobody can guess. */
static inline weir_sip weir_sip_seeded(uint64_t seed)
{
    return weir_sip_keyed(seed, weir_sip_rotate(seed, 32) * UINT64_C(0x9e3779b97f4a7c15) + 1);
}

static inline void weir_sip_word(weir_sip *s, uint64_t word)
{
    s->v3 ^= word;
    weir_sip_round(s);
    s->v0 ^= word;
}

/* Eight octets as a word, the first the lowest: compilers know it for one load. */
static inline uint64_t weir_sip_load(const uint8_t *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24 |
           (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 |
           (uint64_t)at[7] << 56;
}

/* The word at `at` of a span that is longer: whole, or its last octets padded with zeros. */
static inline uint64_t weir_sip_word_at(weir_span span, size_t at)
{
    const size_t left = span.length - at;
    if (left >= sizeof(uint64_t)) {
        return weir_sip_load(span.at + at);
    }
    if (at > 0) {
        /* With octets before them, that it then loses: one load for up to seven. */
        const size_t before = sizeof(uint64_t) - left;
        return weir_sip_load(span.at + at - before) >> (8 * before);
    }
    uint64_t word = 0;
    for (size_t i = 0; i < left; i++) {
        word |= (uint64_t)span.at[i] << (8 * i);
    }
    return word;
}

/* Its length and its octets, padded with zeros. */
static inline void weir_sip_span(weir_sip *s, weir_span span)
{
    weir_sip_word(s, span.length);
    for (size_t at = 0; at < span.length; at += sizeof(uint64_t)) {
        weir_sip_word(s, weir_sip_word_at(span, at));
    }
}

static inline uint64_t weir_sip_end(weir_sip s)
{
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++) {
        weir_sip_round(&s);
    }
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* Of one span that is the whole key. */
static inline uint64_t weir_sip_hash(weir_span span, uint64_t seed)
{
    weir_sip sip = weir_sip_seeded(seed);
    weir_sip_span(&sip, span);
    return weir_sip_end(sip);
}

#endif
