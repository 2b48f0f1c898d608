/* SPDX-License-Identifier: MIT */
/* The user of the library: see client.h. What it finds in a response is judged in check_call.c. */
#include "client.h"

#include <stdio.h>
#include <string.h>

#include "call_plan.h"
#include "check_call.h"
#include "driver.h"
#include "measure.h"
#include "rest.h"

#define CALM_PAUSE_NS  (5 * WEIR_NS_PER_SECOND)
#define READ_OCTETS    ((size_t)4096)
#define PAUSE_LIMIT_NS (40 * WEIR_NS_PER_SECOND)

static void submit_calm(sim_world *world, void *what, uint64_t unused);
static void submit(sim_world *world, void *what, uint64_t unused);
static weir_status submit_now(sim_call *call, weir_exchange **exchange);
static void plan_disturbance(sim_call *call);
static void cancel(sim_world *world, void *what, uint64_t unused);
static void free_call(sim_world *world, void *what, uint64_t unused);
static void read_some(sim_world *world, void *what, uint64_t unused);
static void read_later(sim_call *call, weir_time after_ns);
static bool read_once(sim_call *call);
static void write_some(sim_world *world, void *what, uint64_t unused);
static void write_later(sim_call *call, weir_time after_ns);
static bool write_once(sim_call *call);
static void note_blocked(sim_call *call, bool is_blocked);
static void finish(sim_call *call);
static void done(sim_call *call, weir_status status);
static weir_status source_read(void *to, size_t room, uint64_t offset, size_t *octets, void *user);
static bool source_rewind(void *user);
static void source_resumes(sim_world *world, void *what, uint64_t unused);
static weir_field trailer_field(void);

void sim_client_open(sim_world *world)
{
    sim_client *client = sim_room(world, sizeof(*client));

    world->client = client;
    client->next_serial = 1;
    for (size_t i = 0; i < world->plan.storm_calls; i++) {
        sim_call *call = &client->calls[client->count++];
        call->number = client->count;
        sim_call_plan(world, call);
        sim_at(world, world->now_ns + sim_below(&world->for_calls, world->plan.storm_ns + 1),
               submit, call, 0);
    }
}

void sim_client_calm(sim_world *world)
{
    sim_at(world, world->now_ns + CALM_PAUSE_NS, submit_calm, NULL, 0);
}

/* When every call of the storm is over: nothing stands in the way of these. */
static void submit_calm(sim_world *world, void *what, uint64_t unused)
{
    sim_client *client = world->client;

    (void)what;
    (void)unused;
    if (client->freed < client->count) {
        sim_at(world, world->now_ns + CALM_PAUSE_NS, submit_calm, NULL, 0);
        return;
    }
    for (size_t i = 0; i < world->plan.calm_calls; i++) {
        sim_call *call = &client->calls[client->count++];
        call->number = client->count;
        call->calm = true;
        sim_call_plan(world, call);
        sim_at(world, world->now_ns, submit, call, 0);
    }
    sim_rest_open(world);
}

sim_call *sim_client_rest(sim_world *world)
{
    sim_client *client = world->client;
    sim_call *call = &client->calls[client->count++];

    call->number = client->count;
    call->calm = true;
    call->rests = true;
    sim_call_plan(world, call);
    submit(world, call, 0);
    return call;
}

bool sim_client_is_finished(const sim_world *world)
{
    const sim_client *client = world->client;

    return world->rest != NULL && world->rest->is_over && client->freed == client->count;
}

void sim_client_told(sim_world *world, const weir_loop_event *event)
{
    sim_call *call = event->user;

    if (call->state == SIM_CALL_FREED) {
        return; /* freed since the events were taken */
    }
    sim_trace(world, SIM_TRACE_TOLD, call->number, event->told, (uint64_t)(int64_t)event->status);
    SIM_MUST(world, event->exchange == call->exchange && event->id == call->id,
             "told of an exchange that is not");
    SIM_MUST(world, call->state == SIM_CALL_UNDER_WAY, "call %llu is told something after DONE",
             (unsigned long long)call->number);
    switch (event->told) {
    case WEIR_TOLD_INFORMATIONAL:
        sim_check_call_informational(call);
        break;
    case WEIR_TOLD_HEAD:
        sim_check_call_head(call);
        break;
    case WEIR_TOLD_READABLE:
        read_later(call, sim_fault(world, SIM_FAULT_READER_SLOW, &world->for_calls)
                             ? sim_spread(&world->for_calls, PAUSE_LIMIT_NS)
                             : 0);
        break;
    case WEIR_TOLD_WRITABLE:
        note_blocked(call, false);
        write_later(call, sim_fault(world, SIM_FAULT_WRITER_SLOW, &world->for_calls)
                              ? sim_spread(&world->for_calls, PAUSE_LIMIT_NS)
                              : 0);
        break;
    case WEIR_TOLD_DONE:
        done(call, event->status);
        break;
    case WEIR_TOLD_NOTHING:
    case WEIR_TOLD_OBSERVED:
        sim_violation(world, "call %llu is told nothing", (unsigned long long)call->number);
    }
}

void sim_client_leaves(sim_world *world, weir_exchange *ex)
{
    const weir_tally tally = weir_exchange_tally(ex);

    sim_call *call = weir_exchange_user(ex);

    weir_tally_add(&world->client->tally, &tally);
    call->attempts = weir_exchange_attempt_count(ex);
}

sim_call *sim_call_of(sim_world *world, uint64_t number)
{
    return number >= 1 && number <= world->client->count ? &world->client->calls[number - 1] : NULL;
}

uint64_t sim_client_next_serial(sim_world *world)
{
    return world->client->next_serial++;
}

size_t sim_client_origin_of(sim_world *world, weir_span host)
{
    SIM_MUST(world, host.length == 6 && host.at[0] == 'o', "a look-up of no host of ours: %.*s",
             (int)host.length, (const char *)host.at);
    return (size_t)(host.at[1] - '0');
}

/* -- submit, cancel, free -- */

static void submit(sim_world *world, void *what, uint64_t unused)
{
    sim_call *call = what;
    weir_exchange *ex = NULL;

    (void)unused;
    call->submitted_ns = world->now_ns;
    if (sim_fault(world, SIM_FAULT_DEADLINE, &world->for_calls)) {
        call->options.deadline_ns =
            world->now_ns + sim_spread(&world->for_calls, 60 * WEIR_NS_PER_SECOND);
    }
    const weir_status status = submit_now(call, &ex);
    sim_trace(world, SIM_TRACE_SUBMIT, call->number, call->origin, call->body_kind);
    if (ex == NULL) {
        sim_trace(world, SIM_TRACE_REFUSED, call->number, (uint64_t)(int64_t)status, 0);
        SIM_MUST(world, status == WEIR_E_NOMEM, "call %llu is refused with %s",
                 (unsigned long long)call->number, weir_status_name(status));
        weir_token_free(call->token);
        call->token = NULL;
        call->state = SIM_CALL_FREED;
        call->status = status;
        world->client->freed++;
        world->client->statuses[-status]++;
        return;
    }
    SIM_MUST(world, status == WEIR_OK, "call %llu is refused with %s",
             (unsigned long long)call->number, weir_status_name(status));
    call->exchange = ex;
    call->id = weir_exchange_id(ex);
    call->state = SIM_CALL_UNDER_WAY;
    if (call->options.token != NULL) {
        weir_token_add(call->options.token, ex);
    }
    plan_disturbance(call);
}

static weir_status submit_now(sim_call *call, weir_exchange **exchange)
{
    sim_world *world = call->world;
    weir_turn *turn = &world->driver->turn;
    char url[64];
    const weir_field field = {WEIR_SPAN("x-call"), weir_span_of(call->method), 0};
    const weir_field trailer = trailer_field();
    weir_status status = WEIR_OK;
    weir_request request = WEIR_REQUEST_INIT;

    if (!call->calm && sim_below(&world->for_calls, 4) == 0) {
        call->token = weir_token_new(&world->memory.allocator);
        call->options.token = call->token;
    }
    const bool tls = world->plan.kinds[call->origin] >= SIM_ORIGIN_TLS_H1;
    weir_tls_config *config = tls ? weir_shared_tls(world->driver->shared, &status) : NULL;
    if (status != WEIR_OK) {
        return status;
    }
    (void)snprintf(url, sizeof(url),
                   call->numeric ? "http%s://10.%zu.0.1/c/%llu" : "http%s://o%zu.sim/c/%llu",
                   tls ? "s" : "", call->origin, (unsigned long long)call->number);
    request.method = weir_span_of(call->method);
    request.url = weir_span_of(url);
    request.fields = &field;
    request.field_count = sim_below(&world->for_calls, 2);
    request.body.kind = call->body_kind;
    request.body.length_octets = call->body_declared ? call->body_octets : WEIR_UNKNOWN;
    if (call->body_kind == WEIR_BODY_SPAN) {
        request.body.span = (weir_span){call->body, call->body_octets};
    }
    if (call->body_kind == WEIR_BODY_SOURCE) {
        call->source = (weir_source){
            .size = sizeof(weir_source),
            .user = call,
            .read = source_read,
            .rewind = call->rewinds ? source_rewind : NULL,
        };
        request.body.source = &call->source;
    }
    if (call->has_trailers && call->body_kind != WEIR_BODY_STREAM) {
        request.trailers = &trailer;
        request.trailer_count = 1;
    }
    const weir_exchange_options options = {
        .allocator = &world->memory.allocator,
        .front = &sim_driver_front,
        .owner = world,
        .user = call,
        .warms = call->warms,
        .id = turn->core.next_exchange++,
        .tls = config,
        .now_ns = world->now_ns,
    };
    turn->now_ns = world->now_ns;
    *exchange = weir_turn_submit(turn, &options, &request, &call->options, &status);
    weir_tls_config_release(config);
    return status;
}

/* What will be done to it from outside. */
static void plan_disturbance(sim_call *call)
{
    sim_world *world = call->world;
    sim_dice *dice = &world->for_calls;

    if (call->calm) {
        return;
    }
    if (sim_fault(world, SIM_FAULT_CANCEL, dice)) {
        sim_at(world, world->now_ns + sim_spread(dice, 60 * WEIR_NS_PER_SECOND), cancel, call, 0);
    }
    if (sim_fault(world, SIM_FAULT_FREE_EARLY, dice)) {
        sim_at(world, world->now_ns + sim_spread(dice, 60 * WEIR_NS_PER_SECOND), free_call, call,
               0);
    }
}

static void cancel(sim_world *world, void *what, uint64_t unused)
{
    sim_call *call = what;

    (void)unused;
    if (call->state != SIM_CALL_UNDER_WAY && call->state != SIM_CALL_DONE) {
        return;
    }
    sim_trace(world, SIM_TRACE_CANCEL, call->number, 0, 0);
    call->cancelled = true;
    if (call->token != NULL) {
        weir_token_cancel(call->token);
    } else {
        weir_cancel(call->exchange);
    }
}

static void free_call(sim_world *world, void *what, uint64_t unused)
{
    sim_call *call = what;

    (void)unused;
    if (call->state == SIM_CALL_FREED) {
        return;
    }
    sim_trace(world, SIM_TRACE_FREE, call->number, call->state == SIM_CALL_DONE, 0);
    call->state = SIM_CALL_FREED;
    world->client->freed++;
    weir_exchange_free(call->exchange);
    weir_token_free(call->token);
    call->exchange = NULL;
    call->token = NULL;
}

/* -- reading -- */

static void read_later(sim_call *call, weir_time after_ns)
{
    if (!call->reading) {
        call->reading = true;
        sim_at(call->world, call->world->now_ns + after_ns, read_some, call, 1);
    }
}

/* Reads until AGAIN, or a little and goes on later. `told`: READABLE was, so the first answer is
 * not AGAIN. */
static void read_some(sim_world *world, void *what, uint64_t told)
{
    sim_call *call = what;
    bool first = told != 0;

    call->reading = false;
    if (call->state == SIM_CALL_FREED) {
        return;
    }
    for (;;) {
        const uint64_t before = call->delivered;
        const bool more = read_once(call);
        SIM_MUST(world,
                 !first || more || call->delivered > before || call->state != SIM_CALL_UNDER_WAY ||
                     weir_exchange_is_done(call->exchange),
                 "call %llu: READABLE was told and there is nothing",
                 (unsigned long long)call->number);
        first = false;
        if (!more) {
            return;
        }
        if (sim_fault(world, SIM_FAULT_READER_SLOW, &world->for_calls)) {
            call->reading = true;
            sim_at(world, world->now_ns + sim_spread(&world->for_calls, PAUSE_LIMIT_NS), read_some,
                   call, 0);
            return;
        }
    }
}

/* True: there may be more. */
static bool read_once(sim_call *call)
{
    sim_world *world = call->world;
    uint8_t to[READ_OCTETS];
    size_t octets = 0;
    const size_t room = sim_below(&world->for_calls, 3) == 0
                            ? 1 + sim_spread(&world->for_calls, READ_OCTETS - 1)
                            : READ_OCTETS;
    const bool was_full = sim_check_call_is_full(call);
    const weir_status status = weir_read(call->exchange, to, room, &octets);

    if (was_full && octets > 0) {
        call->unblocked_ns = world->now_ns;
    }

    sim_trace(world, SIM_TRACE_READ, call->number, octets, (uint64_t)(int64_t)status);
    sim_check_call_read(call, status, (weir_span){to, octets});
    if (status == WEIR_END) {
        call->ended = true;
    }
    return status == WEIR_OK;
}

/* -- writing -- */

static void write_later(sim_call *call, weir_time after_ns)
{
    if (!call->writing && !call->finished) {
        call->writing = true;
        sim_at(call->world, call->world->now_ns + after_ns, write_some, call, 0);
    }
}

static void write_some(sim_world *world, void *what, uint64_t unused)
{
    sim_call *call = what;

    (void)unused;
    call->writing = false;
    if (call->state != SIM_CALL_UNDER_WAY) {
        return;
    }
    while (write_once(call)) {
        if (sim_fault(world, SIM_FAULT_WRITER_SLOW, &world->for_calls)) {
            write_later(call, sim_spread(&world->for_calls, PAUSE_LIMIT_NS));
            return;
        }
    }
}

/* True: more can be written at once. */
static bool write_once(sim_call *call)
{
    sim_world *world = call->world;
    uint8_t octets[1000];
    const uint64_t left = call->body_octets - call->written;
    size_t taken = 0;

    if (call->finished) {
        return false;
    }
    if (left == 0) {
        finish(call);
        return false;
    }
    const size_t length = weir_min(left, 1 + sim_spread(&world->for_calls, sizeof(octets) - 1));
    sim_body_fill(SIM_BODY_OF_CALL | call->number, call->written, octets, length);
    const weir_status status = weir_write(call->exchange, (weir_span){octets, length}, &taken);
    sim_trace(world, SIM_TRACE_WRITE, call->number, taken, (uint64_t)(int64_t)status);
    SIM_MUST(world, taken <= length, "call %llu: more was taken than given",
             (unsigned long long)call->number);
    SIM_MUST(world, status != WEIR_OK || taken == length, "call %llu: OK, and not all was taken",
             (unsigned long long)call->number);
    note_blocked(call, status == WEIR_AGAIN);
    call->written += taken;
    call->finished = status != WEIR_OK && status != WEIR_AGAIN;
    return status == WEIR_OK;
}

/* For how long its user was let write nothing. */
static void note_blocked(sim_call *call, bool is_blocked)
{
    if (call->is_blocked) {
        call->blocked_ns += call->world->now_ns - call->blocked_since_ns;
    }
    call->is_blocked = is_blocked;
    call->blocked_since_ns = call->world->now_ns;
}

static void finish(sim_call *call)
{
    const weir_field trailer = trailer_field();
    const weir_status status = weir_finish(call->exchange, &trailer, call->has_trailers ? 1 : 0);

    sim_trace(call->world, SIM_TRACE_FINISH, call->number, (uint64_t)(int64_t)status, 0);
    note_blocked(call, status == WEIR_AGAIN);
    call->finished = status != WEIR_AGAIN;
    if (status == WEIR_E_NOMEM && !weir_exchange_is_done(call->exchange)) {
        /* There was no memory for the trailers. One could try again; this user gives up. */
        cancel(call->world, call, 0);
    }
}

static weir_status source_read(void *to, size_t room, uint64_t offset, size_t *octets, void *user)
{
    sim_call *call = user;
    sim_world *world = call->world;
    sim_dice *dice = &world->for_calls;

    SIM_MUST(world, call->state == SIM_CALL_UNDER_WAY,
             "call %llu: its source is read after its end", (unsigned long long)call->number);
    SIM_MUST(world, offset <= call->body_octets && room > 0,
             "call %llu: its source is asked for what is not there",
             (unsigned long long)call->number);
    SIM_MUST(world, offset == call->written,
             "call %llu: its source is asked for octet %llu after %llu",
             (unsigned long long)call->number, (unsigned long long)offset,
             (unsigned long long)call->written);
    if (sim_fault(world, SIM_FAULT_SOURCE_FAILS, dice)) {
        call->source_failed = true;
        return WEIR_E_BODY_SOURCE;
    }
    if (sim_fault(world, SIM_FAULT_SOURCE_WAITS, dice)) {
        sim_at(world, world->now_ns + sim_spread(dice, 10 * WEIR_NS_PER_SECOND), source_resumes,
               call, 0);
        return WEIR_AGAIN;
    }
    const uint64_t left = call->body_octets - offset;
    if (left == 0) {
        return WEIR_END;
    }
    *octets = weir_min(weir_min(left, room), 1 + sim_spread(dice, 20000));
    sim_body_fill(SIM_BODY_OF_CALL | call->number, offset, to, *octets);
    call->written += *octets;
    return *octets == left && sim_below(dice, 2) == 0 ? WEIR_END : WEIR_OK;
}

static bool source_rewind(void *user)
{
    sim_call *call = user;

    call->written = 0;
    return sim_below(&call->world->for_calls, 8) != 0;
}

static void source_resumes(sim_world *world, void *what, uint64_t unused)
{
    sim_call *call = what;

    (void)world;
    (void)unused;
    if (call->state == SIM_CALL_UNDER_WAY) {
        weir_resume(call->exchange);
    }
}

static weir_field trailer_field(void)
{
    return (weir_field){WEIR_SPAN("x-trailer"), WEIR_SPAN("yes"), 0};
}

/* -- the end -- */

static void done(sim_call *call, weir_status status)
{
    sim_world *world = call->world;

    call->state = SIM_CALL_DONE;
    SIM_MUST(world, !call->is_watched || call->watch.done || world->faults[SIM_FAULT_NOMEM] > 0,
             "call %llu is told DONE before its observer", (unsigned long long)call->number);
    call->status = status;
    call->processed = weir_exchange_failure(call->exchange).processed;
    call->done_ns = world->now_ns;
    world->client->done++;
    world->client->statuses[-status]++;
    note_blocked(call, false);
    if (call->rests) {
        sim_rest_check(call);
    }
    sim_check_call_done(call);
    sim_measure_stalls(call);
    sim_measure_candidates(call);
    if (call->rests) {
        sim_rest_done(call);
    }
    /* The unread rest stays readable: it is read now, later, or never. */
    if (sim_below(&world->for_calls, 8) != 0) {
        while (read_once(call)) {
        }
        sim_check_call_all_read(call);
    }
    if (sim_below(&world->for_calls, 4) == 0) {
        sim_at(world, world->now_ns + sim_spread(&world->for_calls, WEIR_NS_PER_SECOND), free_call,
               call, 0);
        return;
    }
    free_call(world, call, 0);
}
