/* SPDX-License-Identifier: MIT */
/*
 * What c-ares answers, in weir's words. Pure, but for a look whether there are descriptors left.
 */
#ifndef WEIR_ENGINE_OS_RESOLVE_ARES_H
#define WEIR_ENGINE_OS_RESOLVE_ARES_H

#include "engine/dial.h"

struct ares_addrinfo;

weir_status weir_ares_status(int ares_status);
/* Copies the first WEIR_DIAL_ADDRESSES at the most, in their order, and answers how many. */
size_t weir_ares_addresses(const struct ares_addrinfo *result, weir_address *addresses);

#endif
