/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the link share. Private to the link*.c files; the rest of weir knows only
 * link.h.
 *
 *   link.c          birth and death, its states, what it wants, sealing and sending
 *   link_receive.c  octets that came: clear, or record by record
 *   link_account.c  which octets left, and the account at its end
 */
#ifndef WEIR_ENGINE_LINK_COMMON_H
#define WEIR_ENGINE_LINK_COMMON_H

#include "engine/link.h"

/* The time of the call under way, or of the last one: the ledger has it, wherever that is. It never
 * goes back. */
void weir_link_set_now(weir_link *link, weir_time now_ns);
weir_time weir_link_now(const weir_link *link);
/* Edges of the state machine; a state never comes back. */
void weir_link_enter(weir_link *link, weir_link_state state);
/* Ends it with that failure; WEIR_E_NETWORK becomes the status that the errno stands for. */
void weir_link_fail_with(weir_link *link, weir_status status, int sys_errno, const char *what);
/* The TLS filter may have come to a new state: the handshake is over, it failed, or the peer
 * closed. */
void weir_link_follow_tls(weir_link *link);

/* Over TLS, where plaintext that the conn has no room for waits, with the records behind it; NULL:
 * none does. */
weir_tls_held *weir_link_held(const weir_link *link);
/* Does any? */
bool weir_link_is_held(const weir_link *link);
/* Tells the ledger what was received and is in no row yet. */
void weir_link_set_torn(weir_link *link);

#endif
