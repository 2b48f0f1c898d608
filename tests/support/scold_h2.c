/* SPDX-License-Identifier: MIT */
/*
 * HTTP/2 frames, as a scold reads them.
 */
#include "support/scold_h2.h"

#include <string.h>

enum { PREFACE_OCTETS = 24, HEAD_OCTETS = 9 };

bool weir_scold_h2_begin(weir_scold_line *line)
{
    static const uint8_t settings[HEAD_OCTETS] = {0, 0, 0, WEIR_SCOLD_SETTINGS};

    weir_scold_write(line, settings, sizeof(settings));
    return weir_scold_h2_preface(line);
}

bool weir_scold_h2_preface(weir_scold_line *line)
{
    uint8_t preface[PREFACE_OCTETS];

    return weir_scold_read_all(line, preface, sizeof(preface));
}

bool weir_scold_h2_read(weir_scold_line *line, weir_scold_frame *frame)
{
    static const uint8_t ack[HEAD_OCTETS] = {0, 0, 0, WEIR_SCOLD_SETTINGS, WEIR_SCOLD_ACK};
    uint8_t head[HEAD_OCTETS];

    if (!weir_scold_read_all(line, head, sizeof(head))) {
        return false;
    }
    frame->length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    frame->type = head[3];
    frame->flags = head[4];
    memcpy(frame->stream, head + 5, sizeof(frame->stream));
    if (frame->length > sizeof(frame->payload) ||
        !weir_scold_read_all(line, frame->payload, frame->length)) {
        return false;
    }
    if (frame->type == WEIR_SCOLD_SETTINGS && (frame->flags & WEIR_SCOLD_ACK) == 0) {
        weir_scold_write(line, ack, sizeof(ack));
    }
    return true;
}

bool weir_scold_h2_is_ack(const weir_scold_frame *frame, uint8_t type)
{
    return frame->type == type && (frame->flags & WEIR_SCOLD_ACK) != 0;
}
