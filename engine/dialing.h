/* SPDX-License-Identifier: MIT */
/*
 * A slot on its way from the pool's DIAL action to READY or failure: name, address, TCP, TLS, each
 * with its limit. Pure, and shared by all drivers; they resolve, connect and move octets.
 *
 *   DNS -answers-> CONNECT -attempt won-> TLS -handshake over-> READY
 *    \--------------- limit, failure, given up ---------------> FAILED
 *
 * The limits are those of the call that it goes on for, measured from the begin of the phase: at
 * first the call or wish that caused it, then whoever adopts it, and the defaults while it is
 * nobody's. Its
 * octets before it failed are in the link's ledger.
 */
#ifndef WEIR_ENGINE_DIALING_H
#define WEIR_ENGINE_DIALING_H

#include "engine/core.h"
#include "engine/dial.h"

#define WEIR_HOST_LIMIT_OCTETS 256

typedef enum weir_dialing_outcome {
    WEIR_DIALING_GOING = 0,
    WEIR_DIALING_READY,
    WEIR_DIALING_FAILED
} weir_dialing_outcome;

typedef struct weir_dialing {
    const weir_allocator *allocator;
    weir_dial dial;
    weir_link *link;
    weir_shared *shared;
    weir_exchange *exchange; /* whose call caused it and is told of it; NULL: gone, or a wish */
    uint8_t host[WEIR_HOST_LIMIT_OCTETS];
    size_t host_length;
    uint16_t port;
    bool numeric;     /* no look-up needed */
    bool by_name;     /* the answer to the origin's own name decides where it goes */
    weir_phase phase; /* DNS, CONNECT, TLS */
    weir_time phase_since_ns;
    weir_time dns_ns;
    weir_time connect_ns;
    weir_time tls_ns;
    weir_failure failure;
} weir_dialing;

/* Begins; a numeric or remembered host is answered at once. NULL: no memory. */
weir_dialing *weir_dialing_new(weir_core *core, weir_link *link, weir_exchange *cause,
                               weir_time now_ns);
void weir_dialing_free(weir_dialing *dialing);
/* Must the driver look `host` up? */
bool weir_dialing_needs_lookup(const weir_dialing *dialing);
/* The same, just before it does: takes what others have learned of it since the dial began. */
bool weir_dialing_still_needs_lookup(weir_dialing *dialing, weir_time now_ns);
weir_span weir_dialing_host(const weir_dialing *dialing);
/* The address that won; once connected. */
const weir_address *weir_dialing_address(const weir_dialing *dialing);
/* The link is READY in the pool: ties it to the answer that it came from, or else keeps to which
 * address it went, unless its origin says so. */
void weir_dialing_tie(const weir_dialing *dialing, weir_names *names, weir_time now_ns);
/* The call that caused it goes away; the dial may go on for others, until then with the default
 * limits. */
void weir_dialing_orphan(weir_dialing *dialing, weir_time now_ns);
/* It goes on for this call, which waits for a place too: with its limits, and it is told. */
void weir_dialing_adopt(weir_dialing *dialing, weir_exchange *exchange, weir_time now_ns);

/* What the driver did. */
void weir_dialing_answer(weir_dialing *dialing, const weir_answer *answer, weir_time now_ns);
/* An address to start now; tells CONNECT_STARTED. */
bool weir_dialing_next(weir_dialing *dialing, weir_time now_ns, size_t *index);
/* sys_errno 0: connected, and the link is told so; the driver closes all others. */
void weir_dialing_attempt_ended(weir_dialing *dialing, size_t index, int sys_errno,
                                weir_time now_ns);
/* After anything moved: where it stands. FAILED: the failure is in dialing->failure. */
weir_dialing_outcome weir_dialing_outcome_of(weir_dialing *dialing, weir_time now_ns);
weir_time weir_dialing_deadline(const weir_dialing *dialing, weir_why *why);
/* A deadline passed: its limit fails it, a delay of RFC 8305 lets it go on. */
void weir_dialing_expire(weir_dialing *dialing, weir_time now_ns);

#endif
