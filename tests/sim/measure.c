/* SPDX-License-Identifier: MIT */
/* Measures: see measure.h. */
#include "measure.h"

#include <string.h>

#include "driver.h"
#include "engine/reading.h"
#include "support/failalloc.h"
#include "support/series.h"

#define NUMBER(call) ((unsigned long long)(call)->number)

static uint64_t ended(const weir_metrics *metrics);

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
             "call %llu: its request was held up for %llu ns (windows %llu, streams %llu, socket "
             "%llu, tls %llu, "
             "caller %llu), it took %llu",
             NUMBER(call), (unsigned long long)request_ns, (unsigned long long)windows_ns,
             (unsigned long long)stalls.max_streams_ns, (unsigned long long)stalls.socket_ns,
             (unsigned long long)stalls.tls_ns, (unsigned long long)stalls.caller_supplying_ns,
             (unsigned long long)took_ns);
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

void sim_measure_reason(sim_world *world, const weir_event *event)
{
    const bool is_word = strcmp(event->why, weir_reason_name(event->reason)) == 0;

    SIM_MUST(world, event->reason > WEIR_REASON_NONE && event->reason < WEIR_REASON_COUNT,
             "%s tells no reason, but %s", weir_event_name(event->kind), event->why);
    SIM_MUST(world, is_word || strcmp(event->why, weir_status_name(event->failure.status)) == 0,
             "a reason that is none: %s", event->why);
    world->driver->reasons[is_word ? event->reason : WEIR_REASON_FAILED]++;
}

void sim_measure_waiting(sim_call *call)
{
    const weir_reason reason = weir_pool_waits_for(&call->exchange->ticket);

    call->world->driver->reasons[reason] += reason != call->waits_for;
    call->waits_for = reason;
}

void sim_measure_candidates(const sim_call *call)
{
    for (size_t i = 0; i < weir_exchange_candidate_count(call->exchange); i++) {
        weir_candidate candidate = WEIR_CANDIDATE_INIT;
        (void)weir_exchange_candidate_at(call->exchange, i, &candidate);
        call->world->driver->reasons[candidate.reason]++;
    }
}

void sim_measure_counters(sim_world *world)
{
    weir_turn *turn = &world->driver->turn;
    weir_metrics metrics = WEIR_METRICS_INIT;
    uint64_t under_way = 0;
    uint64_t open = 0;

    weir_core_metrics(&turn->core, &metrics);
    for (weir_list *at = turn->all.next; at != &turn->all; at = at->next) {
        const weir_turn_seat *seat = WEIR_CONTAINER_OF(at, weir_turn_seat, all);
        under_way += seat->exchange->state != WEIR_EXCHANGE_DONE &&
                     seat->exchange->metered == WEIR_METERED_STARTED;
    }
    for (weir_list *at = turn->ports.next; at != &turn->ports; at = at->next) {
        open += WEIR_CONTAINER_OF(at, weir_port, place)->link->opened_ns != 0;
    }
    SIM_MUST(world, metrics.active_requests == under_way,
             "%llu requests are active by the counters, %llu are",
             (unsigned long long)metrics.active_requests, (unsigned long long)under_way);
    SIM_MUST(world, metrics.requests_started == ended(&metrics) + under_way,
             "%llu requests were started, %llu ended and %llu are under way",
             (unsigned long long)metrics.requests_started, (unsigned long long)ended(&metrics),
             (unsigned long long)under_way);
    SIM_MUST(world, metrics.connections_opened == metrics.connections_closed + open,
             "%llu connections were opened, %llu closed and %llu are open",
             (unsigned long long)metrics.connections_opened,
             (unsigned long long)metrics.connections_closed, (unsigned long long)open);
    SIM_MUST(world, metrics.active_connections + metrics.idle_connections == open,
             "%llu connections are active and %llu idle, of %llu",
             (unsigned long long)metrics.active_connections,
             (unsigned long long)metrics.idle_connections, (unsigned long long)open);
}

void sim_measure_series(sim_world *world)
{
    weir_core *core = &world->driver->turn.core;
    weir_failalloc memory; /* the world's may have none */

    if (core->series == NULL) {
        return;
    }
    weir_series_account_check(core->series);
    weir_failalloc_init(&memory, 0);
    weir_metrics_reading *reading = weir_reading_new(&memory.allocator, weir_reading_octets(core));
    SIM_MUST(world, reading != NULL && weir_reading_fill(reading, core), "a reading has no room");
    const char *wrong = weir_series_wrong(weir_reading_taken(reading, NULL));
    SIM_MUST(world, wrong == NULL, "the series of %s are not its totals", wrong);
    weir_metrics_reading_free(reading);
}

void sim_measure_end(sim_world *world)
{
    const weir_metrics *metrics = &world->driver->metrics;
    const sim_client *client = world->client;
    const weir_octets plain = weir_tally_plain(&client->tally);
    weir_octets counted = {0, 0};
    uint64_t resent = 0;
    uint64_t attempts = 0;
    uint64_t requests = 0;
    uint64_t freed_early = 0;
    uint64_t told_succeeded = 0;
    uint64_t told_cancelled = 0;

    SIM_MUST(world,
             metrics->active_requests == 0 && metrics->active_connections == 0 &&
                 metrics->idle_connections == 0,
             "gauges do not return to zero");
    SIM_MUST(world, metrics->requests_started == ended(metrics), "requests were lost");
    SIM_MUST(world, metrics->connections_opened == metrics->connections_closed,
             "connections were lost");
    for (size_t i = 0; i < client->count; i++) {
        const sim_call *call = &client->calls[i];
        if (call->warms > 0) {
            continue; /* to pre-connect is no request */
        }
        requests++;
        attempts += call->attempts;
        resent += call->attempts > 1 ? call->attempts - 1 : 0;
        freed_early += call->done_ns == 0;
        told_succeeded += call->done_ns != 0 && call->status == WEIR_OK;
        told_cancelled += call->done_ns != 0 && call->status == WEIR_E_CANCELLED;
    }
    SIM_MUST(world, metrics->requests_resent == resent, "%llu attempts were resent, not %llu",
             (unsigned long long)resent, (unsigned long long)metrics->requests_resent);
    const uint64_t succeeded = metrics->requests_ended[WEIR_OUTCOME_SUCCEEDED];
    const uint64_t cancelled = metrics->requests_ended[WEIR_OUTCOME_CANCELLED];
    SIM_MUST(world, succeeded >= told_succeeded && succeeded <= told_succeeded + freed_early,
             "%llu calls succeeded, not %llu", (unsigned long long)told_succeeded,
             (unsigned long long)succeeded);
    SIM_MUST(world, cancelled >= told_cancelled && cancelled <= told_cancelled + freed_early,
             "%llu calls were cancelled, not %llu", (unsigned long long)told_cancelled,
             (unsigned long long)cancelled);
    const weir_durations *queued = metrics->time_in_queue;
    SIM_MUST(world, queued[WEIR_H1].count + queued[WEIR_H2].count == attempts,
             "the queue served %llu, and there were %llu attempts",
             (unsigned long long)(queued[WEIR_H1].count + queued[WEIR_H2].count),
             (unsigned long long)attempts);
    SIM_MUST(world, queued[WEIR_PROTOCOL_ANY].count <= requests - succeeded,
             "%llu left the queue in vain, of %llu that did not succeed",
             (unsigned long long)queued[WEIR_PROTOCOL_ANY].count,
             (unsigned long long)(requests - succeeded));
    for (size_t i = 0; i < WEIR_METRIC_PROTOCOLS; i++) {
        counted.sent += metrics->request[i].sum_octets;
        counted.received += metrics->response[i].sum_octets;
    }
    SIM_MUST(world, counted.sent == plain.sent && counted.received == plain.received,
             "the octets of all requests are %llu, %llu by the counters, and %llu, %llu",
             (unsigned long long)counted.sent, (unsigned long long)counted.received,
             (unsigned long long)plain.sent, (unsigned long long)plain.received);
}

static uint64_t ended(const weir_metrics *metrics)
{
    uint64_t all = 0;

    for (size_t i = 0; i < WEIR_OUTCOMES; i++) {
        all += metrics->requests_ended[i];
    }
    return all;
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
