/* SPDX-License-Identifier: MIT */
/*
 * nghttp2's HPACK coder behind our own words.
 *
 * The nghttp2_mem record lives here, beside the coders: nghttp2 keeps the pointer that it is given.
 * A section of up to FEW_FIELDS fields is handed over from the stack; only an unusually large one
 * costs an allocation, which is had before the encoder is touched.
 *
 * What makes a coder that was put away and made anew the same as before:
 *
 *   decoder  Its block is decoded, so it has the same entries, duplicates too, and the size that
 *            the peer announced last. What it may announce at most is our own SETTINGS. In the
 *            middle of a block, or while the peer owes an announcement, it is not put away.
 *   encoder  nghttp2 decides by the name, the length and the flag of a field whether it enters the
 *            table, and by the table whether the field is in it already. Whatever is in a table
 *            was let in once, is there once, and stands in no static table; so it is let in again,
 *            if the table has the size of a new one then (an entry of more than three quarters of
 *            the table's size is not let in). The size that the peer wants is set afterwards, and
 *            either announced to nobody, because the peer knows it, or left to be announced with
 *            the smallest size there was since the last block (RFC 7541 s4.2). Should nghttp2 ever
 *            decide otherwise, then entries are missing; the table is emptied, and the next block
 *            tells the peer to empty its own.
 *
 * Room is left for a memory of encoded blocks made only of indexed fields (they always give the
 * same octets while the table has not changed): it would sit in front of weir_h2_hpack_encode().
 */
#include "proto/h2_hpack.h"

#include <nghttp2/nghttp2.h>

#include "proto/h2_literal.h"

/* A table that is written down; of the decoder's the size comes first. */
typedef struct stowed {
    uint8_t *block;
    uint32_t length;
    uint32_t entries;
} stowed;

struct weir_h2_hpack {
    const weir_allocator *allocator;
    nghttp2_mem mem;
    nghttp2_hd_deflater *deflater; /* NULL: put away */
    nghttp2_hd_inflater *inflater; /* the same */
    stowed encoder;
    stowed decoder;
    uint32_t encoder_limit; /* what the peer wants, and no more than WEIR_H2_TABLE_OCTETS */
    uint32_t encoder_least; /* the smallest that it was since the last block, if one is due */
    uint32_t decoder_limit; /* what we said that the peer may use */
    bool encoder_due;       /* the next block announces the table's size */
    bool decoder_due;       /* the peer's next block must */
    bool decoder_open;      /* in the middle of a block */
    bool encoder_lost;
    bool decoder_lost;
};

#define FEW_FIELDS 32

/* A field's worst case: its octets, two lengths and an opcode (RFC 7541 s5.1, s6.2). */
#define FIELD_OVERHEAD_OCTETS 12
/* Two table size updates may lead a block (RFC 7541 s4.2). */
#define TABLE_UPDATE_OCTETS   12

/* RFC 7541 appendix A; they come first in nghttp2's numbers, and the newest of ours next. */
#define STATIC_ENTRIES     61
/* nghttp2 decodes no longer string than this (RFC 7541 leaves it to the decoder), and may have
 * decoded one from Huffman code. With a table of this size there is none. */
#define STOWED_MOST_OCTETS 65536
/* What FEW_FIELDS entries of an encoder's table are encoded into. */
#define REFILL_OCTETS                                                                              \
    (WEIR_H2_TABLE_OCTETS + FEW_FIELDS * FIELD_OVERHEAD_OCTETS + TABLE_UPDATE_OCTETS)

static void *mem_malloc(size_t octets, void *user);
static void mem_free(void *at, void *user);
static void *mem_calloc(size_t count, size_t octets, void *user);
static void *mem_realloc(void *at, size_t octets, void *user);
static size_t section_count(const weir_h2_section_fields *section);
static weir_field section_at(const weir_h2_section_fields *section, size_t i);
static nghttp2_nv nv_of(const weir_field *field);
static void stow_encoder(weir_h2_hpack *hpack);
static void stow_decoder(weir_h2_hpack *hpack);
static size_t table_octets(const weir_h2_hpack *hpack, bool is_encoder, size_t entries);
static uint8_t *write_down(const weir_h2_hpack *hpack, bool is_encoder, size_t entries,
                           uint8_t *to);
static const nghttp2_nv *entry_at(const weir_h2_hpack *hpack, bool is_encoder, size_t place);
static bool has_encoder(weir_h2_hpack *hpack);
static bool has_decoder(weir_h2_hpack *hpack);
static bool refill_encoder(const stowed *from, nghttp2_hd_deflater *deflater);
static bool size_encoder(weir_h2_hpack *hpack, nghttp2_hd_deflater *deflater);
static bool refill_decoder(const stowed *from, nghttp2_hd_inflater *inflater);
static void drop(const weir_h2_hpack *hpack, stowed *from);

weir_h2_hpack *weir_h2_hpack_new(const weir_allocator *allocator)
{
    weir_h2_hpack *hpack = weir_alloc_zeroed(allocator, sizeof(*hpack));
    if (!hpack) {
        return NULL;
    }
    hpack->allocator = allocator;
    hpack->mem = (nghttp2_mem){hpack, mem_malloc, mem_free, mem_calloc, mem_realloc};
    if (nghttp2_hd_deflate_new2(&hpack->deflater, WEIR_H2_TABLE_OCTETS, &hpack->mem) != 0 ||
        nghttp2_hd_inflate_new2(&hpack->inflater, &hpack->mem) != 0) {
        weir_h2_hpack_free(hpack);
        return NULL;
    }
    hpack->encoder_limit = hpack->decoder_limit = WEIR_H2_TABLE_OCTETS;
    return hpack;
}

void weir_h2_hpack_free(weir_h2_hpack *hpack)
{
    if (!hpack) {
        return;
    }
    if (hpack->deflater) {
        nghttp2_hd_deflate_del(hpack->deflater);
    }
    if (hpack->inflater) {
        nghttp2_hd_inflate_del(hpack->inflater);
    }
    drop(hpack, &hpack->encoder);
    drop(hpack, &hpack->decoder);
    weir_release(hpack->allocator, hpack);
}

size_t weir_h2_hpack_bound(const weir_h2_section_fields *section)
{
    size_t bound = TABLE_UPDATE_OCTETS;
    for (size_t i = 0; i < section->lead_count; i++) {
        bound += section->lead[i].name.length + section->lead[i].value.length;
    }
    if (section->rest) {
        bound += (size_t)section->rest->octets;
    }
    return bound + section_count(section) * FIELD_OVERHEAD_OCTETS;
}

weir_status weir_h2_hpack_encode(weir_h2_hpack *hpack, const weir_h2_section_fields *section,
                                 uint8_t *to, size_t *length)
{
    WEIR_ASSERT(!hpack->encoder_lost);
    if (!has_encoder(hpack)) {
        return WEIR_E_NOMEM;
    }
    size_t count = section_count(section);
    nghttp2_nv few[FEW_FIELDS];
    nghttp2_nv *nva = few;
    if (count > FEW_FIELDS) {
        nva = weir_alloc(hpack->allocator, count * sizeof(*nva));
        if (!nva) {
            return WEIR_E_NOMEM;
        }
    }
    for (size_t i = 0; i < count; i++) {
        weir_field field = section_at(section, i);
        nva[i] = nv_of(&field);
    }

    size_t room = weir_h2_hpack_bound(section);
    WEIR_ASSERT(room >= nghttp2_hd_deflate_bound(hpack->deflater, nva, count));
    ssize_t encoded = nghttp2_hd_deflate_hd(hpack->deflater, to, room, nva, count);
    if (nva != few) {
        weir_release(hpack->allocator, nva);
    }
    if (encoded < 0) {
        /* The bound rules out every failure but memory (NGHTTP2_ERR_NOMEM). */
        hpack->encoder_lost = true;
        return WEIR_E_NOMEM;
    }
    hpack->encoder_due = false;
    *length = (size_t)encoded;
    return WEIR_OK;
}

bool weir_h2_hpack_can_encode(const weir_h2_hpack *hpack)
{
    return !hpack->encoder_lost;
}

bool weir_h2_hpack_limit_encoder(weir_h2_hpack *hpack, uint32_t octets)
{
    hpack->encoder_limit = octets < WEIR_H2_TABLE_OCTETS ? octets : WEIR_H2_TABLE_OCTETS;
    if (!hpack->encoder_due || hpack->encoder_limit < hpack->encoder_least) {
        hpack->encoder_least = hpack->encoder_limit;
    }
    hpack->encoder_due = true;
    /* One that is put away learns it when it is made anew. */
    return !hpack->deflater || nghttp2_hd_deflate_change_table_size(hpack->deflater, octets) == 0;
}

bool weir_h2_hpack_limit_decoder(weir_h2_hpack *hpack, uint32_t octets)
{
    if (!has_decoder(hpack)) {
        return false;
    }
    /* RFC 7541 s4.2, as nghttp2 reads it: one that need not shrink its table need not say so. */
    hpack->decoder_due = hpack->decoder_due ||
                         octets < nghttp2_hd_inflate_get_max_dynamic_table_size(hpack->inflater);
    hpack->decoder_limit = octets;
    return nghttp2_hd_inflate_change_table_size(hpack->inflater, octets) == 0;
}

weir_status weir_h2_hpack_decode(weir_h2_hpack *hpack, weir_span *block, bool last,
                                 weir_field *field, bool *found)
{
    WEIR_ASSERT(!hpack->decoder_lost);
    static const uint8_t nothing;
    nghttp2_nv nv;
    int flags = 0;
    if (!has_decoder(hpack)) {
        hpack->decoder_lost = true;
        return WEIR_E_NOMEM;
    }
    hpack->decoder_open = true;
    ssize_t used =
        nghttp2_hd_inflate_hd2(hpack->inflater, &nv, &flags, block->length ? block->at : &nothing,
                               block->length, last ? 1 : 0);
    if (used < 0) {
        hpack->decoder_lost = true;
        return used == NGHTTP2_ERR_NOMEM ? WEIR_E_NOMEM : WEIR_E_H2_COMPRESSION;
    }
    *block = weir_span_from(*block, (size_t)used);
    *found = (flags & NGHTTP2_HD_INFLATE_EMIT) != 0;
    if (*found) {
        *field = (weir_field){
            .name = {nv.name, nv.namelen},
            .value = {nv.value, nv.valuelen},
            .flags = nv.flags & NGHTTP2_NV_FLAG_NO_INDEX ? (uint32_t)WEIR_FIELD_SENSITIVE : 0,
        };
    } else if (flags & NGHTTP2_HD_INFLATE_FINAL) {
        nghttp2_hd_inflate_end_headers(hpack->inflater);
        hpack->decoder_open = false;
        hpack->decoder_due = false; /* or the block would not have been right */
    }
    WEIR_ASSERT(*found || block->length == 0);
    return WEIR_OK;
}

void weir_h2_hpack_stow(weir_h2_hpack *hpack)
{
    if (hpack->deflater && !hpack->encoder_lost) {
        stow_encoder(hpack);
    }
    if (hpack->inflater && !hpack->decoder_lost && !hpack->decoder_open && !hpack->decoder_due) {
        stow_decoder(hpack);
    }
}

weir_span weir_h2_hpack_stowed_encoder(const weir_h2_hpack *hpack)
{
    return (weir_span){hpack->encoder.block, hpack->encoder.length};
}

bool weir_h2_hpack_has_encoder(const weir_h2_hpack *hpack)
{
    return hpack->deflater != NULL;
}

bool weir_h2_hpack_has_decoder(const weir_h2_hpack *hpack)
{
    return hpack->inflater != NULL;
}

static void *mem_malloc(size_t octets, void *user)
{
    weir_h2_hpack *hpack = user;
    return weir_alloc(hpack->allocator, octets);
}

static void mem_free(void *at, void *user)
{
    weir_h2_hpack *hpack = user;
    weir_release(hpack->allocator, at);
}

static void *mem_calloc(size_t count, size_t octets, void *user)
{
    weir_h2_hpack *hpack = user;
    return weir_alloc_zeroed(hpack->allocator, count * octets);
}

static void *mem_realloc(void *at, size_t octets, void *user)
{
    weir_h2_hpack *hpack = user;
    return weir_resize(hpack->allocator, at, octets);
}

static size_t section_count(const weir_h2_section_fields *section)
{
    return section->lead_count + (section->rest ? weir_fields_count(section->rest) : 0);
}

static weir_field section_at(const weir_h2_section_fields *section, size_t i)
{
    if (i < section->lead_count) {
        return section->lead[i];
    }
    weir_field field = {0};
    bool found = weir_fields_at(section->rest, i - section->lead_count, &field);
    WEIR_ASSERT(found);
    return field;
}

/* nghttp2 takes pointers that are not const and writes through none of them. */
static nghttp2_nv nv_of(const weir_field *field)
{
    bool secret = (field->flags & (uint32_t)WEIR_FIELD_SENSITIVE) != 0;
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)field->name.at,
        .value = (uint8_t *)(uintptr_t)field->value.at,
        .namelen = field->name.length,
        .valuelen = field->value.length,
        .flags = (uint8_t)(secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE),
    };
}

static void stow_encoder(weir_h2_hpack *hpack)
{
    const size_t entries =
        nghttp2_hd_deflate_get_num_table_entries(hpack->deflater) - STATIC_ENTRIES;
    stowed to = {.entries = (uint32_t)entries};

    if (entries > 0) {
        to.length = (uint32_t)table_octets(hpack, true, entries);
        to.block = weir_alloc(hpack->allocator, to.length);
        if (!to.block) {
            return;
        }
        const uint8_t *end = write_down(hpack, true, entries, to.block);
        WEIR_ASSERT(end == to.block + to.length);
    }
    nghttp2_hd_deflate_del(hpack->deflater);
    hpack->deflater = NULL;
    hpack->encoder = to;
}

static void stow_decoder(weir_h2_hpack *hpack)
{
    const uint32_t size = (uint32_t)nghttp2_hd_inflate_get_max_dynamic_table_size(hpack->inflater);
    const size_t entries =
        nghttp2_hd_inflate_get_num_table_entries(hpack->inflater) - STATIC_ENTRIES;
    stowed to = {.entries = (uint32_t)entries};

    if (nghttp2_hd_inflate_get_dynamic_table_size(hpack->inflater) > STOWED_MOST_OCTETS) {
        return;
    }
    to.length = (uint32_t)(weir_h2_table_size_octets(size) + table_octets(hpack, false, entries));
    to.block = weir_alloc(hpack->allocator, to.length);
    if (!to.block) {
        return;
    }
    const uint8_t *end = write_down(hpack, false, entries, weir_h2_table_size_put(to.block, size));
    WEIR_ASSERT(end == to.block + to.length);
    nghttp2_hd_inflate_del(hpack->inflater);
    hpack->inflater = NULL;
    hpack->decoder = to;
}

static size_t table_octets(const weir_h2_hpack *hpack, bool is_encoder, size_t entries)
{
    size_t octets = 0;

    for (size_t place = 0; place < entries; place++) {
        const nghttp2_nv *nv = entry_at(hpack, is_encoder, place);
        octets += weir_h2_literal_octets((weir_span){nv->name, nv->namelen},
                                         (weir_span){nv->value, nv->valuelen});
    }
    return octets;
}

/* The oldest first; the newest has place 0. */
static uint8_t *write_down(const weir_h2_hpack *hpack, bool is_encoder, size_t entries, uint8_t *to)
{
    for (size_t place = entries; place > 0; place--) {
        const nghttp2_nv *nv = entry_at(hpack, is_encoder, place - 1);
        to = weir_h2_literal_put(to, (weir_span){nv->name, nv->namelen},
                                 (weir_span){nv->value, nv->valuelen});
    }
    return to;
}

static const nghttp2_nv *entry_at(const weir_h2_hpack *hpack, bool is_encoder, size_t place)
{
    const size_t index = STATIC_ENTRIES + 1 + place; /* nghttp2 counts from 1 */

    return is_encoder ? nghttp2_hd_deflate_get_table_entry(hpack->deflater, index)
                      : nghttp2_hd_inflate_get_table_entry(hpack->inflater, index);
}

/* Makes it anew if it was put away. False: no memory, and it is still put away. */
static bool has_encoder(weir_h2_hpack *hpack)
{
    nghttp2_hd_deflater *deflater = NULL;

    if (hpack->deflater) {
        return true;
    }
    if (nghttp2_hd_deflate_new2(&deflater, WEIR_H2_TABLE_OCTETS, &hpack->mem) != 0) {
        return false;
    }
    if (!refill_encoder(&hpack->encoder, deflater) || !size_encoder(hpack, deflater)) {
        nghttp2_hd_deflate_del(deflater);
        return false;
    }
    hpack->deflater = deflater;
    drop(hpack, &hpack->encoder);
    return true;
}

/* The same. */
static bool has_decoder(weir_h2_hpack *hpack)
{
    nghttp2_hd_inflater *inflater = NULL;

    if (hpack->inflater) {
        return true;
    }
    if (nghttp2_hd_inflate_new2(&inflater, &hpack->mem) != 0) {
        return false;
    }
    if (nghttp2_hd_inflate_change_table_size(inflater, hpack->decoder_limit) != 0 ||
        !refill_decoder(&hpack->decoder, inflater)) {
        nghttp2_hd_inflate_del(inflater);
        return false;
    }
    hpack->inflater = inflater;
    drop(hpack, &hpack->decoder);
    return true;
}

/* Encodes every entry, the oldest first, for nobody to decode. */
static bool refill_encoder(const stowed *from, nghttp2_hd_deflater *deflater)
{
    weir_span rest = {from->block, from->length};
    uint8_t nowhere[REFILL_OCTETS];

    while (rest.length > 0) {
        nghttp2_nv few[FEW_FIELDS];
        size_t count = 0;
        while (count < FEW_FIELDS && rest.length > 0) {
            const weir_field field = weir_h2_literal_next(&rest);
            few[count++] = nv_of(&field);
        }
        if (nghttp2_hd_deflate_hd(deflater, nowhere, sizeof(nowhere), few, count) < 0) {
            return false;
        }
    }
    return true;
}

/* Gives a table that was refilled the size that it had, or is to have. */
static bool size_encoder(weir_h2_hpack *hpack, nghttp2_hd_deflater *deflater)
{
    uint8_t nowhere[TABLE_UPDATE_OCTETS];

    if (nghttp2_hd_deflate_get_num_table_entries(deflater) !=
        STATIC_ENTRIES + (size_t)hpack->encoder.entries) {
        hpack->encoder_due = true;
        hpack->encoder_least = 0;
    }
    if (hpack->encoder_due) {
        return nghttp2_hd_deflate_change_table_size(deflater, hpack->encoder_least) == 0 &&
               nghttp2_hd_deflate_change_table_size(deflater, hpack->encoder_limit) == 0;
    }
    return hpack->encoder_limit == WEIR_H2_TABLE_OCTETS ||
           (nghttp2_hd_deflate_change_table_size(deflater, hpack->encoder_limit) == 0 &&
            nghttp2_hd_deflate_hd(deflater, nowhere, sizeof(nowhere), NULL, 0) >= 0);
}

static bool refill_decoder(const stowed *from, nghttp2_hd_inflater *inflater)
{
    weir_span rest = {from->block, from->length};
    nghttp2_nv nv;
    int flags = 0;

    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        const ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, rest.at, rest.length, 1);
        if (used < 0) {
            return false;
        }
        rest = weir_span_from(rest, (size_t)used);
    }
    nghttp2_hd_inflate_end_headers(inflater);
    return true;
}

static void drop(const weir_h2_hpack *hpack, stowed *from)
{
    weir_release(hpack->allocator, from->block);
    *from = (stowed){.block = NULL};
}
