/* SPDX-License-Identifier: MIT */
/*
 * What an observer is told: every event of a call in the order in which it happened, figures that
 * are those of the account, DONE once and last; and what an observer may do while it is told:
 * cancel, free, begin another call.
 */
#include "support/upload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KINDS 64

/* The events of one exchange, without those that say how much came so far. */
typedef struct diary {
    weir_event_kind kinds[KINDS];
    size_t count;
    weir_event last_sent;
    weir_event last_received;
    weir_event released;
    weir_event done;
    weir_time at_ns;
    bool in_order;
} diary;

static void write_down(diary *d, const weir_event *event)
{
    d->in_order = d->in_order && event->at_ns >= d->at_ns;
    d->at_ns = event->at_ns;
    if (event->kind == WEIR_EVENT_REQUEST_SENT) {
        d->last_sent = *event;
    } else if (event->kind == WEIR_EVENT_RESPONSE_RECEIVED) {
        d->last_received = *event;
    } else if (d->count < KINDS) {
        d->kinds[d->count++] = event->kind;
    }
    if (event->kind == WEIR_EVENT_RELEASED) {
        d->released = *event;
    } else if (event->kind == WEIR_EVENT_DONE) {
        d->done = *event;
    }
}

static void note(const weir_event *event, void *user)
{
    write_down(user, event);
}

static void assert_kinds(const diary *d, const weir_event_kind *wanted, size_t count)
{
    for (size_t i = 0; i < count && i < d->count; i++) {
        if (d->kinds[i] != wanted[i]) {
            fail_msg("event %zu is %s, not %s", i, weir_event_name(d->kinds[i]),
                     weir_event_name(wanted[i]));
        }
    }
    assert_int_equal(d->count, count);
    assert_true(d->in_order);
}

static const weir_event_kind new_connection[] = {
    WEIR_EVENT_SUBMITTED,
    WEIR_EVENT_WAITING,
    WEIR_EVENT_CONNECT_STARTED,
    WEIR_EVENT_CONNECT_DONE,
    WEIR_EVENT_CONNECTION_ACQUIRED,
    WEIR_EVENT_HEAD_SENT,
    WEIR_EVENT_FIRST_OCTET,
    WEIR_EVENT_HEAD_RECEIVED,
    WEIR_EVENT_RELEASED,
    WEIR_EVENT_DONE,
};
static const weir_event_kind new_tls_connection[] = {
    WEIR_EVENT_SUBMITTED,           WEIR_EVENT_WAITING,     WEIR_EVENT_CONNECT_STARTED,
    WEIR_EVENT_CONNECT_DONE,        WEIR_EVENT_TLS_STARTED, WEIR_EVENT_TLS_DONE,
    WEIR_EVENT_CONNECTION_ACQUIRED, WEIR_EVENT_HEAD_SENT,   WEIR_EVENT_FIRST_OCTET,
    WEIR_EVENT_HEAD_RECEIVED,       WEIR_EVENT_RELEASED,    WEIR_EVENT_DONE,
};
static const weir_event_kind old_connection[] = {
    WEIR_EVENT_SUBMITTED,   WEIR_EVENT_CONNECTION_ACQUIRED, WEIR_EVENT_HEAD_SENT,
    WEIR_EVENT_FIRST_OCTET, WEIR_EVENT_HEAD_RECEIVED,       WEIR_EVENT_RELEASED,
    WEIR_EVENT_DONE,
};
static const weir_event_kind with_hints[] = {
    WEIR_EVENT_SUBMITTED,     WEIR_EVENT_CONNECTION_ACQUIRED,
    WEIR_EVENT_HEAD_SENT,     WEIR_EVENT_FIRST_OCTET,
    WEIR_EVENT_INFORMATIONAL, WEIR_EVENT_INFORMATIONAL,
    WEIR_EVENT_HEAD_RECEIVED, WEIR_EVENT_RELEASED,
    WEIR_EVENT_DONE,
};

static diary fetch_noting(weir_world *world, const char *path)
{
    diary d = {.in_order = true};
    const weir_observer observer = {sizeof(observer), &d, note};
    weir_ask ask = weir_world_ask(world, path);

    ask.call.observer = &observer;
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    return d;
}

static void order_of_events(weir_world *world)
{
    diary d = fetch_noting(world, "/octets/1000");
    if (world->way.tls) {
        assert_kinds(&d, new_tls_connection, WEIR_COUNT_OF(new_tls_connection));
    } else {
        assert_kinds(&d, new_connection, WEIR_COUNT_OF(new_connection));
    }
    d = fetch_noting(world, "/octets/1000");
    assert_kinds(&d, old_connection, WEIR_COUNT_OF(old_connection));
    d = fetch_noting(world, "/hints?n=2&ms=1");
    assert_kinds(&d, with_hints, WEIR_COUNT_OF(with_hints));
}

/* What is told of octets is what the account says of them, and of every call: the connection's
 * account is their sum. */
static void figures_are_the_accounts(weir_world *world)
{
    static const uint64_t lengths[] = {0, 1, 5000, 300000};
    weir_tally sum;

    memset(&sum, 0, sizeof(sum));
    for (size_t i = 0; i < WEIR_COUNT_OF(lengths); i++) {
        diary d = {.in_order = true};
        const weir_observer observer = {sizeof(observer), &d, note};
        weir_ask ask = weir_world_ask(world, "/sink");
        weir_upload upload = {.kind = WEIR_BODY_SPAN, .octets = lengths[i]};
        weir_uploading uploading;
        ask.call.observer = &observer;
        weir_fetched fetched = {.called = weir_upload_begin(world, &ask, &upload, &uploading)};
        assert_int_equal(fetched.called, WEIR_OK);
        weir_world_drain(world, uploading.exchange, &fetched);
        assert_int_equal(fetched.ended, WEIR_END);
        const weir_tally tally = weir_exchange_tally(uploading.exchange);
        const weir_octets plain = weir_tally_plain(&tally);
        assert_int_equal(tally.body.sent, lengths[i]);
        assert_int_equal(tally.body.received, fetched.octets);
        assert_true(d.last_sent.last);
        assert_int_equal(d.last_sent.plain_octets, plain.sent);
        assert_int_equal(d.last_sent.tls_octets, tally.tls.sent);
        assert_true(d.last_received.last);
        assert_int_equal(d.last_received.plain_octets, plain.received);
        assert_int_equal(d.last_received.tls_octets, tally.tls.received);
        assert_memory_equal(&d.released.tally, &tally, sizeof(tally));
        assert_memory_equal(&d.done.tally, &tally, sizeof(tally));
        assert_int_equal(d.done.failure.status, WEIR_OK);
        assert_int_equal(d.done.code, 200);
        weir_tally_add(&sum, &tally);
        weir_upload_end(world, &uploading);
    }
    weir_world_close(world);
    assert_int_equal(world->agreed, 1);
    assert_memory_equal(&world->last_account.exchanges, &sum, sizeof(sum));
}

/* plain == exchanges + rows above TLS; wire == plain + rows of TLS: on the account that a user
 * reads. */
static void accounts_add_up(weir_world *world)
{
    for (int i = 0; i < 3; i++) {
        (void)fetch_noting(world, "/trailers/20000");
    }
    weir_world_close(world);
    const weir_account *a = &world->last_account;
    const weir_octets exchanges = weir_tally_plain(&a->exchanges);
    weir_octets plain = {exchanges.sent + a->undecided.sent,
                         exchanges.received + a->undecided.received};
    for (size_t row = 0; row < WEIR_ROW_TLS_HANDSHAKE; row++) {
        plain.sent += a->rows[row].sent;
        plain.received += a->rows[row].received;
    }
    assert_int_equal(a->plain.sent, plain.sent);
    assert_int_equal(a->plain.received, plain.received);
    weir_octets wire = {plain.sent + a->exchanges.tls.sent + a->torn.sent,
                        plain.received + a->exchanges.tls.received + a->torn.received};
    for (size_t row = WEIR_ROW_TLS_HANDSHAKE; row < WEIR_CONN_ROWS; row++) {
        wire.sent += a->rows[row].sent;
        wire.received += a->rows[row].received;
    }
    assert_int_equal(a->wire.sent, wire.sent);
    assert_int_equal(a->wire.received, wire.received);
    assert_int_equal(a->rows[WEIR_ROW_OTHER].sent + a->rows[WEIR_ROW_OTHER].received, 0);
    assert_int_equal(a->verdict.agreement, WEIR_AGREE);
}

/* Each attempt is told from its connection to its release, with REPLAYED between them; there is one
 * DONE. */
static void attempts_are_told(weir_world *world)
{
    char path[96];
    (void)snprintf(path, sizeof(path), "/refuse?times=2&id=told-%d-%d", world->way.kind,
                   world->way.tls);
    const diary d = fetch_noting(world, path);
    size_t acquired = 0;
    size_t released = 0;
    size_t replayed = 0;
    size_t done = 0;

    for (size_t i = 0; i < d.count; i++) {
        acquired += d.kinds[i] == WEIR_EVENT_CONNECTION_ACQUIRED;
        released += d.kinds[i] == WEIR_EVENT_RELEASED;
        replayed += d.kinds[i] == WEIR_EVENT_REPLAYED;
        done += d.kinds[i] == WEIR_EVENT_DONE;
        assert_true(acquired - released <= 1);
    }
    assert_int_equal(acquired, 3);
    assert_int_equal(released, 3);
    assert_int_equal(replayed, 2);
    assert_int_equal(done, 1);
    assert_int_equal(d.kinds[d.count - 1], WEIR_EVENT_DONE);
    assert_true(d.in_order);
}

/* -- what an observer may do -- */

typedef struct meddler {
    weir_world *world;
    weir_event_kind when;
    size_t dones;
    bool frees;
    bool begins;
    bool reads; /* to the end */
    weir_exchange *begun;
    weir_exchange *other; /* is cancelled */
    weir_status begun_status;
    uint64_t octets;
} meddler;

static void meddle(const weir_event *event, void *user)
{
    meddler *m = user;

    m->dones += event->kind == WEIR_EVENT_DONE;
    if (event->kind != m->when) {
        return;
    }
    if (m->begins) {
        m->begins = false;
        weir_ask ask = weir_world_ask(m->world, "/octets/77");
        ask.call.observer = NULL;
        m->begun_status = weir_user_client(m->world->user) != NULL
                              ? weir_client_call(weir_user_client(m->world->user), &ask.request,
                                                 &ask.call, &m->begun)
                              : weir_loop_submit(weir_user_loop(m->world->user), &ask.request,
                                                 &ask.call, NULL, &m->begun);
    }
    if (m->other != NULL) {
        weir_cancel(m->other);
    }
    if (m->reads) {
        uint8_t room[16384];
        size_t octets = 0;
        while (weir_read(event->exchange, room, sizeof(room), &octets) == WEIR_OK) {
            m->octets += octets;
        }
    }
    if (m->frees) {
        m->frees = false;
        weir_exchange_free(event->exchange);
    }
}

static void turn_until_done(weir_loop *loop, weir_exchange *exchange)
{
    weir_loop_event events[4];

    while (!weir_exchange_is_done(exchange)) {
        weir_loop_wait(loop, weir_now() + 10 * WEIR_NS_PER_SECOND);
        (void)weir_loop_turn(loop, events, 4);
    }
}

/* Another call begins inside the observer of the first: over the blocking front end it is over when
 * the observer returns. */
static void observer_begins(weir_world *world)
{
    static const weir_event_kind kinds[] = {WEIR_EVENT_DONE, WEIR_EVENT_HEAD_RECEIVED,
                                            WEIR_EVENT_SUBMITTED};

    (void)weir_world_user(world);
    for (size_t i = 0; i < WEIR_COUNT_OF(kinds); i++) {
        meddler m = {.world = world, .when = kinds[i], .begins = true};
        const weir_observer observer = {sizeof(observer), &m, meddle};
        weir_ask ask = weir_world_ask(world, "/octets/10");
        ask.call.observer = &observer;
        weir_exchange *exchange = NULL;
        if (world->way.kind == WEIR_USER_BLOCKING) {
            assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
        } else {
            weir_loop *loop = weir_user_loop(world->user);
            assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &exchange),
                             WEIR_OK);
            turn_until_done(loop, exchange);
            assert_non_null(m.begun);
            turn_until_done(loop, m.begun);
            weir_exchange_free(exchange);
        }
        assert_int_equal(m.begun_status, WEIR_OK);
        assert_int_equal(weir_exchange_code(m.begun), 200);
        weir_exchange_free(m.begun);
        assert_int_equal(m.dones, 1);
    }
}

/* The exchange is freed by its own observer. Whoever called finds none, and nothing more is told.
 */
static void observer_frees(weir_world *world)
{
    static const weir_event_kind kinds[] = {
        WEIR_EVENT_CONNECTION_ACQUIRED, WEIR_EVENT_FIRST_OCTET,
        WEIR_EVENT_HEAD_RECEIVED,       WEIR_EVENT_DONE,
        WEIR_EVENT_CONNECT_STARTED,     WEIR_EVENT_WAITING,
        WEIR_EVENT_SUBMITTED,
    };

    for (size_t i = 0; i < WEIR_COUNT_OF(kinds); i++) {
        meddler m = {.world = world, .when = kinds[i], .frees = true};
        const weir_observer observer = {sizeof(observer), &m, meddle};
        weir_ask ask = weir_world_ask(world, "/octets/0");
        ask.call.observer = &observer;
        weir_exchange *exchange = NULL;
        (void)weir_world_user(world); /* a new one: it waits for its connection */
        if (world->way.kind == WEIR_USER_BLOCKING) {
            (void)weir_client_call(weir_user_client(world->user), &ask.request, &ask.call,
                                   &exchange);
            assert_null(exchange);
        } else {
            weir_loop *loop = weir_user_loop(world->user);
            weir_loop_event events[4];
            assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &exchange),
                             WEIR_OK);
            while (m.frees) {
                weir_loop_wait(loop, weir_now() + 10 * WEIR_NS_PER_SECOND);
                const size_t told = weir_loop_turn(loop, events, 4);
                for (size_t e = 0; e < told; e++) {
                    assert_true(m.frees); /* nothing of it is told in the turn that freed it */
                }
            }
        }
        assert_false(m.frees);
        assert_int_equal(m.dones, kinds[i] == WEIR_EVENT_DONE ? 1 : 0);
        const weir_fetched next = {.ended = fetch_noting(world, "/octets/10").done.failure.status};
        assert_int_equal(next.ended, WEIR_OK);
        weir_world_close(world);
    }
}

/* A blocking call is over when its observer is told of the head: that may read the rest, and free
 * the exchange; of which it is told nothing in between. */
static void observer_reads_and_frees(weir_world *world)
{
    meddler m = {.world = world, .when = WEIR_EVENT_HEAD_RECEIVED, .reads = true, .frees = true};
    const weir_observer observer = {sizeof(observer), &m, meddle};
    weir_ask ask = weir_world_ask(world, WEIR_LONG_ANSWER);
    weir_exchange *exchange = NULL;

    (void)weir_world_user(world);
    ask.call.observer = &observer;
    assert_int_equal(
        weir_client_call(weir_user_client(world->user), &ask.request, &ask.call, &exchange),
        WEIR_OK);
    assert_null(exchange);
    assert_int_equal(m.octets, WEIR_LONG_OCTETS);
    assert_int_equal(m.dones, 0);
}

/* The observer of one call cancels another, which hangs. */
static void observer_cancels(weir_world *world)
{
    weir_loop *loop = weir_user_loop(weir_world_user(world));
    meddler m = {.world = world, .when = WEIR_EVENT_DONE};
    const weir_observer observer = {sizeof(observer), &m, meddle};
    weir_ask hanging = weir_world_ask(world, "/hang");
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;

    hanging.call.observer = NULL;
    assert_int_equal(weir_loop_submit(loop, &hanging.request, &hanging.call, NULL, &m.other),
                     WEIR_OK);
    ask.call.observer = &observer;
    assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &exchange), WEIR_OK);
    turn_until_done(loop, m.other);
    assert_int_equal(weir_exchange_failure(m.other).status, WEIR_E_CANCELLED);
    assert_int_equal(m.dones, 1);
    weir_exchange_free(exchange);
    weir_exchange_free(m.other);
}

/* Events as records: the same events in the same order, whatever the room, and DONE as a record
 * before DONE is told. */
static void events_as_records(weir_world *world)
{
    static const size_t rooms[] = {1, 2, 3, 64};

    for (size_t r = 0; r < WEIR_COUNT_OF(rooms); r++) {
        weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;
        weir_status status = WEIR_OK;
        weir_exchange *exchange = NULL;
        diary d = {.in_order = true};
        options.allocator = &world->memory.allocator;
        options.shared = world->shared;
        options.observed_as_records = true;
        weir_loop *loop = weir_loop_new(&options, &status);
        assert_non_null(loop);
        weir_ask ask = weir_world_ask(world, "/octets/1000");
        ask.call.observer = NULL;
        assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &exchange), WEIR_OK);
        for (bool over = false; !over;) {
            weir_loop_event events[64];
            weir_loop_wait(loop, weir_now() + 10 * WEIR_NS_PER_SECOND);
            const size_t told = weir_loop_turn(loop, events, rooms[r]);
            assert_true(told <= rooms[r]);
            for (size_t i = 0; i < told; i++) {
                if (events[i].told == WEIR_TOLD_OBSERVED) {
                    assert_false(over);
                    write_down(&d, events[i].observed);
                }
                over = over || events[i].told == WEIR_TOLD_DONE;
            }
        }
        if (world->way.tls) {
            assert_kinds(&d, new_tls_connection, WEIR_COUNT_OF(new_tls_connection));
        } else {
            assert_kinds(&d, new_connection, WEIR_COUNT_OF(new_connection));
        }
        weir_exchange_free(exchange);
        weir_loop_free(loop);
    }
}

/* What a loop's turns handed out of connections, until `wanted` were closed. */
typedef struct closes {
    size_t closed;
    size_t calls;   /* events of calls among the records */
    weir_tally sum; /* of their accounts' exchanges */
} closes;

static closes turn_until_closed(weir_loop *loop, size_t room, size_t wanted)
{
    weir_loop_event events[64];
    closes c;

    memset(&c, 0, sizeof(c));
    while (c.closed < wanted) {
        weir_loop_wait(loop, weir_now() + 10 * WEIR_NS_PER_SECOND);
        const size_t told = weir_loop_turn(loop, events, room);
        for (size_t i = 0; i < told; i++) {
            if (events[i].told != WEIR_TOLD_OBSERVED) {
                continue;
            }
            c.calls += events[i].exchange != NULL;
            if (events[i].exchange == NULL) {
                assert_int_equal(events[i].observed->kind, WEIR_EVENT_CONNECTION_CLOSED);
                assert_null(events[i].user);
                c.closed++;
                assert_int_equal(events[i].observed->reason, WEIR_REASON_DRAINING);
                assert_int_equal(events[i].observed->account->verdict.agreement, WEIR_AGREE);
                weir_tally_add(&c.sum, &events[i].observed->account->exchanges);
            }
        }
    }
    return c;
}

/* The descriptor says that there is a record to take, however little room there was. */
static void closes_as_records(weir_world *world)
{
    static const size_t rooms[] = {1, 2, 64};
    const size_t connections = world->way.protocol == WEIR_H2 ? 1 : 2;

    for (size_t r = 0; r < 2 * WEIR_COUNT_OF(rooms); r++) {
        diary d = {.in_order = true};
        const weir_observer observer = {sizeof(observer), &d, note};
        weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;
        weir_exchange *exchanges[2] = {NULL, NULL};
        weir_tally sum;
        options.allocator = &world->memory.allocator;
        options.shared = world->shared;
        options.observed_as_records = true;
        weir_loop *loop = weir_loop_new(&options, NULL);
        assert_non_null(loop);
        weir_ask ask = weir_world_ask(world, "/octets/1000");
        ask.call.observer = r % 2 == 1 ? &observer : NULL;
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &exchanges[i]),
                             WEIR_OK);
        }
        memset(&sum, 0, sizeof(sum));
        for (size_t i = 0; i < 2; i++) {
            turn_until_done(loop, exchanges[i]);
            const weir_tally tally = weir_exchange_tally(exchanges[i]);
            weir_tally_add(&sum, &tally);
            weir_exchange_free(exchanges[i]);
        }
        assert_int_equal(weir_loop_drain(loop, (weir_span){NULL, 0}), WEIR_OK);
        const closes c = turn_until_closed(loop, rooms[r / 2], connections);
        assert_memory_equal(&c.sum, &sum, sizeof(sum));
        assert_int_equal(c.calls, 0);
        weir_loop_free(loop);
    }
}

/* An observer of the loop's own is told of connections, and no record is. */
static void observer_before_records(weir_world *world)
{
    diary d = {.in_order = true};
    const weir_observer observer = {sizeof(observer), &d, note};
    weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;
    weir_status status = WEIR_OK;
    weir_exchange *exchange = NULL;
    weir_loop_event events[64];

    options.allocator = &world->memory.allocator;
    options.shared = world->shared;
    options.observer = &observer;
    options.observed_as_records = true;
    weir_loop *loop = weir_loop_new(&options, &status);
    assert_non_null(loop);
    weir_ask ask = weir_world_ask(world, "/octets/1000");
    ask.call.observer = NULL;
    assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &exchange), WEIR_OK);
    turn_until_done(loop, exchange);
    weir_exchange_free(exchange);
    assert_int_equal(weir_loop_drain(loop, (weir_span){NULL, 0}), WEIR_OK);
    while (d.count == 0) {
        weir_loop_wait(loop, weir_now() + 10 * WEIR_NS_PER_SECOND);
        const size_t told = weir_loop_turn(loop, events, 64);
        for (size_t i = 0; i < told; i++) {
            assert_non_null(events[i].exchange);
        }
    }
    assert_int_equal(d.count, 1);
    assert_int_equal(d.kinds[0], WEIR_EVENT_CONNECTION_CLOSED);
    weir_loop_free(loop);
}

static const weir_behaviour behaviours[] = {
    {"events are told in the order in which they happened", order_of_events, 0, NULL},
    {"figures are those of the account", figures_are_the_accounts, 0, NULL},
    {"accounts add up", accounts_add_up, 0, NULL},
    {"each attempt is told", attempts_are_told, WEIR_ONLY_H2, NULL},
    {"an observer begins another call", observer_begins, 0, NULL},
    {"an observer frees its exchange", observer_frees, 0, NULL},
    {"an observer reads its exchange and frees it", observer_reads_and_frees, WEIR_ONLY_BLOCKING,
     NULL},
    {"an observer cancels another call", observer_cancels, WEIR_ONLY_LOOP, NULL},
    {"events are taken as records with any room", events_as_records, WEIR_ONLY_LOOP, NULL},
    {"a close is taken as a record with any room", closes_as_records, WEIR_ONLY_LOOP, NULL},
    {"a loop's own observer is told of closes", observer_before_records, WEIR_ONLY_LOOP, NULL},
};

int main(void)
{
    return weir_world_run("observer", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
