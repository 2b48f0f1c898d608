/* SPDX-License-Identifier: MIT */
/*
 * What the two peers have in common: who they are, what they keep of each request and each
 * response, and the octets that a body is made of.
 *
 * Peers share no code with the library that they test: requests are read and responses are written
 * by parsers and generators of their own (peer_h1*.c), or by an nghttp2 server session
 * (peer_h2*.c).
 *
 * Each response has a serial number, which its head names and which its body is made of: an octet
 * that reaches the wrong call, or the wrong place, is seen. The same holds for the body of a
 * request and the number of its call.
 */
#ifndef WEIR_SIM_PEER_H
#define WEIR_SIM_PEER_H

#include "net.h"

#define SIM_FIELDS_LIMIT 6
#define SIM_TEXT_OCTETS  64
#define SIM_MISDIRECTED  421

typedef struct sim_field {
    char name[SIM_TEXT_OCTETS]; /* lower case */
    char value[SIM_TEXT_OCTETS];
} sim_field;

/* What each row of a tally should say, by the peer's own count. */
typedef struct sim_rows {
    uint64_t head;
    uint64_t body;
    uint64_t trailers;
    uint64_t framing;
} sim_rows;

typedef struct sim_response {
    uint64_t serial;
    int code;
    size_t informational_count;
    int informational[4];
    size_t field_count;
    sim_field fields[SIM_FIELDS_LIMIT];
    size_t trailer_count;
    sim_field trailers[2];
    uint64_t body_octets; /* as planned */
    sim_rows rows;        /* of what is sent when it is sent whole */
    bool valid;           /* a client may take it for a response */
    bool complete; /* and all of it was given to the network, with its end if that delimits it */
} sim_response;

/* A request as a peer saw it, from the last octet of its head. */
typedef struct sim_request {
    struct sim_request *next; /* of the same call, in the order of arrival */
    uint64_t call;
    sim_socket *socket;
    uint32_t stream;
    bool is_head_method;
    bool refused;  /* provably not processed */
    bool complete; /* with its whole body */
    bool expects_continue;
    bool answered_early; /* before it was complete */
    bool is_last;        /* HTTP/1.1: the connection ends with its response */
    uint64_t order;      /* among the requests of its connection, from 1 */
    weir_time arrived_ns;
    weir_time refused_ns;     /* its stream was reset with REFUSED_STREAM; 0: it was not */
    weir_time misdirected_ns; /* a final head with 421 was sent: nothing was done; 0: none was */
    sim_rows rows;
    sim_response response;
} sim_request;

struct sim_peer;
typedef struct sim_peer_kind {
    void (*connected)(struct sim_peer *peer);
    void (*got)(struct sim_peer *peer, weir_span octets);
    void (*saw_end)(struct sim_peer *peer, bool reset);
    void (*meddle)(struct sim_peer *peer); /* now is a bad time to change its mind: it does */
    void (*calm)(struct sim_peer *peer);   /* the faults are off: what it kept back it does now */
    bool (*rest_ends)(
        struct sim_peer *peer); /* it rested for too long: closes, unless it is busy */
} sim_peer_kind;

typedef struct sim_peer {
    sim_world *world;
    sim_socket *socket;
    const sim_peer_kind *kind;
    void *own;
    struct sim_tls_peer *tls; /* NULL: in the clear */
    bool over;                /* it saw the end, or ended both directions itself */
    uint64_t got_octets;      /* by its own count */
    uint64_t sent_octets;
    uint64_t requests;  /* ever */
    weir_time asked_ns; /* of the first */
    weir_time rests_since_ns;
    weir_time rest_ended_ns; /* it closed because it had rested for so long; 0: it did not */
    bool says_end;           /* HTTP/2: with a GOAWAY before it */
    uint64_t said_octets;    /* ever given to the network before the end */
} sim_peer;

extern const sim_peer_kind sim_peer_h1;
extern const sim_peer_kind sim_peer_h2;

/* What the network tells of a socket. */
void sim_peer_connected(sim_socket *socket);
void sim_peer_arrived(sim_socket *socket);
void sim_peer_saw_end(sim_socket *socket, bool reset);
void sim_peer_calm(sim_socket *socket);
void sim_peer_meddle(sim_socket *socket);

/* What a kind of peer does. */
void sim_peer_send(sim_peer *peer, weir_span octets);
/* FIN; under TLS with close_notify, if that is not forgotten: true if the client can know that it
 * is the end. */
bool sim_peer_end(sim_peer *peer, bool gone);
void sim_peer_reset(sim_peer *peer);
/* A request head is complete: checks that it may be processed at all. */
sim_request *sim_peer_request(sim_peer *peer, uint64_t call, uint32_t stream);
/* Throws the dice for code, fields, body and trailers. */
void sim_peer_plan_response(sim_peer *peer, sim_request *request);
/* Nothing is under way on the connection any more. */
void sim_peer_rests(sim_peer *peer);
/* For how long it lets connections rest; 0: for ever. */
weir_time sim_peer_rest_most(const sim_peer *peer);
/* How long it takes the peer to do the next thing. */
weir_time sim_peer_pause(sim_peer *peer);

/* The octets of a body: `number` is a response's serial, or a call's number with this bit. */
#define SIM_BODY_OF_CALL (UINT64_C(1) << 62)
void sim_body_fill(uint64_t number, uint64_t offset, uint8_t *to, size_t octets);
/* Where it first differs, SIZE_MAX: nowhere. */
size_t sim_body_compare(uint64_t number, uint64_t offset, const uint8_t *at, size_t octets);

#endif
