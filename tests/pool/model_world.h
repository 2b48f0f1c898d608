/* SPDX-License-Identifier: MIT */
/*
 * The random world's books: what each caller, each connection and each origin must be, by what was
 * said and done.
 */
#ifndef WEIR_TESTS_POOL_MODEL_WORLD_H
#define WEIR_TESTS_POOL_MODEL_WORLD_H

#include "model.h"
#include "pool/record.h"
#include "support/failalloc.h"

enum { TICKETS = 20, ORIGINS = 6, LINKS = 64, WISHES = 3 };

/* An assertion of the world itself: works under cmocka and under a fuzzer. */
#define MODEL_ASSERT(fact) WEIR_ASSERT(fact)

typedef enum link_state {
    LINK_NONE = 0,
    LINK_DIALING,
    LINK_OPEN,
    LINK_CLOSING /* the pool said CLOSE */
} link_state;

/* What the engine would have: one for each slot that it was told of. */
typedef struct model_link {
    link_state state;
    bool may_fail;   /* CLOSING: a dial that was given up, and may come to nothing by itself */
    bool is_drained; /* takes no more: a drain, or a 421 */
    bool is_counted; /* a drain was told of it */
    bool is_refusing;
    size_t origin;
    weir_slot *slot;
    weir_facts facts;         /* as told last */
    uint32_t served;          /* exchanges that ended on it */
    weir_time rests_since_ns; /* the last of them ended, and no other was there; 0: none did */
} model_link;

typedef struct caller {
    weir_ticket ticket;
    size_t origin;
    uint64_t asked;   /* order of its request; 0: there was none, or it was turned away */
    bool keeps_order; /* it was refused once, and asks again in the order of the request before */
    bool is_pulled;   /* its grant was pulled, or came with the request */
    bool was_paused;  /* it was refused twice: it asked outside the queue */
} caller;

typedef struct world {
    model_choices choices;
    bool is_over; /* the octets have ended */
    weir_failalloc memory;
    weir_pool_options options;
    weir_pool *pool;
    weir_time now_ns;
    uint64_t asked;
    uint64_t versions;
    bool faults;
    weir_protocol speaks[ORIGINS];
    caller callers[TICKETS];
    model_link links[LINKS];
    weir_warmth wishes[WISHES];
    weir_pool_counts counts; /* those that grow, as the world counts them */
    model_result *result;
} world;

/* -- model.c: choices, and the books -- */
uint64_t model_choose(world *w, uint64_t below);
bool model_chance(world *w, unsigned percent);
weir_origin_key model_key_of(size_t origin);
/* What the server of that origin would say of a connection. */
weir_facts model_draw_facts(world *w, size_t origin);
/* The world's record of a slot; NULL: it has none. */
model_link *model_link_of(world *w, const weir_slot *slot);
/* A ticket got a place: it must have been its turn, and the place must be one. */
void model_note_grant(world *w, caller *c, bool in_order);

/* -- model_step.c -- */
/* One of the steps, by choice. */
void model_step(world *w);
void model_step_release(world *w);
void model_step_dial(world *w);
void model_step_closing(world *w);
/* A connection in that state, the first after a random place; NULL: none. */
model_link *model_pick_link(world *w, link_state state);
/* The connection is gone: the pool is told. */
void model_end_link(world *w, model_link *at);

/* -- model_check.c -- */
/* Who uses a connection now. */
uint32_t model_users_of(const world *w, const weir_slot *slot);
/* Compares the books with the pool, after all actions have been pulled. */
void model_check(world *w);

#endif
