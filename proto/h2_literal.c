/* SPDX-License-Identifier: MIT */
/*
 * The integers and strings of RFC 7541 s5, as far as weir itself writes some. What is read here was
 * written here, so nothing is judged.
 */
#include "proto/h2_literal.h"

#include <string.h>

/* Literal with incremental indexing, new name (RFC 7541 s6.2.1). */
#define LITERAL            0x40
/* A string is not in Huffman code: its length has seven bits in the first octet (s5.2). */
#define STRING_PREFIX_BITS 7
#define TABLE_SIZE         0x20
#define TABLE_SIZE_BITS    5

_Static_assert(WEIR_H2_LITERAL_OVERHEAD == 1 + 2 * 6, "a length below 2^32 takes six octets");

static size_t integer_octets(size_t value, unsigned bits);
static uint8_t *put_integer(uint8_t *to, uint8_t first, size_t value, unsigned bits);
static uint8_t *put_string(uint8_t *to, weir_span string);
static weir_span take_string(weir_span *block);

size_t weir_h2_literal_octets(weir_span name, weir_span value)
{
    return 1 + integer_octets(name.length, STRING_PREFIX_BITS) + name.length +
           integer_octets(value.length, STRING_PREFIX_BITS) + value.length;
}

uint8_t *weir_h2_literal_put(uint8_t *to, weir_span name, weir_span value)
{
    *to = LITERAL;
    return put_string(put_string(to + 1, name), value);
}

size_t weir_h2_table_size_octets(uint32_t size)
{
    return integer_octets(size, TABLE_SIZE_BITS);
}

uint8_t *weir_h2_table_size_put(uint8_t *to, uint32_t size)
{
    return put_integer(to, TABLE_SIZE, size, TABLE_SIZE_BITS);
}

weir_field weir_h2_literal_next(weir_span *block)
{
    weir_field field = {.flags = 0};

    WEIR_ASSERT(block->length > 0);
    WEIR_ASSERT(block->at[0] == LITERAL);
    *block = weir_span_from(*block, 1);
    field.name = take_string(block);
    field.value = take_string(block);
    return field;
}

/* RFC 7541 s5.1. */
static size_t integer_octets(size_t value, unsigned bits)
{
    const size_t most = ((size_t)1 << bits) - 1;
    size_t octets = 1;

    if (value < most) {
        return octets;
    }
    for (size_t rest = value - most; rest >= 128; rest >>= 7) {
        octets++;
    }
    return octets + 1;
}

static uint8_t *put_integer(uint8_t *to, uint8_t first, size_t value, unsigned bits)
{
    const size_t most = ((size_t)1 << bits) - 1;

    if (value < most) {
        *to = (uint8_t)(first | value);
        return to + 1;
    }
    *to++ = (uint8_t)(first | most);
    size_t rest = value - most;
    for (; rest >= 128; rest >>= 7) {
        *to++ = (uint8_t)(rest | 128);
    }
    *to++ = (uint8_t)rest;
    return to;
}

static uint8_t *put_string(uint8_t *to, weir_span string)
{
    to = put_integer(to, 0, string.length, STRING_PREFIX_BITS);
    if (string.length > 0) {
        memcpy(to, string.at, string.length);
    }
    return to + string.length;
}

static weir_span take_string(weir_span *block)
{
    const size_t most = ((size_t)1 << STRING_PREFIX_BITS) - 1;
    size_t used = 0;
    size_t length = block->at[used++];

    if (length == most) {
        unsigned shift = 0;
        uint8_t octet;
        do {
            WEIR_ASSERT(used < block->length);
            octet = block->at[used++];
            length += (size_t)(octet & 127) << shift;
            shift += 7;
        } while (octet & 128);
    }
    *block = weir_span_from(*block, used);
    const weir_span string = weir_span_head(*block, length);
    WEIR_ASSERT(string.length == length);
    *block = weir_span_from(*block, length);
    return string;
}
