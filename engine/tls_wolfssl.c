/* SPDX-License-Identifier: MIT */
/*
 * The TLS filter over wolfSSL: what takes the records apart and makes them.
 *
 * Receiving. wolfSSL is called only when a record is whole: its callback is then given exactly that
 * record and afterwards WANT_READ. So one step of wolfSSL is one record.
 *
 * Sending. The callback always takes everything, into the out queue, so wolfSSL never sees a short
 * write. WANT_WRITE can therefore not happen, and is an assertion.
 *
 * Failing. Every error of wolfSSL ends the filter. What failed inside a callback is remembered
 * there, because wolfSSL only knows that "the socket failed".
 *
 * Idle. What a connection holds that is idle is `struct wolfssl_filter` and not more: `handshake`
 * goes when it is over.
 *
 * Invariant, checked at the end of every step: who is HANDSHAKING has the means for it, and who is
 * OPEN or CLOSED has not.
 */
#include "engine/os.h"
#include "engine/tls_common.h"
#include "engine/tls_failure.h"
#include "engine/tls_keylog.h"
#include "engine/tls_resume.h"
#include "engine/tls_verify.h"

#include <string.h>

#include <wolfssl/options.h> /* before every other header of wolfSSL */

#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>

/* What a server may send before the handshake is over: the longest chain that is taken, and room
 * for the rest. */
enum {
    HANDSHAKE_LIMIT_OCTETS = WEIR_TLS_CHAIN_LIMIT_OCTETS + 65536,
    HANDSHAKE_RECORDS_LIMIT = 1024
};

/* What only a handshake needs. */
typedef struct handshake {
    weir_tls_verify verify;
    size_t octets;   /* received */
    bool is_offered; /* a session, to be resumed */
} handshake;

typedef struct wolfssl_filter {
    weir_tls tls;
    WOLFSSL *ssl;
    handshake *handshake; /* NULL: it ended well */
    weir_tls_resume resume;
} wolfssl_filter;

static wolfssl_filter *filter_of(weir_tls *tls);
static const wolfssl_filter *filter_of_const(const weir_tls *tls);
static bool set_up(wolfssl_filter *filter, const weir_tls_filter_options *options);
static bool set_up_name(wolfssl_filter *filter);
static bool set_up_protocols(wolfssl_filter *filter, weir_protocol pin);
static void check_handshake(const wolfssl_filter *filter);
static void fail_as_wolfssl(wolfssl_filter *filter, int result);
static void end_handshake(wolfssl_filter *filter);
static void step_handshake(wolfssl_filter *filter, weir_tls_record *record);
static void finish_handshake(wolfssl_filter *filter);
static void step_open(wolfssl_filter *filter, weir_tls_record *record);
static int receive(WOLFSSL *ssl, char *to, int room, void *user);
static int transmit(WOLFSSL *ssl, char *octets, int count, void *user);

weir_tls *weir_tls_new(const weir_tls_filter_options *options, weir_status *status)
{
    const weir_allocator *allocator = options->bin->allocator;
    wolfssl_filter *filter = weir_alloc_zeroed(allocator, sizeof(*filter));
    if (!filter) {
        *status = WEIR_E_NOMEM;
        return NULL;
    }
    weir_tls_init(&filter->tls, options);
    filter->handshake = weir_alloc_zeroed(allocator, sizeof(*filter->handshake));
    if (!filter->handshake || !set_up(filter, options)) {
        *status = filter->handshake ? filter->tls.trouble.status : WEIR_E_NOMEM;
        weir_tls_free(&filter->tls);
        return NULL;
    }
    *status = WEIR_OK;
    return &filter->tls;
}

void weir_tls_free(weir_tls *tls)
{
    if (!tls) {
        return;
    }
    const weir_allocator *allocator = tls->bin->allocator;
    wolfssl_filter *filter = filter_of(tls);
    wolfSSL_free(filter->ssl);
    end_handshake(filter);
    weir_tls_clear(tls);
    weir_release(allocator, filter);
}

void weir_tls_start(weir_tls *tls)
{
    weir_tls_record record = {.kind = WEIR_TLS_NOTHING};
    wolfssl_filter *filter = filter_of(tls);

    WEIR_ASSERT(!tls->started);
    WEIR_ASSERT(tls->state == WEIR_TLS_HANDSHAKING);
    tls->started = true;
    filter->handshake->is_offered =
        weir_tls_resume_offer(&filter->resume, tls->config, filter->ssl);
    step_handshake(filter, &record);
    check_handshake(filter);
    weir_tls_check(tls);
}

void weir_tls_take(weir_tls *tls, weir_tls_record *record)
{
    wolfssl_filter *filter = filter_of(tls);

    if (tls->state == WEIR_TLS_HANDSHAKING) {
        filter->handshake->octets += record->wire_octets;
        tls->idle_records++;
        step_handshake(filter, record);
    } else {
        step_open(filter, record);
    }
    check_handshake(filter);
}

weir_status weir_tls_seal(weir_tls *tls, weir_span plain)
{
    const size_t before = tls->records ? tls->records->out.count : 0;
    wolfssl_filter *filter = filter_of(tls);
    int result;

    if (tls->state == WEIR_TLS_FAILED) {
        return tls->trouble.status;
    }
    WEIR_ASSERT(weir_tls_can_seal(tls));
    WEIR_ASSERT(plain.length <= WEIR_TLS_PLAIN_LIMIT_OCTETS);
    if (plain.length == 0) {
        return WEIR_OK;
    }
    result = wolfSSL_write(filter->ssl, plain.at, (int)plain.length);
    if (result != (int)plain.length) {
        fail_as_wolfssl(filter, result);
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
    wolfssl_filter *filter = filter_of(tls);
    int result;

    if (tls->said_goodbye || (tls->state != WEIR_TLS_OPEN && tls->state != WEIR_TLS_CLOSED)) {
        return;
    }
    tls->said_goodbye = true;
    result = wolfSSL_shutdown(filter->ssl);
    if (result != WOLFSSL_SUCCESS && result != WOLFSSL_SHUTDOWN_NOT_DONE) {
        fail_as_wolfssl(filter, result);
    }
    weir_tls_check(tls);
}

weir_protocol weir_tls_protocol(const weir_tls *tls)
{
    WOLFSSL *ssl = filter_of_const(tls)->ssl;
    char *name = NULL;
    unsigned short length = 0;

    if (wolfSSL_ALPN_GetProtocol(ssl, &name, &length) != WOLFSSL_SUCCESS) {
        return WEIR_PROTOCOL_ANY;
    }
    return length == 2 && memcmp(name, "h2", 2) == 0 ? WEIR_H2 : WEIR_H1;
}

weir_tls_facts weir_tls_describe(const weir_tls *tls)
{
    WOLFSSL *ssl = filter_of_const(tls)->ssl;
    const char *group = wolfSSL_get_curve_name(ssl);

    return (weir_tls_facts){.version = wolfSSL_get_version(ssl),
                            .suite = wolfSSL_get_cipher_name(ssl),
                            .group = group,
                            .resumed = wolfSSL_session_reused(ssl) != 0};
}

static wolfssl_filter *filter_of(weir_tls *tls)
{
    return WEIR_CONTAINER_OF(tls, wolfssl_filter, tls);
}

static const wolfssl_filter *filter_of_const(const weir_tls *tls)
{
    return WEIR_CONST_CONTAINER_OF(tls, wolfssl_filter, tls);
}

static bool set_up(wolfssl_filter *filter, const weir_tls_filter_options *options)
{
    weir_tls_config *config = filter->tls.config;
    weir_tls_verify *verify = &filter->handshake->verify;

    weir_tls_verify_init(verify, options, weir_tls_config_roots(config));
    filter->resume.sessions = options->sessions;
    filter->resume.origin = options->origin;
    filter->ssl = wolfSSL_new(weir_tls_config_context(config));
    if (!filter->ssl) {
        /* Builds of wolfSSL differ in whether they open a descriptor for randomness here. */
        weir_tls_fail_with(&filter->tls,
                           weir_os_descriptors_ran_out() ? WEIR_E_DESCRIPTORS : WEIR_E_NOMEM,
                           "wolfSSL could not make a connection");
        return false;
    }
    wolfSSL_SSLSetIORecv(filter->ssl, receive);
    wolfSSL_SSLSetIOSend(filter->ssl, transmit);
    wolfSSL_SetIOReadCtx(filter->ssl, &filter->tls);
    wolfSSL_SetIOWriteCtx(filter->ssl, &filter->tls);
    if (!weir_tls_config_is_insecure(config)) {
        weir_tls_verify_attach(verify, filter->ssl);
    }
    if (weir_tls_config_key_log(config)) {
        weir_tls_keylog_attach(filter->ssl, weir_tls_config_key_log(config));
    }
    return set_up_name(filter) && set_up_protocols(filter, (weir_protocol)options->origin->pin);
}

/* RFC 6066 s3: a host name, without its final dot, never an address. */
static bool set_up_name(wolfssl_filter *filter)
{
    const weir_tls_identity *identity = &filter->handshake->verify.identity;
    const weir_span name = identity->host;

    if (identity->kind != WEIR_HOST_NAME || name.length == 0) {
        return true;
    }
    if (name.length > UINT16_MAX ||
        wolfSSL_UseSNI(filter->ssl, WOLFSSL_SNI_HOST_NAME, name.at, (unsigned short)name.length) !=
            WOLFSSL_SUCCESS) {
        weir_tls_fail_with(&filter->tls, WEIR_E_NOMEM, "the server name could not be set");
        return false;
    }
    return true;
}

static bool set_up_protocols(wolfssl_filter *filter, weir_protocol pin)
{
    static const char *const offers[] = {
        [WEIR_PROTOCOL_ANY] = "h2,http/1.1", [WEIR_H1] = "http/1.1", [WEIR_H2] = "h2"};
    char offer[16] = "";

    /* wolfSSL takes its argument apart in place. */
    memcpy(offer, offers[pin], strlen(offers[pin]));
    if (wolfSSL_UseALPN(filter->ssl, offer, (unsigned int)strlen(offer),
                        WOLFSSL_ALPN_FAILED_ON_MISMATCH) != WOLFSSL_SUCCESS) {
        weir_tls_fail_with(&filter->tls, WEIR_E_NOMEM, "the protocols could not be offered");
        return false;
    }
    return true;
}

static void check_handshake(const wolfssl_filter *filter)
{
    const weir_tls_state state = filter->tls.state;

    WEIR_CHECK_ASSERT(state != WEIR_TLS_HANDSHAKING || filter->handshake);
    WEIR_CHECK_ASSERT(state == WEIR_TLS_HANDSHAKING || state == WEIR_TLS_FAILED ||
                      !filter->handshake);
}

/* A result of wolfSSL that is no success and no WANT_READ. */
static void fail_as_wolfssl(wolfssl_filter *filter, int result)
{
    WOLFSSL_ALERT_HISTORY alerts = {{-1, -1}, {-1, -1}};
    int error = wolfSSL_get_error(filter->ssl, result);
    weir_tls *tls = &filter->tls;

    WEIR_ASSERT(error != WOLFSSL_ERROR_WANT_WRITE);
    if (tls->state == WEIR_TLS_FAILED) {
        return; /* a callback knew better */
    }
    (void)wolfSSL_get_alert_history(filter->ssl, &alerts);
    weir_failure failure = weir_tls_failure_from(
        error, alerts.last_rx.level == alert_fatal ? alerts.last_rx.code : -1);
    if (filter->handshake && filter->handshake->verify.verdict.status != WEIR_OK) {
        failure.status = filter->handshake->verify.verdict.status;
        failure.what = filter->handshake->verify.verdict.what;
    }
    weir_tls_fail(tls, (weir_tls_trouble){.what = failure.what,
                                          .tls_error = failure.tls_error,
                                          .alert = (int16_t)failure.tls_alert,
                                          .status = failure.status});
    const weir_tls_records *records = tls->records;
    if (alerts.last_tx.level == alert_fatal && records && records->out.count > 0 &&
        weir_tls_out_is_whole(&records->out)) {
        weir_tls_mark_alert(tls);
    }
}

static void end_handshake(wolfssl_filter *filter)
{
    weir_release(filter->tls.bin->allocator, filter->handshake);
    filter->handshake = NULL;
}

static void step_handshake(wolfssl_filter *filter, weir_tls_record *record)
{
    weir_tls *tls = &filter->tls;
    int result;

    record->kind = WEIR_TLS_HANDSHAKE;
    if (filter->handshake->octets > HANDSHAKE_LIMIT_OCTETS ||
        tls->idle_records > HANDSHAKE_RECORDS_LIMIT) {
        weir_tls_fail_with(tls, WEIR_E_LIMIT_FLOOD, "the TLS handshake does not end");
        return;
    }
    result = wolfSSL_connect(filter->ssl);
    weir_tls_config_note_thread(tls->config);
    if (result == WOLFSSL_SUCCESS && tls->state == WEIR_TLS_HANDSHAKING) {
        finish_handshake(filter);
    } else if (wolfSSL_get_error(filter->ssl, result) != WOLFSSL_ERROR_WANT_READ) {
        fail_as_wolfssl(filter, result);
    }
}

/* Fail closed: a handshake that ended without our own look at the certificate is no handshake. */
static void finish_handshake(wolfssl_filter *filter)
{
    weir_tls *tls = &filter->tls;
    const bool resumed = filter->handshake->is_offered && wolfSSL_session_reused(filter->ssl) != 0;

    if (!filter->handshake->verify.done && !resumed && !weir_tls_config_is_insecure(tls->config)) {
        weir_tls_fail_with(tls, WEIR_E_TLS_CERTIFICATE,
                           "the server's certificate was not looked at");
        return;
    }
    weir_tls_verify_detach(filter->ssl);
    end_handshake(filter);
    tls->idle_records = 0;
    weir_tls_enter(tls, WEIR_TLS_OPEN);
    weir_tls_resume_established(&filter->resume, tls->config, filter->ssl);
}

static void step_open(wolfssl_filter *filter, weir_tls_record *record)
{
    weir_tls *tls = &filter->tls;
    size_t room = 0;
    uint8_t *to = weir_tls_records_plain_room(tls->records, tls->records->in.body_octets, &room);
    int result;
    int error;

    record->kind = WEIR_TLS_CONTROL;
    if (!to) {
        weir_tls_fail_with(tls, WEIR_E_NOMEM, NULL);
        return;
    }
    result = wolfSSL_read(filter->ssl, to, (int)room);
    if (result > 0) {
        weir_tls_tell_plain(tls, record, (size_t)result);
        return;
    }
    weir_tls_records_drop_plain(tls->records);
    error = wolfSSL_get_error(filter->ssl, result);
    if (error == WOLFSSL_ERROR_ZERO_RETURN) {
        record->kind = WEIR_TLS_CLOSE_NOTIFY;
        weir_tls_enter(tls, WEIR_TLS_CLOSED);
    } else if (error != WOLFSSL_ERROR_WANT_READ) {
        fail_as_wolfssl(filter, result);
    } else if (weir_tls_tell_idle(tls)) {
        weir_tls_resume_remember(&filter->resume, tls->config, filter->ssl);
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
    const weir_span span = {(const uint8_t *)octets, (size_t)count};
    const bool shakes_hands = filter_of(tls)->handshake != NULL;

    (void)ssl;
    WEIR_ASSERT(count >= 0);
    return weir_tls_queue(tls, shakes_hands ? WEIR_TLS_HANDSHAKE : WEIR_TLS_CONTROL, span)
               ? count
               : WOLFSSL_CBIO_ERR_GENERAL;
}
