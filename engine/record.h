/* SPDX-License-Identifier: MIT */
/*
 * Reading a caller's option record, which may be of an older header and shorter than ours, or of a
 * newer one and longer: what it does not have is 0, which is the default; what we do not know is
 * not read. And filling one that a caller wants to have. The rule is base.h's.
 *
 * Values: a record is borrowed until return; what its pointers point to is as its own header says.
 */
#ifndef WEIR_ENGINE_RECORD_H
#define WEIR_ENGINE_RECORD_H

#include <string.h>

#include "proto/base.h"

/* Does it say how long it is? There is nothing to say for none at all. */
static inline bool weir_record_has_size(const void *record)
{
    size_t given = sizeof(given);

    if (record != NULL) {
        memcpy(&given, record, sizeof(given));
    }
    return given >= sizeof(given);
}

/* `to` is zeroed, then filled from `from` (NULL: nothing). False: `from` does not say how long it
 * is. */
static inline bool weir_record_read(void *to, size_t to_octets, const void *from)
{
    size_t given = 0;

    memset(to, 0, to_octets);
    if (!weir_record_has_size(from)) {
        return false;
    }
    if (from != NULL) {
        memcpy(&given, from, sizeof(given));
        memcpy(to, from, weir_min(given, to_octets));
    }
    memcpy(to, &to_octets, sizeof(to_octets));
    return true;
}

/* The other way: fills a caller's record as far as it says that it goes, and says in it how far that
 * was. False: it does not say how long it is, and nothing is written. */
static inline bool weir_record_write(void *to, const void *from, size_t from_octets)
{
    size_t room = 0;

    WEIR_ASSERT(from_octets >= sizeof(room));
    memcpy(&room, to, sizeof(room));
    if (room < sizeof(room)) {
        return false;
    }
    room = weir_min(room, from_octets);
    memcpy(to, from, room);
    memcpy(to, &room, sizeof(room));
    return true;
}

#endif
