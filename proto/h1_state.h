/* SPDX-License-Identifier: MIT */
/*
 * The two half machines of an HTTP/1.1 connection (the diagram is in h1.h), how it fails, and the
 * rule that says whether it may carry another exchange. Of h1.c alone, which moves the octets.
 *
 * Invariants: ABANDONED and CLOSED come together and last; the first reason that makes a connection
 * unfit stays its reason, but that octets which answer nothing may turn out to be a 408.
 */
#ifndef WEIR_PROTO_H1_STATE_H
#define WEIR_PROTO_H1_STATE_H

#include "proto/h1.h"

bool weir_h1_is_receiving(const weir_h1 *h1);
/* A counted body whose last octet was queued is whole, though nobody said yet that it ends. */
bool weir_h1_is_whole_request(const weir_h1 *h1);
/* Both messages are over, and no octet of the request waits: nothing of it can reach the next. */
bool weir_h1_is_complete(const weir_h1 *h1);
bool weir_h1_nothing_was_sent(const weir_h1_stream *open);
/*
 * May a response that is given up be read to its end, so that the connection can be used again? If
 * what is left is counted and little: less than what a new connection costs, and nobody waits for
 * it. The request must have left whole.
 */
bool weir_h1_is_worth_its_rest(const weir_h1 *h1);

void weir_h1_enter_sending(weir_h1 *h1, weir_h1_sending to);
void weir_h1_enter_receiving(weir_h1 *h1, weir_h1_receiving to);
/*
 * The connection carries nothing any more. The rest of a request that nobody waits for is not sent
 * either: without its first octet it is provably not sent, and with it the peer sees it cut short.
 */
void weir_h1_abandon(weir_h1 *h1);
/*
 * The connection fails, once, and with it an exchange whose response is not complete. A complete
 * one stands, whatever becomes of the connection.
 */
void weir_h1_fail(weir_h1 *h1, weir_failure failure);

/* Octets came that answer nothing. Before it is noted that there are any left over. */
void weir_h1_note_timeout(weir_h1 *h1, weir_span octets);
void weir_h1_note_unread(weir_h1 *h1);
/* Behind every change: asks the reuse rule, and tells the facts. */
void weir_h1_publish(weir_h1 *h1);

#endif
