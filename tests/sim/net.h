/* SPDX-License-Identifier: MIT */
/*
 * The virtual network: TCP connections without packets. Each direction is a queue of octets that
 * arrive later than they were sent, in pieces, or not at all; beside them an end and a reset.
 *
 *   client side (the driver):  sim_net_connect -> connect_result -> send, recv -> sim_net_close
 *   peer side (peer.c):        sim_net_peer_take, sim_net_peer_send, sim_net_peer_end,
 *                              sim_net_peer_reset
 *
 * Readiness is told once per change, as epoll tells it edge-triggered: a socket with news is in
 * `ready` until the driver takes it off. Now and then it is told late, or for nothing.
 *
 * The net counts the octets that it took from the client and gave to it. These are the figures that
 * stand in for the kernel's, and no code of the library has a part in them.
 */
#ifndef WEIR_SIM_NET_H
#define WEIR_SIM_NET_H

#include "engine/os.h"
#include "world.h"

#define SIM_FD_FIRST 3

/* Errors as Linux numbers them. */
enum {
    SIM_EMFILE = 24,
    SIM_EPIPE = 32,
    SIM_ENETUNREACH = 101,
    SIM_ECONNRESET = 104,
    SIM_ETIMEDOUT = 110,
    SIM_ECONNREFUSED = 111,
    SIM_EHOSTUNREACH = 113
};

/* One direction. */
typedef struct sim_wire {
    uint8_t *octets;
    size_t room;
    size_t first;   /* the next to be given */
    size_t arrived; /* the end of what can be given */
    size_t end;     /* the end of what was taken */
    uint64_t taken; /* ever, from the sender */
    uint64_t given; /* ever, to the receiver */
    weir_time last_ns;
    weir_time stalled_until_ns;
    bool ended; /* the sender will send no more */
    bool end_arrived;
    bool end_given;
} sim_wire;

typedef enum sim_socket_state {
    SIM_SOCKET_CONNECTING = 0,
    SIM_SOCKET_CONNECTED,
    SIM_SOCKET_LOST, /* connect failed: sys_errno */
    SIM_SOCKET_CLOSED
} sim_socket_state;

typedef struct sim_socket {
    sim_world *world;
    int fd;
    size_t origin;
    sim_socket_state state;
    int sys_errno;
    sim_wire up;   /* to the peer */
    sim_wire down; /* to the client */
    bool reset;    /* a reset arrived at the client */
    bool reset_told;
    bool peer_gone; /* the peer closed or reset: further octets are answered with a reset */
    bool peer_told_end;
    struct sim_peer *peer;

    /* Readiness, and whose it is. */
    weir_list ready;
    bool edge_in;
    bool edge_out;
    bool edge_hangup;
    unsigned edges_late; /* on their way */
    bool poisoned;       /* the peer sent octets that look like a response and answer nothing */
    uint64_t link;       /* number of the link that it carries */
    uint64_t tls;        /* ... and of the TLS configuration that it was made with */
    void *driver;
} sim_socket;

typedef struct sim_net {
    weir_list ready;
    sim_socket **sockets;
    size_t count;
    size_t room;
    size_t open; /* descriptors that are not closed */
} sim_net;

void sim_net_open(sim_world *world);
/* Everything that is on its way arrives, stalls end. */
void sim_net_calm(sim_world *world);

/* OK: connected at once; AGAIN: under way; FAILED. The socket is NULL on failure. */
weir_io sim_net_connect(sim_world *world, const weir_address *address, sim_socket **made);
weir_io sim_net_connect_result(const sim_socket *socket);
weir_io sim_net_send(sim_socket *socket, const weir_span *spans, size_t count);
weir_io sim_net_recv(sim_socket *socket, uint8_t *to, size_t room);
void sim_net_close(sim_socket *socket);
/* The sockets with news, taken off; what is ready again meanwhile is for the next time. */
void sim_net_take_ready(sim_world *world, weir_list *ready);
/* The driver did not come to it: it is ready again in the next turn. */
void sim_net_ready_again(sim_socket *socket);
/* What is on its way to the client arrives now. */
void sim_net_hurry(sim_socket *socket);
/* Octets, an end or a reset lie there and could be received. */
bool sim_net_is_readable(const sim_socket *socket);

/* What arrived at the peer; valid until the next call. */
weir_span sim_net_peer_take(sim_socket *socket);
void sim_net_peer_send(sim_socket *socket, weir_span octets);
/* FIN; `gone`: the peer closes both directions. */
void sim_net_peer_end(sim_socket *socket, bool gone);
void sim_net_peer_reset(sim_socket *socket);
/* Did the peer end its side? */
bool sim_net_peer_has_ended(const sim_socket *socket);

/* The origin that an address belongs to, and one address of it. */
weir_address sim_net_address(size_t origin, uint8_t family, uint8_t number);

#endif
