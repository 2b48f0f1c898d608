/* SPDX-License-Identifier: MIT */
/*
 * Where weir meets the hostile: a front end with an allocator that counts, knows its highest mark
 * and may fail by dice, and an observer that holds every closed connection's ledger against the
 * kernel.
 *
 * weir_stage_close() demands what is true after any scenario: no lease, no waiting call, no ledger
 * that differs, every begun exchange told DONE once, no octet of memory, no descriptor.
 */
#ifndef WEIR_TESTS_HOSTILE_STAGE_H
#define WEIR_TESTS_HOSTILE_STAGE_H

#include <stdatomic.h>

#include "server.h"
#include "support/user.h"

typedef struct weir_stage {
    weir_user_kind kind;
    weir_allocator allocator;
    atomic_size_t live_octets;
    atomic_size_t peak_octets;
    atomic_size_t live_blocks;
    atomic_size_t failed;
    atomic_uint fail_per_1000; /* of allocations and resizes */
    atomic_ulong dice;
    weir_observer observer;
    atomic_size_t begun;
    atomic_size_t dones;
    atomic_size_t closed;
    atomic_size_t agreed;
    atomic_size_t differed;
    weir_pool_limits limits;
    weir_user_options options;
    weir_shared *shared; /* trusts nobody: TLS here is about broken handshakes */
    weir_user *user;
    weir_hostile *server;
    size_t descriptors; /* before anything was opened */
} weir_stage;

/* Zeroes and fills it; options and limits may be changed before weir_stage_begin(). */
void weir_stage_open(weir_stage *stage, weir_user_kind kind);
void weir_stage_begin(weir_stage *stage, weir_hostile_play *play, void *user);
void weir_stage_close(weir_stage *stage);

/* GET http://127.0.0.1:port/path, observed, one attempt, 20 s in all. */
typedef struct weir_plea {
    weir_request request;
    weir_call call;
    char url[128];
} weir_plea;
void weir_stage_ask(weir_stage *stage, weir_plea *plea, weir_protocol protocol, const char *path);
weir_status weir_stage_call(weir_stage *stage, const weir_plea *plea, weir_exchange **exchange);
void weir_stage_drop(weir_stage *stage, weir_exchange *exchange);

typedef struct weir_outcome {
    weir_status status; /* WEIR_END, or the failure */
    int code;
    uint64_t octets;
    char text[256]; /* the beginning of the content */
    weir_failure failure;
} weir_outcome;
/* Reads to the end what a call made, with outcome->status; the exchange stays. */
void weir_stage_drain(weir_stage *stage, weir_exchange *exchange, weir_outcome *outcome);
/* Calls, reads to the end, drops. */
weir_outcome weir_stage_fetch(weir_stage *stage, const weir_plea *plea);
weir_outcome weir_stage_get(weir_stage *stage, weir_protocol protocol, const char *path);

/* Bounded memory: the most that was live at once. */
size_t weir_stage_peak(weir_stage *stage);
/* A test of cmocka that plays a scenario over both front ends: weir_stage_test(play). */
typedef struct weir_scenario {
    void (*play)(weir_user_kind kind);
} weir_scenario;
void weir_stage_both(void **state); /* points to it */
#define weir_stage_test(play)                                                                      \
    {                                                                                              \
#        play, weir_stage_both, NULL, NULL, &(weir_scenario)                                       \
        {                                                                                          \
            play                                                                                   \
        }                                                                                          \
    }

#endif
