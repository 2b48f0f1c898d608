/* SPDX-License-Identifier: MIT */
/*
 * An exchange that outlived its loop: it stays readable until it is freed, and can do nothing else.
 *
 * It is its user's alone, and nothing of weir knows it any more: there is no lock, and one thread
 * at a time may use it.
 */
#ifndef WEIR_ENGINE_ORPHAN_H
#define WEIR_ENGINE_ORPHAN_H

#include "engine/exchange.h"

/* It is DONE, and nothing of its loop holds it any more. What was not told to its observer never
 * will be. */
void weir_exchange_outlive(weir_exchange *exchange);

#endif
