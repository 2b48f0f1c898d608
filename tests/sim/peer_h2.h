/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/2 peer: an nghttp2 server session between two walkers.
 *
 *   client -> walker: counts, keeps back acknowledgements of SETTINGS that the session does not
 *             know -> session
 *   session -> walker: counts, splits header blocks, adds frames -> client
 *
 * The session checks all that the library sends (framing, HPACK, flow control, stream states,
 * messages): whatever it refuses is a violation. What the session would never do itself, odd frames
 * and wrong ones, is added behind it.
 *
 *   peer_h2.c     what comes from the client, and the session
 *   h2_answer.c   responses
 *   h2_control.c  GOAWAY, SETTINGS, the end of the connection
 *   h2_send.c     what goes to the client
 *   h2_memory.c   the session's memory
 */
#ifndef WEIR_SIM_PEER_H2_H
#define WEIR_SIM_PEER_H2_H

#include <nghttp2/nghttp2.h>

#include "h2_frames.h"

#define SIM_H2_SETTINGS_TRACKED 64

struct sim_h2_peer;

typedef struct sim_h2_stream {
    struct sim_h2_stream *next;
    struct sim_h2_peer *h2;
    uint32_t id;
    sim_request *request; /* NULL: its head is not complete */
    sim_rows rows;        /* sent by the client before there was a request */
    uint64_t call;
    char method[16];
    uint64_t content_length; /* WEIR_UNKNOWN: not said */
    uint64_t body_at;
    bool head_seen; /* header blocks from now on are trailers */
    bool early;
    bool planned;    /* an answer is planned, or refused */
    bool answered;   /* handed to the session */
    bool final_sent; /* header blocks to the client from now on are trailers */
    bool closed;
    uint64_t sent;          /* of the response's content */
    uint64_t promised;      /* so much of it is sent before what the dice had in mind */
    size_t withheld;        /* octets whose window was not given back */
    size_t withheld_of_all; /* ... that of the connection; the stream's was */
    bool paused;
} sim_h2_stream;

typedef struct sim_h2_peer {
    sim_peer *peer;
    nghttp2_session *session;
    size_t preface_left;
    sim_h2_walker in;
    sim_h2_walker out;
    sim_h2_stream *streams;                /* newest first */
    uint32_t block_stream_in;              /* whose header block is being received */
    bool foreign[SIM_H2_SETTINGS_TRACKED]; /* SETTINGS sent and not acknowledged: not the session's?
                                            */
    size_t foreign_first;
    size_t foreign_count;
    uint8_t acks_kept; /* acknowledgements of the client's SETTINGS that are kept back */
    size_t withheld;
    bool mute;     /* it sends nothing any more */
    uint32_t last; /* of the GOAWAY that was submitted */
    bool goes;     /* GOAWAY was sent */
    bool silent;   /* requests are not answered */
    bool refuses;  /* every stream */
} sim_h2_peer;

/* The stream with this id, as the client opened it; NULL: there is none. */
sim_h2_stream *sim_h2_stream_of(sim_h2_peer *h2, uint32_t id);
/* Memory that lives until the run ends. */
nghttp2_mem sim_h2_memory(sim_world *world);

/* Sends everything that the session wants to send. */
void sim_h2_pump(sim_h2_peer *h2);
/* Acknowledgements of SETTINGS that were kept back. An event. */
void sim_h2_acknowledge(sim_world *world, void *what, uint64_t unused);

/* Plans the answer to a request; it may take its time. */
void sim_h2_answer(sim_h2_stream *stream);
/* A response that paused goes on. An event. */
void sim_h2_resume(sim_world *world, void *what, uint64_t unused);

void sim_h2_go_away(sim_h2_peer *h2);
/* GOAWAY is announced, and meant a while later. */
void sim_h2_shut_down(sim_h2_peer *h2);
void sim_h2_change_settings(sim_h2_peer *h2);
/* The peer ends the connection, with a GOAWAY before it or without. */
void sim_h2_end(sim_h2_peer *h2);
/* The peer ends the connection if no stream was opened since the last one. An event. */
void sim_h2_idle_time_out(sim_world *world, void *what, uint64_t last_stream);

#endif
