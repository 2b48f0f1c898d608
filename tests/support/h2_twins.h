/* SPDX-License-Identifier: MIT */
/*
 * Twins: two coders of header blocks that are given the same, one of which is put away at any
 * moment at which that may be. Both must encode the same octets and decode the same fields, or fail
 * in the same way; and what they encode, a decoder that is never put away must understand.
 *
 * The input is a program: its octets choose the steps. Blocks to decode are put together
 * representation by representation, so that they hold what no encoder of nghttp2's would make:
 * entries that are there twice, sizes that shrink, never-indexed fields and indexes that do not
 * exist.
 */
#ifndef WEIR_TESTS_H2_TWINS_H
#define WEIR_TESTS_H2_TWINS_H

#include "proto/base.h"

typedef struct weir_h2_twins_seen {
    size_t stowed_encoders; /* how often one was put away with something in its table */
    size_t stowed_decoders;
    size_t encoded;
    size_t decoded;
    size_t refused; /* programs that ended with a block that both refused */
} weir_h2_twins_seen;

/* Aborts the program at the first difference, and if anything leaks. *seen is added to. */
void weir_h2_twins_run(weir_span program, weir_h2_twins_seen *seen);

#endif
