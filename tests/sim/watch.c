/* SPDX-License-Identifier: MIT */
/* The observers of a run: see watch.h. */
#include "watch.h"

#include <stddef.h>

#include "client.h"
#include "driver.h"
#include "measure.h"

#define NUMBER(watch) ((unsigned long long)(watch)->call->number)

static void told(const weir_event *event, void *user);
static void check_octets(sim_world *world, sim_watch *watch, const weir_event *event);
static void connection_told(const weir_event *event, void *user);

void sim_watch_open(sim_watch *watch, sim_call *call)
{
    *watch = (sim_watch){.call = call};
    watch->observer = (weir_observer){.size = sizeof(weir_observer), .user = watch, .tell = told};
}

void sim_watch_connections(sim_world *world, weir_observer *observer)
{
    *observer =
        (weir_observer){.size = sizeof(weir_observer), .user = world, .tell = connection_told};
}

static void told(const weir_event *event, void *user)
{
    sim_watch *watch = user;
    sim_world *world = watch->call->world;

    sim_trace(world, SIM_TRACE_OBSERVED, watch->call->number, event->kind, event->conn);
    SIM_MUST(world, event->exchange == watch->call->exchange, "call %llu: an event of another",
             NUMBER(watch));
    SIM_MUST(world, !watch->done, "call %llu: %s after DONE", NUMBER(watch),
             weir_event_name(event->kind));
    SIM_MUST(world, event->at_ns <= world->now_ns, "call %llu: %s has not happened yet",
             NUMBER(watch), weir_event_name(event->kind));
    switch (event->kind) {
    case WEIR_EVENT_CONNECTION_ACQUIRED:
        sim_measure_reason(world, event);
        watch->attempts++;
        watch->conn = event->conn;
        watch->sent_octets = 0;
        watch->received_octets = 0;
        break;
    case WEIR_EVENT_HEAD_SENT:
    case WEIR_EVENT_REQUEST_SENT:
    case WEIR_EVENT_FIRST_OCTET:
    case WEIR_EVENT_HEAD_RECEIVED:
    case WEIR_EVENT_RESPONSE_RECEIVED:
        check_octets(world, watch, event);
        break;
    case WEIR_EVENT_DONE:
        watch->done = true;
        SIM_MUST(world, event->failure.status == weir_exchange_failure(event->exchange).status,
                 "call %llu: DONE with another status", NUMBER(watch));
        SIM_MUST(world,
                 watch->attempts == weir_exchange_attempt_count(event->exchange) ||
                     world->faults[SIM_FAULT_NOMEM] > 0,
                 "call %llu: %u connections acquired, %zu attempts", NUMBER(watch), watch->attempts,
                 weir_exchange_attempt_count(event->exchange));
        break;
    case WEIR_EVENT_NONE:
    case WEIR_EVENT_CONNECTION_CLOSED:
    case WEIR_EVENT_COUNT:
        sim_violation(world, "call %llu: an event that is none of a call", NUMBER(watch));
    case WEIR_EVENT_SUBMITTED:
    case WEIR_EVENT_WAITING:
    case WEIR_EVENT_DNS_STARTED:
    case WEIR_EVENT_DNS_DONE:
    case WEIR_EVENT_CONNECT_STARTED:
    case WEIR_EVENT_CONNECT_DONE:
    case WEIR_EVENT_TLS_STARTED:
    case WEIR_EVENT_TLS_DONE:
    case WEIR_EVENT_INFORMATIONAL:
    case WEIR_EVENT_REPLAYED:
    case WEIR_EVENT_RELEASED:
        break;
    }
}

/* Octets of an attempt only grow, and belong to its connection. */
static void check_octets(sim_world *world, sim_watch *watch, const weir_event *event)
{
    SIM_MUST(world, event->conn == watch->conn, "call %llu: octets of connection %llu, it has %llu",
             NUMBER(watch), (unsigned long long)event->conn, (unsigned long long)watch->conn);
    if (event->kind == WEIR_EVENT_REQUEST_SENT) {
        SIM_MUST(world, event->plain_octets >= watch->sent_octets,
                 "call %llu: less sent than before", NUMBER(watch));
        watch->sent_octets = event->plain_octets;
    }
    if (event->kind == WEIR_EVENT_RESPONSE_RECEIVED) {
        SIM_MUST(world, event->plain_octets >= watch->received_octets,
                 "call %llu: less received than before", NUMBER(watch));
        watch->received_octets = event->plain_octets;
    }
}

static void connection_told(const weir_event *event, void *user)
{
    sim_world *world = user;

    SIM_MUST(world, event->kind != WEIR_EVENT_CONNECTION_CLOSED || event->account != NULL,
             "a connection is closed without its account");
    world->driver->closes_told += event->kind == WEIR_EVENT_CONNECTION_CLOSED;
    if (event->kind == WEIR_EVENT_CONNECTION_CLOSED) {
        sim_measure_reason(world, event);
    }
}
