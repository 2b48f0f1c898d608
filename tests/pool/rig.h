/* SPDX-License-Identifier: MIT */
/*
 * A pool on a bench: tickets are letters, connections are the numbers of their slots, and what the
 * pool wants done is a line of text, so that a test reads as what happened.
 *
 *   rig_ask(&r, 'a', "tls.one");            the kind of origin is in the name, see rig_key()
 *   assert_string_equal(rig_actions(&r), "dial 1 for a");
 *   rig_ready(&r, 1, WEIR_H2, 100);
 *   assert_string_equal(rig_actions(&r), "grant a 1 dialed");
 *
 * After every step the pool's own check has walked everything.
 */
#ifndef WEIR_TESTS_POOL_RIG_H
#define WEIR_TESTS_POOL_RIG_H

#include "pool/pool.h"
#include "support/failalloc.h"

enum { RIG_TICKETS = 26, RIG_TEXT = 4096 };

typedef struct rig {
    weir_failalloc memory;
    weir_pool *pool;
    weir_time now_ns;
    uint64_t versions;
    weir_ticket tickets[RIG_TICKETS];
    char text[RIG_TEXT];
    size_t text_length;
} rig;

/* The options' allocator is the rig's own. */
void rig_open(rig *r, weir_pool_options options);
/* Ends all that is left, frees the pool, and fails the test if memory is left. */
void rig_close(rig *r);

/* "tls.*": https, the protocol is up to ALPN; "h2.*": clear HTTP/2 by a pin; anything else: clear
 * HTTP/1.1. */
weir_origin_key rig_key(const char *name);

weir_ticket *rig_ticket(rig *r, char letter);
weir_slot *rig_slot(const rig *r, uint64_t id);
/* Newer than all facts before. */
weir_facts rig_facts(rig *r, weir_protocol protocol, uint32_t capacity);

weir_status rig_ask(rig *r, char letter, const char *name);
/* Asks for every letter of `letters` and expects WEIR_AGAIN or WEIR_OK. */
void rig_ask_all(rig *r, const char *letters, const char *name);
void rig_release(rig *r, char letter);
void rig_abandon(rig *r, char letter);
void rig_ready(rig *r, uint64_t id, weir_protocol protocol, uint32_t capacity);
/* A dial fails and is gone; or it fails, and its socket is still there. */
void rig_fail(rig *r, uint64_t id);
void rig_fail_only(rig *r, uint64_t id);
void rig_gone(rig *r, uint64_t id);
/* Says that it takes this many, or (0) that it takes no more and is not to be kept. */
void rig_tell(rig *r, uint64_t id, uint32_t capacity);
void rig_tick(rig *r, weir_time span_ns);

/* A new connection of HTTP/1.1, the slot `id`, that the letter has a lease of. */
void rig_lease_h1(rig *r, char letter, const char *name, uint64_t id);
/* A new connection of HTTP/2, the slot 1, to "h2.one": every letter that fits has a lease of it. */
void rig_lease_h2(rig *r, const char *letters, uint32_t capacity);

/* What the pool wanted since the last time: "dial 1 for a, grant b 2 reused, close 3 evicted,
 * refuse c NAME". */
const char *rig_actions(rig *r);
/* Nothing until so much time has passed; then, that. */
const char *rig_actions_after(rig *r, weir_time span_ns);
/* As rig_actions(), with "a waits: busy" where a ticket is to be told that its reason changed. */
const char *rig_told(rig *r);

#endif
