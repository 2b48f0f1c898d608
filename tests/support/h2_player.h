/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/2 conn with a user around it that does the obvious: pulls every event, reads every body,
 * sends everything that is pending, and writes down what it saw.
 *
 * What it saw is one log for each exchange, one of the frames that the conn sent, and the rows of
 * the ledger. It also keeps, apart, what can be compared with another HTTP/2 implementation.
 *
 * A player asserts the laws of the ledger after every step, and that each exchange ends once.
 */
#ifndef WEIR_TESTS_H2_PLAYER_H
#define WEIR_TESTS_H2_PLAYER_H

#include "proto/conn.h"
#include "support/text.h"

#define WEIR_H2_PLAYED_MOST 256

/* An exchange as its user sees it. */
typedef struct weir_h2_played {
    uint32_t id;
    weir_stream *stream; /* NULL: closed */
    bool held;           /* its body is not read when it comes */
    bool ended;
    bool failed;
    bool stopped;
    bool cancelled;
    weir_failure failure;
    weir_tally tally;  /* once closed */
    weir_text log;     /* lines */
    weir_text fields;  /* of every section that was told: for comparison */
    weir_text body;    /* everything that was read */
    size_t body_shown; /* of it, in the log already */
} weir_h2_played;

typedef struct weir_h2_player weir_h2_player;

/* Somebody who is told of everything that the player's conn is given and gives. */
typedef struct weir_h2_watch {
    void *user;
    void (*opened)(const weir_head *head, uint32_t id, void *user);
    void (*cancelled)(uint32_t id, uint32_t code, void *user);
    /* One whole frame left. */
    void (*sent)(weir_h2_player *player, weir_span frame, void *user);
    /* Octets were fed, events pulled and everything sent. */
    void (*fed)(weir_h2_player *player, weir_span octets, void *user);
} weir_h2_watch;

struct weir_h2_player {
    weir_conn *conn; /* NULL: there was no memory for it */
    weir_bin bin;
    weir_conn_limits limits;
    const weir_allocator *allocator;
    weir_time now_ns;
    weir_h2_watch watch;
    bool stalled; /* nothing is sent */
    bool stows;   /* the coders of header blocks are put away after every step */
    weir_h2_played played[WEIR_H2_PLAYED_MOST];
    size_t count;
    weir_text out;      /* octets that left, and are not yet a whole frame */
    weir_text sent_log; /* lines */
    bool preface_left;
    uint32_t last_head; /* the highest id that HEADERS were sent for */
    uint64_t sent_octets;
    uint64_t sent_sum; /* of all octets that were sent (FNV-1a) */
    uint64_t fed_octets;
};

/* False: no memory. It must be freed all the same. */
bool weir_h2_player_init(weir_h2_player *player, const weir_allocator *allocator,
                         const weir_conn_limits *limits, const weir_h2_watch *watch);
void weir_h2_player_free(weir_h2_player *player);

typedef struct weir_h2_request {
    const char *method; /* NULL: GET */
    weir_body_framing body;
    const weir_field *fields;
    size_t field_count;
    weir_hint hint;
} weir_h2_request;
weir_status weir_h2_player_open(weir_h2_player *player, const weir_h2_request *request);
weir_status weir_h2_player_write(weir_h2_player *player, uint32_t id, weir_span octets, bool end,
                                 size_t *taken);
weir_status weir_h2_player_trailers(weir_h2_player *player, uint32_t id, const weir_field *fields,
                                    size_t count);
void weir_h2_player_read(weir_h2_player *player, uint32_t id, size_t octets);
void weir_h2_player_cancel(weir_h2_player *player, uint32_t id, uint32_t code);
void weir_h2_player_close(weir_h2_player *player, uint32_t id);
void weir_h2_player_feed(weir_h2_player *player, weir_span octets);
void weir_h2_player_send(weir_h2_player *player, size_t octets);
void weir_h2_player_tick(weir_h2_player *player, weir_time now_ns);
void weir_h2_player_end(weir_h2_player *player, weir_status status);
void weir_h2_player_shutdown(weir_h2_player *player);

/* NULL: never opened. */
weir_h2_played *weir_h2_player_find(weir_h2_player *player, uint32_t id);
/* Events, bodies, sending: what every step ends with. */
void weir_h2_player_settle(weir_h2_player *player);

/* Everything that was seen, as lines: exchanges, frames sent, the connection, rows. */
void weir_h2_player_log(weir_h2_player *player, weir_text *log);

#endif
