/* SPDX-License-Identifier: MIT */
/*
 * nghttp2's HPACK coder behind our own words.
 *
 * The nghttp2_mem record lives here, beside the coders: nghttp2 keeps the pointer that it is given.
 * A section of up to FEW_FIELDS fields is handed over from the stack; only an unusually large one
 * costs an allocation, which is had before the encoder is touched.
 *
 * Room is left for a memory of encoded blocks made only of indexed fields (they always give the
 * same octets while the table has not changed): it would sit in front of weir_h2_hpack_encode().
 */
#include "proto/h2_hpack.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

struct weir_h2_hpack {
    const weir_allocator *allocator;
    nghttp2_mem mem;
    nghttp2_hd_deflater *deflater;
    nghttp2_hd_inflater *inflater;
    bool encoder_lost;
    bool decoder_lost;
};

#define FEW_FIELDS 32

/* A field's worst case: its octets, two lengths and an opcode (RFC 7541 s5.1, s6.2). */
#define FIELD_OVERHEAD_OCTETS 12
/* Two table size updates may lead a block (RFC 7541 s4.2). */
#define TABLE_UPDATE_OCTETS   12

static void *mem_malloc(size_t octets, void *user);
static void mem_free(void *at, void *user);
static void *mem_calloc(size_t count, size_t octets, void *user);
static void *mem_realloc(void *at, size_t octets, void *user);
static size_t section_count(const weir_h2_section_fields *section);
static weir_field section_at(const weir_h2_section_fields *section, size_t i);
static nghttp2_nv nv_of(const weir_field *field);

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
    *length = (size_t)encoded;
    return WEIR_OK;
}

bool weir_h2_hpack_can_encode(const weir_h2_hpack *hpack)
{
    return !hpack->encoder_lost;
}

bool weir_h2_hpack_limit_encoder(weir_h2_hpack *hpack, uint32_t octets)
{
    return nghttp2_hd_deflate_change_table_size(hpack->deflater, octets) == 0;
}

bool weir_h2_hpack_limit_decoder(weir_h2_hpack *hpack, uint32_t octets)
{
    return nghttp2_hd_inflate_change_table_size(hpack->inflater, octets) == 0;
}

weir_status weir_h2_hpack_decode(weir_h2_hpack *hpack, weir_span *block, bool last,
                                 weir_field *field, bool *found)
{
    WEIR_ASSERT(!hpack->decoder_lost);
    static const uint8_t nothing;
    nghttp2_nv nv;
    int flags = 0;
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
    }
    WEIR_ASSERT(*found || block->length == 0);
    return WEIR_OK;
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
