/* SPDX-License-Identifier: MIT */
/*
 * Enumerates splits.
 */
#include "support/split.h"

#include <stdio.h>

#define NEAR_AN_END  ((size_t)256)
#define SPREAD_STEPS ((size_t)64)

void weir_split_first(weir_split *split, size_t length)
{
    *split = (weir_split){.length = length, .kind = WEIR_SPLIT_WHOLE};
}

void weir_split_next(weir_split *split)
{
    if (split->kind == WEIR_SPLIT_WHOLE) {
        split->kind = WEIR_SPLIT_OCTETS;
        return;
    }
    split->kind = WEIR_SPLIT_CUT;
    bool is_in_the_middle = split->cut >= NEAR_AN_END && split->cut + NEAR_AN_END < split->length;
    bool skips = split->length > WEIR_SPLIT_EACH && is_in_the_middle;
    split->cut += skips ? split->length / SPREAD_STEPS : 1;
    if (split->cut >= split->length) {
        split->kind = WEIR_SPLIT_OVER;
    }
}

bool weir_split_is_over(const weir_split *split)
{
    return split->kind == WEIR_SPLIT_OVER;
}

size_t weir_split_piece(const weir_split *split, size_t at)
{
    size_t left = split->length - at;
    if (split->kind == WEIR_SPLIT_OCTETS) {
        return weir_min(left, 1);
    }
    return split->kind == WEIR_SPLIT_CUT && at < split->cut ? split->cut - at : left;
}

void weir_split_describe(const weir_split *split, char *text, size_t room)
{
    switch (split->kind) {
    case WEIR_SPLIT_WHOLE:
        snprintf(text, room, "whole");
        return;
    case WEIR_SPLIT_OCTETS:
        snprintf(text, room, "octet by octet");
        return;
    case WEIR_SPLIT_CUT:
        snprintf(text, room, "cut at %zu", split->cut);
        return;
    case WEIR_SPLIT_OVER:
        break;
    }
    snprintf(text, room, "over");
}
