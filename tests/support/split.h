/* SPDX-License-Identifier: MIT */
/*
 * The same octets in every split: whole, octet by octet, and cut once at each place.
 *
 *   weir_split split;
 *   for (weir_split_first(&split, length); !weir_split_is_over(&split); weir_split_next(&split))
 *       for (size_t at = 0; at < length; at += weir_split_piece(&split, at))
 *           feed(octets + at, weir_split_piece(&split, at));
 *
 * An input of more than WEIR_SPLIT_EACH octets is not cut at each place but near both ends and at
 * places spread over it, so that its cost stays near linear.
 */
#ifndef WEIR_TESTS_SPLIT_H
#define WEIR_TESTS_SPLIT_H

#include "proto/base.h"

#define WEIR_SPLIT_EACH ((size_t)2048)

typedef enum weir_split_kind {
    WEIR_SPLIT_WHOLE = 0,
    WEIR_SPLIT_OCTETS, /* one by one */
    WEIR_SPLIT_CUT,    /* two pieces */
    WEIR_SPLIT_OVER
} weir_split_kind;

typedef struct weir_split {
    size_t length; /* of the input */
    weir_split_kind kind;
    size_t cut; /* the first piece of WEIR_SPLIT_CUT */
} weir_split;

void weir_split_first(weir_split *split, size_t length);
void weir_split_next(weir_split *split);
bool weir_split_is_over(const weir_split *split);

/* How long the piece is that begins `at` octets into the input. */
size_t weir_split_piece(const weir_split *split, size_t at);

/* "whole", "octet by octet", "cut at 17". */
void weir_split_describe(const weir_split *split, char *text, size_t room);

#endif
