/* SPDX-License-Identifier: MIT */
/*
 * The body every case sends: octet i is (uint8_t)(i * 31 + (i >> 8) * 7), i counted from 0.
 *
 * It is made where it is needed, so that a body of any length costs no memory; two neighbouring
 * octets always differ and a lost, repeated or shifted piece changes what follows. The sum is
 * FNV-1a with 64 bits.
 */
#ifndef ORIGIN_PATTERN_H
#define ORIGIN_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#define PATTERN_SUM_START UINT64_C(14695981039346656037)

void pattern_fill(uint8_t *out, uint64_t first, size_t count);
uint64_t pattern_sum(uint64_t sum, const uint8_t *octets, size_t count);

#endif
