/* SPDX-License-Identifier: MIT */
/*
 * What a link does with octets that came. A clear link gives them to its conn as they are; under
 * TLS they are records first, and the plaintext of one that the conn has no room for is held in the
 * filter, with the records behind it stashed.
 */
#include "engine/link_common.h"
#include "proto/failure.h"

/* Records without plaintext that may follow each other while no exchange is on the connection. */
#define IDLE_RECORDS_LIMIT 256

static size_t received_clear(weir_link *link, weir_span octets);
static size_t received_tls(weir_link *link, weir_span octets);
static void end_idle_flood(weir_link *link);
static size_t read_records(weir_link *link, weir_span octets);
static void discard(weir_link *link, size_t octets);
static void take_record(weir_link *link, const weir_tls_record *record);
static void feed_held(weir_link *link);
static void read_stash(weir_link *link);
static bool holds_plain(const weir_link *link);
static void input_ended(weir_link *link);

size_t weir_link_received(weir_link *link, weir_span octets, weir_time now_ns)
{
    size_t taken = 0;

    weir_link_set_now(link, now_ns);
    if (octets.length == 0) {
        link->watch.fin_seen = link->watch.fin_seen || !link->watch.failed;
        if (link->watch.fin_seen) {
            input_ended(link);
        } else {
            /* The kernel told of the error once, to who wrote; afterwards it says "over" and no
             * more. */
            weir_link_fail_with(link, WEIR_E_NETWORK, link->error_taken, NULL);
        }
        return 0;
    }
    taken = link->tls != NULL ? received_tls(link, octets) : received_clear(link, octets);
    weir_link_check(link);
    return taken;
}

void weir_link_resume(weir_link *link, weir_time now_ns)
{
    weir_link_set_now(link, now_ns);
    if (weir_link_is_held(link)) {
        feed_held(link);
        read_stash(link);
        weir_link_set_torn(link);
        weir_link_check(link);
    }
}

weir_tls_held *weir_link_held(const weir_link *link)
{
    return link->tls != NULL ? weir_tls_held_of(link->tls) : NULL;
}

bool weir_link_is_held(const weir_link *link)
{
    const weir_tls_held *held = weir_link_held(link);

    return held != NULL && (held->plain.length > 0 || held->stash.octets > 0);
}

/* Received and not in any row yet: a record that is not whole, the rest of one that is held, and
 * the stash. */
void weir_link_set_torn(weir_link *link)
{
    const weir_tls_held *held = weir_link_held(link);
    size_t torn = weir_tls_torn_received(link->tls);

    if (held != NULL) {
        torn += held->stash.octets;
        torn += held->plain.length > 0 ? held->plain.length + held->overhead_octets : 0;
    }
    weir_ledger_set_torn(weir_link_ledger(link), WEIR_RECEIVED, torn);
}

static size_t received_clear(weir_link *link, weir_span octets)
{
    size_t taken = 0;

    while (taken < octets.length) {
        size_t step =
            weir_conn_feed(link->conn, weir_span_from(octets, taken), weir_link_now(link));
        if (step == 0) {
            break;
        }
        taken += step;
    }
    weir_ledger_wire(weir_link_ledger(link), WEIR_RECEIVED, taken);
    return taken;
}

/*
 * Takes everything: what comes behind a record that the conn has no room for is stashed, so that a
 * driver never has to keep octets. The stash is bounded by what the link said it would take, for it
 * takes nothing more until the stash is empty.
 */
static size_t received_tls(weir_link *link, weir_span octets)
{
    const size_t taken = read_records(link, octets);
    const weir_span rest = weir_span_from(octets, taken);

    weir_ledger_wire(weir_link_ledger(link), WEIR_RECEIVED, octets.length);
    /* There is a rest only behind plaintext that is held. */
    if (rest.length > 0 && !weir_buf_append(&weir_link_held(link)->stash, rest)) {
        weir_ledger_charge(weir_link_ledger(link), NULL, weir_row_of_conn(WEIR_ROW_TLS_CONTROL),
                           WEIR_RECEIVED, rest.length);
        weir_link_fail_with(link, WEIR_E_NOMEM, 0, NULL);
    }
    weir_link_set_torn(link);
    end_idle_flood(link);
    return octets.length;
}

/* Tickets and new keys without an exchange are few. A peer that goes on is left before the next
 * request is put between them, and meets the limit of the filter. */
static void end_idle_flood(weir_link *link)
{
    if (link->state == WEIR_LINK_OPEN && weir_conn_open_streams(link->conn) == 0 &&
        weir_tls_idle_records(link->tls) > IDLE_RECORDS_LIMIT) {
        weir_link_fail_with(link, WEIR_E_LIMIT_FLOOD, 0, "TLS records without plaintext");
    }
}

/* Records one by one, until the plaintext of one is held. */
static size_t read_records(weir_link *link, weir_span octets)
{
    size_t taken = 0;

    while (taken < octets.length && !holds_plain(link)) {
        weir_tls_record record = {WEIR_TLS_NOTHING, {NULL, 0}, 0, 0};
        const size_t step = weir_tls_feed(link->tls, weir_span_from(octets, taken), &record);

        if (step == 0) {
            discard(link, octets.length - taken);
            if (!weir_link_is_closing(link)) {
                weir_link_follow_tls(link); /* there was no memory to look at them */
            }
            return octets.length;
        }
        taken += step;
        if (record.kind != WEIR_TLS_NOTHING) {
            take_record(link, &record);
        }
        weir_link_follow_tls(link);
    }
    return taken;
}

/* What comes after close_notify or a fatal error is not ours to read, but it came: it has a row. */
static void discard(weir_link *link, size_t octets)
{
    weir_ledger_charge(weir_link_ledger(link), NULL, weir_row_of_conn(WEIR_ROW_TLS_CONTROL),
                       WEIR_RECEIVED, octets);
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
        weir_tls_held *held = weir_link_held(link);
        held->plain = record->plain;
        held->overhead_octets = record->wire_octets - record->plain_octets;
        feed_held(link);
        return;
    }
    weir_ledger_charge(ledger, NULL, weir_row_of_conn(WEIR_ROW_TLS_CONTROL), WEIR_RECEIVED,
                       record->wire_octets);
    if (record->kind == WEIR_TLS_CLOSE_NOTIFY) {
        const weir_failure orderly = weir_failure_bare(WEIR_OK);
        if (link->conn != NULL) {
            weir_conn_end(link->conn, &orderly, weir_link_now(link));
        }
    }
}

/* Gives the plaintext of one record to the conn; its overhead is shared when all of it is taken. */
static void feed_held(weir_link *link)
{
    weir_tls_held *held = weir_link_held(link);

    if (held == NULL || held->plain.length == 0 || link->conn == NULL) {
        return; /* without a conn the link has failed: it stays held until the account is made */
    }
    while (held->plain.length > 0) {
        const size_t step = weir_conn_feed(link->conn, held->plain, weir_link_now(link));
        if (step == 0) {
            return;
        }
        held->plain = weir_span_from(held->plain, step);
    }
    weir_ledger_share(weir_link_ledger(link), WEIR_RECEIVED, held->overhead_octets);
    weir_tls_plain_done(link->tls);
}

/* Records that came behind one that was held, until another is. */
static void read_stash(weir_link *link)
{
    const weir_tls_held *held = weir_link_held(link);

    while (held != NULL && held->plain.length == 0 && held->stash.octets > 0) {
        const weir_span run = weir_buf_peek(&held->stash, 0);
        weir_buf_consume(&weir_link_held(link)->stash, read_records(link, run));
        if (!holds_plain(link)) {
            weir_tls_plain_done(link->tls);
        }
        held = weir_link_held(link);
    }
}

static bool holds_plain(const weir_link *link)
{
    const weir_tls_held *held = weir_link_held(link);

    return held != NULL && held->plain.length > 0;
}

/* FIN. What it means is the conn's to say, except that TLS without close_notify is not an orderly
 * end. */
static void input_ended(weir_link *link)
{
    weir_failure failure = weir_failure_bare(WEIR_OK);

    if (link->tls != NULL) {
        weir_tls_end(link->tls);
        if (weir_tls_state_of(link->tls) == WEIR_TLS_FAILED && link->conn == NULL) {
            weir_link_follow_tls(link);
            return;
        }
        if (weir_tls_state_of(link->tls) != WEIR_TLS_CLOSED) {
            failure.status = WEIR_E_UNFRAMED;
        }
    }
    if (link->conn == NULL) {
        weir_link_fail_with(link, WEIR_E_CLOSED_EARLY, 0, NULL);
        return;
    }
    weir_conn_end(link->conn, &failure, weir_link_now(link));
    if (link->state == WEIR_LINK_OPEN) {
        weir_link_enter(link, WEIR_LINK_CLOSED);
    }
}
