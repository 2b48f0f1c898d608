/* SPDX-License-Identifier: MIT */
/*
 * The TLS filter over wolfSSL.
 *
 * Receiving. The filter gathers the 5-octet record header itself, keeps what is torn, and calls
 * wolfSSL only when a record is whole: its callback is then given exactly that record and
 * afterwards WANT_READ. So one step of wolfSSL is one record, and what the step yields (nothing, or
 * plaintext) says what the record was. Without this a single read can consume a ticket and data
 * together, and no one can say whose octets they were.
 *
 * Sending. The callback always takes everything, into the out queue, so wolfSSL never sees a short
 * write: weir_tls_can_seal() made sure that there is room before. WANT_WRITE can therefore not
 * happen, and is an assertion. What wolfSSL emits of itself (flights, alerts, answers to KeyUpdate)
 * goes the same way.
 *
 * Failing. Every error of wolfSSL ends the filter (fail closed): `failure` is set once and never
 * changes. A failed allocation inside a callback is remembered there, because wolfSSL only knows
 * that "the socket failed".
 *
 * Idle. A connection is idle for most of its life, so what it holds then is `struct weir_tls` and
 * not more: `handshake` goes when it is over, `records` when none is under way.
 *
 * Invariants, checked by weir_tls_check(): FAILED and a failure come together; who is HANDSHAKING
 * has the means for it, and who is OPEN or CLOSED has not; those of the records (tls_records.c).
 */
#include "engine/tls.h"
#include "engine/os.h"
#include "engine/tls_config.h"
#include "engine/tls_failure.h"
#include "engine/tls_keylog.h"
#include "engine/tls_records.h"
#include "engine/tls_resume.h"
#include "engine/tls_verify.h"

#include <string.h>

#include <wolfssl/options.h> /* before every other header of wolfSSL */

#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>

/* Over the out queue's limit by this much, the peer makes us answer faster than any honest one. */
enum { OUT_EXCESS_OCTETS = 128 * 1024 };
/* Records without plaintext that may follow each other when OPEN: tickets, KeyUpdates, warnings. */
enum { IDLE_RECORDS_LIMIT = 4096 };

/* What a server may send before the handshake is over: the longest chain that is taken, and room
 * for the rest. */
enum {
    HANDSHAKE_LIMIT_OCTETS = WEIR_TLS_CHAIN_LIMIT_OCTETS + 65536,
    HANDSHAKE_RECORDS_LIMIT = 1024
};

#define WEIR_STATUS_X(name, number, blame, replay, phase, sentence) &&(number) >= INT16_MIN
_Static_assert(true WEIR_STATUS_MAP(WEIR_STATUS_X), "every status fits trouble.status");
#undef WEIR_STATUS_X
_Static_assert(WEIR_TLS_PLAIN_LIMIT_OCTETS <= UINT16_MAX,
               "a descriptor counts plaintext in 16 bits");
_Static_assert(WEIR_TLS_BODY_LIMIT_OCTETS >= WEIR_TLS_PLAIN_LIMIT_OCTETS,
               "a full record can come in");

/* What only a handshake needs. */
typedef struct handshake {
    weir_tls_verify verify;
    size_t octets;   /* received */
    bool is_offered; /* a session, to be resumed */
} handshake;

/* What there is to say of a failure: the members of weir_failure that a filter can fill. */
typedef struct trouble {
    const char *what;
    int tls_error;
    int16_t alert; /* -1: none */
    weir_status status : 16;
} trouble;

struct weir_tls {
    weir_bin *bin; /* its allocator is the filter's */
    weir_tls_config *config;
    WOLFSSL *ssl;
    handshake *handshake;      /* NULL: it ended well */
    weir_tls_records *records; /* NULL: none is under way */
    weir_tls_resume resume;
    trouble trouble;
    uint32_t idle_records; /* since the last plaintext, or since the beginning */
    weir_tls_state state : 8;
    bool started;
    bool said_goodbye;
    bool said_alert; /* a fatal one: the last that was queued */
};

static bool set_up(weir_tls *tls, const weir_tls_filter_options *options);
static bool set_up_name(weir_tls *tls);
static bool set_up_protocols(weir_tls *tls, weir_protocol pin);
static void enter(weir_tls *tls, weir_tls_state state);
static void fail(weir_tls *tls, weir_status status, const char *what);
static void fail_as_wolfssl(weir_tls *tls, int result);
static void end_handshake(weir_tls *tls);
static void take_record(weir_tls *tls, weir_tls_record *record);
static void step_handshake(weir_tls *tls, weir_tls_record *record);
static void step_open(weir_tls *tls, weir_tls_record *record);
static void finish_handshake(weir_tls *tls);
static int receive(WOLFSSL *ssl, char *to, int room, void *user);
static int transmit(WOLFSSL *ssl, char *octets, int count, void *user);

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

weir_tls *weir_tls_new(const weir_tls_filter_options *options, weir_status *status)
{
    const weir_allocator *allocator = options->bin->allocator;
    weir_tls *tls = weir_alloc_zeroed(allocator, sizeof(*tls));
    if (!tls) {
        *status = WEIR_E_NOMEM;
        return NULL;
    }
    tls->bin = options->bin;
    tls->config = weir_tls_config_acquire(options->config);
    tls->trouble.alert = -1;
    tls->handshake = weir_alloc_zeroed(allocator, sizeof(*tls->handshake));
    if (!tls->handshake || !set_up(tls, options)) {
        *status = tls->handshake ? tls->trouble.status : WEIR_E_NOMEM;
        weir_tls_free(tls);
        return NULL;
    }
    *status = WEIR_OK;
    return tls;
}

void weir_tls_free(weir_tls *tls)
{
    if (!tls) {
        return;
    }
    const weir_allocator *allocator = tls->bin->allocator;
    wolfSSL_free(tls->ssl);
    weir_tls_records_end(&tls->records);
    end_handshake(tls);
    weir_tls_config_release(tls->config);
    weir_release(allocator, tls);
}

void weir_tls_start(weir_tls *tls)
{
    weir_tls_record record = {.kind = WEIR_TLS_NOTHING};

    WEIR_ASSERT(!tls->started);
    WEIR_ASSERT(tls->state == WEIR_TLS_HANDSHAKING);
    tls->started = true;
    tls->handshake->is_offered = weir_tls_resume_offer(&tls->resume, tls->config, tls->ssl);
    step_handshake(tls, &record);
    weir_tls_check(tls);
}

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
        fail(tls, WEIR_E_NOMEM, NULL);
        return 0;
    }
    taken = weir_tls_in_feed(&records->in, octets);
    switch (records->in.state) {
    case WEIR_TLS_IN_TORN:
        break;
    case WEIR_TLS_IN_WHOLE:
        take_record(tls, record);
        break;
    case WEIR_TLS_IN_NOT_TLS:
        fail(tls, WEIR_E_TLS_PROTOCOL, "what came is not TLS");
        break;
    case WEIR_TLS_IN_TOO_LONG:
        fail(tls, WEIR_E_TLS_PROTOCOL, "a record is longer than TLS allows");
        break;
    case WEIR_TLS_IN_NOMEM:
        fail(tls, WEIR_E_NOMEM, NULL);
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
        fail(tls, WEIR_E_TLS_CLOSED, NULL);
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
    const size_t before = tls->records ? tls->records->out.count : 0;
    int result;

    if (tls->state == WEIR_TLS_FAILED) {
        return tls->trouble.status;
    }
    WEIR_ASSERT(weir_tls_can_seal(tls));
    WEIR_ASSERT(plain.length <= WEIR_TLS_PLAIN_LIMIT_OCTETS);
    if (plain.length == 0) {
        return WEIR_OK;
    }
    result = wolfSSL_write(tls->ssl, plain.at, (int)plain.length);
    if (result != (int)plain.length) {
        fail_as_wolfssl(tls, result);
        return tls->trouble.status;
    }
    /* The data is the last of what was emitted: a KeyUpdate of our own may go before it. */
    WEIR_ASSERT(tls->records != NULL);
    WEIR_ASSERT(tls->records->out.count > before);
    WEIR_ASSERT(weir_tls_out_is_whole(&tls->records->out));
    weir_tls_out_set_plain(&tls->records->out, plain.length);
    weir_tls_check(tls);
    return WEIR_OK;
}

void weir_tls_close(weir_tls *tls)
{
    int result;

    if (tls->said_goodbye || (tls->state != WEIR_TLS_OPEN && tls->state != WEIR_TLS_CLOSED)) {
        return;
    }
    tls->said_goodbye = true;
    result = wolfSSL_shutdown(tls->ssl);
    if (result != WOLFSSL_SUCCESS && result != WOLFSSL_SHUTDOWN_NOT_DONE) {
        fail_as_wolfssl(tls, result);
    }
    weir_tls_check(tls);
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

weir_protocol weir_tls_protocol(const weir_tls *tls)
{
    char *name = NULL;
    unsigned short length = 0;

    if (wolfSSL_ALPN_GetProtocol(tls->ssl, &name, &length) != WOLFSSL_SUCCESS) {
        return WEIR_PROTOCOL_ANY;
    }
    return length == 2 && memcmp(name, "h2", 2) == 0 ? WEIR_H2 : WEIR_H1;
}

weir_tls_facts weir_tls_describe(const weir_tls *tls)
{
    const char *group = wolfSSL_get_curve_name(tls->ssl);

    return (weir_tls_facts){.version = wolfSSL_get_version(tls->ssl),
                            .suite = wolfSSL_get_cipher_name(tls->ssl),
                            .group = group,
                            .resumed = wolfSSL_session_reused(tls->ssl) != 0};
}

void weir_tls_check(const weir_tls *tls)
{
    WEIR_CHECK_ASSERT((tls->state == WEIR_TLS_FAILED) == (tls->trouble.status != WEIR_OK));
    WEIR_CHECK_ASSERT(tls->state != WEIR_TLS_HANDSHAKING || tls->handshake);
    WEIR_CHECK_ASSERT(tls->state == WEIR_TLS_HANDSHAKING || tls->state == WEIR_TLS_FAILED ||
                      !tls->handshake);
    weir_tls_records_check(tls->records);
}

static bool set_up(weir_tls *tls, const weir_tls_filter_options *options)
{
    weir_tls_verify *verify = &tls->handshake->verify;

    weir_tls_verify_init(verify, options, weir_tls_config_roots(tls->config));
    tls->resume.sessions = options->sessions;
    tls->resume.origin = options->origin;
    tls->ssl = wolfSSL_new(weir_tls_config_context(tls->config));
    if (!tls->ssl) {
        /* Builds of wolfSSL differ in whether they open a descriptor for randomness here. */
        fail(tls, weir_os_descriptors_ran_out() ? WEIR_E_DESCRIPTORS : WEIR_E_NOMEM,
             "wolfSSL could not make a connection");
        return false;
    }
    wolfSSL_SSLSetIORecv(tls->ssl, receive);
    wolfSSL_SSLSetIOSend(tls->ssl, transmit);
    wolfSSL_SetIOReadCtx(tls->ssl, tls);
    wolfSSL_SetIOWriteCtx(tls->ssl, tls);
    if (!weir_tls_config_is_insecure(tls->config)) {
        weir_tls_verify_attach(verify, tls->ssl);
    }
    if (weir_tls_config_key_log(tls->config)) {
        weir_tls_keylog_attach(tls->ssl, weir_tls_config_key_log(tls->config));
    }
    return set_up_name(tls) && set_up_protocols(tls, (weir_protocol)options->origin->pin);
}

/* RFC 6066 s3: a host name, without its final dot, never an address. */
static bool set_up_name(weir_tls *tls)
{
    const weir_tls_identity *identity = &tls->handshake->verify.identity;
    const weir_span name = identity->host;

    if (identity->kind != WEIR_HOST_NAME || name.length == 0) {
        return true;
    }
    if (name.length > UINT16_MAX ||
        wolfSSL_UseSNI(tls->ssl, WOLFSSL_SNI_HOST_NAME, name.at, (unsigned short)name.length) !=
            WOLFSSL_SUCCESS) {
        fail(tls, WEIR_E_NOMEM, "the server name could not be set");
        return false;
    }
    return true;
}

static bool set_up_protocols(weir_tls *tls, weir_protocol pin)
{
    static const char *const offers[] = {
        [WEIR_PROTOCOL_ANY] = "h2,http/1.1", [WEIR_H1] = "http/1.1", [WEIR_H2] = "h2"};
    char offer[16] = "";

    /* wolfSSL takes its argument apart in place. */
    memcpy(offer, offers[pin], strlen(offers[pin]));
    if (wolfSSL_UseALPN(tls->ssl, offer, (unsigned int)strlen(offer),
                        WOLFSSL_ALPN_FAILED_ON_MISMATCH) != WOLFSSL_SUCCESS) {
        fail(tls, WEIR_E_NOMEM, "the protocols could not be offered");
        return false;
    }
    return true;
}

static void enter(weir_tls *tls, weir_tls_state state)
{
    WEIR_ASSERT(edges[tls->state][state]);
    tls->state = state;
}

static void fail(weir_tls *tls, weir_status status, const char *what)
{
    if (tls->state == WEIR_TLS_FAILED) {
        return;
    }
    enter(tls, WEIR_TLS_FAILED);
    tls->trouble.status = status;
    tls->trouble.what = what;
}

/* A result of wolfSSL that is no success and no WANT_READ. */
static void fail_as_wolfssl(weir_tls *tls, int result)
{
    WOLFSSL_ALERT_HISTORY alerts = {{-1, -1}, {-1, -1}};
    int error = wolfSSL_get_error(tls->ssl, result);

    WEIR_ASSERT(error != WOLFSSL_ERROR_WANT_WRITE);
    if (tls->state == WEIR_TLS_FAILED) {
        return; /* a callback knew better */
    }
    (void)wolfSSL_get_alert_history(tls->ssl, &alerts);
    enter(tls, WEIR_TLS_FAILED);
    weir_failure failure = weir_tls_failure_from(
        error, alerts.last_rx.level == alert_fatal ? alerts.last_rx.code : -1);
    if (tls->handshake && tls->handshake->verify.verdict.status != WEIR_OK) {
        failure.status = tls->handshake->verify.verdict.status;
        failure.what = tls->handshake->verify.verdict.what;
    }
    tls->trouble = (trouble){.what = failure.what,
                             .tls_error = failure.tls_error,
                             .alert = (int16_t)failure.tls_alert,
                             .status = failure.status};
    weir_tls_records *records = tls->records;
    if (alerts.last_tx.level == alert_fatal && records && records->out.count > 0 &&
        weir_tls_out_is_whole(&records->out)) {
        tls->said_alert = true;
        weir_tls_out_set_control(&records->out);
    }
}

static void end_handshake(weir_tls *tls)
{
    if (tls->handshake) {
        weir_release(tls->bin->allocator, tls->handshake);
        tls->handshake = NULL;
    }
}

static void take_record(weir_tls *tls, weir_tls_record *record)
{
    weir_tls_in *in = &tls->records->in;

    record->wire_octets = WEIR_TLS_HEADER_OCTETS + in->body_octets;
    if (tls->state == WEIR_TLS_HANDSHAKING) {
        tls->handshake->octets += record->wire_octets;
        tls->idle_records++;
        step_handshake(tls, record);
    } else {
        step_open(tls, record);
    }
    if (!weir_tls_in_is_given(in) && tls->state != WEIR_TLS_FAILED) {
        fail(tls, WEIR_E_TLS_PROTOCOL, "a record was not read to its end");
    }
    weir_tls_in_done(in);
}

static void step_handshake(weir_tls *tls, weir_tls_record *record)
{
    int result;

    record->kind = WEIR_TLS_HANDSHAKE;
    if (tls->handshake->octets > HANDSHAKE_LIMIT_OCTETS ||
        tls->idle_records > HANDSHAKE_RECORDS_LIMIT) {
        fail(tls, WEIR_E_LIMIT_FLOOD, "the TLS handshake does not end");
        return;
    }
    result = wolfSSL_connect(tls->ssl);
    weir_tls_config_note_thread(tls->config);
    if (result == WOLFSSL_SUCCESS && tls->state == WEIR_TLS_HANDSHAKING) {
        finish_handshake(tls);
    } else if (wolfSSL_get_error(tls->ssl, result) != WOLFSSL_ERROR_WANT_READ) {
        fail_as_wolfssl(tls, result);
    }
}

/* Fail closed: a handshake that ended without our own look at the certificate is no handshake. */
static void finish_handshake(weir_tls *tls)
{
    bool resumed = tls->handshake->is_offered && wolfSSL_session_reused(tls->ssl) != 0;

    if (!tls->handshake->verify.done && !resumed && !weir_tls_config_is_insecure(tls->config)) {
        fail(tls, WEIR_E_TLS_CERTIFICATE, "the server's certificate was not looked at");
        return;
    }
    weir_tls_verify_detach(tls->ssl);
    end_handshake(tls);
    tls->idle_records = 0;
    enter(tls, WEIR_TLS_OPEN);
    weir_tls_resume_established(&tls->resume, tls->config, tls->ssl);
}

static void step_open(weir_tls *tls, weir_tls_record *record)
{
    weir_tls_records *records = tls->records;
    size_t room = 0;
    uint8_t *to = weir_tls_records_plain_room(records, records->in.body_octets, &room);
    int result;
    int error;

    record->kind = WEIR_TLS_CONTROL;
    if (!to) {
        fail(tls, WEIR_E_NOMEM, NULL);
        return;
    }
    result = wolfSSL_read(tls->ssl, to, (int)room);
    if (result > 0) {
        record->kind = WEIR_TLS_DATA;
        record->plain_octets = (size_t)result;
        record->plain = weir_tls_records_set_plain(records, (size_t)result);
        tls->idle_records = 0;
        return;
    }
    weir_tls_records_drop_plain(records);
    error = wolfSSL_get_error(tls->ssl, result);
    if (error == WOLFSSL_ERROR_ZERO_RETURN) {
        record->kind = WEIR_TLS_CLOSE_NOTIFY;
        enter(tls, WEIR_TLS_CLOSED);
    } else if (error != WOLFSSL_ERROR_WANT_READ) {
        fail_as_wolfssl(tls, result);
    } else if (++tls->idle_records > IDLE_RECORDS_LIMIT) {
        fail(tls, WEIR_E_LIMIT_FLOOD, "TLS records without plaintext");
    } else {
        weir_tls_resume_remember(&tls->resume, tls->config, tls->ssl);
    }
}

/* wolfSSL wants to read: exactly the record that is whole, and nothing after it. */
static int receive(WOLFSSL *ssl, char *to, int room, void *user)
{
    weir_tls *tls = user;

    (void)ssl;
    WEIR_ASSERT(room >= 0);
    if (!tls->records || tls->records->in.state != WEIR_TLS_IN_WHOLE ||
        weir_tls_in_is_given(&tls->records->in)) {
        return WOLFSSL_CBIO_ERR_WANT_READ;
    }
    return (int)weir_tls_in_give(&tls->records->in, (uint8_t *)to, (size_t)room);
}

/* wolfSSL emits: everything is taken, or the filter has failed. */
static int transmit(WOLFSSL *ssl, char *octets, int count, void *user)
{
    weir_tls *tls = user;
    weir_span span = {(const uint8_t *)octets, (size_t)count};
    weir_tls_record_kind kind = tls->handshake ? WEIR_TLS_HANDSHAKE : WEIR_TLS_CONTROL;

    (void)ssl;
    WEIR_ASSERT(count >= 0);
    if (weir_tls_pending_octets(tls) > WEIR_TLS_OUT_LIMIT_OCTETS + OUT_EXCESS_OCTETS) {
        fail(tls, WEIR_E_LIMIT_FLOOD, "the peer asks for TLS answers and takes none");
        return WOLFSSL_CBIO_ERR_GENERAL;
    }
    weir_tls_records *records = weir_tls_records_begin(&tls->records, tls->bin);
    if (!records || !weir_tls_out_append(&records->out, kind, span)) {
        fail(tls, WEIR_E_NOMEM, NULL);
        return WOLFSSL_CBIO_ERR_GENERAL;
    }
    return count;
}
