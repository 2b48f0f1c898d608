/* SPDX-License-Identifier: MIT */
/*
 * What a seed decides before the run begins: how many calls go where, every limit, and how often
 * each fault happens.
 *
 * Swarm: most faults do not happen at all in a given run, and a few happen often. Runs in which
 * everything goes wrong at once all fail in the same early way and find little.
 */
#ifndef WEIR_SIM_PLAN_H
#define WEIR_SIM_PLAN_H

#include "dice.h"
#include "weir/shared.h"

/* Name, and how many of a thousand times it happens at most where it can happen. */
#define SIM_FAULT_MAP(X)                                                                           \
    X(RECV_PART, "received in part", 700)                                                          \
    X(SEND_PART, "sent in part", 700)                                                              \
    X(SEND_FULL, "send buffer full", 500)                                                          \
    X(SEGMENT, "cut into segments", 1000)                                                          \
    X(DELAY, "delayed", 500)                                                                       \
    X(STALL_DOWN, "response octets stall", 60)                                                     \
    X(STALL_UP, "peer stops reading", 60)                                                          \
    X(RESET, "reset at any octet", 60)                                                             \
    X(EAGER_RESET, "reset discards what arrived", 500)                                             \
    X(SPURIOUS, "ready for nothing", 200)                                                          \
    X(READY_LATE, "readiness told late", 300)                                                      \
    X(TURN_LATE, "turn comes late", 300)                                                           \
    X(SEND_IN_FLIGHT, "send completes later", 500)                                                 \
    X(FACTS_RACE, "octets arrive between lease and open", 500)                                     \
    X(CONNECT_REFUSED, "connect refused", 300)                                                     \
    X(CONNECT_UNREACHABLE, "connect unreachable", 300)                                             \
    X(CONNECT_HOLE, "connect unanswered", 150)                                                     \
    X(CONNECT_DESCRIPTORS, "no descriptor", 150)                                                   \
    X(CONNECT_AT_ONCE, "connected at once", 500)                                                   \
    X(DNS_SLOW, "name server slow", 300)                                                           \
    X(DNS_SILENT, "name server silent", 100)                                                       \
    X(DNS_NONE, "name not found", 200)                                                             \
    X(DNS_FAILED, "name server failed", 200)                                                       \
    X(DNS_EMPTY, "answer without addresses", 100)                                                  \
    X(PEER_THINKS, "peer takes its time", 500)                                                     \
    X(PEER_SILENT, "peer never answers", 60)                                                       \
    X(PEER_DRIPS, "peer drips", 200)                                                               \
    X(PEER_ENDS, "peer ends inside a response", 120)                                               \
    X(PEER_RESETS, "peer resets inside a response", 120)                                           \
    X(PEER_EARLY, "answered before the request ended", 400)                                        \
    X(IDLE_CLOSE, "peer closes an idle connection", 300)                                           \
    X(MISDIRECTS, "421: asked on the wrong connection", 300)                                       \
    X(H1_MALFORMED, "HTTP/1.1: malformed response", 150)                                           \
    X(H1_SURPLUS, "HTTP/1.1: surplus octets", 150)                                                 \
    X(H1_UNASKED, "HTTP/1.1: octets on an idle connection", 100)                                   \
    X(H1_CLOSES, "HTTP/1.1: Connection: close", 300)                                               \
    X(H1_HALF_CLOSE, "HTTP/1.1: half-close after a response", 200)                                 \
    X(H2_REFUSES, "HTTP/2: stream refused", 150)                                                   \
    X(H2_REFUSES_ALL, "HTTP/2: connection refuses every stream", 1000)                             \
    X(H2_GOAWAY, "HTTP/2: GOAWAY", 120)                                                            \
    X(H2_SHUTDOWN, "HTTP/2: GOAWAY announced, then meant", 80)                                     \
    X(H2_RST, "HTTP/2: stream reset by the peer", 120)                                             \
    X(H2_NO_ERROR, "HTTP/2: answered, then RST_STREAM(NO_ERROR)", 300)                             \
    X(H2_SETTINGS, "HTTP/2: SETTINGS change", 150)                                                 \
    X(H2_UNACKED, "HTTP/2: SETTINGS not acknowledged", 150)                                        \
    X(H2_WINDOW, "HTTP/2: window withheld", 200)                                                   \
    X(H2_PING, "HTTP/2: PING", 200)                                                                \
    X(H2_PAUSES, "HTTP/2: response pauses", 200)                                                   \
    X(H2_CONTINUES, "HTTP/2: header block in CONTINUATION frames", 500)                            \
    X(H2_PADS, "HTTP/2: padding", 500)                                                             \
    X(H2_ODD, "HTTP/2: frame of an unknown type, PRIORITY", 300)                                   \
    X(H2_MESSAGE, "HTTP/2: malformed message", 120)                                                \
    X(H2_FRAME, "HTTP/2: frame against the protocol", 40)                                          \
    X(H2_FLOOD, "HTTP/2: flood of frames without progress", 20)                                    \
    X(TLS_SILENT, "TLS: handshake not answered", 60)                                               \
    X(TLS_NOT, "TLS: answered in the clear", 60)                                                   \
    X(TLS_ALERT, "TLS: alert in the handshake", 100)                                               \
    X(TLS_ENDS, "TLS: end inside the handshake", 100)                                              \
    X(TLS_UNTRUSTED, "TLS: certificate refused", 100)                                              \
    X(TLS_OTHER_ALPN, "TLS: another protocol, or none, chosen", 300)                               \
    X(TLS_SMALL, "TLS: small records", 600)                                                        \
    X(TLS_EMPTY, "TLS: empty record", 200)                                                         \
    X(TLS_KEY_UPDATE, "TLS: KeyUpdate", 300)                                                       \
    X(TLS_KEY_FLOOD, "TLS: flood of KeyUpdates", 10)                                               \
    X(TLS_CORRUPT, "TLS: record corrupted", 40)                                                    \
    X(TLS_NO_NOTIFY, "TLS: end without close_notify", 300)                                         \
    X(CANCEL, "call cancelled", 300)                                                               \
    X(FREE_EARLY, "call freed under way", 150)                                                     \
    X(READER_SLOW, "reader slow", 400)                                                             \
    X(WRITER_SLOW, "writer slow", 400)                                                             \
    X(SOURCE_WAITS, "source answers AGAIN", 300)                                                   \
    X(SOURCE_FAILS, "source fails", 60)                                                            \
    X(DEADLINE, "tight deadline", 300)                                                             \
    X(NOMEM, "no memory", 0)

typedef enum sim_fault_kind {
#define SIM_FAULT_X(name, words, most) SIM_FAULT_##name,
    SIM_FAULT_MAP(SIM_FAULT_X)
#undef SIM_FAULT_X
        SIM_FAULT_COUNT
} sim_fault_kind;

const char *sim_fault_name(sim_fault_kind kind);

typedef enum sim_origin_kind {
    SIM_ORIGIN_H1 = 0,
    SIM_ORIGIN_H2,
    SIM_ORIGIN_TLS_H1,
    SIM_ORIGIN_TLS_H2,
    SIM_ORIGIN_KINDS
} sim_origin_kind;

#define SIM_ORIGINS_LIMIT 3
#define SIM_STEPS_LIMIT   12 /* of the rests: of one call or two */
#define SIM_AT_ONCE_LIMIT 5  /* calls of the calm where 421 is met */
#define SIM_CALLS_LIMIT   40

/* A server that closes what rested for too long, and calls to it after the calm, with rests between
 * them (rest.h). */
typedef struct sim_rests {
    size_t origin;
    /* a connection that rests for so long is closed; 0: there is no such server */
    weir_time most_ns;
    size_t steps;
    bool numeric; /* its host is an address, so that DNS has no part in it */
} sim_rests;

/* A server of HTTP/2 that answers every other request with 421, also in the calm, whose calls all
 * go to it at once: some are asked elsewhere together, and meet a second 421 there. */
typedef struct sim_misdirects {
    bool happens;
    size_t origin;
} sim_misdirects;

typedef struct sim_plan {
    size_t origins;
    sim_origin_kind kinds[SIM_ORIGINS_LIMIT];
    bool numeric;          /* some hosts are addresses */
    bool warms;            /* some calls are wishes for connections, and no requests */
    bool withholds_of_all; /* HTTP/2 peers are late with the window of the connection */
    size_t storm_calls;    /* while faults happen */
    size_t calm_calls;     /* after them: each must succeed */
    uint32_t first_stream; /* HTTP/2: few ids are left behind it; 0: of all that there are */
    weir_time storm_ns;    /* how long calls are submitted and faults happen */
    weir_time calm_at_ns;  /* set when it begins */
    sim_rests rests;
    sim_misdirects misdirects;
    weir_pool_limits limits;
    uint32_t metrics_series;         /* of the core; 0: none */
    weir_time stow_ns;               /* of the limits of HTTP/2 connections; 0: as ever */
    uint32_t rates[SIM_FAULT_COUNT]; /* per mille */
    weir_time latency_ns;            /* one way, when nothing delays */
    weir_time tick_ns;               /* how late a turn may come */
    uint64_t body_octets;            /* of a body, at most */
    size_t receive_octets;           /* of the driver's buffer */
    uint64_t turn_octets;            /* of one turn */
    size_t send_octets;              /* of a socket's send buffer */
    size_t told_room;                /* events taken at once */
    uint64_t fail_at;                /* allocation */
    uint64_t fail_every;
} sim_plan;

void sim_plan_draw(sim_plan *plan, uint64_t seed);

#endif
