/* SPDX-License-Identifier: MIT */
/*
 * The link moves octets between the driver, the TLS filter and the conn, and keeps the two counters
 * that only it can know: the octets on the wire and those of records not yet complete. Rows are
 * charged by the codecs; because wire and rows are moved in different places, the conservation laws
 * are a check.
 *
 * Sealing keeps a copy: the conn's octets stay in its queue until the kernel has taken the last
 * octet of their record, and only then does the conn hear that they were sent. So "sent" means the
 * same under TLS as without it.
 */
#include "engine/link_common.h"
#include "proto/failure.h"

#include <string.h>

/* What a clear link takes at once when nothing limits it: more than one receive buffer is never
 * offered. */
#define IN_OCTETS_LIMIT     ((size_t)1 << 20)
#define RECORD_PLAIN_OCTETS ((size_t)16384)
/* How long a peer that broke TLS has to take the alert that says so. */
#define ALERT_NS            (WEIR_NS_PER_SECOND)

static weir_tls *new_filter(weir_link *link, const weir_link_options *options, weir_status *status);
static bool has_failed(const weir_link *link);
static void fail(weir_link *link, const weir_failure *failure);
static void end_conn(weir_link *link, const weir_failure *failure);
static bool says_alert(weir_link *link);
static void open_conn(weir_link *link, weir_protocol protocol);
static void seal(weir_link *link);
static void records_sent(weir_link *link);

static const char *const state_names[] = {"NEW", "HANDSHAKE", "OPEN", "CLOSING", "CLOSED"};
_Static_assert(WEIR_COUNT_OF(state_names) == WEIR_LINK_CLOSED + 1, "every state has a name");

const char *weir_link_state_name(weir_link_state state)
{
    return state_names[state];
}

weir_link *weir_link_new(const weir_link_options *options, weir_status *status)
{
    weir_link *link = weir_alloc_zeroed(options->allocator, sizeof(*link));

    WEIR_ASSERT(options->bin->allocator == options->allocator);
    *status = WEIR_E_NOMEM;
    if (link == NULL) {
        return NULL;
    }
    link->bin = options->bin;
    link->id = options->id;
    link->closing_until_ns = WEIR_NEVER;
    link->early = weir_alloc_zeroed(link->bin->allocator, sizeof(*link->early));
    if (link->early == NULL) {
        weir_link_free(link);
        return NULL;
    }
    link->early->failure = weir_failure_bare(WEIR_OK);
    link->early->limits = options->limits;
    link->early->pin = (weir_protocol)options->key->pin;
    weir_ledger_init_h1(&link->early->ledger,
                        options->tls != NULL ? &link->early->of_records : NULL);
    if (options->tls != NULL) {
        link->tls = new_filter(link, options, status);
        if (link->tls == NULL) {
            weir_link_free(link);
            return NULL;
        }
    }
    *status = WEIR_OK;
    return link;
}

void weir_link_free(weir_link *link)
{
    if (link == NULL) {
        return;
    }
    WEIR_ASSERT(link->tie == NULL);
    weir_conn_free(link->conn);
    weir_tls_free(link->tls);
    weir_release(link->bin->allocator, link->early);
    weir_release(link->bin->allocator, link);
}

void weir_link_want(weir_link *link, weir_want *want)
{
    memset(want, 0, sizeof(*want));
    want->wake_ns = WEIR_NEVER;
    if (link->state == WEIR_LINK_NEW || link->state == WEIR_LINK_CLOSED) {
        return;
    }
    if (link->tls != NULL) {
        seal(link);
        if (link->state == WEIR_LINK_CLOSED) {
            return; /* sealing failed: no memory */
        }
        want->out[0] = weir_tls_pending(link->tls, 0);
        if (want->out[0].length > 0) {
            want->out[1] = weir_tls_pending(link->tls, want->out[0].length);
        }
    } else {
        want->out[0] = weir_conn_pending(link->conn, 0);
        if (want->out[0].length > 0) {
            want->out[1] = weir_conn_pending(link->conn, want->out[0].length);
        }
    }
    if (link->state == WEIR_LINK_CLOSING) {
        want->wake_ns = link->closing_until_ns;
        want->why = WEIR_WHY_CLOSING;
        return;
    }
    want->in_octets = weir_link_room(link);
    if (link->conn != NULL) {
        want->wake_ns = weir_conn_deadline(link->conn, &want->why);
    }
}

size_t weir_link_room(const weir_link *link)
{
    if (link->state != WEIR_LINK_HANDSHAKE && link->state != WEIR_LINK_OPEN) {
        return 0;
    }
    if (weir_link_is_held(link) || (link->tls != NULL && weir_tls_wants_pause(link->tls))) {
        return 0;
    }
    return link->conn != NULL ? weir_conn_room(link->conn) : IN_OCTETS_LIMIT;
}

void weir_link_connected(weir_link *link, weir_time now_ns)
{
    WEIR_ASSERT(link->state == WEIR_LINK_NEW);
    weir_link_set_now(link, now_ns);
    if (link->tls != NULL) {
        weir_link_enter(link, WEIR_LINK_HANDSHAKE);
        weir_tls_start(link->tls);
        weir_link_follow_tls(link);
    } else {
        open_conn(link, link->early->pin == WEIR_H2 ? WEIR_H2 : WEIR_H1);
    }
}

void weir_link_sending(weir_link *link, size_t octets)
{
    link->is_sending = octets > 0;
}

void weir_link_sent(weir_link *link, size_t octets, weir_time now_ns)
{
    weir_link_set_now(link, now_ns);
    link->is_sending = false;
    weir_stopwatch_set(&link->refused, false, now_ns);
    weir_ledger_wire(weir_link_ledger(link), WEIR_SENT, octets);
    if (link->tls != NULL) {
        weir_tls_sent(link->tls, octets);
        records_sent(link);
    } else {
        weir_conn_sent(link->conn, octets, now_ns);
    }
    weir_link_check(link);
}

void weir_link_refused(weir_link *link, weir_time now_ns)
{
    weir_stopwatch_set(&link->refused, true, now_ns);
}

void weir_link_failed(weir_link *link, int sys_errno, weir_time now_ns)
{
    weir_link_set_now(link, now_ns);
    weir_link_error_taken(link, sys_errno);
    weir_link_fail_with(link, WEIR_E_NETWORK, sys_errno, NULL);
}

void weir_link_error_taken(weir_link *link, int sys_errno)
{
    /* Behind an error taken before, EPIPE is the kernel's word for "over" and says nothing of the
     * peer. */
    if (!link->watch.failed) {
        link->watch.fin_seen = link->watch.fin_seen || weir_os_says_fin(sys_errno);
        link->error_taken = sys_errno;
    }
    link->watch.failed = true;
}

void weir_link_tick(weir_link *link, weir_time now_ns)
{
    weir_link_set_now(link, now_ns);
    if (link->state == WEIR_LINK_CLOSING && now_ns >= link->closing_until_ns) {
        weir_link_enter(link, WEIR_LINK_CLOSED);
        return;
    }
    if (link->conn != NULL && link->state == WEIR_LINK_OPEN) {
        weir_conn_tick(link->conn, now_ns);
    }
}

void weir_link_close(weir_link *link, weir_time closing_ns, weir_time now_ns)
{
    weir_link_set_now(link, now_ns);
    if (link->state == WEIR_LINK_CLOSING || link->state == WEIR_LINK_CLOSED) {
        return;
    }
    if (link->state != WEIR_LINK_OPEN) {
        weir_link_enter(link, WEIR_LINK_CLOSED);
        return;
    }
    weir_conn_shutdown(link->conn, now_ns);
    if (link->tls != NULL) {
        seal(link);
        weir_tls_close(link->tls);
    }
    if (link->state == WEIR_LINK_CLOSED) {
        return; /* there was no memory to seal the goodbye in */
    }
    link->closing_until_ns = weir_time_add(now_ns, closing_ns);
    weir_link_enter(link, WEIR_LINK_CLOSING);
}

void weir_link_abort(weir_link *link, weir_status status, weir_time now_ns)
{
    weir_link_set_now(link, now_ns);
    if (link->state != WEIR_LINK_CLOSING) { /* what is on its way to the peer goes on its way */
        weir_link_fail_with(link, status, 0, NULL);
    }
}

bool weir_link_is_open(const weir_link *link)
{
    return link->state == WEIR_LINK_OPEN;
}

bool weir_link_is_closing(const weir_link *link)
{
    return link->state >= WEIR_LINK_CLOSING;
}

bool weir_link_is_over(const weir_link *link)
{
    if (link->state != WEIR_LINK_CLOSING) {
        return link->state == WEIR_LINK_CLOSED;
    }
    if (link->tls != NULL) {
        return weir_tls_pending(link->tls, 0).length == 0;
    }
    return weir_conn_pending(link->conn, 0).length == 0;
}

weir_failure weir_link_failure(const weir_link *link)
{
    return link->early != NULL ? link->early->failure : weir_conn_failure(link->conn);
}

bool weir_link_has_failed(const weir_link *link)
{
    return link->early != NULL ? link->early->failure.status != WEIR_OK : link->failed;
}

weir_facts weir_link_facts(const weir_link *link)
{
    weir_facts facts = {.version = 1, .unfit = WEIR_UNFIT_FAILED};

    if (link->conn != NULL) {
        facts = weir_conn_facts(link->conn);
    }
    if ((link->state != WEIR_LINK_OPEN || link->left_over) && (facts.accepting || facts.reusable)) {
        facts.version++;
        facts.accepting = false;
        facts.reusable = false;
        facts.unfit = link->left_over    ? WEIR_UNFIT_LEFT_OVER
                      : has_failed(link) ? WEIR_UNFIT_FAILED
                                         : WEIR_UNFIT_SHUTDOWN;
    }
    return facts;
}

bool weir_link_is_clean(weir_link *link)
{
    if (link->tls != NULL && weir_link_protocol(link) == WEIR_H1 &&
        weir_conn_open_streams(link->conn) == 0 &&
        (weir_tls_torn_received(link->tls) > 0 || weir_link_is_held(link))) {
        link->left_over = true;
    }
    return !link->left_over;
}

void weir_link_left_unread(weir_link *link)
{
    if (weir_link_protocol(link) == WEIR_H1 && weir_conn_open_streams(link->conn) == 0) {
        link->left_over = true;
    }
}

weir_protocol weir_link_protocol(const weir_link *link)
{
    return link->conn != NULL ? weir_conn_facts(link->conn).protocol : WEIR_PROTOCOL_ANY;
}

weir_ledger *weir_link_ledger(weir_link *link)
{
    if (link->conn != NULL) {
        return weir_conn_ledger(link->conn);
    }
    return &link->early->ledger;
}

void weir_link_check(const weir_link *link)
{
    if (!WEIR_CHECKING) {
        return;
    }
    WEIR_ASSERT(link->conn != NULL || link->state != WEIR_LINK_OPEN);
    if (link->conn != NULL) {
        weir_conn_check(link->conn);
        weir_ledger_check(weir_conn_ledger(link->conn));
    } else {
        weir_ledger_check(&link->early->ledger);
    }
}

static weir_tls *new_filter(weir_link *link, const weir_link_options *options, weir_status *status)
{
    const weir_tls_filter_options filter = {
        .config = options->tls,
        .origin = options->key,
        .address = options->host_address,
        .bin = link->bin,
        .sessions = options->sessions,
    };

    return weir_tls_new(&filter, status);
}

void weir_link_set_now(weir_link *link, weir_time now_ns)
{
    weir_ledger *ledger = weir_link_ledger(link);

    ledger->now_ns = now_ns > ledger->now_ns ? now_ns : ledger->now_ns;
}

weir_time weir_link_now(const weir_link *link)
{
    return link->conn != NULL ? weir_conn_ledger(link->conn)->now_ns : link->early->ledger.now_ns;
}

/* Edges of the state machine; a state never comes back. */
void weir_link_enter(weir_link *link, weir_link_state state)
{
    WEIR_ASSERT(state > link->state);
    link->state = state;
}

static bool has_failed(const weir_link *link)
{
    return link->state == WEIR_LINK_CLOSED || weir_link_has_failed(link);
}

static void fail(weir_link *link, const weir_failure *failure)
{
    end_conn(link, failure);
    if (link->state != WEIR_LINK_CLOSED) {
        weir_link_enter(link, WEIR_LINK_CLOSED);
    }
}

/* Whoever waits is told now, whatever the link still says to the peer. */
static void end_conn(weir_link *link, const weir_failure *failure)
{
    if (link->conn != NULL) {
        /* Nothing is lost on one that was at its end already: why it ended stands. */
        const bool was_over =
            weir_conn_open_streams(link->conn) == 0 && !weir_conn_facts(link->conn).reusable;
        weir_conn_end(link->conn, failure, weir_link_now(link));
        link->failed = link->failed || !was_over;
    } else if (link->early->failure.status == WEIR_OK) {
        link->early->failure = *failure;
    }
}

/* RFC 8446 s6.2: the peer is told why before the connection is closed. True: the goodbye goes on,
 * or has begun. */
static bool says_alert(weir_link *link)
{
    if (link->state == WEIR_LINK_CLOSED || link->tls == NULL || !weir_tls_owes_alert(link->tls)) {
        return false;
    }
    if (link->state != WEIR_LINK_CLOSING) {
        link->closing_until_ns = weir_time_add(weir_link_now(link), ALERT_NS);
        weir_link_enter(link, WEIR_LINK_CLOSING);
    }
    return true;
}

void weir_link_fail_with(weir_link *link, weir_status status, int sys_errno, const char *what)
{
    weir_failure failure = weir_failure_bare(status);

    failure.sys_errno = sys_errno;
    failure.what = what;
    if (status == WEIR_E_NETWORK) {
        failure.status = weir_os_failure_status(sys_errno);
    }
    fail(link, &failure);
}

static void open_conn(weir_link *link, weir_protocol protocol)
{
    const weir_conn_options options = {
        .protocol = protocol,
        .over_tls = link->tls != NULL,
        .allocator = link->bin->allocator,
        .bin = link->bin,
        .limits = protocol == WEIR_H2 ? &link->early->limits->h2 : &link->early->limits->h1,
    };
    weir_status status = WEIR_OK;
    weir_conn *conn = weir_conn_new(&options, weir_link_now(link), &status);

    if (conn == NULL) {
        weir_link_fail_with(link, status, 0, NULL);
        return;
    }
    if (link->tls != NULL) {
        weir_ledger_inherit(weir_conn_ledger(conn), &link->early->ledger);
    }
    weir_release(link->bin->allocator, link->early);
    link->early = NULL;
    link->conn = conn;
    weir_link_enter(link, WEIR_LINK_OPEN);
}

/* The TLS filter may have come to a new state: the handshake is over, it failed, or the peer
 * closed. */
void weir_link_follow_tls(weir_link *link)
{
    const weir_tls_state state = weir_tls_state_of(link->tls);

    if (state == WEIR_TLS_FAILED) {
        weir_failure failure = weir_tls_failure(link->tls);
        if (says_alert(link)) {
            end_conn(link, &failure);
        } else {
            fail(link, &failure);
        }
        return;
    }
    if (link->state == WEIR_LINK_HANDSHAKE && state == WEIR_TLS_OPEN) {
        weir_protocol chosen = weir_tls_protocol(link->tls);
        if (chosen == WEIR_PROTOCOL_ANY) {
            chosen = WEIR_H1;
        }
        if (link->early->pin != WEIR_PROTOCOL_ANY && chosen != link->early->pin) {
            weir_link_fail_with(link, WEIR_E_TLS_ALPN, 0,
                                "the server did not choose the protocol that was asked for");
            return;
        }
        open_conn(link, chosen);
    }
}

/* Turns what the conn has queued into records, while the out queue has room for them. */
static void seal(weir_link *link)
{
    if (link->conn == NULL || link->state != WEIR_LINK_OPEN) {
        return;
    }
    while (weir_tls_can_seal(link->tls)) {
        weir_span plain =
            weir_conn_record(link->conn, weir_tls_sealed_octets(link->tls), RECORD_PLAIN_OCTETS);
        if (plain.length == 0) {
            return;
        }
        if (weir_tls_seal(link->tls, plain) != WEIR_OK) {
            weir_link_follow_tls(link);
            return;
        }
    }
}

static void records_sent(weir_link *link)
{
    weir_ledger *ledger = weir_link_ledger(link);
    weir_tls_record record;

    while (weir_tls_next_sent(link->tls, &record)) {
        if (record.kind == WEIR_TLS_DATA) {
            weir_conn_sent(link->conn, record.plain_octets, weir_link_now(link));
            weir_ledger_share(ledger, WEIR_SENT, record.wire_octets - record.plain_octets);
        } else {
            weir_conn_row row =
                record.kind == WEIR_TLS_HANDSHAKE ? WEIR_ROW_TLS_HANDSHAKE : WEIR_ROW_TLS_CONTROL;
            weir_ledger_charge(ledger, NULL, weir_row_of_conn(row), WEIR_SENT, record.wire_octets);
        }
    }
    weir_ledger_set_torn(ledger, WEIR_SENT, weir_tls_torn_sent(link->tls));
}
