/* SPDX-License-Identifier: MIT */
/*
 * HTTP/2 frames as the simulator's peer counts them: a walker over octets in either direction that
 * knows the 9 octets before a frame and nothing else of the protocol, and writers of frames that no
 * library would send.
 *
 * It is the second book that the ledger is compared with, and shares no code with proto/h2_frame.c
 * nor with nghttp2.
 */
#ifndef WEIR_SIM_H2_FRAMES_H
#define WEIR_SIM_H2_FRAMES_H

#include "peer.h"

enum {
    SIM_H2_DATA = 0,
    SIM_H2_HEADERS = 1,
    SIM_H2_PRIORITY = 2,
    SIM_H2_RST_STREAM = 3,
    SIM_H2_SETTINGS = 4,
    SIM_H2_PUSH_PROMISE = 5,
    SIM_H2_PING = 6,
    SIM_H2_GOAWAY = 7,
    SIM_H2_WINDOW_UPDATE = 8,
    SIM_H2_CONTINUATION = 9
};
enum {
    SIM_H2_END_STREAM = 1,
    SIM_H2_ACK = 1,
    SIM_H2_END_HEADERS = 4,
    SIM_H2_PADDED = 8,
    SIM_H2_WITH_PRIORITY = 32
};

#define SIM_H2_FRAME_HEAD 9

typedef struct sim_h2_frame {
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
    size_t length;
    const uint8_t *payload;
    size_t fragment_octets; /* of a header block or of content: without padding and priority */
} sim_h2_frame;

/* Puts octets together to whole frames. */
typedef struct sim_h2_walker {
    uint8_t *octets;
    size_t length;
    size_t room;
    size_t first;
} sim_h2_walker;

void sim_h2_walk(sim_world *world, sim_h2_walker *walker, weir_span octets);
/* The next whole frame, valid until the next sim_h2_walk(); false: there is none. `octets`: the
 * frame as it came. */
bool sim_h2_next(sim_h2_walker *walker, sim_h2_frame *frame, weir_span *octets);

/* Writes the 9 octets. */
void sim_h2_write_head(uint8_t *to, size_t length, uint8_t type, uint8_t flags, uint32_t stream);

/* A frame that a client must bear; how long it is (at most 64 octets). */
size_t sim_h2_write_odd(sim_dice *dice, uint8_t *to, uint32_t stream);
/* A frame for which a client must end the connection. */
size_t sim_h2_write_wrong(sim_dice *dice, uint8_t *to, uint32_t stream);
/* One of the frames of a flood. */
size_t sim_h2_write_idle(sim_dice *dice, uint8_t *to);

#endif
