/* SPDX-License-Identifier: MIT */
/*
 * HTTP/2 frames, for what a scold is to do with them: read one by one, and written as octets.
 */
#ifndef WEIR_TESTS_SCOLD_H2_H
#define WEIR_TESTS_SCOLD_H2_H

#include "support/scold.h"

/* RFC 9113 s6 */
enum {
    WEIR_SCOLD_DATA = 0,
    WEIR_SCOLD_HEADERS = 1,
    WEIR_SCOLD_SETTINGS = 4,
    WEIR_SCOLD_PING = 6,
    WEIR_SCOLD_ACK = 1,
    WEIR_SCOLD_END_STREAM = 1,
    WEIR_SCOLD_END_HEADERS = 4
};

typedef struct weir_scold_frame {
    uint8_t type;
    uint8_t flags;
    uint8_t stream[4];
    size_t length;
    uint8_t payload[16384];
} weir_scold_frame;

/* Writes the server's first SETTINGS, empty, and reads the client's preface. False: it is gone. */
bool weir_scold_h2_begin(weir_scold_line *line);
/* ... where the script has written its SETTINGS itself. */
bool weir_scold_h2_preface(weir_scold_line *line);
/* The client's next frame; SETTINGS are acknowledged. False: it is gone, or the frame too long. */
bool weir_scold_h2_read(weir_scold_line *line, weir_scold_frame *frame);
/* Is it the acknowledgement of this type? */
bool weir_scold_h2_is_ack(const weir_scold_frame *frame, uint8_t type);

#endif
