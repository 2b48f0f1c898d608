/* SPDX-License-Identifier: MIT */
/*
 * The ways in which weir may differ from its oracle, each with the clause that says why weir is
 * right (tests/corpus/h2/DIFFERENCES.md).
 *
 * A difference is recognised by what both sides did because of one frame, the first after which
 * they differ; what follows from it is not looked at.
 */
#ifndef WEIR_TESTS_H2_DIFFERENCE_H
#define WEIR_TESTS_H2_DIFFERENCE_H

#include "proto/h2_frame.h"
#include "support/h2_player.h"

/* A stream as nghttp2's user sees it. */
typedef struct weir_h2_seen {
    uint32_t id;
    weir_text fields;
    weir_text section; /* the one that is coming in */
    int code;
    weir_text body;
    bool ended;
    bool closed;
    bool reset; /* by nghttp2 */
    bool peer_reset;
    bool refused;   /* GOAWAY below it */
    bool cancelled; /* by its user */
    uint32_t reset_code;
    size_t to_send; /* of content, that the conn has sent and nghttp2 has not yet */
    bool ends;
    bool is_connect;
    bool says_length; /* the section that is coming in */
} weir_h2_seen;

/* What one side did because of a frame. */
typedef enum weir_h2_act_kind {
    WEIR_H2_ACT_NOTHING = 0,
    WEIR_H2_ACT_STREAM_ERROR,
    WEIR_H2_ACT_CONNECTION_ERROR
} weir_h2_act_kind;

typedef struct weir_h2_act {
    weir_h2_act_kind kind;
    uint32_t code;
} weir_h2_act;

/* The first frame after which the two sides differ. Borrows. */
typedef struct weir_h2_point {
    weir_h2_frame_head frame;
    weir_span payload;
    const weir_h2_seen *frame_stream; /* the frame's, NULL: none that was opened */
    const weir_h2_played *played;     /* the first stream that differs, NULL: none does */
    const weir_h2_seen *stream;       /* the same */
    bool is_acknowledged;             /* our SETTINGS */
    bool nghttp2_failed;              /* the connection, whatever the stream did */
    const weir_text *message;         /* nghttp2's own words for its last error */
    weir_failure failure;             /* weir's */
    weir_h2_act weir;
    weir_h2_act nghttp2;
} weir_h2_point;

/* The name of the difference; NULL: it is not one of those that may be. */
const char *weir_h2_difference_of(const weir_h2_point *point);

/* The i-th of them; false past the end. */
bool weir_h2_difference_at(size_t i, const char **name, const char **clause);

#endif
