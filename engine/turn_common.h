/* SPDX-License-Identifier: MIT */
/*
 * What the parts of a turn share. Private to the turn*.c files; the drivers know only turn.h.
 *
 *   turn.c       the order of a turn, and the exchanges in it: what is decided for each
 *   turn_port.c  the ports: dials, open links, closes
 *   turn_tell.c  what the user is told, and the user's side of an exchange
 */
#ifndef WEIR_ENGINE_TURN_COMMON_H
#define WEIR_ENGINE_TURN_COMMON_H

#include "engine/turn.h"

static inline weir_exchange *weir_turn_exchange_of(weir_ticket *ticket)
{
    return WEIR_CONTAINER_OF(ticket, weir_exchange, ticket);
}

static inline weir_turn_seat *weir_turn_seat_of(const weir_exchange *exchange)
{
    return exchange->seat;
}

static inline weir_port *weir_turn_port_of(const weir_slot *slot)
{
    return weir_slot_user(slot);
}

/* Puts it among those to tell of, if there is something to tell. */
void weir_turn_note(weir_turn *turn, weir_exchange *exchange);
/* Sets its timer to the deadline that runs now. */
void weir_turn_arm(weir_turn *turn, weir_exchange *exchange);

/* The pool's DIAL: a port of its own for the slot. */
void weir_turn_dial(weir_turn *turn, weir_action *action);
/* The pool's CLOSE: the link says goodbye; a dial is given up. */
void weir_turn_begin_close(weir_turn *turn, weir_port *port, weir_reason reason);
/* The port's timer is due. */
void weir_turn_expire_port(weir_turn *turn, weir_port *port);
/* The exchange that caused a dial leaves, or has a place elsewhere; the dial goes on for the next
 * that waits, with the limits of that. */
void weir_turn_orphan(weir_turn *turn, weir_exchange *exchange);

#endif
