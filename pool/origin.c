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

static void spans_of(const weir_origin_key *key, weir_span spans[SPANS]);
static inline uint64_t spans_present(const weir_origin_key *key);
static inline uint64_t small_members(const weir_origin_key *key);
static void add_span(weir_sip *sip, weir_span span);
static bool span_equal(weir_span a, weir_span b);

uint64_t weir_origin_key_hash(const weir_origin_key *key, uint64_t seed)
{
    weir_sip sip = weir_sip_seeded(seed);
    const uint64_t present = spans_present(key);
    weir_sip_word(&sip, key->tls);
    weir_sip_word(&sip, small_members(key) | present << 56);
    add_span(&sip, key->host);
    if (present >> 1 != 0) {
        add_span(&sip, key->zone);
        add_span(&sip, key->address);
        add_span(&sip, key->proxy);
        add_span(&sip, key->socket_path);
        add_span(&sip, key->local);
    }
    return weir_sip_end(sip);
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

static void add_span(weir_sip *sip, weir_span span)
{
    if (span.length > 0) {
        weir_sip_span(sip, span);
    }
}

static bool span_equal(weir_span a, weir_span b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}
