/* SPDX-License-Identifier: MIT */
/* The body pattern and its sum; pattern.h says what they are. */
#include "pattern.h"

void pattern_fill(uint8_t *out, uint64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t at = first + i;
        out[i] = (uint8_t)(at * 31 + (at >> 8) * 7);
    }
}

uint64_t pattern_sum(uint64_t sum, const uint8_t *octets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sum = (sum ^ octets[i]) * UINT64_C(1099511628211);
    }
    return sum;
}
