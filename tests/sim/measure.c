/* SPDX-License-Identifier: MIT */
/* Measures: see measure.h. */
#include "measure.h"

#define NUMBER(call) ((unsigned long long)(call)->number)

static const char *const names[SIM_STALLS] = {
    "stream window", "connection window", "max streams",      "socket",
    "tls",           "caller reading",    "caller supplying",
};

void sim_measure_stalls(const sim_call *call)
{
    sim_world *world = call->world;
    const weir_time took_ns = world->now_ns - call->submitted_ns;
    weir_stalls stalls = WEIR_STALLS_INIT;

    weir_exchange_stalls(call->exchange, &stalls);
    const weir_time windows_ns = stalls.stream_window_ns + stalls.connection_window_ns;
    const weir_time request_ns = windows_ns + stalls.max_streams_ns + stalls.socket_ns +
                                 stalls.tls_ns + stalls.caller_supplying_ns;
    SIM_MUST(world, request_ns <= took_ns,
             "call %llu: its request was held up for %llu ns, it took %llu", NUMBER(call),
             (unsigned long long)request_ns, (unsigned long long)took_ns);
    SIM_MUST(world, stalls.caller_reading_ns <= took_ns,
             "call %llu: its response was held up for %llu ns, it took %llu", NUMBER(call),
             (unsigned long long)stalls.caller_reading_ns, (unsigned long long)took_ns);
    if (call->body_kind == WEIR_BODY_NONE) {
        SIM_MUST(world, windows_ns == 0 && stalls.caller_supplying_ns == 0,
                 "call %llu has no content and is held up by it", NUMBER(call));
    }
    if (call->body_kind == WEIR_BODY_SPAN) {
        SIM_MUST(world, stalls.caller_supplying_ns == 0,
                 "call %llu has all of its content and waits for it", NUMBER(call));
    }
    if (call->body_kind == WEIR_BODY_STREAM) {
        SIM_MUST(world, windows_ns <= call->blocked_ns,
                 "call %llu: windows held it up for %llu ns, its user was refused for %llu",
                 NUMBER(call), (unsigned long long)windows_ns,
                 (unsigned long long)call->blocked_ns);
        SIM_MUST(
            world, stalls.caller_supplying_ns + call->blocked_ns <= took_ns,
            "call %llu: its user supplied nothing for %llu ns, and was refused for %llu of %llu",
            NUMBER(call), (unsigned long long)stalls.caller_supplying_ns,
            (unsigned long long)call->blocked_ns, (unsigned long long)took_ns);
    }
    for (size_t i = 0; i < SIM_STALLS; i++) {
        world->client->stalls_ns[i] += sim_measure_stall_at(&stalls, i);
    }
}

weir_time sim_measure_stall_at(const weir_stalls *stalls, size_t i)
{
    const weir_time all[SIM_STALLS] = {
        stalls->stream_window_ns,
        stalls->connection_window_ns,
        stalls->max_streams_ns,
        stalls->socket_ns,
        stalls->tls_ns,
        stalls->caller_reading_ns,
        stalls->caller_supplying_ns,
    };
    return all[i];
}

const char *sim_measure_stall_name(size_t i)
{
    return names[i];
}
