/* SPDX-License-Identifier: MIT */
/*
 * The key's hash and comparison. The hash is SipHash-1-3 (proto/sip.h): host names are chosen by
 * strangers.
 *
 * The words that are hashed: the TLS identity, the small members with a bit for each span that is
 * not empty, and for each of those its length and its octets, padded with zeros. Keys that differ
 * give different words.
 */
#include "pool/origin.h"

#include "proto/sip.h"

#include <string.h>

enum { SPANS = 6 };

/* The words of a key on their way into the hash. */
typedef struct writing {
    weir_sip sip;
    uint64_t *to; /* the first of them go there */
    size_t count;
} writing;

static void spans_of(const weir_origin_key *key, weir_span spans[SPANS]);
static inline uint64_t spans_present(const weir_origin_key *key);
static inline uint64_t small_members(const weir_origin_key *key);
static inline void add_word(writing *w, uint64_t word);
static inline void add_span(writing *w, weir_span span);
static bool span_equal(weir_span a, weir_span b);

uint64_t weir_origin_key_hash(const weir_origin_key *key, uint64_t seed)
{
    weir_origin_sought sought;
    weir_origin_seek(&sought, key, seed);
    return sought.hash;
}

void weir_origin_seek(weir_origin_sought *sought, const weir_origin_key *key, uint64_t seed)
{
    *sought = (weir_origin_sought){.hash = 0};
    writing w = {.sip = weir_sip_seeded(seed), .to = sought->words};
    const uint64_t present = spans_present(key);
    add_word(&w, key->tls);
    add_word(&w, small_members(key) | present << 56);
    add_span(&w, key->host);
    if (present >> 1 != 0) {
        weir_span spans[SPANS];
        spans_of(key, spans);
        for (size_t i = 1; i < SPANS; i++) {
            add_span(&w, spans[i]);
        }
    }
    sought->hash = weir_sip_end(w.sip);
    sought->is_whole = w.count <= WEIR_ORIGIN_WORDS;
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

static inline void add_word(writing *w, uint64_t word)
{
    if (w->count < WEIR_ORIGIN_WORDS) {
        w->to[w->count] = word;
    }
    w->count++;
    weir_sip_word(&w->sip, word);
}

static inline void add_span(writing *w, weir_span span)
{
    if (span.length == 0) {
        return;
    }
    add_word(w, span.length);
    for (size_t at = 0; at < span.length; at += sizeof(uint64_t)) {
        add_word(w, weir_sip_word_at(span, at));
    }
}

static bool span_equal(weir_span a, weir_span b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}
