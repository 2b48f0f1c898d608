/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the simulator's driver share. Private to driver*.c; the rest of the simulator
 * knows only driver.h.
 */
#ifndef WEIR_SIM_DRIVER_COMMON_H
#define WEIR_SIM_DRIVER_COMMON_H

#include "driver.h"

/* A send that was begun and is not complete. The octets are the library's and must not move. */
typedef struct sim_sending {
    weir_list place; /* in driver.sent when complete */
    weir_port *port;
    weir_span spans[2];
    uint64_t hash;
} sim_sending;

/* What a port or an attempt has of ours. */
typedef struct sim_seat {
    weir_port *port;
    size_t index; /* of an attempt */
    bool is_attempt;
    sim_socket *socket;
    sim_sending *sending;
} sim_seat;

/* Reads while there is something and the turn's budget lasts. */
void sim_driver_receive(sim_world *world, weir_port *port);

/* -- driver_dial.c -- */
/* Begins the look-up that a dial needs, and the attempts that are due. */
void sim_driver_dial(sim_world *world, weir_port *port);
void sim_driver_attempt_ready(sim_world *world, sim_seat *at);
/* Closes the attempts that did not win and the look-up. */
void sim_driver_end_dial(weir_port *port);
/* Names that connections came from, whose answers have run out. */
void sim_driver_look_names_up(sim_world *world);
/* The names end; answers may be on their way. */
void sim_driver_forget_lookups(weir_turn *turn);

/* -- driver_send.c -- */
void sim_driver_send_pending(sim_world *world, weir_port *port);
/* The operating system says what came of a send that was begun. One that is cancelled may have been
 * taken in part all the same. */
void sim_driver_tell_sent(sim_world *world, sim_sending *sending, bool cancelled);

#endif
