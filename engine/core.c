/* SPDX-License-Identifier: MIT */
/*
 * The way of an exchange into the pool and out of it, and the numbers that a client or loop keeps.
 * See core.h.
 */
#include "engine/core.h"
#include "proto/failure.h"

#include <string.h>

#include "engine/record.h"
#include "engine/tls_config.h"

#define ADDRESS_LEFT_NS (10 * WEIR_NS_PER_SECOND)

/* A span in the place of a time looks like this. */
static const char was_past[] =
    "call.deadline_ns is a time of weir_now(), and was past when the call began";

static void fill_pool_options(weir_core *core, weir_pool_options *to,
                              const weir_pool_limits *given);
static void use_tls(weir_core *core, weir_tls_config *tls, weir_time now_ns);
static void give_tls(weir_exchange *ex, weir_tls_config *tls);
static weir_status renew_tls(weir_core *core, weir_exchange *ex, weir_time now_ns);
static void warm(weir_core *core, weir_exchange *ex, const weir_origin_key *key, weir_time now_ns);
static void warmed(weir_exchange *ex);
static bool was_unused(const weir_exchange *ex);
static void turn_away(weir_exchange *ex, weir_status status);
static void refused(weir_exchange *ex, const weir_failure *failure);
static void count_queued(weir_core *core, weir_exchange *ex, weir_protocol protocol);
static void count_ended(weir_core *core, weir_exchange *ex, weir_time now_ns);

weir_status weir_core_init(weir_core *core, const weir_core_options *options)
{
    weir_status status = WEIR_OK;

    memset(core, 0, sizeof(*core));
    core->pool_options =
        (weir_pool_options){.allocator = options->allocator, .seed = options->seed};
    core->allocator = options->allocator;
    core->next_exchange = 1;
    weir_events_init(&core->events, core->allocator, options->observer);
    fill_pool_options(core, &core->pool_options, options->limits);
    if (options->metrics_series > 0) {
        const weir_series_options series = {
            .allocator = core->allocator,
            .seed = options->seed,
            .limit = options->metrics_series,
            .methods = options->metrics_methods,
        };
        core->series = weir_series_account_new(&series);
        if (core->series == NULL) {
            return WEIR_E_NOMEM;
        }
    }
    core->pool = weir_pool_new(&core->pool_options, &status);
    if (core->pool == NULL) {
        weir_series_account_free(core->series);
        core->series = NULL;
    } else {
        core->shared = weir_shared_acquire(options->shared);
        const weir_names_options names = {
            .allocator = core->allocator,
            .shared = core->shared,
            .pool = core->pool,
            .leave_ns = core->names.leave_ns,
            .seed = options->seed,
        };
        weir_names_init(&core->names, &names);
    }
    return status;
}

weir_status weir_core_begin_anew(weir_core *core, uint64_t seed)
{
    weir_series_account *series = NULL;
    weir_status status = WEIR_OK;

    core->pool_options.first_number = weir_pool_take_number(core->pool);
    core->pool_options.seed = seed;
    if (core->series != NULL) {
        series = weir_series_account_anew(core->series, seed);
        if (series == NULL) {
            return WEIR_E_NOMEM;
        }
    }
    weir_pool *pool = weir_pool_new(&core->pool_options, &status);
    if (pool == NULL) {
        weir_series_account_free(series);
    } else {
        core->pool = pool;
        core->series = series;
        weir_core_count_anew(core);
        core->names.pool = pool;
    }
    return status;
}

void weir_core_clear(weir_core *core)
{
    weir_names_clear(&core->names);
    weir_pool_free(core->pool);
    core->pool = NULL;
    weir_series_account_free(core->series);
    core->series = NULL;
    weir_shared_release(core->shared);
    core->shared = NULL;
    weir_events_clear(&core->events);
}

void weir_core_catch_up(weir_core *core, weir_time now_ns)
{
    weir_status ignored = WEIR_OK;

    if (weir_shared_tls_number(core->shared) == core->tls_number) {
        return;
    }
    weir_tls_config *tls = weir_shared_tls(core->shared, &ignored); /* it is there */
    if (tls != NULL) {
        use_tls(core, tls, now_ns);
        weir_tls_config_release(tls);
    }
}

void weir_core_network_changed(weir_core *core, weir_time now_ns)
{
    weir_shared_forget_answers(core->shared);
    weir_origins_forget_horizons(weir_shared_origins(core->shared));
    weir_pool_network_changed(core->pool, now_ns);
}

void weir_core_started(weir_core *core, weir_exchange *ex)
{
    if (ex->metered == WEIR_METERED_NOT && ex->warms == 0) { /* to pre-connect is no request */
        ex->metered = WEIR_METERED_STARTED;
        weir_metrics_started(&core->metrics);
        if (core->series != NULL) {
            const weir_server_key server = weir_server_key_of_target(&ex->target);
            ex->series = weir_series_started(core->series, &server, ex->request.method);
        }
    }
}

void weir_core_place(weir_core *core, weir_exchange *ex, weir_time now_ns)
{
    weir_core_catch_up(core, now_ns);
    weir_core_started(core, ex);
    weir_status status = renew_tls(core, ex, now_ns);
    const weir_origin_key key = weir_exchange_key(ex);

    /* A request that nobody waits for any more is not sent, though a connection be there at once.
     */
    if (status != WEIR_OK) {
        /* refused below */
    } else if (atomic_load(&ex->cancel_wanted)) {
        status = WEIR_E_CANCELLED;
    } else if (ex->call.deadline_ns <= now_ns) {
        status = WEIR_E_DEADLINE_TOTAL;
    } else {
        if (ex->warms > 0) {
            warm(core, ex, &key, now_ns);
            return;
        }
        if (ex->candidates != NULL) {
            weir_core_explain(core, ex, now_ns);
        }
        status = weir_pool_request(core->pool, &key, &ex->ticket, now_ns);
    }
    if (status == WEIR_OK || status == WEIR_AGAIN) {
        weir_exchange_queued(ex, now_ns);
        weir_core_granted(core, ex, now_ns);
        return;
    }
    weir_pool_abandon(core->pool, &ex->ticket, now_ns); /* it may have come from another place */
    turn_away(ex, status);
}

void weir_core_granted(weir_core *core, weir_exchange *ex, weir_time now_ns)
{
    (void)core;
    (void)now_ns;
    if (ex->warms > 0 && ex->wish.state == WEIR_WARMTH_ENDED) {
        warmed(ex);
        return;
    }
    if (ex->ticket.state == WEIR_TICKET_LEASED) {
        ex->state = WEIR_EXCHANGE_PLACED;
    } else if (ex->ticket.state == WEIR_TICKET_REFUSED) {
        refused(ex, &ex->ticket.failure);
    }
}

void weir_core_bounced(weir_core *core, weir_exchange *ex, const weir_facts *facts,
                       weir_time now_ns)
{
    const uint64_t conn = weir_slot_id(ex->ticket.slot);

    (void)renew_tls(core, ex, now_ns); /* if they were replaced it waits for another origin now */
    weir_pool_bounce(core->pool, &ex->ticket, facts, now_ns);
    if (ex->candidates != NULL) {
        weir_core_explain_bounce(core, ex, conn, now_ns);
    }
    ex->state = WEIR_EXCHANGE_QUEUED;
    weir_core_granted(core, ex, now_ns);
}

void weir_core_leave(weir_core *core, weir_exchange *ex, weir_time now_ns)
{
    if (ex->wish.state != WEIR_WARMTH_IDLE) {
        weir_pool_cool(core->pool, &ex->wish, now_ns);
    }
    if (ex->ticket.state == WEIR_TICKET_LEASED && ex->failure.status == WEIR_E_MISDIRECTED) {
        weir_pool_misdirected(core->pool, &ex->ticket, now_ns);
    }
    if (ex->ticket.state == WEIR_TICKET_LEASED) {
        count_queued(core, ex,
                     ex->attempted ? ex->attempts[ex->attempt_count - 1].protocol
                                   : WEIR_PROTOCOL_ANY);
        ex->ticket.unused = was_unused(ex);
        weir_pool_release(core->pool, &ex->ticket,
                          ex->last_facts.version > 0 ? &ex->last_facts : NULL, now_ns);
        ex->last_facts.version = 0;
    } else if (ex->ticket.state != WEIR_TICKET_IDLE) { /* it waits, or was refused */
        weir_pool_abandon(core->pool, &ex->ticket, now_ns);
        count_queued(core, ex, WEIR_PROTOCOL_ANY);
    }
    if (ex->response_ended && ex->failure.status == WEIR_OK) {
        count_ended(core, ex, now_ns);
    }
}

void weir_core_again(weir_core *core, weir_exchange *ex, weir_time now_ns)
{
    /* Once: whose connections die one after the other must not keep others waiting for ever. */
    ex->ticket.keeps_order = !ex->kept_order;
    ex->kept_order = true;
    weir_core_leave(core, ex, now_ns);
    weir_exchange_conclude(ex, true, now_ns);
    weir_core_place(core, ex, now_ns);
}

/* Was nothing sent on the connection for the attempt that is over? */
static bool was_unused(const weir_exchange *ex)
{
    return !ex->attempted ||
           (ex->failure.status != WEIR_OK && ex->failure.processed == WEIR_NOT_SENT);
}

bool weir_core_must_conclude(const weir_exchange *ex)
{
    return ex->metered == WEIR_METERED_STARTED;
}

void weir_core_concluded(weir_core *core, weir_exchange *ex, weir_time now_ns)
{
    WEIR_ASSERT(ex->state == WEIR_EXCHANGE_DONE);
    count_ended(core, ex, now_ns);
}

weir_link *weir_core_link(weir_core *core, weir_slot *slot, weir_bin *bin, const weir_exchange *ex,
                          weir_status *status)
{
    const weir_origin_key *key = weir_slot_key(slot);
    weir_memory memory;
    if (weir_pool_is_blind(slot) &&
        weir_origins_recall(weir_shared_origins(core->shared), key, &memory)) {
        weir_pool_recall(core->pool, slot, &memory, 0);
    }
    weir_link_options options = {
        .allocator = core->allocator,
        .bin = bin,
        .key = key,
        .sessions = weir_shared_sessions(core->shared),
        .limits = &core->limits,
        .id = weir_slot_id(slot),
    };

    if (key->https) {
        /* The key knows the configuration by its number alone; the exchange that caused the dial
         * holds it. */
        WEIR_ASSERT(ex != NULL && weir_tls_config_number(ex->tls) == key->tls);
        options.tls = ex->tls;
    }
    if (ex != NULL && key->kind != WEIR_HOST_NAME) {
        options.host_address = ex->target.address;
    }
    weir_link *link = weir_link_new(&options, status);
    if (link != NULL) {
        link->slot = slot;
    }
    return link;
}

void weir_core_opened(weir_core *core, weir_link *link, const weir_facts *facts, weir_time now_ns)
{
    link->opened_ns = now_ns;
    weir_metrics_opened(&core->metrics);
    if (core->series != NULL) {
        const weir_server_key server = weir_server_key_of_origin(weir_slot_key(link->slot));
        weir_series_opened(core->series, &server, facts->protocol);
    }
    weir_core_catch_up(core, now_ns);
    weir_pool_ready(core->pool, link->slot, facts, now_ns);
    weir_core_remember(core, link->slot, weir_core_learn(link->slot));
}

void weir_core_dial_failed(weir_core *core, weir_slot *slot, const weir_failure *failure,
                           weir_time now_ns)
{
    weir_core_catch_up(core, now_ns); /* with others it might not have */
    weir_pool_dial_failed(core->pool, slot, failure, now_ns);
}

weir_lesson weir_core_learn(weir_slot *slot)
{
    weir_lesson lesson = {.is_new = false};

    lesson.is_new = weir_pool_learned(slot, &lesson.memory);
    return lesson;
}

void weir_core_remember(weir_core *core, const weir_slot *slot, weir_lesson lesson)
{
    if (lesson.is_new) {
        weir_origins_remember(weir_shared_origins(core->shared), weir_slot_key(slot),
                              &lesson.memory);
    }
}

void weir_core_closed(weir_core *core, weir_link *link, const weir_account *account,
                      weir_reason reason, weir_time now_ns)
{
    weir_failure failure = weir_link_failure(link);
    if (failure.status == WEIR_E_CANCELLED) { /* that we wanted it no more is no failure of it */
        failure = weir_failure_bare(WEIR_OK);
    }
    const bool failed = weir_link_has_failed(link) || reason == WEIR_REASON_FAILED;
    weir_event event = {
        .kind = WEIR_EVENT_CONNECTION_CLOSED,
        .at_ns = now_ns,
        .conn = link->id,
        .protocol = weir_link_protocol(link),
        .reason = reason,
        .failure = failure,
        .account = account,
    };

    /* Octets that answer nothing are told as such, whatever else befell the connection after them.
     */
    if (failed && failure.status != WEIR_OK && reason != WEIR_REASON_OCTETS_LEFT_OVER) {
        event.why = weir_status_name(failure.status);
        if (link->opened_ns == 0) { /* the pool never had it, and so no reason */
            event.reason = WEIR_REASON_FAILED;
        }
    }
    weir_names_leave(&core->names, link);
    core->verdicts[account->verdict.agreement]++;
    if (link->opened_ns != 0) {
        const weir_time lasted_ns = weir_time_since(now_ns, link->opened_ns);
        weir_metrics_closed(&core->metrics, event.protocol, lasted_ns);
        if (core->series != NULL) {
            const weir_server_key server = weir_server_key_of_origin(weir_slot_key(link->slot));
            weir_series_closed(core->series, &server, event.protocol, lasted_ns);
        }
    }
    if (weir_events_are_wanted(&core->events)) {
        weir_events_add(&core->events, &event);
    }
}

void weir_core_attempt_closed(weir_core *core, const weir_octets *kernel, uint16_t local_port,
                              weir_time now_ns)
{
    weir_account account = {.size = sizeof(account), .local_port = local_port};
    const weir_event event = {
        .kind = WEIR_EVENT_CONNECTION_CLOSED,
        .at_ns = now_ns,
        .conn = weir_pool_take_number(core->pool),
        .reason = WEIR_REASON_LOST_RACE,
        .failure = weir_failure_bare(WEIR_OK),
        .account = &account,
    };

    account.verdict.kernel = *kernel;
    account.verdict.agreement =
        kernel->sent == 0 && kernel->received == 0 ? WEIR_AGREE : WEIR_DIFFER;
    core->verdicts[account.verdict.agreement]++;
    if (weir_events_are_wanted(&core->events)) {
        weir_events_add(&core->events, &event);
    }
}

static void fill_pool_options(weir_core *core, weir_pool_options *to, const weir_pool_limits *given)
{
    weir_pool_limits limits;

    const bool is_record = weir_record_read(&limits, sizeof(limits), given);
    WEIR_ASSERT(is_record); /* options.c has looked */
    to->connections_per_origin = limits.connections_per_origin;
    to->connections = limits.connections;
    to->waiting_per_origin = limits.waiting_per_origin;
    to->waiting = limits.waiting;
    to->h2_connections = limits.h2_connections;
    to->idle_ns = limits.idle_ns;
    to->lifetime_ns = limits.lifetime_ns;
    core->names.leave_ns = limits.address_left_ns != 0 ? limits.address_left_ns : ADDRESS_LEFT_NS;
    to->streams_per_connection = limits.streams_per_connection;
    to->requests_per_connection = limits.requests_per_connection;
    const weir_conn_limits of_conns = {
        .head_octets = limits.head_octets,
        .inbox_octets = limits.inbox_octets,
        .bare_lf = limits.bare_lf,
        .streams = limits.streams_per_connection,
        .ping_ns = limits.ping_ns,
        .ping_timeout_ns = limits.ping_timeout_ns,
        .ping_idle = limits.ping_idle,
    };
    core->limits.h1 = weir_conn_limits_fill(&of_conns, WEIR_H1);
    core->limits.h2 = weir_conn_limits_fill(&of_conns, WEIR_H2);
}

/* Calls that wait for a place, and that nothing was begun for, go on with these: what they hold is
 * what they will be dialled with. */
static void use_tls(weir_core *core, weir_tls_config *tls, weir_time now_ns)
{
    const uint64_t number = weir_tls_config_number(tls);

    if (number == core->tls_number) {
        return;
    }
    weir_pool_tls_replaced(core->pool, core->tls_number, number, now_ns);
    core->tls_number = number;
    for (weir_ticket *at = weir_pool_next_follower(core->pool, number, NULL); at != NULL;
         at = weir_pool_next_follower(core->pool, number, at)) {
        give_tls(WEIR_CONTAINER_OF(at, weir_exchange, ticket), tls);
    }
    for (weir_warmth *at = weir_pool_next_following_wish(core->pool, number, NULL); at != NULL;
         at = weir_pool_next_following_wish(core->pool, number, at)) {
        give_tls(WEIR_CONTAINER_OF(at, weir_exchange, wish), tls);
    }
}

/* In the blocking front end another thread may be that of the exchange, which waits in the queue
 * and looks at this with the core's lock alone. */
static void give_tls(weir_exchange *ex, weir_tls_config *tls)
{
    weir_tls_config *old = ex->tls;

    ex->tls = weir_tls_config_acquire(tls);
    weir_tls_config_release(old);
}

/*
 * A call that brought no TLS settings uses the default ones, which may have been replaced since it
 * began or since its last attempt; or since the core caught up: it goes on with the same, or what
 * is made with these would not drain when they are replaced in turn.
 */
static weir_status renew_tls(weir_core *core, weir_exchange *ex, weir_time now_ns)
{
    weir_status status = WEIR_OK;

    if (ex->tls == NULL || ex->call.tls != NULL ||
        weir_tls_config_number(ex->tls) == core->tls_number) {
        return WEIR_OK;
    }
    weir_tls_config *tls = weir_shared_tls(core->shared, &status);
    if (tls != NULL) {
        give_tls(ex, tls);
        use_tls(core, tls, now_ns);
        weir_tls_config_release(tls);
    }
    return status;
}

static void warm(weir_core *core, weir_exchange *ex, const weir_origin_key *key, weir_time now_ns)
{
    const weir_status status = weir_pool_warm(core->pool, key, ex->warms, &ex->wish, now_ns);

    if (status == WEIR_AGAIN) {
        weir_exchange_queued(ex, now_ns);
    } else if (ex->wish.state == WEIR_WARMTH_ENDED) {
        warmed(ex);
    } else {
        turn_away(ex, status);
    }
}

/* The wish ended: with as many connections as it wanted, as a limit allows, or with why there are
 * none. */
static void warmed(weir_exchange *ex)
{
    weir_failure failure = ex->wish.failure;

    if (failure.status == WEIR_OK && ex->wish.reason == WEIR_REASON_FAILED) {
        failure.status = WEIR_E_CLOSED_EARLY;
    }
    if (failure.status != WEIR_OK) {
        refused(ex, &failure);
        return;
    }
    ex->state = WEIR_EXCHANGE_ENDED;
    ex->response_ended = true; /* there is none, and nothing more follows */
    ex->news |= WEIR_NEWS_OVER;
}

/* It was not even let into the queue. */
static void turn_away(weir_exchange *ex, weir_status status)
{
    weir_failure failure = weir_failure_bare(status);

    if (status == WEIR_E_QUEUE_FULL) {
        failure = ex->warms > 0 ? ex->wish.failure : ex->ticket.failure; /* which limit it was */
    } else if (status == WEIR_E_DEADLINE_TOTAL && ex->call.deadline_ns <= ex->submitted_ns) {
        failure.what = was_past;
    }
    refused(ex, &failure);
}

static void refused(weir_exchange *ex, const weir_failure *failure)
{
    ex->state = WEIR_EXCHANGE_ENDED;
    ex->failure = *failure;
    if (ex->failure.phase == WEIR_PHASE_ANY) {
        ex->failure.phase = ex->phase;
    }
    ex->failure.processed = WEIR_NOT_SENT;
    ex->news |= WEIR_NEWS_OVER;
}

/* It leaves the queue, or what it was granted there. */
static void count_queued(weir_core *core, weir_exchange *ex, weir_protocol protocol)
{
    weir_metrics_queued(&core->metrics, protocol, ex->ticket.waited_ns);
    if (ex->series != NULL) {
        weir_series_queued(core->series, ex->series, protocol, ex->ticket.waited_ns);
    }
}

/* Once, when it is over for good. Its duration ends with its final head, if there was one. */
static void count_ended(weir_core *core, weir_exchange *ex, weir_time now_ns)
{
    if (ex->metered != WEIR_METERED_STARTED) {
        return;
    }
    const weir_metrics_request request = {
        .outcome = ex->failure.status == WEIR_OK            ? WEIR_OUTCOME_SUCCEEDED
                   : ex->failure.status == WEIR_E_CANCELLED ? WEIR_OUTCOME_CANCELLED
                                                            : WEIR_OUTCOME_FAILED,
        .status = ex->failure.status,
        .code = ex->head != NULL ? ex->head->code : 0,
        .protocol = ex->attempt_count > 0 ? ex->attempts[ex->attempt_count - 1].protocol
                                          : WEIR_PROTOCOL_ANY,
        .duration_ns = weir_time_since(ex->head != NULL ? ex->head_ns : now_ns, ex->submitted_ns),
        .attempts = ex->attempt_count,
        .tally = weir_exchange_tally(ex),
    };

    ex->metered = WEIR_METERED_ENDED;
    weir_metrics_ended(&core->metrics, &request);
    if (ex->series != NULL) {
        weir_series_ended(core->series, ex->series, &request);
        ex->series = NULL;
    }
}
