/* SPDX-License-Identifier: MIT */
/*
 * The simulated world: one virtual clock, one queue of events, memory that can fail, a trace, and
 * dice. Everything that happens in a run follows from its seed.
 *
 *   sim_world_open -> [ sim_at, sim_fault, sim_trace ... sim_world_step ]* -> sim_world_close
 *
 * Dice. The seed is split into streams, one for each part that throws dice, so that a further throw
 * of one part does not move those of the others.
 *
 * Events. Ordered by time, equal times by the order of sim_at(). There is no way to take one back:
 * what it is about lives until the run ends (sim_room), and says for itself that it is over.
 *
 * Violations. sim_violation() prints what is wrong with the seed and the last of the trace, and
 * leaves the run for good. The memory of the run is then given back at once, whoever holds it.
 *
 * Thread rule: one world at a time in a process. The functions that stand in for the operating
 * system (os.c) find it in `sim_current`.
 */
#ifndef WEIR_SIM_WORLD_H
#define WEIR_SIM_WORLD_H

#include <setjmp.h>

#include "plan.h"
#include "plant.h"
#include "proto/alloc.h"
#include "proto/clock.h"
#include "proto/list.h"

#define SIM_TRACE_KEPT 64

/* Everything that is worth a line of the trace: a name and what its three numbers mean. */
#define SIM_TRACE_MAP(X)                                                                           \
    X(OPENED, "seed %llx, %llu calls, %llu origins")                                               \
    X(CALM, "faults are off")                                                                      \
    X(ENDED, "the run is over after %llu turns, %llu events, %llu sockets")                        \
    X(FAULT, "fault %llu")                                                                         \
    X(TURN, "turn %llu")                                                                           \
    X(SUBMIT, "call %llu submitted to origin %llu, body kind %llu")                                \
    X(REST, "step %llu of the rests, after %llu ns, %llu closes were seen")                        \
    X(UPKEEP, "upkeep %llu of kind %llu")                                                          \
    X(REFUSED, "call %llu refused with %lld")                                                      \
    X(CANCEL, "call %llu cancelled")                                                               \
    X(OBSERVED, "call %llu observes event %llu of link %llu")                                      \
    X(FREE, "call %llu freed, done %llu")                                                          \
    X(TOLD, "call %llu told %llu, status %lld")                                                    \
    X(READ, "call %llu read %llu octets, status %lld")                                             \
    X(WRITE, "call %llu wrote %llu octets, status %lld")                                           \
    X(FINISH, "call %llu finished its body, status %lld")                                          \
    X(LOOKUP, "look-up %llu of origin %llu begins")                                                \
    X(ANSWER, "look-up %llu answered for IPv%llu with %lld")                                       \
    X(CONNECT, "socket %llu begins to connect to address %llu, errno %llu")                        \
    X(CONNECTED, "socket %llu connected, errno %llu")                                              \
    X(SENT, "socket %llu sent %llu of %llu octets")                                                \
    X(RECEIVED, "socket %llu received %llu octets, room %llu")                                     \
    X(IO_END, "socket %llu received the end")                                                      \
    X(IO_FAILED, "socket %llu failed with errno %llu")                                             \
    X(CLOSED, "socket %llu closed, sent %llu, received %llu")                                      \
    X(PEER_GOT, "socket %llu: peer got %llu octets")                                               \
    X(PEER_SENT, "socket %llu: peer sent %llu octets")                                             \
    X(PEER_END, "socket %llu: peer ends its side")                                                 \
    X(PEER_RESET, "socket %llu: peer resets")                                                      \
    X(PEER_SAW_END, "socket %llu: peer sees the end")                                              \
    X(REQUEST, "socket %llu: peer has the head of request of call %llu, attempt %llu")             \
    X(RESPONSE, "socket %llu: response %llu with code %llu")                                       \
    X(ACCOUNT, "link %llu closed, wire sent %llu, received %llu")

typedef enum sim_trace_kind {
#define SIM_TRACE_X(name, format) SIM_TRACE_##name,
    SIM_TRACE_MAP(SIM_TRACE_X)
#undef SIM_TRACE_X
        SIM_TRACE_COUNT
} sim_trace_kind;

typedef struct sim_line {
    weir_time at_ns;
    sim_trace_kind kind;
    uint64_t numbers[3];
} sim_line;

struct sim_world;
typedef void sim_act(struct sim_world *world, void *what, uint64_t number);

typedef struct sim_event {
    weir_time at_ns;
    uint64_t order;
    sim_act *act;
    void *what;
    uint64_t number;
} sim_event;

/* Memory that the library asks for: every block is known, and some are refused. */
typedef struct sim_memory {
    weir_allocator allocator;
    weir_list blocks;
    uint64_t calls;
    uint64_t live;
    uint64_t peak_octets;
    uint64_t live_octets;
    uint64_t fail_at;    /* the call that fails, 0: none */
    uint64_t fail_every; /* and every so many calls after it, 0: it alone */
} sim_memory;

typedef struct sim_block sim_block;

/* What the oracle of HTTP/2 saw (oracle.h). */
typedef struct sim_oracle_sums {
    uint64_t conns;
    uint64_t frames;   /* of the peers' */
    uint64_t compared; /* of them: the first difference that may be ends it */
    uint64_t cancels;
} sim_oracle_sums;

typedef struct sim_world {
    uint64_t seed;
    weir_time now_ns;
    sim_plan plan;
    bool calm; /* faults are off */
    bool verbose;
    sim_plant plant;
    uint64_t planted_after; /* so many chances are let pass */
    sim_dice for_net;
    sim_dice for_peers;
    sim_dice for_calls;
    sim_dice for_driver;
    sim_dice for_upkeep;
    sim_dice for_rests;

    sim_event *events;
    size_t event_count;
    size_t event_room;
    uint64_t next_order;
    uint64_t events_run;

    sim_memory memory;
    sim_block *rooms; /* of the simulator's own memory, all of one run */
    size_t room_used;

    uint64_t hash;
    sim_line lines[SIM_TRACE_KEPT];
    uint64_t line_count;

    uint64_t faults[SIM_FAULT_COUNT];
    jmp_buf violated;
    char what[256]; /* the violation */

    struct sim_net *net;
    struct sim_driver *driver;
    struct sim_client *client;
    struct sim_rest *rest;
    sim_oracle_sums oracle;
} sim_world;

extern sim_world *sim_current;

void sim_world_open(sim_world *world, uint64_t seed);
/* Gives back everything, also what the library still holds. */
void sim_world_close(sim_world *world);

/* Memory of the simulator itself, zeroed; it lives until the run ends. */
void *sim_room(sim_world *world, size_t octets);

void sim_at(sim_world *world, weir_time at_ns, sim_act *act, void *what, uint64_t number);
weir_time sim_next_event(const sim_world *world);
/* Runs one event that is due. */
void sim_world_step(sim_world *world);

/* Does this fault happen here? Never in the calm. */
bool sim_fault(sim_world *world, sim_fault_kind kind, sim_dice *dice);

void sim_trace(sim_world *world, sim_trace_kind kind, uint64_t a, uint64_t b, uint64_t c);
void sim_print_trace(const sim_world *world);

_Noreturn void sim_violation(sim_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A fact that must hold. */
#define SIM_MUST(world, fact, ...) ((fact) ? (void)0 : sim_violation(world, __VA_ARGS__))

#endif
