/* SPDX-License-Identifier: MIT */
/*
 * The link moves octets between the driver, the TLS filter and the conn, and keeps the two counters that only it can know:
 * the octets on the wire and those of records not yet complete. Rows are charged by the codecs; because wire and rows
 * are moved in different places, the conservation laws are a check.
 *
 * Sealing keeps a copy: the conn's octets stay in its queue until the kernel has taken the last octet of their record, and only then
 * does the conn hear that they were sent. So "sent" means the same under TLS as without it.
 */
#include "engine/link.h"

#include <string.h>

/* What a clear link takes at once when nothing limits it: more than one receive buffer is never offered. */
#define IN_OCTETS_LIMIT ((size_t)1 << 20)
#define RECORD_PLAIN_OCTETS ((size_t)16384)
/* How long a peer that broke TLS has to take the alert that says so. */
#define ALERT_NS            (WEIR_NS_PER_SECOND)

static bool begin_tls(weir_link *link, const weir_link_options *options, weir_status *status);
static weir_tls *new_filter(weir_link *link, const weir_link_options *options, weir_status *status);
static void charge_drained(weir_link *link, weir_ledger *ledger);
static void settle(weir_link *link, weir_ledger *ledger);
static void enter(weir_link *link, weir_link_state state);
static bool has_failed(const weir_link *link);
static void fail(weir_link *link, const weir_failure *failure);
static void end_conn(weir_link *link, const weir_failure *failure);
static bool says_alert(weir_link *link);
static void fail_with(weir_link *link, weir_status status, int sys_errno, const char *what);
static void open_conn(weir_link *link, weir_protocol protocol);
static void follow_tls(weir_link *link);
static void seal(weir_link *link);
static size_t received_clear(weir_link *link, weir_span octets);
static size_t received_tls(weir_link *link, weir_span octets);
static size_t read_records(weir_link *link, weir_span octets);
static void discard(weir_link *link, size_t octets);
static void set_torn_received(weir_link *link);
static bool is_held(const weir_link *link);
static void take_record(weir_link *link, const weir_tls_record *record);
static void feed_held(weir_link *link);
static void records_sent(weir_link *link);
static void input_ended(weir_link *link);
static bool same_octets(const weir_octets *a, const weir_octets *b);

static const weir_failure no_failure = {.tls_alert = -1, .offset = WEIR_UNKNOWN};

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
    link->early->failure = no_failure;
    link->early->limits = options->limits;
    link->early->pin = (weir_protocol)options->key->pin;
    weir_ledger_init(&link->early->ledger, options->tls != NULL, options->tls != NULL ? &link->early->annex : NULL);
    if (options->tls != NULL && !begin_tls(link, options, status)) {
        weir_link_free(link);
        return NULL;
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
    if (link->tls != NULL) {
        weir_tls_free(link->tls->filter);
        weir_buf_clear(&link->tls->stash);
        weir_release(link->bin->allocator, link->tls);
    }
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
        want->out[0] = weir_tls_pending(link->tls->filter, 0);
        if (want->out[0].length > 0) {
            want->out[1] = weir_tls_pending(link->tls->filter, want->out[0].length);
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
    if (is_held(link) || (link->tls != NULL && weir_tls_wants_pause(link->tls->filter))) {
        return 0;
    }
    return link->conn != NULL ? weir_conn_room(link->conn) : IN_OCTETS_LIMIT;
}

void weir_link_connected(weir_link *link, weir_time now_ns)
{
    WEIR_ASSERT(link->state == WEIR_LINK_NEW);
    link->now_ns = now_ns;
    link->last_received_ns = now_ns;
    if (link->tls != NULL) {
        enter(link, WEIR_LINK_HANDSHAKE);
        weir_tls_start(link->tls->filter);
        follow_tls(link);
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
    link->now_ns = now_ns;
    link->is_sending = false;
    weir_stopwatch_set(&link->refused, false, now_ns);
    weir_ledger_wire(weir_link_ledger(link), WEIR_SENT, octets);
    if (link->tls != NULL) {
        weir_tls_sent(link->tls->filter, octets);
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
    link->now_ns = now_ns;
    weir_link_error_taken(link, sys_errno);
    fail_with(link, WEIR_E_NETWORK, sys_errno, NULL);
}

void weir_link_error_taken(weir_link *link, int sys_errno)
{
    /* Behind an error taken before, EPIPE is the kernel's word for "over" and says nothing of the peer. */
    if (!link->watch.failed && weir_os_says_fin(sys_errno)) {
        link->watch.fin_seen = true;
    }
    link->watch.failed = true;
}

size_t weir_link_received(weir_link *link, weir_span octets, weir_time now_ns)
{
    size_t taken = 0;

    link->now_ns = now_ns;
    if (octets.length == 0) {
        link->watch.fin_seen = link->watch.fin_seen || !link->watch.failed;
        input_ended(link);
        return 0;
    }
    link->last_received_ns = now_ns;
    taken = link->tls != NULL ? received_tls(link, octets) : received_clear(link, octets);
    weir_link_check(link);
    return taken;
}

void weir_link_tick(weir_link *link, weir_time now_ns)
{
    link->now_ns = now_ns;
    if (link->state == WEIR_LINK_CLOSING && now_ns >= link->closing_until_ns) {
        enter(link, WEIR_LINK_CLOSED);
        return;
    }
    if (link->conn != NULL && link->state == WEIR_LINK_OPEN) {
        weir_conn_tick(link->conn, now_ns);
    }
}

void weir_link_resume(weir_link *link, weir_time now_ns)
{
    link->now_ns = now_ns;
    if (is_held(link)) {
        feed_held(link);
        while (link->tls->held.length == 0 && link->tls->stash.octets > 0) {
            const size_t taken = read_records(link, weir_buf_peek(&link->tls->stash, 0));
            weir_buf_consume(&link->tls->stash, taken);
        }
        set_torn_received(link);
        weir_link_check(link);
    }
}

void weir_link_close(weir_link *link, weir_time closing_ns, weir_time now_ns)
{
    link->now_ns = now_ns;
    if (link->state == WEIR_LINK_CLOSING || link->state == WEIR_LINK_CLOSED) {
        return;
    }
    if (link->state != WEIR_LINK_OPEN) {
        enter(link, WEIR_LINK_CLOSED);
        return;
    }
    weir_conn_shutdown(link->conn, now_ns);
    if (link->tls != NULL) {
        seal(link);
        weir_tls_close(link->tls->filter);
    }
    if (link->state == WEIR_LINK_CLOSED) {
        return; /* there was no memory to seal the goodbye in */
    }
    link->closing_until_ns = weir_time_add(now_ns, closing_ns);
    enter(link, WEIR_LINK_CLOSING);
}

void weir_link_abort(weir_link *link, weir_status status, weir_time now_ns)
{
    link->now_ns = now_ns;
    if (link->state != WEIR_LINK_CLOSING) { /* what is on its way to the peer goes on its way */
        fail_with(link, status, 0, NULL);
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
        return weir_tls_pending(link->tls->filter, 0).length == 0;
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
    if (link->tls != NULL && weir_link_protocol(link) == WEIR_H1 && weir_conn_open_streams(link->conn) == 0 &&
        (weir_tls_torn_received(link->tls->filter) > 0 || is_held(link))) {
        link->left_over = true;
    }
    return !link->left_over;
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

bool weir_link_may_send_of(const weir_link *link, const weir_stream *stream)
{
    const weir_tally *tally = &stream->owner.tally;

    if (weir_tally_plain(tally).sent > 0) {
        return true;
    }
    if (stream->owner.queued_octets == 0) {
        return false;
    }
    if (link->is_sending || (link->tls != NULL && weir_tls_torn_sent(link->tls->filter) > 0)) {
        return true; /* which octets these are cannot be told: say so rather than guess */
    }
    /* What is queued leaves with a link that lives, whoever has lost interest in it, unless the conn keeps it back. */
    return link->state != WEIR_LINK_CLOSED &&
           ((link->tls != NULL && link->tls->sealed_octets > 0) ||
            weir_conn_pending(link->conn, 0).length > 0);
}

void weir_link_account(weir_link *link, int fd, weir_account *account)
{
    weir_octets kernel = {0, 0};
    weir_ledger *ledger = weir_link_ledger(link);

    *account = (weir_account){.size = sizeof(*account)};
    const bool available = fd >= 0 && weir_os_kernel_octets(fd, &link->watch, &kernel);
    charge_drained(link, ledger);
    settle(link, ledger);
    weir_ledger_account(ledger, account);
    if (available) {
        const bool sums = same_octets(&account->verdict.ledger, &kernel);
        const bool wire = same_octets(&account->wire, &kernel);
        account->verdict.kernel = kernel;
        account->verdict.agreement = sums && wire ? WEIR_AGREE : WEIR_DIFFER;
    }
}

/* What was taken from the kernel to learn of a FIN behind a reset was received, though nobody looked at it. */
static void charge_drained(weir_link *link, weir_ledger *ledger)
{
    const size_t octets = link->watch.drained_octets;

    link->watch.drained_octets = 0;
    weir_ledger_wire(ledger, WEIR_RECEIVED, octets);
    if (link->tls != NULL) {
        weir_ledger_charge(ledger, NULL, weir_row_of_conn(WEIR_ROW_TLS_CONTROL), WEIR_RECEIVED, octets);
    } else {
        weir_ledger_plain(ledger, WEIR_RECEIVED, octets);
        weir_ledger_charge(ledger, NULL, weir_row_of_conn(WEIR_ROW_UNREAD), WEIR_RECEIVED, octets);
    }
}

/* Nothing can become complete any more. */
static void settle(weir_link *link, weir_ledger *ledger)
{
    if (link->tls != NULL && link->tls->held.length > 0) {
        weir_ledger_plain(ledger, WEIR_RECEIVED, link->tls->held.length);
        weir_ledger_charge(ledger, NULL, weir_row_of_conn(WEIR_ROW_UNREAD), WEIR_RECEIVED,
                           link->tls->held.length);
        weir_ledger_share(ledger, WEIR_RECEIVED, link->tls->held_overhead_octets);
        link->tls->held = (weir_span){NULL, 0};
        set_torn_received(link);
    }
    weir_ledger_settle(ledger);
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

/* What only a link over TLS has. False: *status says why not. */
static bool begin_tls(weir_link *link, const weir_link_options *options, weir_status *status)
{
    weir_link_tls *tls = weir_alloc_zeroed(link->bin->allocator, sizeof(*tls));

    link->tls = tls;
    if (tls == NULL) {
        return false;
    }
    weir_buf_init(&tls->stash, link->bin, SIZE_MAX);
    tls->filter = new_filter(link, options, status);
    return tls->filter != NULL;
}

static weir_tls *new_filter(weir_link *link, const weir_link_options *options, weir_status *status)
{
    const weir_origin_key *key = options->key;
    const weir_tls_filter_options filter = {
        .config = options->tls,
        .kind = (weir_host_kind)key->kind,
        .host = key->host,
        .address = options->host_address,
        .port = key->port,
        .pin = link->early->pin,
        .allocator = link->bin->allocator,
        .bin = link->bin,
        .route = key->proxy,
        .sessions = options->sessions,
    };

    return weir_tls_new(&filter, status);
}

/* Edges of the state machine; a state never comes back. */
static void enter(weir_link *link, weir_link_state state)
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
        enter(link, WEIR_LINK_CLOSED);
    }
}

/* Whoever waits is told now, whatever the link still says to the peer. */
static void end_conn(weir_link *link, const weir_failure *failure)
{
    if (link->conn != NULL) {
        weir_conn_end(link->conn, failure, link->now_ns);
        link->failed = true;
    } else if (link->early->failure.status == WEIR_OK) {
        link->early->failure = *failure;
    }
}

/* RFC 8446 s6.2: the peer is told why before the connection is closed. True: the goodbye goes on, or has begun. */
static bool says_alert(weir_link *link)
{
    if (link->state == WEIR_LINK_CLOSED || link->tls == NULL || !weir_tls_owes_alert(link->tls->filter)) {
        return false;
    }
    if (link->state != WEIR_LINK_CLOSING) {
        link->closing_until_ns = weir_time_add(link->now_ns, ALERT_NS);
        enter(link, WEIR_LINK_CLOSING);
    }
    return true;
}

static void fail_with(weir_link *link, weir_status status, int sys_errno, const char *what)
{
    weir_failure failure = {
        .status = status,
        .sys_errno = sys_errno,
        .tls_alert = -1,
        .offset = WEIR_UNKNOWN,
        .what = what,
    };
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
    weir_conn *conn = weir_conn_new(&options, link->now_ns, &status);

    if (conn == NULL) {
        fail_with(link, status, 0, NULL);
        return;
    }
    if (link->tls != NULL) {
        weir_ledger_inherit(weir_conn_ledger(conn), &link->early->ledger);
    }
    weir_release(link->bin->allocator, link->early);
    link->early = NULL;
    link->conn = conn;
    enter(link, WEIR_LINK_OPEN);
}

/* The TLS filter may have come to a new state: the handshake is over, it failed, or the peer closed. */
static void follow_tls(weir_link *link)
{
    const weir_tls_state state = weir_tls_state_of(link->tls->filter);

    if (state == WEIR_TLS_FAILED) {
        weir_failure failure = weir_tls_failure(link->tls->filter);
        if (says_alert(link)) {
            end_conn(link, &failure);
        } else {
            fail(link, &failure);
        }
        return;
    }
    if (link->state == WEIR_LINK_HANDSHAKE && state == WEIR_TLS_OPEN) {
        weir_protocol chosen = weir_tls_protocol(link->tls->filter);
        if (chosen == WEIR_PROTOCOL_ANY) {
            chosen = WEIR_H1;
        }
        if (link->early->pin != WEIR_PROTOCOL_ANY && chosen != link->early->pin) {
            fail_with(link, WEIR_E_TLS_ALPN, 0, "the server did not choose the protocol that was asked for");
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
    while (weir_tls_can_seal(link->tls->filter)) {
        weir_span plain = weir_conn_pending(link->conn, link->tls->sealed_octets);
        if (plain.length == 0) {
            return;
        }
        plain = weir_span_head(plain, RECORD_PLAIN_OCTETS);
        if (weir_tls_seal(link->tls->filter, plain) != WEIR_OK) {
            follow_tls(link);
            return;
        }
        link->tls->sealed_octets += plain.length;
    }
}

static size_t received_clear(weir_link *link, weir_span octets)
{
    size_t taken = 0;

    while (taken < octets.length) {
        size_t step = weir_conn_feed(link->conn, weir_span_from(octets, taken), link->now_ns);
        if (step == 0) {
            break;
        }
        taken += step;
    }
    weir_ledger_wire(weir_link_ledger(link), WEIR_RECEIVED, taken);
    return taken;
}

/*
 * Takes everything: what comes behind a record that the conn has no room for is stashed, so that a driver never has to keep
 * octets. The stash is bounded by what the link said it would take, for it takes nothing more until the stash is empty.
 */
static size_t received_tls(weir_link *link, weir_span octets)
{
    const size_t taken = read_records(link, octets);
    const weir_span rest = weir_span_from(octets, taken);

    weir_ledger_wire(weir_link_ledger(link), WEIR_RECEIVED, octets.length);
    if (rest.length > 0 && !weir_buf_append(&link->tls->stash, rest)) {
        weir_ledger_charge(weir_link_ledger(link), NULL, weir_row_of_conn(WEIR_ROW_TLS_CONTROL), WEIR_RECEIVED,
                           rest.length);
        fail_with(link, WEIR_E_NOMEM, 0, NULL);
    }
    set_torn_received(link);
    return octets.length;
}

/* Records one by one, until the plaintext of one is held. */
static size_t read_records(weir_link *link, weir_span octets)
{
    size_t taken = 0;

    while (taken < octets.length && link->tls->held.length == 0) {
        weir_tls_record record = {WEIR_TLS_NOTHING, {NULL, 0}, 0, 0};
        const size_t step = weir_tls_feed(link->tls->filter, weir_span_from(octets, taken), &record);

        if (step == 0) {
            discard(link, octets.length - taken);
            return octets.length;
        }
        taken += step;
        if (record.kind != WEIR_TLS_NOTHING) {
            take_record(link, &record);
        }
        follow_tls(link);
    }
    return taken;
}

/* What comes after close_notify or a fatal error is not ours to read, but it came: it has a row. */
static void discard(weir_link *link, size_t octets)
{
    weir_ledger_charge(weir_link_ledger(link), NULL, weir_row_of_conn(WEIR_ROW_TLS_CONTROL), WEIR_RECEIVED, octets);
}

/* Received and not in any row yet: a record that is not whole, the rest of one that is held, and the stash. */
static void set_torn_received(weir_link *link)
{
    size_t torn = weir_tls_torn_received(link->tls->filter) + link->tls->stash.octets;

    if (link->tls->held.length > 0) {
        torn += link->tls->held.length + (size_t)link->tls->held_overhead_octets;
    }
    weir_ledger_set_torn(weir_link_ledger(link), WEIR_RECEIVED, torn);
}

static bool is_held(const weir_link *link)
{
    return link->tls != NULL && (link->tls->held.length > 0 || link->tls->stash.octets > 0);
}

static void take_record(weir_link *link, const weir_tls_record *record)
{
    weir_ledger *ledger = weir_link_ledger(link);

    if (record->kind == WEIR_TLS_HANDSHAKE) {
        weir_ledger_charge(ledger, NULL, weir_row_of_conn(WEIR_ROW_TLS_HANDSHAKE), WEIR_RECEIVED,
                           record->wire_octets);
        return;
    }
    if (record->kind == WEIR_TLS_DATA) {
        link->tls->held = record->plain;
        link->tls->held_overhead_octets = record->wire_octets - record->plain_octets;
        feed_held(link);
        return;
    }
    weir_ledger_charge(ledger, NULL, weir_row_of_conn(WEIR_ROW_TLS_CONTROL), WEIR_RECEIVED,
                       record->wire_octets);
    if (record->kind == WEIR_TLS_CLOSE_NOTIFY) {
        const weir_failure orderly = {.status = WEIR_OK, .tls_alert = -1, .offset = WEIR_UNKNOWN};
        if (link->conn != NULL) {
            weir_conn_end(link->conn, &orderly, link->now_ns);
        }
    }
}

/* Gives the plaintext of one record to the conn; its overhead is shared when all of it is taken. */
static void feed_held(weir_link *link)
{
    if (link->tls->held.length == 0 || link->conn == NULL) {
        return; /* without a conn the link has failed: it stays held until the account is made */
    }
    while (link->tls->held.length > 0) {
        const size_t step = weir_conn_feed(link->conn, link->tls->held, link->now_ns);
        if (step == 0) {
            return;
        }
        link->tls->held = weir_span_from(link->tls->held, step);
    }
    weir_ledger_share(weir_link_ledger(link), WEIR_RECEIVED, link->tls->held_overhead_octets);
    weir_tls_plain_done(link->tls->filter);
}

static void records_sent(weir_link *link)
{
    weir_ledger *ledger = weir_link_ledger(link);
    weir_tls_record record;

    while (weir_tls_next_sent(link->tls->filter, &record)) {
        if (record.kind == WEIR_TLS_DATA) {
            WEIR_ASSERT(link->tls->sealed_octets >= record.plain_octets);
            link->tls->sealed_octets -= record.plain_octets;
            weir_conn_sent(link->conn, record.plain_octets, link->now_ns);
            weir_ledger_share(ledger, WEIR_SENT, record.wire_octets - record.plain_octets);
        } else {
            weir_conn_row row =
                record.kind == WEIR_TLS_HANDSHAKE ? WEIR_ROW_TLS_HANDSHAKE : WEIR_ROW_TLS_CONTROL;
            weir_ledger_charge(ledger, NULL, weir_row_of_conn(row), WEIR_SENT,
                               record.wire_octets);
        }
    }
    weir_ledger_set_torn(ledger, WEIR_SENT, weir_tls_torn_sent(link->tls->filter));
}

/* FIN. What it means is the conn's to say, except that TLS without close_notify is not an orderly end. */
static void input_ended(weir_link *link)
{
    weir_failure failure = {.status = WEIR_OK, .tls_alert = -1, .offset = WEIR_UNKNOWN};

    if (link->tls != NULL) {
        weir_tls_end(link->tls->filter);
        if (weir_tls_state_of(link->tls->filter) == WEIR_TLS_FAILED && link->conn == NULL) {
            follow_tls(link);
            return;
        }
        if (weir_tls_state_of(link->tls->filter) != WEIR_TLS_CLOSED) {
            failure.status = WEIR_E_UNFRAMED;
        }
    }
    if (link->conn == NULL) {
        fail_with(link, WEIR_E_CLOSED_EARLY, 0, NULL);
        return;
    }
    weir_conn_end(link->conn, &failure, link->now_ns);
    if (link->state == WEIR_LINK_OPEN) {
        enter(link, WEIR_LINK_CLOSED);
    }
}

static bool same_octets(const weir_octets *a, const weir_octets *b)
{
    return a->sent == b->sent && a->received == b->received;
}
