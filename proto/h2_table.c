/* SPDX-License-Identifier: MIT */
/*
 * The table of open streams. At most three quarters of the places are taken; removal shifts the
 * followers of a probe run back, so there are no tombstones and a look-up never degrades.
 */
#include "proto/h2_table.h"

#define FIRST_ROOM ((size_t)8)

static size_t home(const weir_h2_table *table, uint32_t id);
static size_t next_place(const weir_h2_table *table, size_t place);
static size_t find(const weir_h2_table *table, uint32_t id);
static uint32_t id_of(const weir_h2_stream *stream);
static void settle(weir_h2_table *table, weir_h2_stream *stream);

void weir_h2_table_init(weir_h2_table *table, const weir_allocator *allocator)
{
    *table = (weir_h2_table){.allocator = allocator};
}

void weir_h2_table_clear(weir_h2_table *table)
{
    weir_release(table->allocator, table->places);
    weir_h2_table_init(table, table->allocator);
}

bool weir_h2_table_prepare(weir_h2_table *table)
{
    if ((table->count + 1) * 4 <= table->room * 3) {
        return true;
    }
    weir_h2_table larger = *table;
    larger.room = table->room ? table->room * 2 : FIRST_ROOM;
    larger.places = weir_alloc_zeroed(table->allocator, larger.room * sizeof(*larger.places));
    if (!larger.places) {
        return false;
    }
    for (size_t i = 0; i < table->room; i++) {
        if (table->places[i]) {
            settle(&larger, table->places[i]);
        }
    }
    weir_release(table->allocator, table->places);
    *table = larger;
    return true;
}

void weir_h2_table_trim(weir_h2_table *table)
{
    if (table->count == 0) {
        weir_h2_table_clear(table);
    }
}

void weir_h2_table_put(weir_h2_table *table, weir_h2_stream *stream)
{
    WEIR_ASSERT(table->count < table->room);
    settle(table, stream);
    table->count++;
}

weir_h2_stream *weir_h2_table_get(const weir_h2_table *table, uint32_t id)
{
    return table->count > 0 ? table->places[find(table, id)] : NULL;
}

void weir_h2_table_remove(weir_h2_table *table, const weir_h2_stream *stream)
{
    size_t gap = find(table, id_of(stream));
    WEIR_ASSERT(table->places[gap] == stream);
    for (size_t at = next_place(table, gap); table->places[at]; at = next_place(table, at)) {
        /* A follower moves into the gap unless its home lies behind the gap. */
        size_t mask = table->room - 1;
        size_t from_home = (at - home(table, id_of(table->places[at]))) & mask;
        size_t from_gap = (at - gap) & mask;
        if (from_home >= from_gap) {
            table->places[gap] = table->places[at];
            gap = at;
        }
    }
    table->places[gap] = NULL;
    table->count--;
    weir_h2_table_trim(table);
}

void weir_h2_table_check(const weir_h2_table *table)
{
    size_t count = 0;
    for (size_t i = 0; i < table->room; i++) {
        if (table->places[i]) {
            count++;
            WEIR_CHECK_ASSERT(find(table, id_of(table->places[i])) == i);
        }
    }
    WEIR_CHECK_ASSERT(count == table->count);
    WEIR_CHECK_ASSERT((table->count == 0) == (table->room == 0));
}

static size_t home(const weir_h2_table *table, uint32_t id)
{
    return (size_t)(id >> 1) & (table->room - 1);
}

static size_t next_place(const weir_h2_table *table, size_t place)
{
    return (place + 1) & (table->room - 1);
}

/* The place of that id, or the free one where it would go. A free place always exists. */
static size_t find(const weir_h2_table *table, uint32_t id)
{
    size_t at = home(table, id);
    while (table->places[at] && id_of(table->places[at]) != id) {
        at = next_place(table, at);
    }
    return at;
}

static uint32_t id_of(const weir_h2_stream *stream)
{
    return stream->base.owner.id;
}

static void settle(weir_h2_table *table, weir_h2_stream *stream)
{
    size_t place = find(table, id_of(stream));
    WEIR_ASSERT(!table->places[place]);
    table->places[place] = stream;
}
