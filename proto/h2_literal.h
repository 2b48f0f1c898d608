/* SPDX-License-Identifier: MIT */
/*
 * A dynamic table written down as a header block (RFC 7541): its size, and every entry, the oldest
 * first, as a literal with incremental indexing, a new name and no Huffman code (s6.2.1). Whoever
 * decodes the block with an empty table has the same table then.
 *
 * An entry takes at most WEIR_H2_LITERAL_OVERHEAD octets beside its name and value, where s4.1
 * counts 32: the block is never longer than the table's size, however short the fields are.
 *
 * Thread rule: values only.
 */
#ifndef WEIR_PROTO_H2_LITERAL_H
#define WEIR_PROTO_H2_LITERAL_H

#include "proto/base.h"

/* The opcode and two lengths; the octets of a table size update. */
#define WEIR_H2_LITERAL_OVERHEAD  13
#define WEIR_H2_TABLE_SIZE_OCTETS 6

/* How many octets the literal takes. */
size_t weir_h2_literal_octets(weir_span name, weir_span value);
/* Writes it; returns where it ends. */
uint8_t *weir_h2_literal_put(uint8_t *to, weir_span name, weir_span value);

/* A dynamic table size update (RFC 7541 s6.3): its octets, and writes it as above. */
size_t weir_h2_table_size_octets(uint32_t size);
uint8_t *weir_h2_table_size_put(uint8_t *to, uint32_t size);

/*
 * The next literal of a block that was written by the functions above, without the size; *block
 * moves on. Its spans lie in the block. The block must not be empty.
 */
weir_field weir_h2_literal_next(weir_span *block);

#endif
