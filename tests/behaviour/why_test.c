/* SPDX-License-Identifier: MIT */
/*
 * Why a call waited and which connections it was not given, as a user reads it: over every way.
 */
#include "support/peer.h"
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define QUEUE_NS (30 * WEIR_NS_PER_MS)
#define TEXT     256

/* One connection to an origin, with one exchange on it at most. */
static void one_at_a_time(weir_world *world)
{
    world->limits.connections_per_origin = 1;
}

/* Begins a call and leaves its body unread: its connection is in use until it is dropped. */
static weir_exchange *hold(weir_world *world, const char *path)
{
    weir_ask ask = weir_world_ask(world, path);
    weir_exchange *exchange = NULL;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    return exchange;
}

static const char *candidate(const weir_exchange *exchange, size_t i)
{
    static char text[TEXT];
    weir_candidate found = WEIR_CANDIDATE_INIT;

    assert_true(weir_exchange_candidate_at(exchange, i, &found));
    const size_t length = weir_candidate_text(&found, text, sizeof(text));
    assert_int_equal(length, strlen(text));
    assert_int_equal(weir_candidate_text(&found, NULL, 0), length);
    return text;
}

static void assert_begins(const char *text, const char *wanted)
{
    if (strncmp(text, wanted, strlen(wanted)) != 0) {
        print_error("\"%s\" does not begin \"%s\"\n", text, wanted);
        fail();
    }
}

static weir_waits waits_of(const weir_exchange *exchange)
{
    weir_waits waits = WEIR_WAITS_INIT;
    weir_time sum_ns = 0;

    weir_exchange_waits(exchange, &waits);
    for (int i = 0; i < WEIR_REASON_COUNT; i++) {
        sum_ns += waits.ns[i];
    }
    assert_int_equal(sum_ns, waits.total_ns);
    return waits;
}

/* The only connection is in use, and the call gives up: all of its life it waited for that. */
static void by_a_full_connection(weir_world *world)
{
    const bool h2 = world->way.protocol == WEIR_H2;
    weir_exchange *exchange = NULL;

    one_at_a_time(world);
    /* HTTP/2: the connection says that it takes one exchange. */
    if (h2) {
        weir_ask set = weir_world_ask(world, "/settings?max_streams=1");
        assert_int_equal(weir_world_fetch(world, &set).ended, WEIR_END);
    }
    weir_exchange *holder = hold(world, "/octets/1000000");
    weir_ask ask = weir_world_ask(world, "/octets/10");
    ask.call.queue_ns = QUEUE_NS;
    ask.call.explain = true;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_E_DEADLINE_QUEUE);
    const weir_waits waits = waits_of(exchange);
    const weir_reason reason = h2 ? WEIR_REASON_AT_MAX_STREAMS : WEIR_REASON_BUSY;
    assert_true(waits.total_ns >= QUEUE_NS);
    assert_int_equal(waits.ns[reason], waits.total_ns);
    assert_int_equal(weir_exchange_candidate_count(exchange), 1);
    assert_int_equal(weir_exchange_candidates_left_out(exchange), 0);
    assert_begins(candidate(exchange, 0), h2 ? "connection 1: at_max_streams 1/1, HTTP/2, "
                                             : "connection 1: busy 1/1, HTTP/1.1, ");
    weir_world_drop(world, exchange);
    weir_world_drop(world, holder);
}

/* A new connection is waited for, an old one is not. */
static void by_a_dial(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};

    ask.call.explain = true;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(weir_exchange_candidate_count(exchange), 0);
    weir_waits waits = waits_of(exchange);
    assert_true(waits.total_ns > 0);
    assert_int_equal(waits.ns[WEIR_REASON_DIALING], waits.total_ns);
    weir_world_drop(world, exchange);
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_world_drain(world, exchange, &fetched);
    waits = waits_of(exchange);
    assert_int_equal(waits.total_ns, 0);
    assert_int_equal(weir_exchange_candidate_count(exchange), 1);
    assert_begins(candidate(exchange, 0), "connection 1: reused 0/");
    assert_non_null(strstr(candidate(exchange, 0), ", idle for "));
    weir_world_drop(world, exchange);
    ask.call.explain = false;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_candidate_count(exchange), 0);
    weir_world_drop(world, exchange);
}

static void what_was_closed(weir_world *world)
{
    const bool h2 = world->way.protocol == WEIR_H2;
    weir_ask ask = weir_world_ask(world, "/last");
    weir_exchange *exchange = NULL;

    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    weir_user_settle(weir_world_user(world));
    ask = weir_world_ask(world, "/octets/10");
    ask.call.explain = true;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_candidate_count(exchange), 1);
    if (h2) { /* whether the end was seen with it or not */
        assert_begins(candidate(exchange, 0), "connection 1: draining_goaway");
    }
    if (!h2) {
        assert_begins(candidate(exchange, 0), "connection 1: connection_close");
    }
    assert_non_null(strstr(candidate(exchange, 0), ", closed "));
    weir_world_drop(world, exchange);
}

/*
 * The server closes the idle connection while nobody looks. The blocking client finds that when it
 * has the connection already and gives it back; the loop has seen it before. Either way it is said
 * why it was not used.
 */
static void what_refused_at_the_last_moment(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;

    world->options.probe_after_ns = WEIR_PROBE_ALWAYS;
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    ask = weir_world_ask(world, "/end-others");
    ask.call.connect_to = weir_span_of("127.0.0.1"); /* over another connection */
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    ask = weir_world_ask(world, "/octets/10");
    ask.call.explain = true;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_begins(candidate(exchange, 0), "connection 1: peer_closed");
    weir_waits waits = waits_of(exchange);
    assert_int_equal(waits.bounces, world->way.kind == WEIR_USER_BLOCKING);
    assert_int_equal(waits.ns[WEIR_REASON_REFUSING] > 0, world->way.kind == WEIR_USER_BLOCKING);
    weir_world_drop(world, exchange);
}

/* Other TLS settings, another protocol, another way to the same host: never shared, and said so. */
static void what_may_not_be_shared(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;

    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    ask.call.explain = true;
    ask.call.connect_to = weir_span_of("127.0.0.1");
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_candidate_count(exchange), 1);
    assert_begins(candidate(exchange, 0), "connection 1: route_differs 0/");
    weir_world_drop(world, exchange);
    if (world->way.tls) {
        weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
        options.ca_file = weir_test_certificate("ca.pem");
        options.only_these_roots = true;
        weir_tls_config *other = weir_tls_config_new(&options, NULL, NULL, NULL);
        assert_non_null(other);
        ask = weir_world_ask(world, "/octets/10");
        ask.call.explain = true;
        ask.call.tls = other;
        assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
        assert_begins(candidate(exchange, 0), "connection 1: tls_identity_differs 0/");
        weir_world_drop(world, exchange);
        weir_tls_config_release(other);
    }
    ask = weir_world_ask(world, "/octets/10");
    ask.call.pin = world->way.protocol == WEIR_H2 ? WEIR_H1 : WEIR_H2;
    ask.call.explain = true;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_begins(candidate(exchange, 0), "connection 1: protocol_differs 0/");
    weir_world_drop(world, exchange);
}

typedef struct told {
    char text[TEXT];
} told;

static void note_waiting(const weir_event *event, void *user)
{
    told *to = user;

    if (event->kind == WEIR_EVENT_WAITING) {
        const size_t length = strlen(to->text);
        (void)snprintf(to->text + length, sizeof(to->text) - length, "%s%s", length > 0 ? ", " : "",
                       event->why);
    }
}

/* Refused once it keeps its place; refused twice, it gives the peer time. */
static void by_a_peer_that_refuses(weir_world *world)
{
    char path[64];
    static unsigned id;
    weir_exchange *exchange = NULL;
    told all = {""};
    const weir_observer observer = {sizeof(observer), &all, note_waiting};

    (void)snprintf(path, sizeof(path), "/refuse?times=2&id=why-%u", id++);
    weir_ask ask = weir_world_ask(world, path);
    ask.call.observer = &observer;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    const weir_waits waits = waits_of(exchange);
    assert_true(waits.ns[WEIR_REASON_REFUSED_LATELY] > 0);
    assert_non_null(strstr(all.text, "refused_lately"));
    weir_user_drop(world->user, exchange);
}

typedef struct failing {
    weir_world *world;
    weir_ask ask; /* of a port that does not answer */
    told told;
    weir_waits waits;
    weir_status ended[2];
} failing;

/* 0: its dial fails. 1: calls while that is under way, and goes on when it has failed. */
static void one_of_a_failing_origin(weir_user *user, size_t index, void *shared)
{
    failing *all = shared;
    const weir_observer observer = {sizeof(observer), &all->told, note_waiting};
    weir_ask ask = all->ask;
    weir_exchange *exchange = NULL;

    if (index == 1) {
        weir_counts counts = WEIR_COUNTS_INIT;
        do { /* a call over a connection that is there takes a few turns of the loop */
            const weir_ask other = weir_world_ask(all->world, "/octets/10");
            (void)weir_world_fetch(all->world, &other);
            weir_user_counts(user, &counts);
        } while (counts.waiting == 0);
        ask.call.observer = &observer;
        ask.call.queue_ns = 2 * WEIR_NS_PER_SECOND;
    }
    all->ended[index] = weir_user_call(user, &ask.request, &ask.call, &exchange);
    if (index == 1) {
        weir_exchange_waits(exchange, &all->waits);
    }
    weir_user_drop(user, exchange);
}

/* A dial that fails leaves who asked after it began: that waits for a pause, and dials then. */
static void by_a_dial_that_failed(weir_world *world)
{
    static char url[64];
    failing all = {.world = world, .waits = WEIR_WAITS_INIT};
    weir_full_port full;

    weir_full_port_open(&full);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned)full.port);
    one_at_a_time(world);
    all.ask = weir_world_ask(world, "/octets/10");
    assert_int_equal(weir_world_fetch(world, &all.ask).ended, WEIR_END);
    all.ask.request.url = weir_span_of(url);
    all.ask.call.connect_ns = 300 * WEIR_NS_PER_MS;
    all.ask.call.observer = NULL;
    weir_user_together(world->user, 2, one_of_a_failing_origin, &all);
    assert_int_equal(all.ended[0], WEIR_E_DEADLINE_CONNECT);
    assert_int_equal(all.ended[1], WEIR_E_DEADLINE_CONNECT);
    /* HTTP/2: the dial would have served both. */
    assert_string_equal(all.told.text, world->way.protocol == WEIR_H2
                                           ? "dialing, back_off, dialing"
                                           : "origin_limit, back_off, dialing");
    /* 50 ms, give or take a tenth */
    assert_true(all.waits.ns[WEIR_REASON_BACK_OFF] >= 45 * WEIR_NS_PER_MS);
    weir_world_close(world);
    weir_full_port_close(&full);
}

typedef struct pair {
    weir_world *world;
    weir_exchange *holder;
    bool snapped;
    weir_snapshot_call call;
    weir_waits so_far;
    char text[2048];
    told told;
    weir_waits waits;
    weir_status ended;
} pair;

/* While one call has the connection and the other waits for it. */
static void look(pair *p, weir_user *user)
{
    weir_snapshot *snapshot = weir_user_snapshot(user, NULL);

    if (snapshot == NULL) {
        return;
    }
    for (size_t i = 0; i < weir_snapshot_call_count(snapshot); i++) {
        weir_snapshot_call call = WEIR_SNAPSHOT_CALL_INIT;
        (void)weir_snapshot_call_at(snapshot, i, &call);
        if (call.waiting) {
            p->call = call;
            p->so_far = (weir_waits)WEIR_WAITS_INIT;
            p->snapped = weir_snapshot_waits_at(snapshot, i, &p->so_far);
        }
    }
    (void)weir_snapshot_text(snapshot, p->text, sizeof(p->text));
    weir_snapshot_free(snapshot);
}

/* 0: asks for a connection. 1: waits until that is in the queue, then ends what holds the only one.
 */
static void one_of_two(weir_user *user, size_t index, void *shared)
{
    pair *p = shared;

    if (index == 1) {
        weir_counts counts = WEIR_COUNTS_INIT;
        for (weir_user_counts(user, &counts); counts.waiting == 0;
             weir_user_counts(user, &counts)) {
            weir_user_settle(user);
        }
        look(p, user);
        weir_user_drop(user, p->holder);
        return;
    }
    const weir_observer observer = {sizeof(observer), &p->told, note_waiting};
    weir_ask ask = weir_world_ask(p->world, "/octets/10");
    weir_exchange *exchange = NULL;
    ask.call.observer = &observer;
    p->ended = weir_user_call(user, &ask.request, &ask.call, &exchange);
    p->waits = (weir_waits)WEIR_WAITS_INIT;
    weir_exchange_waits(exchange, &p->waits);
    weir_user_drop(user, exchange);
}

/* First every connection is busy; then that one is closed, and a dial is waited for: both are told,
 * and both are counted. */
static void a_reason_that_changes(weir_world *world)
{
    pair p = {.world = world};

    one_at_a_time(world);
    p.holder = hold(world, "/octets/100000000");
    world->begun--; /* it is dropped before it is done */
    weir_user_together(weir_world_user(world), 2, one_of_two, &p);
    assert_int_equal(p.ended, WEIR_OK);
    /* Within a turn of the loop no time passes, and both may fall into one. */
    assert_true(p.waits.ns[WEIR_REASON_BUSY] > 0 || world->way.kind == WEIR_USER_LOOP);
    assert_true(p.waits.ns[WEIR_REASON_DIALING] > 0);
    assert_begins(p.told.text, "busy");
    assert_non_null(strstr(p.told.text, ", dialing"));
    assert_true(p.snapped);
    assert_int_equal(p.call.place, 1);
    assert_int_equal(p.call.reason, WEIR_REASON_BUSY);
    assert_int_equal(p.call.conn, 0);
    assert_int_equal(p.so_far.total_ns, p.call.waited_ns);
    assert_int_equal(p.so_far.ns[WEIR_REASON_BUSY], p.so_far.total_ns);
    assert_non_null(strstr(p.text, "connection 1  active 1 of 1 (busy), HTTP/1.1, "));
    assert_non_null(strstr(p.text, ", for call "));
    assert_non_null(strstr(p.text, "  waits at place 1 (busy), waited "));
}

/* What a snapshot says is what the counts say, and it outlives whatever it was taken of. */
static void a_snapshot(weir_world *world)
{
    weir_exchange *holder = hold(world, "/octets/1000000");
    weir_snapshot_pool pool = WEIR_SNAPSHOT_POOL_INIT;
    weir_snapshot_origin origin = WEIR_SNAPSHOT_ORIGIN_INIT;
    weir_snapshot_connection connection = WEIR_SNAPSHOT_CONNECTION_INIT;
    weir_snapshot_call call = WEIR_SNAPSHOT_CALL_INIT;
    weir_waits waits = WEIR_WAITS_INIT;
    char *text = NULL;

    weir_snapshot *snapshot = weir_user_snapshot(weir_world_user(world), NULL);
    assert_non_null(snapshot);
    const uint64_t exchange = weir_exchange_id(holder);
    weir_world_drop(world, holder);
    weir_world_close(world);

    weir_snapshot_pool_of(snapshot, &pool);
    assert_int_equal(pool.connections, 1);
    assert_int_equal(pool.leases, 1);
    assert_int_equal(pool.waiting, 0);
    assert_int_equal(weir_snapshot_origin_count(snapshot), 1);
    assert_true(weir_snapshot_origin_at(snapshot, 0, &origin));
    assert_false(weir_snapshot_origin_at(snapshot, 1, &origin));
    assert_int_equal(origin.https, world->way.tls);
    assert_int_equal(origin.tls != 0, world->way.tls);
    assert_int_equal(origin.protocol, world->way.protocol);
    assert_int_equal(weir_snapshot_connection_count(snapshot), 1);
    assert_true(weir_snapshot_connection_at(snapshot, 0, &connection));
    assert_false(weir_snapshot_connection_at(snapshot, 1, &connection));
    assert_int_equal(connection.state, WEIR_CONNECTION_ACTIVE);
    assert_int_equal(connection.used, 1);
    assert_true(connection.last_read_ns < 10 * WEIR_NS_PER_SECOND);
    assert_int_equal(weir_snapshot_call_count(snapshot), 1);
    assert_true(weir_snapshot_call_at(snapshot, 0, &call));
    assert_false(weir_snapshot_call_at(snapshot, 1, &call));
    assert_int_equal(call.exchange, exchange);
    assert_int_equal(call.conn, connection.conn);
    assert_int_equal(call.reason, WEIR_REASON_DIALED);
    assert_true(weir_snapshot_waits_at(snapshot, 0, &waits));
    assert_false(weir_snapshot_waits_at(snapshot, 1, &waits));
    assert_int_equal(waits.ns[WEIR_REASON_DIALING], waits.total_ns);

    const size_t length = weir_snapshot_text(snapshot, NULL, 0);
    text = calloc(1, length + 2);
    assert_non_null(text);
    for (size_t room = 0; room <= length + 1; room++) {
        memset(text, '#', length + 2);
        assert_int_equal(weir_snapshot_text(snapshot, text, room), length);
        assert_int_equal(text[room], '#');
        assert_true(room == 0 || strlen(text) == (room <= length ? room - 1 : length));
    }
    free(text);
    weir_snapshot_free(snapshot);
}

enum { CALLERS = 3, CALLS = 15, LOOKERS = 2 };

typedef struct crowd {
    weir_world *world;
    atomic_int left; /* callers that are not done */
    atomic_int wrong;
    atomic_int looks;
} crowd;

/* Some call one after another; the others take snapshots as long as they do. */
static void one_of_a_crowd(weir_user *user, size_t index, void *shared)
{
    crowd *c = shared;

    if (index < CALLERS) {
        for (int i = 0; i < CALLS; i++) {
            weir_ask ask = weir_world_ask(c->world, "/octets/20000");
            ask.call.explain = i % 2 == 0;
            c->wrong += weir_world_fetch(c->world, &ask).ended != WEIR_END;
        }
        c->left--;
        return;
    }
    char text[4096];
    while (atomic_load(&c->left) > 0) {
        weir_snapshot *snapshot = weir_user_snapshot(user, NULL);
        c->wrong += snapshot == NULL;
        if (snapshot != NULL) {
            weir_snapshot_pool pool = WEIR_SNAPSHOT_POOL_INIT;
            weir_snapshot_pool_of(snapshot, &pool);
            c->wrong += pool.leases + pool.waiting != weir_snapshot_call_count(snapshot);
            (void)weir_snapshot_text(snapshot, text, sizeof(text));
            c->looks++;
        }
        weir_snapshot_free(snapshot);
    }
}

static void snapshots_while_threads_call(weir_world *world)
{
    crowd c = {.world = world, .left = CALLERS};

    world->limits.connections_per_origin = 2;
    weir_user_together(weir_world_user(world), CALLERS + LOOKERS, one_of_a_crowd, &c);
    assert_int_equal(c.wrong, 0);
    assert_true(c.looks > 0);
}

static const weir_behaviour behaviours[] = {
    {"a call that waited says for what, and which connection was full", by_a_full_connection, 0,
     NULL},
    {"a dial is waited for, a warm connection is not", by_a_dial, 0, NULL},
    {"a connection that was closed lately says why", what_was_closed, 0, NULL},
    {"a connection that refused at the last moment says why", what_refused_at_the_last_moment, 0,
     NULL},
    {"a connection that may not be shared says what differs", what_may_not_be_shared, 0, NULL},
    {"a call that the peer refused twice waits for it", by_a_peer_that_refuses, WEIR_ONLY_H2, NULL},
    {"a call waits for the pause after a dial that failed", by_a_dial_that_failed, WEIR_ONLY_CLEAR,
     NULL},
    {"a snapshot has it all, and is a copy", a_snapshot, 0, NULL},
    {"snapshots are taken while threads call", snapshots_while_threads_call, WEIR_ONLY_BLOCKING,
     NULL},
    {"a reason that changes is told again", a_reason_that_changes, WEIR_ONLY_H1, NULL},
};

int main(void)
{
    return weir_world_run("why", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
