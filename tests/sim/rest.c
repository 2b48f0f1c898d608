/* SPDX-License-Identifier: MIT */
/* Calls with rests between them: see rest.h. */
#include "rest.h"

#include "driver.h"

#define NUMBER(call) ((unsigned long long)(call)->number)
#define PAUSE_NS     (5 * WEIR_NS_PER_SECOND)
#define SLACK_NS     WEIR_NS_PER_MS
/* So many closes tell the horizon, and it lies so long before the second shortest. */
#define CLOSES       2
#define MARGIN_NS    WEIR_NS_PER_SECOND
#define SEND_OCTETS  ((size_t)1 << 17)

static void begin(sim_world *world, void *what, uint64_t unused);
static void make_step(sim_world *world, void *what, uint64_t rested_ns);
static void note_closes(sim_world *world);
static bool was_seen(const sim_socket *socket);
static weir_time horizon_of(const sim_world *world);
static weir_time draw_pause(sim_world *world);
static bool is_kept(const sim_world *world, weir_time rest_ns);
static weir_time rest_before(const sim_call *call, uint64_t link);

void sim_rest_open(sim_world *world)
{
    world->rest = sim_room(world, sizeof(*world->rest));
    world->rest->is_over = world->plan.rests.most_ns == 0;
    if (!world->rest->is_over) {
        sim_at(world, world->now_ns + PAUSE_NS, begin, NULL, 0);
    }
}

bool sim_rest_is_known(const sim_rest *rest)
{
    return rest->closes >= CLOSES;
}

static void begin(sim_world *world, void *what, uint64_t unused)
{
    (void)what;
    (void)unused;
    if (world->client->freed < world->client->count) {
        sim_at(world, world->now_ns + PAUSE_NS, begin, NULL, 0);
        return;
    }
    /* A run may be as long again, and a request takes no more than the way to the server. */
    world->plan.calm_at_ns = world->now_ns;
    world->plan.send_octets = SEND_OCTETS;
    world->driver->turn.now_ns = world->now_ns;
    weir_core_network_changed(&world->driver->turn.core, world->now_ns);
    world->driver->turn.pool_moved = true;
    sim_at(world, world->now_ns + PAUSE_NS, make_step, NULL, 0);
}

/* -- steps -- */

static void make_step(sim_world *world, void *what, uint64_t rested_ns)
{
    sim_rest *rest = world->rest;

    (void)what;
    note_closes(world);
    /* Two at once make two connections, which rest for as long: before the horizon is known, one
     * of them would be used when its server is about to close it. */
    const weir_pool_limits *limits = &world->plan.limits;
    const bool two = sim_rest_is_known(rest) &&
                     weir_min(limits->waiting_per_origin, limits->waiting) > 1 &&
                     sim_below(&world->for_rests, 4) == 0;
    rest->must_be_reused = !two && rest->step > 0 && is_kept(world, rested_ns);
    sim_trace(world, SIM_TRACE_REST, rest->step, rested_ns, rest->closes);
    rest->step++;
    rest->done = 0;
    rest->call_count = two ? 2 : 1;
    for (size_t i = 0; i < rest->call_count; i++) {
        rest->calls[i] = sim_client_rest(world);
    }
}

void sim_rest_done(sim_call *call)
{
    sim_world *world = call->world;
    sim_rest *rest = world->rest;

    if (++rest->done < rest->call_count) {
        return;
    }
    if (rest->step == world->plan.rests.steps) {
        rest->is_over = true;
        return;
    }
    const weir_time pause_ns = draw_pause(world);
    sim_at(world, world->now_ns + pause_ns, make_step, NULL, pause_ns);
}

/* Until the horizon is known: so long that the server closes, or so short that it does not. Then
 * around the horizon and around the close. */
static weir_time draw_pause(sim_world *world)
{
    sim_dice *dice = &world->for_rests;
    const weir_time most_ns = world->plan.rests.most_ns;
    const weir_time way_ns = 2 * world->plan.latency_ns;

    if (!sim_rest_is_known(world->rest)) {
        return sim_below(dice, 4) == 0
                   ? sim_below(dice, most_ns * 5 / 8)
                   : sim_between(dice, most_ns + 2 * way_ns + SLACK_NS, 2 * (most_ns + way_ns));
    }
    switch (sim_below(dice, 4)) {
    case 0:
        return sim_below(dice, horizon_of(world));
    case 1:
        return sim_between(dice, most_ns - way_ns, most_ns + way_ns);
    default:
        return sim_between(dice, horizon_of(world) * 3 / 4, most_ns);
    }
}

/* -- what the pool has seen -- */

/* Connections that rested at the same time and were closed together tell one thing once. */
static void note_closes(sim_world *world)
{
    sim_rest *rest = world->rest;
    const weir_time way_ns = 2 * world->plan.latency_ns;

    for (size_t i = 0; i < world->net->count; i++) {
        const sim_socket *socket = world->net->sockets[i];
        const sim_peer *peer = socket->peer;
        if (socket->origin != world->plan.rests.origin || peer == NULL ||
            peer->rest_ended_ns <= rest->closed_ns ||
            peer->rests_since_ns < world->plan.calm_at_ns || !was_seen(socket)) {
            continue;
        }
        if (rest->closes == 0 || peer->rests_since_ns > rest->closed_ns + way_ns) {
            rest->closes++;
            rest->closed_ns = peer->rest_ended_ns;
        }
    }
}

/* GOAWAY and close_notify are as good as the end: who reads them need not read on. */
static bool was_seen(const sim_socket *socket)
{
    const sim_wire *down = &socket->down;

    if (socket->peer->says_end) {
        return down->end_given || down->given >= socket->peer->said_octets;
    }
    return down->end_given || (socket->peer->tls != NULL && down->given == down->taken);
}

/* By the server's own clock; the client's is the way of an octet from it. */
static weir_time horizon_of(const sim_world *world)
{
    const weir_time most_ns = world->plan.rests.most_ns;

    return most_ns - (most_ns / 2 < MARGIN_NS ? most_ns / 2 : MARGIN_NS);
}

/* -- what must hold -- */

/* Nothing stands in the way of a further use: not the horizon, nor a limit, nor the last response.
 * Where two calls were made at once, which of their connections was used how is not known. */
static bool is_kept(const sim_world *world, weir_time rest_ns)
{
    const sim_rest *rest = world->rest;
    const weir_pool_limits *limits = &world->plan.limits;

    return rest->call_count == 1 && rest->calls[0]->answered != NULL &&
           !rest->calls[0]->answered->is_last && world->plan.rests.numeric &&
           limits->lifetime_ns == 0 && limits->requests_per_connection == 0 &&
           (limits->idle_ns == 0 || rest_ns + SLACK_NS < limits->idle_ns) &&
           rest_ns + world->plan.latency_ns + SLACK_NS < horizon_of(world);
}

void sim_rest_check(sim_call *call)
{
    sim_world *world = call->world;
    sim_rest *rest = world->rest;
    const weir_time limit_ns = horizon_of(world) + world->plan.latency_ns + SLACK_NS;
    const weir_time most_ns = limit_ns > rest->survived_ns ? limit_ns : rest->survived_ns;
    const size_t count = weir_exchange_attempt_count(call->exchange);
    weir_time survived_ns = rest->survived_ns;

    for (size_t i = 0; i < count; i++) {
        weir_attempt attempt = WEIR_ATTEMPT_INIT;
        (void)weir_exchange_attempt_at(call->exchange, i, &attempt);
        const weir_time rest_ns = attempt.reused ? rest_before(call, attempt.conn) : 0;
        SIM_MUST(world, i > 0 || attempt.reused || !rest->must_be_reused,
                 "call %llu was not given a connection that had rested for less than the horizon",
                 NUMBER(call));
        SIM_MUST(world, !sim_rest_is_known(rest) || rest_ns <= most_ns,
                 "call %llu: connection %llu rested for %llu ns, the horizon is %llu", NUMBER(call),
                 (unsigned long long)attempt.conn, (unsigned long long)rest_ns,
                 (unsigned long long)most_ns);
        SIM_MUST(world,
                 !sim_rest_is_known(rest) || attempt.failure.status == WEIR_OK ||
                     attempt.failure.processed != WEIR_MAYBE_PROCESSED,
                 "call %llu met the end of connection %llu with %s, and the horizon is known",
                 NUMBER(call), (unsigned long long)attempt.conn,
                 weir_status_name(attempt.failure.status));
        call->link = attempt.conn;
        rest->reuses += sim_rest_is_known(rest) && rest_ns > 0;
        survived_ns = rest_ns > survived_ns && call->status == WEIR_OK ? rest_ns : survived_ns;
    }
    rest->passed += sim_rest_is_known(rest) && rest_before(call, 0) > most_ns;
    rest->survived_ns = survived_ns;
}

/* For how long a connection had rested when this call was made; 0: it was in use. Connection 0: for
 * how long any had. */
static weir_time rest_before(const sim_call *call, uint64_t link)
{
    const sim_client *client = call->world->client;
    weir_time since_ns = 0;

    for (size_t i = 0; i < client->count; i++) {
        const sim_call *other = &client->calls[i];
        if (other == call || !other->rests || (link != 0 && other->link != link)) {
            continue;
        }
        if (other->done_ns > call->submitted_ns) {
            return 0;
        }
        since_ns = other->done_ns > since_ns ? other->done_ns : since_ns;
    }
    return since_ns != 0 ? call->submitted_ns - since_ns : 0;
}
