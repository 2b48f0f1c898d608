/* SPDX-License-Identifier: MIT */
/*
 * A slab's records that were never used are the last ones; those that were given back are linked
 * through their first word, the latest first: it is the one that a cache may still hold.
 */
#include "pool/slab.h"

#include <string.h>

#include "pool/table.h"
#include "proto/watched.h"

typedef struct given {
    struct given *next;
} given;

struct weir_slab {
    weir_list link; /* the open ones, while it has room */
    given *given;   /* back, and free */
    size_t begun;   /* so many were in use at some time: the first ones */
    size_t room;
    size_t records; /* in use */
    uint8_t *first;
};

static weir_slab *open_slab(weir_slabs *slabs);
static void close_slab(weir_slabs *slabs, weir_slab *slab);

void weir_slabs_init(weir_slabs *slabs, const weir_allocator *allocator, size_t record_octets)
{
    const size_t lines = (record_octets + WEIR_LINE_OCTETS - 1) / WEIR_LINE_OCTETS;
    *slabs = (weir_slabs){.allocator = allocator, .record_octets = lines * WEIR_LINE_OCTETS};
    weir_list_init(&slabs->open);
}

void weir_slabs_clear(weir_slabs *slabs)
{
    WEIR_ASSERT(slabs->records == 0);
    while (!weir_list_is_empty(&slabs->open)) {
        close_slab(slabs, WEIR_CONTAINER_OF(slabs->open.next, weir_slab, link));
    }
}

void *weir_slabs_take(weir_slabs *slabs, weir_slab **from)
{
    weir_slab *slab = weir_list_is_empty(&slabs->open)
                          ? open_slab(slabs)
                          : WEIR_CONTAINER_OF(slabs->open.next, weir_slab, link);
    if (!slab) {
        return NULL;
    }
    given *back = slab->given;
    void *record = back ? (void *)back : slab->first + slab->begun * slabs->record_octets;
    weir_watched_open(record, slabs->record_octets);
    if (back) {
        slab->given = back->next;
    } else {
        slab->begun++;
    }
    slab->records++;
    slabs->records++;
    if (slab->records == slab->room) {
        weir_list_remove(&slab->link);
    }
    memset(record, 0, slabs->record_octets);
    *from = slab;
    return record;
}

void weir_slabs_give(weir_slabs *slabs, weir_slab *slab, void *record)
{
    WEIR_ASSERT(slab->records > 0);
    given *back = record;
    back->next = slab->given;
    slab->given = back;
    weir_watched_close(record, slabs->record_octets);
    if (slab->records == slab->room) {
        weir_list_push_front(&slabs->open, &slab->link);
    }
    slab->records--;
    slabs->records--;
    const bool is_last = slabs->open.next == &slab->link && slabs->open.prev == &slab->link;
    if (slab->records == 0 && !is_last) {
        close_slab(slabs, slab);
    }
}

static weir_slab *open_slab(weir_slabs *slabs)
{
    const size_t head = sizeof(weir_slab) + WEIR_LINE_OCTETS - 1;
    const size_t most = (WEIR_SLAB_OCTETS - head) / slabs->record_octets;
    const size_t wanted = slabs->records > WEIR_SLAB_FEWEST ? slabs->records : WEIR_SLAB_FEWEST;
    const size_t room = weir_min(wanted, most);
    const size_t octets = room < most ? head + room * slabs->record_octets : WEIR_SLAB_OCTETS;
    weir_slab *slab = weir_alloc(slabs->allocator, octets);
    if (!slab) {
        return NULL;
    }
    const uintptr_t first = (uintptr_t)slab + head;
    *slab = (weir_slab){.room = room, .first = (uint8_t *)(first - first % WEIR_LINE_OCTETS)};
    weir_list_init(&slab->link);
    weir_list_push_front(&slabs->open, &slab->link);
    weir_watched_close(slab->first, room * slabs->record_octets);
    return slab;
}

static void close_slab(weir_slabs *slabs, weir_slab *slab)
{
    WEIR_ASSERT(slab->records == 0);
    weir_list_remove(&slab->link);
    weir_watched_open(slab->first, slab->room * slabs->record_octets);
    weir_release(slabs->allocator, slab);
}
