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
 * Invariants, checked by weir_tls_check(): FAILED and a failure come together; plaintext is held
 * only when OPEN, CLOSED or FAILED; the out queue's own (engine/tls_out.c).
 */
#include "engine/tls.h"
#include "engine/os.h"
#include "engine/tls_config.h"
#include "engine/tls_failure.h"
#include "engine/tls_in.h"
#include "engine/tls_keylog.h"
#include "engine/tls_out.h"
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

_Static_assert(WEIR_TLS_PLAIN_LIMIT_OCTETS <= UINT16_MAX,
               "a descriptor counts plaintext in 16 bits");
_Static_assert(WEIR_TLS_BODY_LIMIT_OCTETS >= WEIR_TLS_PLAIN_LIMIT_OCTETS,
               "a full record can come in");

struct weir_tls {
    const weir_allocator *allocator;
    weir_tls_config *config;
    WOLFSSL *ssl;
    weir_tls_state state;
    bool started;
    bool established; /* the handshake ended well */
    bool said_goodbye;
    bool said_alert; /* a fatal one: the last that was queued */
    weir_failure failure;
    weir_tls_in in;
    weir_buf plain;          /* plaintext of the last record, if it fits a chunk */
    uint8_t *large_plain;    /* or here: WEIR_TLS_PLAIN_LIMIT_OCTETS */
    uint32_t idle_records;   /* since the last plaintext, or since the beginning */
    size_t handshake_octets; /* received */
    weir_tls_out out;
    weir_tls_verify verify;
    weir_tls_resume resume;
};

static bool set_up(weir_tls *tls, const weir_tls_filter_options *options);
static bool set_up_name(weir_tls *tls);
static bool set_up_protocols(weir_tls *tls, weir_protocol pin);
static void enter(weir_tls *tls, weir_tls_state state);
static void fail(weir_tls *tls, weir_status status, const char *what);
static void fail_as_wolfssl(weir_tls *tls, int result);
static void take_record(weir_tls *tls, weir_tls_record *record);
static void step_handshake(weir_tls *tls, weir_tls_record *record);
static void step_open(weir_tls *tls, weir_tls_record *record);
static void finish_handshake(weir_tls *tls);
static uint8_t *plain_room(weir_tls *tls, size_t *room);
static weir_span plain_of(weir_tls *tls, size_t octets);
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
    weir_tls *tls = weir_alloc_zeroed(options->allocator, sizeof(*tls));
    if (!tls) {
        *status = WEIR_E_NOMEM;
        return NULL;
    }
    tls->allocator = options->allocator;
    tls->config = weir_tls_config_acquire(options->config);
    tls->failure = (weir_failure){.tls_alert = -1, .offset = WEIR_UNKNOWN};
    weir_tls_in_init(&tls->in, options->bin);
    weir_buf_init(&tls->plain, options->bin, WEIR_CHUNK_OCTETS);
    weir_tls_out_init(&tls->out, options->bin, WEIR_TLS_OUT_LIMIT_OCTETS);
    if (!set_up(tls, options)) {
        *status = tls->failure.status;
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
    wolfSSL_free(tls->ssl);
    weir_tls_plain_done(tls);
    weir_tls_in_clear(&tls->in);
    weir_tls_out_clear(&tls->out);
    weir_tls_verify_clear(&tls->verify);
    weir_tls_resume_clear(&tls->resume);
    weir_tls_config_release(tls->config);
    weir_release(tls->allocator, tls);
}

void weir_tls_start(weir_tls *tls)
{
    weir_tls_record record = {.kind = WEIR_TLS_NOTHING};

    WEIR_ASSERT(!tls->started);
    WEIR_ASSERT(tls->state == WEIR_TLS_HANDSHAKING);
    tls->started = true;
    weir_tls_resume_offer(&tls->resume, tls->ssl);
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
    weir_tls_plain_done(tls);
    taken = weir_tls_in_feed(&tls->in, octets);
    switch (tls->in.state) {
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
    weir_tls_check(tls);
    return taken;
}

size_t weir_tls_torn_received(const weir_tls *tls)
{
    return weir_tls_in_torn(&tls->in);
}

void weir_tls_plain_done(weir_tls *tls)
{
    weir_buf_clear(&tls->plain);
    weir_release(tls->allocator, tls->large_plain);
    tls->large_plain = NULL;
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
           weir_buf_room(&tls->out.octets) >=
               WEIR_TLS_SEALED_LIMIT_OCTETS + WEIR_TLS_CONTROL_LIMIT_OCTETS;
}

weir_status weir_tls_seal(weir_tls *tls, weir_span plain)
{
    size_t before = tls->out.count;
    int result;

    if (tls->state == WEIR_TLS_FAILED) {
        return tls->failure.status;
    }
    WEIR_ASSERT(weir_tls_can_seal(tls));
    WEIR_ASSERT(plain.length <= WEIR_TLS_PLAIN_LIMIT_OCTETS);
    if (plain.length == 0) {
        return WEIR_OK;
    }
    result = wolfSSL_write(tls->ssl, plain.at, (int)plain.length);
    if (result != (int)plain.length) {
        fail_as_wolfssl(tls, result);
        return tls->failure.status;
    }
    /* The data is the last of what was emitted: a KeyUpdate of our own may go before it. */
    WEIR_ASSERT(tls->out.count > before);
    WEIR_ASSERT(weir_tls_out_is_whole(&tls->out));
    weir_tls_out_set_plain(&tls->out, plain.length);
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
    return weir_buf_peek(&tls->out.octets, skip);
}

size_t weir_tls_pending_octets(const weir_tls *tls)
{
    return tls->out.octets.octets;
}

void weir_tls_sent(weir_tls *tls, size_t octets)
{
    weir_tls_out_sent(&tls->out, octets);
}

bool weir_tls_next_sent(weir_tls *tls, weir_tls_record *record)
{
    return weir_tls_out_next(&tls->out, record);
}

size_t weir_tls_torn_sent(const weir_tls *tls)
{
    return weir_tls_out_torn(&tls->out);
}

bool weir_tls_wants_pause(const weir_tls *tls)
{
    return weir_buf_room(&tls->out.octets) == 0;
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
    return tls->failure;
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
    WEIR_CHECK_ASSERT((tls->state == WEIR_TLS_FAILED) == (tls->failure.status != WEIR_OK));
    WEIR_CHECK_ASSERT(tls->in.state != WEIR_TLS_IN_WHOLE);
    weir_tls_in_check(&tls->in);
    WEIR_CHECK_ASSERT(tls->plain.octets == 0 || tls->large_plain == NULL);
    weir_tls_out_check(&tls->out);
}

static bool set_up(weir_tls *tls, const weir_tls_filter_options *options)
{
    if (!weir_tls_verify_init(&tls->verify, options, weir_tls_config_roots(tls->config)) ||
        !weir_tls_resume_init(&tls->resume, options)) {
        fail(tls, WEIR_E_NOMEM, NULL);
        return false;
    }
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
        weir_tls_verify_attach(&tls->verify, tls->ssl);
    }
    if (weir_tls_config_key_log(tls->config)) {
        weir_tls_keylog_attach(tls->ssl, weir_tls_config_key_log(tls->config));
    }
    return set_up_name(tls) && set_up_protocols(tls, options->pin);
}

/* RFC 6066 s3: a host name, without its final dot, never an address. */
static bool set_up_name(weir_tls *tls)
{
    weir_span name = tls->verify.identity.host;

    if (tls->verify.identity.kind != WEIR_HOST_NAME || name.length == 0) {
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
    tls->failure.status = status;
    tls->failure.what = what;
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
    tls->failure = weir_tls_failure_from(
        error, alerts.last_rx.level == alert_fatal ? alerts.last_rx.code : -1);
    if (tls->verify.verdict.status != WEIR_OK) {
        tls->failure.status = tls->verify.verdict.status;
        tls->failure.what = tls->verify.verdict.what;
    }
    if (alerts.last_tx.level == alert_fatal && tls->out.count > 0 &&
        weir_tls_out_is_whole(&tls->out)) {
        tls->said_alert = true;
        weir_tls_out_set_control(&tls->out);
    }
}

static void take_record(weir_tls *tls, weir_tls_record *record)
{
    record->wire_octets = WEIR_TLS_HEADER_OCTETS + tls->in.body_octets;
    if (tls->state == WEIR_TLS_HANDSHAKING) {
        tls->handshake_octets += record->wire_octets;
        tls->idle_records++;
        step_handshake(tls, record);
    } else {
        step_open(tls, record);
    }
    if (!weir_tls_in_is_given(&tls->in) && tls->state != WEIR_TLS_FAILED) {
        fail(tls, WEIR_E_TLS_PROTOCOL, "a record was not read to its end");
    }
    weir_tls_in_done(&tls->in);
}

static void step_handshake(weir_tls *tls, weir_tls_record *record)
{
    int result;

    record->kind = WEIR_TLS_HANDSHAKE;
    if (tls->handshake_octets > HANDSHAKE_LIMIT_OCTETS ||
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
    bool resumed = tls->resume.offered && wolfSSL_session_reused(tls->ssl) != 0;

    if (!tls->verify.done && !resumed && !weir_tls_config_is_insecure(tls->config)) {
        fail(tls, WEIR_E_TLS_CERTIFICATE, "the server's certificate was not looked at");
        return;
    }
    tls->established = true;
    tls->idle_records = 0;
    enter(tls, WEIR_TLS_OPEN);
    weir_tls_resume_established(&tls->resume, tls->ssl);
}

static void step_open(weir_tls *tls, weir_tls_record *record)
{
    size_t room = 0;
    uint8_t *to = plain_room(tls, &room);
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
        record->plain = plain_of(tls, (size_t)result);
        tls->idle_records = 0;
        return;
    }
    (void)plain_of(tls, 0);
    error = wolfSSL_get_error(tls->ssl, result);
    if (error == WOLFSSL_ERROR_ZERO_RETURN) {
        record->kind = WEIR_TLS_CLOSE_NOTIFY;
        enter(tls, WEIR_TLS_CLOSED);
    } else if (error != WOLFSSL_ERROR_WANT_READ) {
        fail_as_wolfssl(tls, result);
    } else if (++tls->idle_records > IDLE_RECORDS_LIMIT) {
        fail(tls, WEIR_E_LIMIT_FLOOD, "TLS records without plaintext");
    } else {
        weir_tls_resume_remember(&tls->resume, tls->ssl);
    }
}

/* Where the plaintext of this record goes: it is never longer than the record's body. */
static uint8_t *plain_room(weir_tls *tls, size_t *room)
{
    if (tls->in.body_octets <= WEIR_CHUNK_OCTETS) {
        return weir_buf_reserve(&tls->plain, room);
    }
    *room = WEIR_TLS_PLAIN_LIMIT_OCTETS;
    tls->large_plain = weir_alloc(tls->allocator, WEIR_TLS_PLAIN_LIMIT_OCTETS);
    return tls->large_plain;
}

static weir_span plain_of(weir_tls *tls, size_t octets)
{
    if (tls->large_plain) {
        if (octets == 0) {
            weir_tls_plain_done(tls);
        }
        return (weir_span){tls->large_plain, octets};
    }
    weir_buf_commit(&tls->plain, octets);
    return weir_buf_peek(&tls->plain, 0);
}

/* wolfSSL wants to read: exactly the record that is whole, and nothing after it. */
static int receive(WOLFSSL *ssl, char *to, int room, void *user)
{
    weir_tls *tls = user;

    (void)ssl;
    WEIR_ASSERT(room >= 0);
    if (tls->in.state != WEIR_TLS_IN_WHOLE || weir_tls_in_is_given(&tls->in)) {
        return WOLFSSL_CBIO_ERR_WANT_READ;
    }
    return (int)weir_tls_in_give(&tls->in, (uint8_t *)to, (size_t)room);
}

/* wolfSSL emits: everything is taken, or the filter has failed. */
static int transmit(WOLFSSL *ssl, char *octets, int count, void *user)
{
    weir_tls *tls = user;
    weir_span span = {(const uint8_t *)octets, (size_t)count};
    weir_tls_record_kind kind = tls->established ? WEIR_TLS_CONTROL : WEIR_TLS_HANDSHAKE;

    (void)ssl;
    WEIR_ASSERT(count >= 0);
    if (weir_tls_pending_octets(tls) > WEIR_TLS_OUT_LIMIT_OCTETS + OUT_EXCESS_OCTETS) {
        fail(tls, WEIR_E_LIMIT_FLOOD, "the peer asks for TLS answers and takes none");
        return WOLFSSL_CBIO_ERR_GENERAL;
    }
    if (!weir_tls_out_append(&tls->out, kind, span)) {
        fail(tls, WEIR_E_NOMEM, NULL);
        return WOLFSSL_CBIO_ERR_GENERAL;
    }
    return count;
}
