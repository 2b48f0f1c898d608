/* SPDX-License-Identifier: MIT */
/*
 * The half of the TLS filter that needs no cryptography: its state, and the records that are under
 * way in either direction. What a record holds is the machine's affair (tls_common.h).
 *
 * Receiving. The filter gathers the 5-octet record header itself, keeps what is torn, and has the
 * machine take a record only when it is whole. So one step is one record, and what the step yields
 * (nothing, or plaintext) says what the record was. Without this a single read can consume a ticket
 * and data together, and no one can say whose octets they were.
 *
 * Sending. Everything that the machine emits is taken into the out queue, data and what it says of
 * itself (flights, alerts, answers to KeyUpdate): weir_tls_can_seal() made sure that there is room
 * before, and a peer that makes us answer beyond all measure is refused.
 *
 * Failing. Every error ends the filter (fail closed): `trouble` is set once and never changes.
 *
 * Idle. A connection is idle for most of its life: `records` goes back when none is under way.
 *
 * Invariants, checked by weir_tls_check(): FAILED and a failure come together; those of the records
 * (tls_records.c).
 */
#include "engine/tls_common.h"

/* Over the out queue's limit by this much, the peer makes us answer faster than any honest one. */
enum { OUT_EXCESS_OCTETS = 128 * 1024 };
/* Records without plaintext that may follow each other when OPEN: tickets, KeyUpdates, warnings. */
enum { IDLE_RECORDS_LIMIT = 4096 };

#define WEIR_STATUS_X(name, number, blame, replay, phase, sentence) &&(number) >= INT16_MIN
_Static_assert(true WEIR_STATUS_MAP(WEIR_STATUS_X), "every status fits trouble.status");
#undef WEIR_STATUS_X
_Static_assert(WEIR_TLS_PLAIN_LIMIT_OCTETS <= UINT16_MAX,
               "a descriptor counts plaintext in 16 bits");
_Static_assert(WEIR_TLS_BODY_LIMIT_OCTETS >= WEIR_TLS_PLAIN_LIMIT_OCTETS,
               "a full record can come in");

static void take_whole(weir_tls *tls, weir_tls_record *record);

static const char *const state_names[] = {
    [WEIR_TLS_HANDSHAKING] = "handshaking",
    [WEIR_TLS_OPEN] = "open",
    [WEIR_TLS_CLOSED] = "closed",
    [WEIR_TLS_FAILED] = "failed",
};
_Static_assert(WEIR_COUNT_OF(state_names) == WEIR_TLS_STATES, "each state has a name");

/* Which state may follow which. */
static const bool edges[WEIR_TLS_STATES][WEIR_TLS_STATES] = {
    [WEIR_TLS_HANDSHAKING] = {[WEIR_TLS_OPEN] = true, [WEIR_TLS_FAILED] = true},
    [WEIR_TLS_OPEN] = {[WEIR_TLS_CLOSED] = true, [WEIR_TLS_FAILED] = true},
    [WEIR_TLS_CLOSED] = {[WEIR_TLS_FAILED] = true},
};

size_t weir_tls_feed(weir_tls *tls, weir_span octets, weir_tls_record *record)
{
    size_t taken;

    WEIR_ASSERT(tls->started);
    *record = (weir_tls_record){.kind = WEIR_TLS_NOTHING};
    if (tls->state == WEIR_TLS_CLOSED || tls->state == WEIR_TLS_FAILED) {
        return 0;
    }
    weir_tls_records_drop_plain(tls->records);
    weir_tls_records *records = weir_tls_records_begin(&tls->records, tls->bin);
    if (!records) {
        weir_tls_fail_with(tls, WEIR_E_NOMEM, NULL);
        return 0;
    }
    taken = weir_tls_in_feed(&records->in, octets);
    switch (records->in.state) {
    case WEIR_TLS_IN_TORN:
        break;
    case WEIR_TLS_IN_WHOLE:
        take_whole(tls, record);
        break;
    case WEIR_TLS_IN_NOT_TLS:
        weir_tls_fail_with(tls, WEIR_E_TLS_PROTOCOL, "what came is not TLS");
        break;
    case WEIR_TLS_IN_TOO_LONG:
        weir_tls_fail_with(tls, WEIR_E_TLS_PROTOCOL, "a record is longer than TLS allows");
        break;
    case WEIR_TLS_IN_NOMEM:
        weir_tls_fail_with(tls, WEIR_E_NOMEM, NULL);
        break;
    }
    weir_tls_records_settle(&tls->records);
    weir_tls_check(tls);
    return taken;
}

size_t weir_tls_torn_received(const weir_tls *tls)
{
    return tls->records ? weir_tls_in_torn(&tls->records->in) : 0;
}

void weir_tls_plain_done(weir_tls *tls)
{
    weir_tls_records_drop_plain(tls->records);
    weir_tls_records_settle(&tls->records);
}

weir_tls_held *weir_tls_held_of(const weir_tls *tls)
{
    return tls->records ? &tls->records->held : NULL;
}

void weir_tls_end(weir_tls *tls)
{
    if (tls->state == WEIR_TLS_HANDSHAKING) {
        weir_tls_fail_with(tls, WEIR_E_TLS_CLOSED, NULL);
    }
}

bool weir_tls_can_seal(const weir_tls *tls)
{
    return tls->state == WEIR_TLS_OPEN && !tls->said_goodbye &&
           weir_tls_pending_octets(tls) + WEIR_TLS_SEALED_LIMIT_OCTETS +
                   WEIR_TLS_CONTROL_LIMIT_OCTETS <=
               WEIR_TLS_OUT_LIMIT_OCTETS;
}

weir_span weir_tls_pending(const weir_tls *tls, size_t skip)
{
    return tls->records ? weir_buf_peek(&tls->records->out.octets, skip) : (weir_span){NULL, 0};
}

size_t weir_tls_pending_octets(const weir_tls *tls)
{
    return tls->records ? tls->records->out.octets.octets : 0;
}

void weir_tls_sent(weir_tls *tls, size_t octets)
{
    WEIR_ASSERT(octets <= weir_tls_pending_octets(tls));
    if (tls->records) {
        weir_tls_out_sent(&tls->records->out, octets);
    }
}

bool weir_tls_next_sent(weir_tls *tls, weir_tls_record *record)
{
    const bool is_told = tls->records && weir_tls_out_next(&tls->records->out, record);

    weir_tls_records_settle(&tls->records);
    return is_told;
}

size_t weir_tls_torn_sent(const weir_tls *tls)
{
    return tls->records ? weir_tls_out_torn(&tls->records->out) : 0;
}

size_t weir_tls_sealed_octets(const weir_tls *tls)
{
    return tls->records ? tls->records->out.plain_octets : 0;
}

bool weir_tls_wants_pause(const weir_tls *tls)
{
    return weir_tls_pending_octets(tls) >= WEIR_TLS_OUT_LIMIT_OCTETS;
}

uint32_t weir_tls_idle_records(const weir_tls *tls)
{
    return tls->idle_records;
}

weir_tls_state weir_tls_state_of(const weir_tls *tls)
{
    return tls->state;
}

const char *weir_tls_state_name(weir_tls_state state)
{
    return (size_t)state < WEIR_TLS_STATES ? state_names[state] : "unknown";
}

bool weir_tls_owes_alert(const weir_tls *tls)
{
    return tls->said_alert && weir_tls_pending_octets(tls) > 0;
}

weir_failure weir_tls_failure(const weir_tls *tls)
{
    return (weir_failure){
        .status = tls->trouble.status,
        .tls_alert = tls->trouble.alert,
        .tls_error = tls->trouble.tls_error,
        .offset = WEIR_UNKNOWN,
        .what = tls->trouble.what,
    };
}

void weir_tls_check(const weir_tls *tls)
{
    WEIR_CHECK_ASSERT((tls->state == WEIR_TLS_FAILED) == (tls->trouble.status != WEIR_OK));
    weir_tls_records_check(tls->records);
}

void weir_tls_init(weir_tls *tls, const weir_tls_filter_options *options)
{
    WEIR_ASSERT(tls->state == WEIR_TLS_HANDSHAKING);
    tls->bin = options->bin;
    tls->config = weir_tls_config_acquire(options->config);
    tls->trouble.alert = -1;
}

void weir_tls_clear(weir_tls *tls)
{
    weir_tls_records_end(&tls->records);
    weir_tls_config_release(tls->config);
}

void weir_tls_enter(weir_tls *tls, weir_tls_state state)
{
    WEIR_ASSERT(edges[tls->state][state]);
    tls->state = state;
}

void weir_tls_fail(weir_tls *tls, weir_tls_trouble trouble)
{
    WEIR_ASSERT(trouble.status != WEIR_OK);
    if (tls->state == WEIR_TLS_FAILED) {
        return;
    }
    weir_tls_enter(tls, WEIR_TLS_FAILED);
    tls->trouble = trouble;
}

void weir_tls_fail_with(weir_tls *tls, weir_status status, const char *what)
{
    weir_tls_fail(tls, (weir_tls_trouble){.status = status, .alert = -1, .what = what});
}

void weir_tls_tell_plain(weir_tls *tls, weir_tls_record *record, size_t octets)
{
    record->kind = WEIR_TLS_DATA;
    record->plain_octets = octets;
    record->plain = weir_tls_records_set_plain(tls->records, octets);
    tls->idle_records = 0;
}

bool weir_tls_tell_idle(weir_tls *tls)
{
    if (++tls->idle_records > IDLE_RECORDS_LIMIT) {
        weir_tls_fail_with(tls, WEIR_E_LIMIT_FLOOD, "TLS records without plaintext");
        return false;
    }
    return true;
}

bool weir_tls_queue(weir_tls *tls, weir_tls_record_kind kind, weir_span octets)
{
    if (weir_tls_pending_octets(tls) > WEIR_TLS_OUT_LIMIT_OCTETS + OUT_EXCESS_OCTETS) {
        weir_tls_fail_with(tls, WEIR_E_LIMIT_FLOOD, "the peer asks for TLS answers and takes none");
        return false;
    }
    weir_tls_records *records = weir_tls_records_begin(&tls->records, tls->bin);
    if (!records || !weir_tls_out_append(&records->out, kind, octets)) {
        weir_tls_fail_with(tls, WEIR_E_NOMEM, NULL);
        return false;
    }
    return true;
}

void weir_tls_mark_alert(weir_tls *tls)
{
    WEIR_ASSERT(tls->records != NULL);
    tls->said_alert = true;
    weir_tls_out_set_control(&tls->records->out);
}

/* The machine takes it, to its end. */
static void take_whole(weir_tls *tls, weir_tls_record *record)
{
    weir_tls_in *in = &tls->records->in;

    record->wire_octets = WEIR_TLS_HEADER_OCTETS + in->body_octets;
    weir_tls_take(tls, record);
    WEIR_ASSERT(record->kind != WEIR_TLS_NOTHING);
    if (!weir_tls_in_is_given(in)) {
        weir_tls_fail_with(tls, WEIR_E_TLS_PROTOCOL, "a record was not read to its end");
    }
    weir_tls_in_done(in);
}
