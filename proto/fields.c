/* SPDX-License-Identifier: MIT */
/*
 * Fields and their octets.
 *
 * The arena is a chain of pieces that only grow at their ends, so no octet ever moves once its
 * field is complete, and freeing a head is freeing a few pieces. The first piece is 1 KiB: the head
 * of a typical request or response fits, which makes it one allocation besides the array. Later
 * pieces double up to 16 KiB; what does not fit gets a piece of its own length.
 *
 * Only the first piece of the chain, the tip, is filled. A field that comes in pieces grows in
 * place while it ends where the tip does. When the tip is full the whole run moves to a new tip
 * with as much room again, so that a value that arrives octet by octet costs a constant number of
 * copies for each octet, and the octets left behind are at most as many as the field has.
 */
#include "proto/fields.h"

#include <string.h>

#define FIRST_PIECE_OCTETS ((size_t)1024)
#define LAST_PIECE_OCTETS  ((size_t)16384)
#define FIRST_ROOM         ((size_t)16)

struct weir_arena {
    weir_arena *next;
    size_t room;
    size_t used;
    uint8_t octets[];
};

_Static_assert(sizeof(weir_arena) < FIRST_PIECE_OCTETS, "the first piece holds something");
_Static_assert(FIRST_PIECE_OCTETS <= LAST_PIECE_OCTETS, "pieces grow");

static bool make_room(weir_fields *fields);
static weir_arena *piece_new(const weir_fields *fields, size_t octets);
static void piece_link(weir_arena **link, weir_arena *piece);
static size_t piece_octets(const weir_arena *tip);
static size_t piece_left(const weir_arena *piece);
static bool append(weir_fields *fields, weir_span *run, weir_span piece);
static bool append_in_place(weir_fields *fields, weir_span *run, weir_span piece);
static void copy(uint8_t *to, weir_span from);

void weir_fields_init(weir_fields *fields, const weir_allocator *allocator)
{
    *fields = (weir_fields){.allocator = allocator};
}

void weir_fields_clear(weir_fields *fields)
{
    weir_arena *piece = fields->arena;
    while (piece) {
        weir_arena *next = piece->next;
        weir_release(fields->allocator, piece);
        piece = next;
    }
    if (fields->fields) {
        weir_release(fields->allocator, fields->fields);
    }
    weir_fields_init(fields, fields->allocator);
}

uint8_t *weir_fields_hold(weir_fields *fields, size_t octets)
{
    weir_arena *tip = fields->arena;
    if (tip && piece_left(tip) >= octets) {
        tip->used += octets;
        return tip->octets + tip->used - octets;
    }
    weir_arena *piece = piece_new(fields, octets);
    if (!piece) {
        return NULL;
    }
    piece->used = octets;
    /* One long value must not make the rest of a nearly empty tip useless: the emptier one is the
     * tip. */
    bool is_emptier = !tip || piece_left(piece) >= piece_left(tip);
    piece_link(is_emptier ? &fields->arena : &tip->next, piece);
    return piece->octets;
}

bool weir_fields_add(weir_fields *fields, weir_field field)
{
    weir_fields_end(fields);
    if (field.name.length > SIZE_MAX - field.value.length || !make_room(fields)) {
        return false;
    }
    if (!(field.flags & WEIR_KEEP)) {
        uint8_t *at = weir_fields_hold(fields, field.name.length + field.value.length);
        if (!at) {
            return false;
        }
        copy(at, field.name);
        copy(at + field.name.length, field.value);
        field.name.at = at;
        field.value.at = at + field.name.length;
    }
    fields->fields[fields->count] = field;
    fields->count++;
    fields->octets += (uint64_t)field.name.length + field.value.length;
    weir_fields_check(fields);
    return true;
}

bool weir_fields_append_name(weir_fields *fields, weir_span piece)
{
    if (fields->part == WEIR_FIELD_VALUE) {
        weir_fields_end(fields);
    }
    if (fields->part == WEIR_FIELD_NAME) {
        return append(fields, &fields->fields[fields->count - 1].name, piece);
    }
    if (!make_room(fields)) {
        return false;
    }
    fields->fields[fields->count] = (weir_field){.flags = 0};
    if (!append(fields, &fields->fields[fields->count].name, piece)) {
        return false;
    }
    fields->count++;
    fields->part = WEIR_FIELD_NAME;
    weir_fields_check(fields);
    return true;
}

bool weir_fields_append_value(weir_fields *fields, weir_span piece)
{
    WEIR_ASSERT(fields->part != WEIR_FIELD_ENDED);
    WEIR_ASSERT(fields->count > 0);
    if (!append(fields, &fields->fields[fields->count - 1].value, piece)) {
        return false;
    }
    fields->part = WEIR_FIELD_VALUE;
    return true;
}

void weir_fields_end(weir_fields *fields)
{
    if (fields->part == WEIR_FIELD_ENDED) {
        return;
    }
    WEIR_ASSERT(fields->count > 0);
    weir_span *value = &fields->fields[fields->count - 1].value;
    weir_span trimmed = weir_span_trim(*value);
    fields->octets -= value->length - trimmed.length;
    *value = trimmed;
    fields->part = WEIR_FIELD_ENDED;
    weir_fields_check(fields);
}

size_t weir_fields_count(const weir_fields *fields)
{
    return fields->count;
}

bool weir_fields_at(const weir_fields *fields, size_t i, weir_field *field)
{
    if (i >= fields->count) {
        return false;
    }
    *field = fields->fields[i];
    return true;
}

bool weir_fields_find(const weir_fields *fields, weir_span name, size_t i, weir_span *value)
{
    for (size_t at = 0; at < fields->count; at++) {
        if (!weir_span_equal_nocase(fields->fields[at].name, name)) {
            continue;
        }
        if (i == 0) {
            *value = fields->fields[at].value;
            return true;
        }
        i--;
    }
    return false;
}

void weir_fields_check(const weir_fields *fields)
{
    uint64_t octets = 0;
    if (!WEIR_CHECKING) {
        return;
    }
    for (size_t i = 0; i < fields->count; i++) {
        octets += (uint64_t)fields->fields[i].name.length + fields->fields[i].value.length;
    }
    WEIR_CHECK_ASSERT(fields->allocator != NULL);
    WEIR_CHECK_ASSERT(fields->count <= fields->room);
    WEIR_CHECK_ASSERT(fields->octets == octets);
    WEIR_CHECK_ASSERT(fields->part == WEIR_FIELD_ENDED || fields->count > 0);
    for (const weir_arena *piece = fields->arena; piece; piece = piece->next) {
        WEIR_CHECK_ASSERT(piece->used <= piece->room);
    }
}

/* Room for one more field in the array. */
static bool make_room(weir_fields *fields)
{
    if (fields->count < fields->room) {
        return true;
    }
    size_t room = fields->room ? fields->room * 2 : FIRST_ROOM;
    if (room > SIZE_MAX / sizeof(weir_field)) {
        return false;
    }
    void *array = weir_resize(fields->allocator, fields->fields, room * sizeof(weir_field));
    if (!array) {
        return false;
    }
    fields->fields = array;
    fields->room = room;
    return true;
}

/* A piece with room for `octets` and perhaps more; in no chain yet. */
static weir_arena *piece_new(const weir_fields *fields, size_t octets)
{
    size_t room = piece_octets(fields->arena);
    if (octets > SIZE_MAX - sizeof(weir_arena)) {
        return NULL;
    }
    room = octets > room ? octets : room;
    weir_arena *piece = weir_alloc(fields->allocator, sizeof(weir_arena) + room);
    if (piece) {
        *piece = (weir_arena){.room = room};
    }
    return piece;
}

static void piece_link(weir_arena **link, weir_arena *piece)
{
    piece->next = *link;
    *link = piece;
}

/* How many octets the piece after `tip` holds: each piece and its header together are a power of
 * two. */
static size_t piece_octets(const weir_arena *tip)
{
    size_t whole = FIRST_PIECE_OCTETS;
    while (tip && whole < LAST_PIECE_OCTETS && whole - sizeof(weir_arena) <= tip->room) {
        whole *= 2;
    }
    return whole - sizeof(weir_arena);
}

static size_t piece_left(const weir_arena *piece)
{
    WEIR_ASSERT(piece->used <= piece->room);
    return piece->room - piece->used;
}

/* Puts a piece to the end of a run, in place or else in a new tip that has as much room again. */
static bool append(weir_fields *fields, weir_span *run, weir_span piece)
{
    if (append_in_place(fields, run, piece)) {
        return true;
    }
    if (piece.length > SIZE_MAX / 2 - run->length) {
        return false;
    }
    size_t length = run->length + piece.length;
    weir_arena *tip = fields->arena;
    if (!tip || piece_left(tip) < length) {
        tip = piece_new(fields, 2 * length);
        if (!tip) {
            return false;
        }
        piece_link(&fields->arena, tip);
    }
    uint8_t *at = tip->octets + tip->used;
    copy(at, *run);
    copy(at + run->length, piece);
    tip->used += length;
    fields->octets += piece.length;
    *run = (weir_span){at, length};
    return true;
}

static bool append_in_place(weir_fields *fields, weir_span *run, weir_span piece)
{
    weir_arena *tip = fields->arena;
    if (piece.length == 0) {
        return true;
    }
    if (!tip || !run->at || run->at + run->length != tip->octets + tip->used ||
        piece_left(tip) < piece.length) {
        return false;
    }
    copy(tip->octets + tip->used, piece);
    tip->used += piece.length;
    fields->octets += piece.length;
    run->length += piece.length;
    return true;
}

static void copy(uint8_t *to, weir_span from)
{
    if (from.length > 0) {
        memcpy(to, from.at, from.length);
    }
}
