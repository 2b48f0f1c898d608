/* SPDX-License-Identifier: MIT */
/*
 * What makes two requests share a connection: the pool's key. Every option that shapes a connection
 * is in it; two requests that differ in one of them never share: a wrong reuse is a security
 * defect.
 *
 * A key is a value whose spans are borrowed; an origin's record has copies of its own.
 */
#ifndef WEIR_POOL_ORIGIN_H
#define WEIR_POOL_ORIGIN_H

#include "proto/target.h"

typedef struct weir_origin_key {
    weir_span host;        /* lowered, as in weir_target */
    weir_span zone;        /* IPv6 zone */
    weir_span address;     /* connect-to: dial this host instead, the identity stays; empty: host */
    weir_span proxy;       /* proxy identity with its credentials; empty: none */
    weir_span socket_path; /* unix socket instead of TCP; empty: none */
    weir_span local;       /* local address or interface to bind; empty: any */
    /* number of the TLS configuration, which is never reused as an address is; 0: clear */
    uint64_t tls;
    uint16_t port;
    uint16_t address_port; /* of `address`; 0: port */
    uint8_t https;
    uint8_t kind; /* weir_host_kind */
    uint8_t pin;  /* weir_protocol */
    uint8_t reserved;
} weir_origin_key;

/* A new member must be added to the hash and the comparison too. */
_Static_assert(sizeof(weir_origin_key) == 6 * sizeof(weir_span) + sizeof(uint64_t) + 8,
               "a new member of the origin's key must be hashed and compared");

/*
 * What a key is looked for by: its hash, and the first of the words that are hashed, with zeros
 * behind the last. If they are all of them, who has the same words has the same key.
 */
enum { WEIR_ORIGIN_WORDS = 8 };
typedef struct weir_origin_sought {
    uint64_t hash;
    uint64_t words[WEIR_ORIGIN_WORDS];
    bool is_whole; /* they are all */
} weir_origin_sought;

void weir_origin_seek(weir_origin_sought *sought, const weir_origin_key *key, uint64_t seed);
uint64_t weir_origin_key_hash(const weir_origin_key *key, uint64_t seed);
bool weir_origin_key_equal(const weir_origin_key *a, const weir_origin_key *b);

/* Octets of all its spans, and a copy whose spans lie in that much room. */
size_t weir_origin_key_octets(const weir_origin_key *key);
void weir_origin_key_copy(weir_origin_key *to, const weir_origin_key *key, uint8_t *room);

#endif
