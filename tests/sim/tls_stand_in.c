/* SPDX-License-Identifier: MIT */
/*
 * What takes the place of engine/tls_wolfssl.c and engine/tls_config.c in the simulator: a toy
 * instead of wolfSSL. The filter around it is the library's own (engine/tls_common.h), as are its
 * records (tls_in.c, tls_out.c, tls_records.c), and sessions are kept by its tls_session.c.
 *
 * It does what the link can see wolfSSL do: one record a step, alerts before a failure, KeyUpdates
 * that are answered, tickets.
 */
#include <string.h>

#include "engine/tls_common.h"
#include "engine/tls_session.h"
#include "tls_wire.h"
#include "world.h"

#define HELLO_OCTETS_MOST 512

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

typedef struct toy_filter {
    weir_tls tls;
    weir_protocol pin;
    weir_protocol chosen;
    bool established;
    bool resumed;
    uint64_t client;
    sim_tls_key to_server;
    sim_tls_key from_server;
    bool has_keys;
    weir_tls_sessions *sessions;
    weir_tls_session_key key;
} toy_filter;

void wolfSSL_SESSION_free(struct WOLFSSL_SESSION *session);

static toy_filter *toy_of(weir_tls *tls);
static const toy_filter *toy_of_const(const weir_tls *tls);
static void fail(toy_filter *toy, weir_status status, int alert);
static void take_clear(toy_filter *toy, uint8_t type, weir_span content);
static void take_protected(toy_filter *toy, weir_tls_record *record, uint8_t type,
                           weir_span content);
static void take_plain(toy_filter *toy, weir_tls_record *record, weir_span content);
static void take_message(toy_filter *toy, weir_span content);
static void take_extensions(toy_filter *toy, weir_span content);
static void finish(toy_filter *toy);
static void remember(toy_filter *toy, weir_span content);
static void take_alert(toy_filter *toy, weir_tls_record *record, weir_span content);
static void say(toy_filter *toy, uint8_t type, weir_span content);
static void say_alert(toy_filter *toy, uint8_t alert);

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
    toy_filter *toy = weir_alloc_zeroed(options->bin->allocator, sizeof(*toy));

    *status = WEIR_E_NOMEM;
    if (toy == NULL) {
        return NULL;
    }
    weir_tls_init(&toy->tls, options);
    toy->pin = (weir_protocol)options->origin->pin;
    toy->sessions = options->sessions;
    toy->key.config = options->config;
    toy->key.origin = options->origin;
    *status = WEIR_OK;
    return &toy->tls;
}

void weir_tls_free(weir_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    const weir_allocator *allocator = tls->bin->allocator;
    weir_tls_clear(tls);
    weir_release(allocator, toy_of(tls));
}

void weir_tls_start(weir_tls *tls)
{
    uint8_t hello[HELLO_OCTETS_MOST] = {SIM_TLS_CLIENT_HELLO};
    uint8_t record[HELLO_OCTETS_MOST + SIM_TLS_HEAD_OCTETS];
    sim_dice *dice = &sim_current->for_driver;
    toy_filter *toy = toy_of(tls);
    struct WOLFSSL_SESSION *session =
        toy->sessions != NULL ? weir_tls_sessions_take(toy->sessions, &toy->key) : NULL;
    const uint64_t ticket = session != NULL ? session->ticket : 0;

    wolfSSL_SESSION_free(session);
    tls->started = true;
    toy->client = sim_throw(dice);
    hello[1] = toy->pin == WEIR_H1   ? SIM_TLS_ALPN_H1
               : toy->pin == WEIR_H2 ? SIM_TLS_ALPN_H2
                                     : SIM_TLS_ALPN_H1 | SIM_TLS_ALPN_H2;
    memcpy(hello + 2, &toy->client, 8);
    memcpy(hello + 10, &ticket, 8);
    const size_t length = 200 + sim_below(dice, sizeof(hello) - 200);
    (void)weir_tls_queue(
        tls, WEIR_TLS_HANDSHAKE,
        (weir_span){record, sim_tls_write(record, SIM_TLS_HANDSHAKE, (weir_span){hello, length})});
    weir_tls_check(tls);
}

void weir_tls_take(weir_tls *tls, weir_tls_record *record)
{
    static uint8_t body[WEIR_TLS_BODY_LIMIT_OCTETS];
    toy_filter *toy = toy_of(tls);
    weir_tls_in *in = &tls->records->in;
    uint8_t type = in->header[0];
    weir_span content = {NULL, 0};
    uint8_t header[WEIR_TLS_HEADER_OCTETS];
    size_t length = 0;

    record->kind = tls->state == WEIR_TLS_HANDSHAKING ? WEIR_TLS_HANDSHAKE : WEIR_TLS_CONTROL;
    for (size_t step = weir_tls_in_give(in, header, sizeof(header)); length < in->body_octets;
         length += step) {
        step = weir_tls_in_give(in, body + length, sizeof(body) - length);
        WEIR_ASSERT(step > 0);
    }
    if (type != SIM_TLS_DATA) {
        take_clear(toy, type, (weir_span){body, length});
    } else if (!toy->has_keys) {
        fail(toy, WEIR_E_TLS_PROTOCOL, -1);
    } else if (!sim_tls_open(&toy->from_server, body, length, &type, &content)) {
        say_alert(toy, SIM_TLS_BAD_RECORD_MAC);
        fail(toy, WEIR_E_TLS_RECORD, -1);
    } else {
        take_protected(toy, record, type, content);
    }
}

weir_status weir_tls_seal(weir_tls *tls, weir_span plain)
{
    static uint8_t record[SIM_TLS_PLAIN_MOST + SIM_TLS_OVERHEAD_OCTETS];

    if (tls->state == WEIR_TLS_FAILED) {
        return tls->trouble.status;
    }
    WEIR_ASSERT(weir_tls_can_seal(tls));
    if (plain.length == 0) {
        return WEIR_OK;
    }
    const size_t length = sim_tls_seal(&toy_of(tls)->to_server, record, SIM_TLS_DATA, plain);
    if (!weir_tls_queue(tls, WEIR_TLS_CONTROL, (weir_span){record, length})) {
        return tls->trouble.status;
    }
    weir_tls_out_set_plain(&tls->records->out, plain.length);
    weir_tls_check(tls);
    return WEIR_OK;
}

void weir_tls_close(weir_tls *tls)
{
    if (!tls->said_goodbye && (tls->state == WEIR_TLS_OPEN || tls->state == WEIR_TLS_CLOSED)) {
        tls->said_goodbye = true;
        say_alert(toy_of(tls), SIM_TLS_CLOSE_NOTIFY);
    }
    weir_tls_check(tls);
}

weir_protocol weir_tls_protocol(const weir_tls *tls)
{
    return toy_of_const(tls)->chosen;
}

weir_tls_facts weir_tls_describe(const weir_tls *tls)
{
    return (weir_tls_facts){
        .version = "stand-in", .suite = "none", .resumed = toy_of_const(tls)->resumed};
}

static toy_filter *toy_of(weir_tls *tls)
{
    return WEIR_CONTAINER_OF(tls, toy_filter, tls);
}

static const toy_filter *toy_of_const(const weir_tls *tls)
{
    return WEIR_CONST_CONTAINER_OF(tls, toy_filter, tls);
}

static void fail(toy_filter *toy, weir_status status, int alert)
{
    weir_tls_fail(&toy->tls, (weir_tls_trouble){.status = status, .alert = (int16_t)alert});
}

/* -- records that came -- */

static void take_clear(toy_filter *toy, uint8_t type, weir_span content)
{
    uint64_t server = 0;

    if (type == SIM_TLS_ALERT && content.length == 2) {
        fail(toy,
             content.at[1] == SIM_TLS_NO_APPLICATION_PROTOCOL ? WEIR_E_TLS_ALPN : WEIR_E_TLS_ALERT,
             content.at[1]);
        return;
    }
    if (type != SIM_TLS_HANDSHAKE || content.length < 9 || content.at[0] != SIM_TLS_SERVER_HELLO ||
        toy->has_keys) {
        fail(toy, WEIR_E_TLS_PROTOCOL, -1);
        return;
    }
    memcpy(&server, content.at + 1, sizeof(server));
    toy->has_keys = true;
    toy->to_server = sim_tls_key_of(toy->client, server, true);
    toy->from_server = sim_tls_key_of(toy->client, server, false);
}

static void take_protected(toy_filter *toy, weir_tls_record *record, uint8_t type,
                           weir_span content)
{
    switch (type) {
    case SIM_TLS_HANDSHAKE:
        take_message(toy, content);
        break;
    case SIM_TLS_ALERT:
        take_alert(toy, record, content);
        break;
    default:
        if (toy->tls.state != WEIR_TLS_OPEN) {
            fail(toy, WEIR_E_TLS_PROTOCOL, -1);
            return;
        }
        if (content.length > 0) {
            take_plain(toy, record, content);
            return;
        }
        break;
    }
    (void)weir_tls_tell_idle(&toy->tls);
}

static void take_plain(toy_filter *toy, weir_tls_record *record, weir_span content)
{
    weir_tls_records *records = toy->tls.records;
    size_t room = 0;
    uint8_t *to = weir_tls_records_plain_room(records, records->in.body_octets, &room);

    if (to == NULL) {
        fail(toy, WEIR_E_NOMEM, -1);
        return;
    }
    WEIR_ASSERT(content.length <= room);
    memcpy(to, content.at, content.length);
    weir_tls_tell_plain(&toy->tls, record, content.length);
}

static void take_message(toy_filter *toy, weir_span content)
{
    if (content.length == 0) {
        return;
    }
    switch ((sim_tls_message)content.at[0]) {
    case SIM_TLS_EXTENSIONS:
        take_extensions(toy, content);
        return;
    case SIM_TLS_CERTIFICATE:
        if (content.length > 1 && content.at[1] != 0) {
            say_alert(toy, SIM_TLS_UNKNOWN_CA);
            fail(toy, WEIR_E_TLS_UNTRUSTED, -1);
        }
        return;
    case SIM_TLS_FINISHED:
        finish(toy);
        return;
    case SIM_TLS_TICKET:
        remember(toy, content);
        return;
    case SIM_TLS_KEY_UPDATE:
        sim_tls_key_next(&toy->from_server);
        if (content.length > 1 && content.at[1] != 0) {
            const uint8_t answer[] = {SIM_TLS_KEY_UPDATE, 0};
            say(toy, SIM_TLS_HANDSHAKE, (weir_span){answer, sizeof(answer)});
            sim_tls_key_next(&toy->to_server);
        }
        return;
    case SIM_TLS_CLIENT_HELLO:
    case SIM_TLS_SERVER_HELLO:
        break;
    }
    fail(toy, WEIR_E_TLS_PROTOCOL, -1);
}

/* As wolfSSL does: an answer that was not offered breaks the handshake. */
static void take_extensions(toy_filter *toy, weir_span content)
{
    const uint8_t chosen = content.length > 1 ? content.at[1] : SIM_TLS_NO_ALPN;

    toy->chosen = chosen == SIM_TLS_ALPN_H2   ? WEIR_H2
                  : chosen == SIM_TLS_ALPN_H1 ? WEIR_H1
                                              : WEIR_PROTOCOL_ANY;
    toy->resumed = content.length > 2 && content.at[2] != 0;
    if (toy->chosen != WEIR_PROTOCOL_ANY && toy->pin != WEIR_PROTOCOL_ANY &&
        toy->chosen != toy->pin) {
        say_alert(toy, SIM_TLS_NO_APPLICATION_PROTOCOL);
        fail(toy, WEIR_E_TLS_ALPN, -1);
    }
}

static void finish(toy_filter *toy)
{
    const uint8_t finished[33] = {SIM_TLS_FINISHED};

    if (toy->tls.state != WEIR_TLS_HANDSHAKING) {
        fail(toy, WEIR_E_TLS_PROTOCOL, -1);
        return;
    }
    say(toy, SIM_TLS_HANDSHAKE, (weir_span){finished, sizeof(finished)});
    if (toy->tls.state == WEIR_TLS_FAILED) {
        return;
    }
    toy->established = true;
    toy->tls.idle_records = 0;
    weir_tls_enter(&toy->tls, WEIR_TLS_OPEN);
}

static void remember(toy_filter *toy, weir_span content)
{
    struct WOLFSSL_SESSION *session = toy->sessions != NULL && content.length >= 9
                                          ? weir_alloc(toy->tls.bin->allocator, sizeof(*session))
                                          : NULL;

    if (session == NULL) {
        return; /* forgetting is always allowed */
    }
    session->allocator = toy->tls.bin->allocator;
    memcpy(&session->ticket, content.at + 1, sizeof(session->ticket));
    weir_tls_sessions_put(toy->sessions, &toy->key, session);
}

static void take_alert(toy_filter *toy, weir_tls_record *record, weir_span content)
{
    const uint8_t alert = content.length == 2 ? content.at[1] : 255;

    if (alert != SIM_TLS_CLOSE_NOTIFY) {
        fail(toy, WEIR_E_TLS_ALERT, alert);
    } else if (toy->tls.state == WEIR_TLS_OPEN) {
        record->kind = WEIR_TLS_CLOSE_NOTIFY;
        weir_tls_enter(&toy->tls, WEIR_TLS_CLOSED);
    } else {
        fail(toy, WEIR_E_TLS_CLOSED, -1);
    }
}

/* -- records that go -- */

static void say(toy_filter *toy, uint8_t type, weir_span content)
{
    uint8_t record[128];

    WEIR_ASSERT(content.length + SIM_TLS_OVERHEAD_OCTETS <= sizeof(record));
    (void)weir_tls_queue(&toy->tls, toy->established ? WEIR_TLS_CONTROL : WEIR_TLS_HANDSHAKE,
                         (weir_span){record, sim_tls_seal(&toy->to_server, record, type, content)});
}

static void say_alert(toy_filter *toy, uint8_t alert)
{
    const uint8_t content[] = {(uint8_t)(alert == SIM_TLS_CLOSE_NOTIFY ? 1 : 2), alert};

    say(toy, SIM_TLS_ALERT, (weir_span){content, sizeof(content)});
    if (alert != SIM_TLS_CLOSE_NOTIFY && toy->tls.state != WEIR_TLS_FAILED) {
        weir_tls_mark_alert(&toy->tls);
    }
}
