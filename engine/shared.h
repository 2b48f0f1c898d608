/* SPDX-License-Identifier: MIT */
/*
 * What clients and loops share, locked inside and off the warm path: the TLS configuration, TLS
 * sessions, DNS answers.
 *
 * Thread rule: every function may be called from any thread.
 */
#ifndef WEIR_ENGINE_SHARED_H
#define WEIR_ENGINE_SHARED_H

#include "engine/dial.h"
#include "engine/shared_origins.h"
#include "engine/shunned.h"
#include "engine/tls.h"
#include "weir/shared.h"

/* A reference to `given`; NULL: to a new one with the defaults. NULL: *status says why. */
weir_shared *weir_shared_for(weir_shared *given, const weir_allocator *allocator,
                             weir_status *status);

/* The default TLS configuration, acquired for the caller; made at the first https call. NULL:
 * *status says why. */
weir_tls_config *weir_shared_tls(weir_shared *shared, weir_status *status);
/* The number of the default TLS configuration, 0: none was made yet. One load, no lock: another
 * than before says that it was replaced. */
uint64_t weir_shared_tls_number(const weir_shared *shared);

/* What is remembered of origins; its own functions lock (see shared_origins.h). */
weir_origins *weir_shared_origins(weir_shared *shared);
/* The session store; its own functions lock (see tls_session.h). */
weir_tls_sessions *weir_shared_sessions(weir_shared *shared);

/* An answer with room for its addresses. */
typedef struct weir_remembered {
    weir_answer answer;
    weir_address addresses[WEIR_DIAL_ADDRESSES];
} weir_remembered;

/*
 * The remembered answer for a host, of the family that `known` names, while its TTL lasts. False:
 * there is none. An answer that there is no address is one too: WEIR_E_DNS_NOT_FOUND.
 */
bool weir_shared_recall(weir_shared *shared, weir_span host, weir_remembered *known,
                        weir_time now_ns);
/* One that says nothing of the name, but of its look-up, is not remembered. */
void weir_shared_remember(weir_shared *shared, weir_span host, const weir_answer *answer,
                          weir_time now_ns);
/* For tests: which bucket the answers of a host are in. */
size_t weir_shared_bucket(const weir_shared *shared, weir_span host);
/*
 * Has the process forked since it was made? Then its locks, which another thread may have held, are
 * made new, and the child has none of the parent's sessions: a ticket that two processes use links
 * their connections (RFC 8446 C.4).
 */
void weir_shared_enter(weir_shared *shared);
/* Forgets every answer, and which addresses failed: the network is another. */
void weir_shared_forget_answers(weir_shared *shared);

/*
 * Addresses that a connect to was lost lately (shunned.h), by address and port. Sets failed[i] for
 * each address of the dial; false: it is none of them.
 */
bool weir_shared_failed_lately(weir_shared *shared, const weir_dial *dial, weir_time now_ns,
                               bool failed[WEIR_DIAL_ADDRESSES]);
/* A connect was lost, or was not answered in time: not for want of something here. */
void weir_shared_note_loss(weir_shared *shared, const weir_address *address, uint16_t port,
                           weir_time now_ns);
/* It answered: whatever was before is forgotten. */
void weir_shared_note_success(weir_shared *shared, const weir_address *address, uint16_t port);

/*
 * What is remembered of a name that connections came from, held until it is let go: it makes no
 * room for others, and what the last answers said stays when they have run out. NULL: no memory.
 */
typedef struct weir_answers weir_answers;
weir_answers *weir_shared_hold(weir_shared *shared, weir_span host);
void weir_shared_let_go(weir_shared *shared, weir_answers *answers);
/* Grows with every answer that anybody remembers of the name. Takes no lock. */
uint64_t weir_answers_version(const weir_answers *answers);
/* Until when the answer of a family counts; 0: there was none. */
weir_time weir_shared_until(weir_shared *shared, weir_answers *answers, uint8_t family);
/*
 * Does the last answer say that the name has this address no longer? Not if there was none, nor if
 * the name has no address at all now (there is no better place to go), nor if the answer was too
 * long to be remembered whole.
 */
bool weir_shared_has_left(weir_shared *shared, weir_answers *answers, const weir_address *address);
/* The right to ask for the name anew, which one has at a time; false: somebody has it. */
bool weir_shared_claim(weir_shared *shared, weir_answers *answers, weir_time now_ns);
void weir_shared_unclaim(weir_shared *shared, weir_answers *answers);

#endif
