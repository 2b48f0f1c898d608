/* SPDX-License-Identifier: MIT */
/*
 * The out queue of a TLS filter. The octets lie in a weir_buf; a ring beside it has one descriptor
 * for each record that is not told yet:
 *
 *   ring     [ taken whole | taken in part | queued ... | being emitted ]
 *   octets                  ^ front of the buf
 *
 * `taken_octets` counts from the beginning of the first record in the ring. The sum of wire_octets
 * over the ring is therefore taken_octets + octets in the buf + octets of the last record that the
 * library has yet to emit.
 *
 * The library emits whole records, as far as is known; nothing here relies on it.
 */
#include "engine/tls_out.h"

#include <string.h>

static size_t count_begun(const weir_tls_out *out, weir_span octets);
static bool make_room(weir_tls_out *out, size_t more);
static size_t walk(weir_tls_out *out, weir_tls_record_kind kind, weir_span octets);
static weir_tls_sealed *at(const weir_tls_out *out, size_t i);
static void shrink(weir_tls_out *out);

void weir_tls_out_init(weir_tls_out *out, weir_bin *bin, size_t limit_octets)
{
    memset(out, 0, sizeof(*out));
    weir_buf_init(&out->octets, bin, limit_octets);
    out->records = out->few;
    out->room = WEIR_TLS_OUT_INLINE;
}

void weir_tls_out_clear(weir_tls_out *out)
{
    out->count = 0;
    out->plain_octets = 0;
    shrink(out);
    weir_buf_clear(&out->octets);
}

bool weir_tls_out_append(weir_tls_out *out, weir_tls_record_kind kind, weir_span octets)
{
    if (!make_room(out, count_begun(out, octets)) || !weir_buf_append(&out->octets, octets)) {
        return false;
    }
    while (octets.length > 0) {
        octets = weir_span_from(octets, walk(out, kind, octets));
    }
    return true;
}

bool weir_tls_out_is_whole(const weir_tls_out *out)
{
    return out->left_octets == 0 && out->header_octets == 0;
}

void weir_tls_out_set_plain(weir_tls_out *out, size_t plain_octets)
{
    WEIR_ASSERT(out->count > 0);
    WEIR_ASSERT(plain_octets <= WEIR_TLS_PLAIN_LIMIT_OCTETS);
    weir_tls_sealed *last = at(out, out->count - 1);
    WEIR_ASSERT(plain_octets < last->wire_octets);
    last->kind = WEIR_TLS_DATA;
    WEIR_ASSERT(last->plain_octets == 0);
    last->plain_octets = (uint16_t)plain_octets;
    out->plain_octets += plain_octets;
}

void weir_tls_out_set_control(weir_tls_out *out)
{
    WEIR_ASSERT(out->count > 0);
    weir_tls_sealed *last = at(out, out->count - 1);
    WEIR_ASSERT(last->plain_octets == 0);
    last->kind = WEIR_TLS_CONTROL;
}

void weir_tls_out_sent(weir_tls_out *out, size_t octets)
{
    weir_buf_consume(&out->octets, octets);
    out->taken_octets += octets;
}

bool weir_tls_out_next(weir_tls_out *out, weir_tls_record *record)
{
    if (out->count == 0 || out->taken_octets < at(out, 0)->wire_octets) {
        return false;
    }
    const weir_tls_sealed *first = at(out, 0);
    *record = (weir_tls_record){.kind = (weir_tls_record_kind)first->kind,
                                .plain_octets = first->plain_octets,
                                .wire_octets = first->wire_octets};
    out->taken_octets -= first->wire_octets;
    out->plain_octets -= first->plain_octets;
    out->first = (out->first + 1) & (out->room - 1);
    out->count--;
    if (out->count == 0) {
        shrink(out);
    }
    return true;
}

size_t weir_tls_out_torn(const weir_tls_out *out)
{
    size_t torn = out->taken_octets;
    for (size_t i = 0; i < out->count && torn >= at(out, i)->wire_octets; ++i) {
        torn -= at(out, i)->wire_octets;
    }
    return torn;
}

void weir_tls_out_check(const weir_tls_out *out)
{
    size_t wire_octets = 0;
    size_t plain_octets = 0;

    weir_buf_check(&out->octets);
    for (size_t i = 0; i < out->count; ++i) {
        WEIR_CHECK_ASSERT(at(out, i)->wire_octets > at(out, i)->plain_octets);
        WEIR_CHECK_ASSERT((at(out, i)->kind == WEIR_TLS_DATA) == (at(out, i)->plain_octets > 0));
        wire_octets += at(out, i)->wire_octets;
        plain_octets += at(out, i)->plain_octets;
    }
    WEIR_CHECK_ASSERT(plain_octets == out->plain_octets);
    WEIR_CHECK_ASSERT(wire_octets + out->header_octets ==
                      out->taken_octets + out->octets.octets + out->left_octets);
}

/* How many record headers become whole in these octets. */
static size_t count_begun(const weir_tls_out *out, weir_span octets)
{
    weir_tls_out probe = {.left_octets = out->left_octets, .header_octets = out->header_octets};
    size_t count = 0;

    memcpy(probe.header, out->header, sizeof(probe.header));
    probe.records = probe.few;
    probe.room = WEIR_TLS_OUT_INLINE;
    while (octets.length > 0) {
        octets = weir_span_from(octets, walk(&probe, WEIR_TLS_CONTROL, octets));
        count += probe.count;
        probe.count = 0;
    }
    return count;
}

/* Goes on by one stretch: the rest of a body, or (part of) a header. */
static size_t walk(weir_tls_out *out, weir_tls_record_kind kind, weir_span octets)
{
    if (out->left_octets > 0) {
        size_t step = weir_min(out->left_octets, octets.length);
        out->left_octets -= step;
        return step;
    }
    size_t step = weir_min(WEIR_TLS_HEADER_OCTETS - (size_t)out->header_octets, octets.length);
    memcpy(out->header + out->header_octets, octets.at, step);
    out->header_octets = (uint8_t)(out->header_octets + step);
    if (out->header_octets == WEIR_TLS_HEADER_OCTETS) {
        out->left_octets = (size_t)out->header[3] << 8 | out->header[4];
        out->header_octets = 0;
        WEIR_ASSERT(out->count < out->room);
        out->count++;
        *at(out, out->count - 1) =
            (weir_tls_sealed){.wire_octets = (uint32_t)(WEIR_TLS_HEADER_OCTETS + out->left_octets),
                              .kind = (uint16_t)kind};
    }
    return step;
}

static weir_tls_sealed *at(const weir_tls_out *out, size_t i)
{
    return &out->records[(out->first + i) & (out->room - 1)];
}

static bool make_room(weir_tls_out *out, size_t more)
{
    size_t room = out->room;
    while (out->count + more > room) {
        room *= 2;
    }
    if (room == out->room) {
        return true;
    }
    weir_tls_sealed *records = weir_alloc(out->octets.bin->allocator, room * sizeof(*records));
    if (!records) {
        return false;
    }
    for (size_t i = 0; i < out->count; ++i) {
        records[i] = *at(out, i);
    }
    size_t count = out->count;
    shrink(out);
    out->records = records;
    out->room = room;
    out->count = count;
    return true;
}

/* Back to the inline ring. What was in the other is lost. */
static void shrink(weir_tls_out *out)
{
    if (out->records != out->few) {
        weir_release(out->octets.bin->allocator, out->records);
    }
    out->records = out->few;
    out->room = WEIR_TLS_OUT_INLINE;
    out->first = 0;
}
