/* SPDX-License-Identifier: MIT */
/*
 * What takes the place of engine/tls.c and engine/tls_config.c in the simulator: the same filter
 * around a toy instead of wolfSSL. The records are walked, gathered, queued and lent by the library's
 * own tls_in.c, tls_out.c and tls_records.c, sessions kept by its tls_session.c.
 *
 * It keeps to engine/tls.h in everything that the link can see: one record a step, torn octets,
 * sticky failures with an alert that stays pending, KeyUpdates that are answered, limits on what a
 * peer makes us queue.
 */
#include <string.h>

#include "engine/tls_config.h"
#include "engine/tls_records.h"
#include "engine/tls_session.h"
#include "tls_wire.h"
#include "world.h"

#define OUT_EXCESS_OCTETS  ((size_t)128 * 1024)
#define IDLE_RECORDS_LIMIT 4096
#define HELLO_OCTETS_MOST  512

static uint64_t numbers;

struct weir_tls_config {
    const weir_allocator *allocator;
    unsigned references;
    uint64_t number;
};

/* The name is wolfSSL's, because the library's session store knows it so. */
struct WOLFSSL_SESSION {
    const weir_allocator *allocator;
    uint64_t ticket;
};

struct weir_tls {
    const weir_allocator *allocator;
    weir_bin *bin;
    weir_tls_config *config;
    weir_tls_state state;
    weir_failure failure;
    weir_protocol pin;
    weir_protocol chosen;
    bool established;
    bool said_goodbye;
    bool said_alert; /* a fatal one: the last that was queued */
    bool resumed;
    uint64_t client;
    sim_tls_key to_server;
    sim_tls_key from_server;
    bool has_keys;
    weir_tls_records *records; /* NULL: none is under way */
    uint8_t *body;             /* of the last record: WEIR_TLS_BODY_LIMIT_OCTETS */
    uint32_t idle_records;
    weir_tls_sessions *sessions;
    weir_tls_session_key key;
};

void wolfSSL_SESSION_free(struct WOLFSSL_SESSION *session);

static void drop_plain(weir_tls *tls);
static void enter(weir_tls *tls, weir_tls_state state);
static void fail(weir_tls *tls, weir_status status, int alert);
static void take_record(weir_tls *tls, weir_tls_record *record);
static void take_clear(weir_tls *tls, uint8_t type, weir_span content);
static void take_protected(weir_tls *tls, weir_tls_record *record, uint8_t type, weir_span content);
static void take_message(weir_tls *tls, weir_span content);
static void take_extensions(weir_tls *tls, weir_span content);
static void finish(weir_tls *tls);
static void remember(weir_tls *tls, weir_span content);
static void take_alert(weir_tls *tls, weir_tls_record *record, weir_span content);
static void say(weir_tls *tls, uint8_t type, weir_span content);
static void say_alert(weir_tls *tls, uint8_t alert);
static void queue(weir_tls *tls, weir_tls_record_kind kind, weir_span octets);

/* -- the configuration -- */

weir_tls_config *weir_tls_config_new(const weir_tls_options *options,
                                     const weir_allocator *allocator, weir_status *status,
                                     weir_failure *failure)
{
    weir_tls_config *config = weir_alloc_zeroed(allocator, sizeof(*config));

    (void)options;
    (void)failure;
    *status = config != NULL ? WEIR_OK : WEIR_E_NOMEM;
    if (config != NULL) {
        config->allocator = allocator;
        config->references = 1;
        config->number = ++numbers;
    }
    return config;
}

uint64_t weir_tls_config_number(const weir_tls_config *config)
{
    return config->number;
}

weir_tls_config *weir_tls_config_acquire(weir_tls_config *config)
{
    if (config != NULL) {
        config->references++;
    }
    return config;
}

void weir_tls_config_release(weir_tls_config *config)
{
    if (config != NULL && --config->references == 0) {
        weir_release(config->allocator, config);
    }
}

void wolfSSL_SESSION_free(struct WOLFSSL_SESSION *session)
{
    if (session != NULL) {
        weir_release(session->allocator, session);
    }
}

/* -- the filter -- */

weir_tls *weir_tls_new(const weir_tls_filter_options *options, weir_status *status)
{
    const weir_allocator *allocator = options->bin->allocator;
    weir_tls *tls = weir_alloc_zeroed(allocator, sizeof(*tls));

    *status = WEIR_E_NOMEM;
    if (tls == NULL) {
        return NULL;
    }
    tls->allocator = allocator;
    tls->bin = options->bin;
    tls->config = weir_tls_config_acquire(options->config);
    tls->failure = (weir_failure){.tls_alert = -1, .offset = WEIR_UNKNOWN};
    tls->pin = (weir_protocol)options->origin->pin;
    tls->sessions = options->sessions;
    tls->key.config = options->config;
    tls->key.origin = options->origin;
    *status = WEIR_OK;
    return tls;
}

void weir_tls_free(weir_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    drop_plain(tls);
    weir_tls_records_end(&tls->records);
    weir_tls_config_release(tls->config);
    weir_release(tls->allocator, tls);
}

void weir_tls_start(weir_tls *tls)
{
    uint8_t hello[HELLO_OCTETS_MOST] = {SIM_TLS_CLIENT_HELLO};
    uint8_t record[HELLO_OCTETS_MOST + SIM_TLS_HEAD_OCTETS];
    sim_dice *dice = &sim_current->for_driver;
    struct WOLFSSL_SESSION *session =
        tls->sessions != NULL ? weir_tls_sessions_take(tls->sessions, &tls->key) : NULL;
    const uint64_t ticket = session != NULL ? session->ticket : 0;

    wolfSSL_SESSION_free(session);
    tls->client = sim_throw(dice);
    hello[1] = tls->pin == WEIR_H1   ? SIM_TLS_ALPN_H1
               : tls->pin == WEIR_H2 ? SIM_TLS_ALPN_H2
                                     : SIM_TLS_ALPN_H1 | SIM_TLS_ALPN_H2;
    memcpy(hello + 2, &tls->client, 8);
    memcpy(hello + 10, &ticket, 8);
    const size_t length = 200 + sim_below(dice, sizeof(hello) - 200);
    queue(
        tls, WEIR_TLS_HANDSHAKE,
        (weir_span){record, sim_tls_write(record, SIM_TLS_HANDSHAKE, (weir_span){hello, length})});
    weir_tls_check(tls);
}

size_t weir_tls_feed(weir_tls *tls, weir_span octets, weir_tls_record *record)
{
    *record = (weir_tls_record){.kind = WEIR_TLS_NOTHING};
    if (tls->state == WEIR_TLS_CLOSED || tls->state == WEIR_TLS_FAILED) {
        return 0;
    }
    drop_plain(tls);
    weir_tls_records *records = weir_tls_records_begin(&tls->records, tls->bin);
    if (records == NULL) {
        fail(tls, WEIR_E_NOMEM, -1);
        return 0;
    }
    const size_t taken = weir_tls_in_feed(&records->in, octets);
    switch (records->in.state) {
    case WEIR_TLS_IN_TORN:
        break;
    case WEIR_TLS_IN_WHOLE:
        take_record(tls, record);
        break;
    case WEIR_TLS_IN_NOT_TLS:
    case WEIR_TLS_IN_TOO_LONG:
        fail(tls, WEIR_E_TLS_PROTOCOL, -1);
        break;
    case WEIR_TLS_IN_NOMEM:
        fail(tls, WEIR_E_NOMEM, -1);
        break;
    }
    weir_tls_records_settle(&tls->records);
    weir_tls_check(tls);
    return taken;
}

size_t weir_tls_torn_received(const weir_tls *tls)
{
    return tls->records != NULL ? weir_tls_in_torn(&tls->records->in) : 0;
}

void weir_tls_plain_done(weir_tls *tls)
{
    drop_plain(tls);
    weir_tls_records_settle(&tls->records);
}

weir_tls_held *weir_tls_held_of(const weir_tls *tls)
{
    return tls->records != NULL ? &tls->records->held : NULL;
}

void weir_tls_end(weir_tls *tls)
{
    if (tls->state == WEIR_TLS_HANDSHAKING) {
        fail(tls, WEIR_E_TLS_CLOSED, -1);
    }
}

bool weir_tls_can_seal(const weir_tls *tls)
{
    return tls->state == WEIR_TLS_OPEN && !tls->said_goodbye &&
           weir_tls_pending_octets(tls) + WEIR_TLS_SEALED_LIMIT_OCTETS +
                   WEIR_TLS_CONTROL_LIMIT_OCTETS <=
               WEIR_TLS_OUT_LIMIT_OCTETS;
}

weir_status weir_tls_seal(weir_tls *tls, weir_span plain)
{
    static uint8_t record[SIM_TLS_PLAIN_MOST + SIM_TLS_OVERHEAD_OCTETS];

    if (tls->state == WEIR_TLS_FAILED) {
        return tls->failure.status;
    }
    WEIR_ASSERT(weir_tls_can_seal(tls));
    if (plain.length == 0) {
        return WEIR_OK;
    }
    const size_t length = sim_tls_seal(&tls->to_server, record, SIM_TLS_DATA, plain);
    queue(tls, WEIR_TLS_CONTROL, (weir_span){record, length});
    if (tls->state == WEIR_TLS_FAILED) {
        return tls->failure.status;
    }
    weir_tls_out_set_plain(&tls->records->out, plain.length);
    weir_tls_check(tls);
    return WEIR_OK;
}

void weir_tls_close(weir_tls *tls)
{
    if (!tls->said_goodbye && (tls->state == WEIR_TLS_OPEN || tls->state == WEIR_TLS_CLOSED)) {
        tls->said_goodbye = true;
        say_alert(tls, SIM_TLS_CLOSE_NOTIFY);
    }
    weir_tls_check(tls);
}

weir_span weir_tls_pending(const weir_tls *tls, size_t skip)
{
    return tls->records != NULL ? weir_buf_peek(&tls->records->out.octets, skip)
                                : (weir_span){NULL, 0};
}

size_t weir_tls_pending_octets(const weir_tls *tls)
{
    return tls->records != NULL ? tls->records->out.octets.octets : 0;
}

void weir_tls_sent(weir_tls *tls, size_t octets)
{
    WEIR_ASSERT(octets <= weir_tls_pending_octets(tls));
    if (tls->records != NULL) {
        weir_tls_out_sent(&tls->records->out, octets);
    }
}

bool weir_tls_next_sent(weir_tls *tls, weir_tls_record *record)
{
    const bool is_told = tls->records != NULL && weir_tls_out_next(&tls->records->out, record);

    weir_tls_records_settle(&tls->records);
    return is_told;
}

size_t weir_tls_torn_sent(const weir_tls *tls)
{
    return tls->records != NULL ? weir_tls_out_torn(&tls->records->out) : 0;
}

size_t weir_tls_sealed_octets(const weir_tls *tls)
{
    return tls->records != NULL ? tls->records->out.plain_octets : 0;
}

/* Its peers send few. */
uint32_t weir_tls_idle_records(const weir_tls *tls)
{
    (void)tls;
    return 0;
}

bool weir_tls_wants_pause(const weir_tls *tls)
{
    return weir_tls_pending_octets(tls) >= WEIR_TLS_OUT_LIMIT_OCTETS;
}

weir_tls_state weir_tls_state_of(const weir_tls *tls)
{
    return tls->state;
}

const char *weir_tls_state_name(weir_tls_state state)
{
    static const char *const names[WEIR_TLS_STATES] = {"handshaking", "open", "closed", "failed"};
    return names[state];
}

bool weir_tls_owes_alert(const weir_tls *tls)
{
    return tls->said_alert && weir_tls_pending_octets(tls) > 0;
}

weir_failure weir_tls_failure(const weir_tls *tls)
{
    return tls->failure;
}

weir_protocol weir_tls_protocol(const weir_tls *tls)
{
    return tls->chosen;
}

weir_tls_facts weir_tls_describe(const weir_tls *tls)
{
    return (weir_tls_facts){.version = "stand-in", .suite = "none", .resumed = tls->resumed};
}

void weir_tls_check(const weir_tls *tls)
{
    WEIR_CHECK_ASSERT((tls->state == WEIR_TLS_FAILED) == (tls->failure.status != WEIR_OK));
    weir_tls_records_check(tls->records);
}

/* -- records that came -- */

static void drop_plain(weir_tls *tls)
{
    weir_tls_records_drop_plain(tls->records);
    weir_release(tls->allocator, tls->body);
    tls->body = NULL;
}

static void enter(weir_tls *tls, weir_tls_state state)
{
    WEIR_ASSERT(state > tls->state);
    tls->state = state;
}

static void fail(weir_tls *tls, weir_status status, int alert)
{
    if (tls->state == WEIR_TLS_FAILED) {
        return;
    }
    enter(tls, WEIR_TLS_FAILED);
    tls->failure.status = status;
    tls->failure.tls_alert = alert;
}

static void take_record(weir_tls *tls, weir_tls_record *record)
{
    weir_tls_in *in = &tls->records->in;
    uint8_t type = in->header[0];
    weir_span content = {NULL, 0};
    uint8_t header[WEIR_TLS_HEADER_OCTETS];
    size_t length = 0;

    record->wire_octets = WEIR_TLS_HEADER_OCTETS + in->body_octets;
    record->kind = tls->state == WEIR_TLS_HANDSHAKING ? WEIR_TLS_HANDSHAKE : WEIR_TLS_CONTROL;
    tls->body = weir_alloc(tls->allocator, WEIR_TLS_BODY_LIMIT_OCTETS);
    if (tls->body == NULL) {
        fail(tls, WEIR_E_NOMEM, -1);
        weir_tls_in_done(in);
        return;
    }
    for (size_t step = weir_tls_in_give(in, header, sizeof(header)); length < in->body_octets;
         length += step) {
        step = weir_tls_in_give(in, tls->body + length, WEIR_TLS_BODY_LIMIT_OCTETS - length);
        WEIR_ASSERT(step > 0);
    }
    weir_tls_in_done(in);
    if (type != SIM_TLS_DATA) {
        take_clear(tls, type, (weir_span){tls->body, length});
        return;
    }
    if (!tls->has_keys) {
        fail(tls, WEIR_E_TLS_PROTOCOL, -1);
    } else if (!sim_tls_open(&tls->from_server, tls->body, length, &type, &content)) {
        say_alert(tls, SIM_TLS_BAD_RECORD_MAC);
        fail(tls, WEIR_E_TLS_RECORD, -1);
    } else {
        take_protected(tls, record, type, content);
    }
}

static void take_clear(weir_tls *tls, uint8_t type, weir_span content)
{
    uint64_t server = 0;

    if (type == SIM_TLS_ALERT && content.length == 2) {
        fail(tls,
             content.at[1] == SIM_TLS_NO_APPLICATION_PROTOCOL ? WEIR_E_TLS_ALPN : WEIR_E_TLS_ALERT,
             content.at[1]);
        return;
    }
    if (type != SIM_TLS_HANDSHAKE || content.length < 9 || content.at[0] != SIM_TLS_SERVER_HELLO ||
        tls->has_keys) {
        fail(tls, WEIR_E_TLS_PROTOCOL, -1);
        return;
    }
    memcpy(&server, content.at + 1, sizeof(server));
    tls->has_keys = true;
    tls->to_server = sim_tls_key_of(tls->client, server, true);
    tls->from_server = sim_tls_key_of(tls->client, server, false);
}

static void take_protected(weir_tls *tls, weir_tls_record *record, uint8_t type, weir_span content)
{
    switch (type) {
    case SIM_TLS_HANDSHAKE:
        take_message(tls, content);
        break;
    case SIM_TLS_ALERT:
        take_alert(tls, record, content);
        break;
    default:
        if (tls->state != WEIR_TLS_OPEN) {
            fail(tls, WEIR_E_TLS_PROTOCOL, -1);
            return;
        }
        if (content.length > 0) {
            record->kind = WEIR_TLS_DATA;
            record->plain = content;
            tls->records->plain_octets = content.length;
            record->plain_octets = content.length;
            tls->idle_records = 0;
            return;
        }
        break;
    }
    if (++tls->idle_records > IDLE_RECORDS_LIMIT) {
        fail(tls, WEIR_E_LIMIT_FLOOD, -1);
    }
}

static void take_message(weir_tls *tls, weir_span content)
{
    if (content.length == 0) {
        return;
    }
    switch ((sim_tls_message)content.at[0]) {
    case SIM_TLS_EXTENSIONS:
        take_extensions(tls, content);
        return;
    case SIM_TLS_CERTIFICATE:
        if (content.length > 1 && content.at[1] != 0) {
            say_alert(tls, SIM_TLS_UNKNOWN_CA);
            fail(tls, WEIR_E_TLS_UNTRUSTED, -1);
        }
        return;
    case SIM_TLS_FINISHED:
        finish(tls);
        return;
    case SIM_TLS_TICKET:
        remember(tls, content);
        return;
    case SIM_TLS_KEY_UPDATE:
        sim_tls_key_next(&tls->from_server);
        if (content.length > 1 && content.at[1] != 0) {
            const uint8_t answer[] = {SIM_TLS_KEY_UPDATE, 0};
            say(tls, SIM_TLS_HANDSHAKE, (weir_span){answer, sizeof(answer)});
            sim_tls_key_next(&tls->to_server);
        }
        return;
    case SIM_TLS_CLIENT_HELLO:
    case SIM_TLS_SERVER_HELLO:
        break;
    }
    fail(tls, WEIR_E_TLS_PROTOCOL, -1);
}

/* As wolfSSL does: an answer that was not offered breaks the handshake. */
static void take_extensions(weir_tls *tls, weir_span content)
{
    const uint8_t chosen = content.length > 1 ? content.at[1] : SIM_TLS_NO_ALPN;

    tls->chosen = chosen == SIM_TLS_ALPN_H2   ? WEIR_H2
                  : chosen == SIM_TLS_ALPN_H1 ? WEIR_H1
                                              : WEIR_PROTOCOL_ANY;
    tls->resumed = content.length > 2 && content.at[2] != 0;
    if (tls->chosen != WEIR_PROTOCOL_ANY && tls->pin != WEIR_PROTOCOL_ANY &&
        tls->chosen != tls->pin) {
        say_alert(tls, SIM_TLS_NO_APPLICATION_PROTOCOL);
        fail(tls, WEIR_E_TLS_ALPN, -1);
    }
}

static void finish(weir_tls *tls)
{
    const uint8_t finished[33] = {SIM_TLS_FINISHED};

    if (tls->state != WEIR_TLS_HANDSHAKING) {
        fail(tls, WEIR_E_TLS_PROTOCOL, -1);
        return;
    }
    say(tls, SIM_TLS_HANDSHAKE, (weir_span){finished, sizeof(finished)});
    if (tls->state == WEIR_TLS_FAILED) {
        return;
    }
    tls->established = true;
    tls->idle_records = 0;
    enter(tls, WEIR_TLS_OPEN);
}

static void remember(weir_tls *tls, weir_span content)
{
    struct WOLFSSL_SESSION *session = tls->sessions != NULL && content.length >= 9
                                          ? weir_alloc(tls->allocator, sizeof(*session))
                                          : NULL;

    if (session == NULL) {
        return; /* forgetting is always allowed */
    }
    session->allocator = tls->allocator;
    memcpy(&session->ticket, content.at + 1, sizeof(session->ticket));
    weir_tls_sessions_put(tls->sessions, &tls->key, session);
}

static void take_alert(weir_tls *tls, weir_tls_record *record, weir_span content)
{
    const uint8_t alert = content.length == 2 ? content.at[1] : 255;

    if (alert != SIM_TLS_CLOSE_NOTIFY) {
        fail(tls, WEIR_E_TLS_ALERT, alert);
    } else if (tls->state == WEIR_TLS_OPEN) {
        record->kind = WEIR_TLS_CLOSE_NOTIFY;
        enter(tls, WEIR_TLS_CLOSED);
    } else {
        fail(tls, WEIR_E_TLS_CLOSED, -1);
    }
}

/* -- records that go -- */

static void say(weir_tls *tls, uint8_t type, weir_span content)
{
    uint8_t record[128];

    WEIR_ASSERT(content.length + SIM_TLS_OVERHEAD_OCTETS <= sizeof(record));
    queue(tls, tls->established ? WEIR_TLS_CONTROL : WEIR_TLS_HANDSHAKE,
          (weir_span){record, sim_tls_seal(&tls->to_server, record, type, content)});
}

static void say_alert(weir_tls *tls, uint8_t alert)
{
    const uint8_t content[] = {(uint8_t)(alert == SIM_TLS_CLOSE_NOTIFY ? 1 : 2), alert};

    say(tls, SIM_TLS_ALERT, (weir_span){content, sizeof(content)});
    if (alert != SIM_TLS_CLOSE_NOTIFY && tls->state != WEIR_TLS_FAILED) {
        tls->said_alert = true;
        weir_tls_out_set_control(&tls->records->out);
    }
}

static void queue(weir_tls *tls, weir_tls_record_kind kind, weir_span octets)
{
    if (weir_tls_pending_octets(tls) > WEIR_TLS_OUT_LIMIT_OCTETS + OUT_EXCESS_OCTETS) {
        fail(tls, WEIR_E_LIMIT_FLOOD, -1);
        return;
    }
    weir_tls_records *records = weir_tls_records_begin(&tls->records, tls->bin);
    if (records == NULL || !weir_tls_out_append(&records->out, kind, octets)) {
        fail(tls, WEIR_E_NOMEM, -1);
    }
}
