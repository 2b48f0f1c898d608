/* SPDX-License-Identifier: MIT */
/*
 * Why each connection was, or would be, passed over: for calls that ask, never on the warm path.
 * What was closed lately is remembered for that, in a ring of the whole pool, because an origin is
 * forgotten with its last connection.
 *
 * Asking changes nothing. The ring and what is in it are the pool's; users get copies.
 */
#ifndef WEIR_POOL_EXPLAIN_H
#define WEIR_POOL_EXPLAIN_H

#include "pool/pool_common.h"

/* A slot that was ready once is about to be GONE. */
void weir_explain_note_close(weir_pool *pool, const weir_slot *slot);

/* Why a connection cannot take an exchange now; SPARE: it could. */
weir_reason weir_explain_slot(const weir_pool *pool, const weir_slot *slot);

#endif
