/* SPDX-License-Identifier: MIT */
/*
 * The third driver over the same core: what engine/loop.c does with epoll, done with the virtual
 * network. It has a turn (engine/turn.h) and nothing of its own but readiness, look-ups and the
 * sends that are under way.
 *
 * It does what the seam allows a driver to do and the loop does not: a send may complete long after
 * it was begun, as with io_uring, while its octets stay where they are (checked); octets may arrive
 * between a lease and the opening of its stream, as they do when another thread reads; a turn comes
 * late, gives little time, or takes one event at a time.
 */
#ifndef WEIR_SIM_DRIVER_H
#define WEIR_SIM_DRIVER_H

#include "engine/turn.h"
#include "net.h"

typedef struct sim_driver {
    weir_turn turn;
    weir_shared *shared;
    bool is_open;
    bool in_turn;
    uint8_t *receive;
    uint64_t budget_octets;
    weir_time turn_at_ns; /* WEIR_NEVER: no reason for a turn */
    uint64_t turns;
    uint64_t happened; /* before this turn; changes with whatever does */
    unsigned idle_turns;
    weir_list cancelled;
    weir_list sent; /* of sim_sending: complete, not told */
    uint64_t next_lookup;
    weir_observer observer; /* of connections */
    uint64_t closes_told;
    uint64_t reasons[WEIR_REASON_COUNT]; /* that users were told */
    uint64_t unstowed;                   /* requests whose header coder had been put away */
    weir_pool_counts counts;             /* when it was closed */
    weir_metrics metrics;                /* likewise */
    uint64_t links_closed;
    uint64_t links_agreed;
    weir_tally closed_exchanges; /* the sum over all accounts */
} sim_driver;

/* False: the library had no memory to begin with. */
bool sim_driver_open(sim_world *world);
/* Cancels what is under way, closes every connection, frees the turn. */
void sim_driver_close(sim_world *world);

/* When the driver wants to be given a turn; WEIR_NEVER: not at all. */
weir_time sim_driver_wake(sim_world *world);
void sim_driver_turn(sim_world *world);

/* Octets may arrive between a lease and the opening of its stream. */
void sim_driver_race(sim_world *world, weir_port *port);

/* The front of every exchange. */
extern const weir_front sim_driver_front;

/* The socket of a port, or NULL. */
sim_socket *sim_driver_socket(const weir_port *port);
/* Octets of a send that is under way; 0: none. */
size_t sim_driver_in_flight(const weir_port *port);

#endif
