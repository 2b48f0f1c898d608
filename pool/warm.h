/* SPDX-License-Identifier: MIT */
/*
 * Wishes for warm connections, for the files of this folder: what weir_pool_warm() asks for, and
 * its end. A wish is the caller's, and is linked to its origin while it is WAITING.
 */
#ifndef WEIR_POOL_WARM_H
#define WEIR_POOL_WARM_H

#include "pool/pool_common.h"

/* The wish that takes part in decisions; NULL: none. */
weir_warmth *weir_warm_first(const weir_origin *origin);
void weir_warm_enter(weir_pool *pool, weir_origin *origin, weir_warmth *wish);
/* Decides a dial for the first; false: without memory it ended. */
bool weir_warm_dial(weir_pool *pool, weir_origin *origin);
/* The first has what it wanted, or (a reason) what it can have. */
void weir_warm_served(weir_pool *pool, weir_origin *origin, weir_reason reason);
/* A dial of the origin failed, or the pool is shut: all end with it. */
void weir_warm_refuse_all(weir_pool *pool, weir_origin *origin, const weir_failure *failure);
void weir_warm_refuse(weir_pool *pool, weir_warmth *wish, const weir_failure *failure);
/* It is for another origin from here on, and begins anew there, behind those that it has. */
void weir_warm_move(weir_pool *pool, weir_origin *to, weir_warmth *wish);
/* Whoever had it wants it no more. */
void weir_warm_leave(weir_pool *pool, weir_warmth *wish);

#endif
