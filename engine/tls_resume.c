/* SPDX-License-Identifier: MIT */
/*
 * wolfSSL keeps the newest ticket of a connection in its session and tells nobody when one comes
 * (its callback is for TLS 1.2 only). So after each record that carried no data the ticket is
 * looked at, and a copy of the session is remembered when it is another one than last time. Tickets
 * are told apart by their ends: they are encrypted, or random, so that two that end in the same
 * eight octets do not occur; if they did, one would not be remembered.
 *
 * The copy matters: the session of a connection goes on changing.
 */
#include "engine/tls_resume.h"

#include "engine/tls_config.h"

#include <string.h>

#include <wolfssl/options.h> /* before every other header of wolfSSL */

#include <wolfssl/ssl.h>

/* What wolfSSL can offer. A longer ticket is not remembered: the handshake that offers it would
 * fail. */
enum { TICKET_LIMIT_OCTETS = 1536 };

static bool is_secret_untold(const weir_tls_config *config, WOLFSSL *ssl);
static bool is_new_ticket(weir_tls_resume *resume, WOLFSSL *ssl);

bool weir_tls_resume_offer(weir_tls_resume *resume, weir_tls_config *config, WOLFSSL *ssl)
{
    const weir_tls_session_key key = {config, resume->origin};
    bool is_offered = false;

    while (resume->sessions && !is_offered) {
        WOLFSSL_SESSION *session = weir_tls_sessions_take(resume->sessions, &key);
        if (!session) {
            return false;
        }
        /* One that has expired is refused here; there may be another. */
        is_offered = wolfSSL_set_session(ssl, session) == WOLFSSL_SUCCESS;
        wolfSSL_SESSION_free(session);
    }
    if (is_offered) {
        (void)is_new_ticket(resume, ssl); /* it is used now: not to be remembered again */
    }
    return is_offered;
}

void weir_tls_resume_established(weir_tls_resume *resume, weir_tls_config *config, WOLFSSL *ssl)
{
    if (wolfSSL_GetVersion(ssl) == WOLFSSL_TLSV1_2) {
        memset(resume->ticket_end, 0, sizeof(resume->ticket_end));
    }
    weir_tls_resume_remember(resume, config, ssl);
}

void weir_tls_resume_remember(weir_tls_resume *resume, weir_tls_config *config, WOLFSSL *ssl)
{
    WOLFSSL_SESSION *session;
    WOLFSSL_SESSION *copy;

    if (!resume->sessions || is_secret_untold(config, ssl) || !is_new_ticket(resume, ssl)) {
        return;
    }
    session = wolfSSL_get1_session(ssl);
    if (!session) {
        return;
    }
    copy = wolfSSL_SESSION_dup(session);
    wolfSSL_SESSION_free(session);
    if (copy) {
        const weir_tls_session_key key = {config, resume->origin};
        weir_tls_sessions_put(resume->sessions, &key, copy);
    }
}

/* wolfSSL tells a secret when it is made, and a TLS 1.2 session that is resumed makes none: its
 * connection would be missing in the key log. */
static bool is_secret_untold(const weir_tls_config *config, WOLFSSL *ssl)
{
    return weir_tls_config_key_log(config) && wolfSSL_GetVersion(ssl) == WOLFSSL_TLSV1_2;
}

static bool is_new_ticket(weir_tls_resume *resume, WOLFSSL *ssl)
{
    uint8_t ticket[TICKET_LIMIT_OCTETS];
    uint8_t end[sizeof(resume->ticket_end)] = {0};
    word32 length = sizeof(ticket);
    size_t count;

    if (wolfSSL_get_SessionTicket(ssl, ticket, &length) != WOLFSSL_SUCCESS || length == 0) {
        return false;
    }
    count = weir_min(length, sizeof(end));
    memcpy(end, ticket + length - count, count);
    if (memcmp(end, resume->ticket_end, sizeof(end)) == 0) {
        return false;
    }
    memcpy(resume->ticket_end, end, sizeof(end));
    return true;
}
