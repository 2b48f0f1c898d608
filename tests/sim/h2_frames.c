/* SPDX-License-Identifier: MIT */
/* Frames, walked over and written: see h2_frames.h. */
#include "h2_frames.h"

#include <string.h>

static uint32_t read_u32(const uint8_t *at);
static void write_u32(uint8_t *to, uint32_t value);
static void measure(sim_h2_frame *frame);

void sim_h2_walk(sim_world *world, sim_h2_walker *walker, weir_span octets)
{
    if (walker->first == walker->length) {
        walker->first = 0;
        walker->length = 0;
    }
    if (walker->room - walker->length < octets.length) {
        const size_t held = walker->length - walker->first;
        const size_t room = (held + octets.length) * 2 + 256;
        uint8_t *grown = sim_room(world, room);
        if (held > 0) {
            memcpy(grown, walker->octets + walker->first, held);
        }
        *walker = (sim_h2_walker){grown, held, room, 0};
    }
    memcpy(walker->octets + walker->length, octets.at, octets.length);
    walker->length += octets.length;
}

bool sim_h2_next(sim_h2_walker *walker, sim_h2_frame *frame, weir_span *octets)
{
    const uint8_t *at = walker->octets + walker->first;
    const size_t held = walker->length - walker->first;

    if (held < SIM_H2_FRAME_HEAD) {
        return false;
    }
    const size_t length = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
    if (held < SIM_H2_FRAME_HEAD + length) {
        return false;
    }
    *frame = (sim_h2_frame){
        .type = at[3],
        .flags = at[4],
        .stream = read_u32(at + 5) & UINT32_C(0x7fffffff),
        .length = length,
        .payload = at + SIM_H2_FRAME_HEAD,
    };
    measure(frame);
    *octets = (weir_span){at, SIM_H2_FRAME_HEAD + length};
    walker->first += octets->length;
    return true;
}

static void measure(sim_h2_frame *frame)
{
    const bool has_fragment = frame->type == SIM_H2_DATA || frame->type == SIM_H2_HEADERS ||
                              frame->type == SIM_H2_CONTINUATION;
    size_t around = 0;

    if (!has_fragment) {
        return;
    }
    if (frame->type != SIM_H2_CONTINUATION && (frame->flags & SIM_H2_PADDED) != 0) {
        around += 1 + (size_t)frame->payload[0];
    }
    if (frame->type == SIM_H2_HEADERS && (frame->flags & SIM_H2_WITH_PRIORITY) != 0) {
        around += 5;
    }
    frame->fragment_octets = frame->length > around ? frame->length - around : 0;
}

void sim_h2_write_head(uint8_t *to, size_t length, uint8_t type, uint8_t flags, uint32_t stream)
{
    to[0] = (uint8_t)(length >> 16);
    to[1] = (uint8_t)(length >> 8);
    to[2] = (uint8_t)length;
    to[3] = type;
    to[4] = flags;
    write_u32(to + 5, stream);
}

size_t sim_h2_write_odd(sim_dice *dice, uint8_t *to, uint32_t stream)
{
    const size_t length = sim_below(dice, 20);

    switch (sim_below(dice, 4)) {
    case 0: /* RFC 9113 s5.3.2: deprecated, and still allowed */
        sim_h2_write_head(to, 5, SIM_H2_PRIORITY, 0, stream);
        write_u32(to + SIM_H2_FRAME_HEAD, 0);
        to[SIM_H2_FRAME_HEAD + 4] = (uint8_t)sim_below(dice, 256);
        return SIM_H2_FRAME_HEAD + 5;
    case 1: /* an unknown setting */
        sim_h2_write_head(to, 6, SIM_H2_SETTINGS, 0, 0);
        memcpy(to + SIM_H2_FRAME_HEAD, "\xf0\x00\x01\x02\x03\x04", 6);
        return SIM_H2_FRAME_HEAD + 6;
    default: /* RFC 9113 s4.1: an unknown type, with any flags */
        sim_h2_write_head(to, length, (uint8_t)(0xb0 + sim_below(dice, 16)),
                          (uint8_t)sim_throw(dice), stream);
        memset(to + SIM_H2_FRAME_HEAD, 0xee, length);
        return SIM_H2_FRAME_HEAD + length;
    }
}

size_t sim_h2_write_wrong(sim_dice *dice, uint8_t *to, uint32_t stream)
{
    uint8_t *payload = to + SIM_H2_FRAME_HEAD;

    switch (sim_below(dice, 12)) {
    case 0: /* s6.7: PING of 7 octets */
        sim_h2_write_head(to, 7, SIM_H2_PING, 0, 0);
        memset(payload, 0, 7);
        return SIM_H2_FRAME_HEAD + 7;
    case 1: /* s6.5: SETTINGS on a stream */
        sim_h2_write_head(to, 0, SIM_H2_SETTINGS, 0, 1);
        return SIM_H2_FRAME_HEAD;
    case 2: /* s6.5: SETTINGS of 5 octets */
        sim_h2_write_head(to, 5, SIM_H2_SETTINGS, 0, 0);
        memset(payload, 0, 5);
        return SIM_H2_FRAME_HEAD + 5;
    case 3: /* s8.4: a push that was switched off */
        sim_h2_write_head(to, 5, SIM_H2_PUSH_PROMISE, SIM_H2_END_HEADERS, stream | 1);
        memcpy(payload, "\x00\x00\x00\x02\x88", 5);
        return SIM_H2_FRAME_HEAD + 5;
    case 4: /* s6.10: CONTINUATION of nothing */
        sim_h2_write_head(to, 1, SIM_H2_CONTINUATION, SIM_H2_END_HEADERS, stream | 1);
        payload[0] = 0x88;
        return SIM_H2_FRAME_HEAD + 1;
    case 5: /* s6.9: WINDOW_UPDATE of 0 for the connection */
        sim_h2_write_head(to, 4, SIM_H2_WINDOW_UPDATE, 0, 0);
        write_u32(payload, 0);
        return SIM_H2_FRAME_HEAD + 4;
    case 6: /* s6.9.1: a window beyond 2^31 - 1 */
        sim_h2_write_head(to, 4, SIM_H2_WINDOW_UPDATE, 0, 0);
        write_u32(payload, UINT32_C(0x7fffffff));
        return SIM_H2_FRAME_HEAD + 4;
    case 7: /* s6.1: DATA on no stream */
        sim_h2_write_head(to, 1, SIM_H2_DATA, 0, 0);
        payload[0] = 0;
        return SIM_H2_FRAME_HEAD + 1;
    case 8: /* s5.1: a stream that the client never opened; behind a late one there is only a push */
        sim_h2_write_head(to, 1, SIM_H2_DATA, 0, stream < 99999 ? 99999 : 2);
        payload[0] = 0;
        return SIM_H2_FRAME_HEAD + 1;
    case 9: /* s6.5.2: an initial window beyond 2^31 - 1 */
        sim_h2_write_head(to, 6, SIM_H2_SETTINGS, 0, 0);
        memcpy(payload, "\x00\x04\x80\x00\x00\x00", 6);
        return SIM_H2_FRAME_HEAD + 6;
    case 10: /* s4.2: longer than was allowed; its octets never come */
        sim_h2_write_head(to, 0x7fffff, 0xbb, 0, 0);
        return SIM_H2_FRAME_HEAD;
    default: /* s6.4: RST_STREAM on no stream */
        sim_h2_write_head(to, 4, SIM_H2_RST_STREAM, 0, 0);
        write_u32(payload, 8);
        return SIM_H2_FRAME_HEAD + 4;
    }
}

size_t sim_h2_write_idle(sim_dice *dice, uint8_t *to)
{
    if (sim_below(dice, 2) == 0) {
        sim_h2_write_head(to, 0, SIM_H2_SETTINGS, 0, 0);
        return SIM_H2_FRAME_HEAD;
    }
    sim_h2_write_head(to, 8, SIM_H2_PING, 0, 0);
    memset(to + SIM_H2_FRAME_HEAD, 'p', 8);
    return SIM_H2_FRAME_HEAD + 8;
}

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write_u32(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 24);
    to[1] = (uint8_t)(value >> 16);
    to[2] = (uint8_t)(value >> 8);
    to[3] = (uint8_t)value;
}
