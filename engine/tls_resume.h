/* SPDX-License-Identifier: MIT */
/*
 * One connection's part in resumption: it offers a session of its identity, and remembers the
 * tickets that it gets.
 *
 * Lives in its filter. Thread rule: none (the store locks).
 */
#ifndef WEIR_ENGINE_TLS_RESUME_H
#define WEIR_ENGINE_TLS_RESUME_H

#include "engine/tls_session.h"

struct WOLFSSL;

typedef struct weir_tls_resume {
    weir_tls_sessions *sessions;   /* *kept*; NULL: nothing is resumed nor remembered */
    const weir_origin_key *origin; /* *kept* */
    uint8_t ticket_end[8];         /* the end of the last ticket that was remembered */
} weir_tls_resume;

/* `config`, here and below: that of the filter, as part of the key. Before the handshake. True: a
 * session is offered. */
bool weir_tls_resume_offer(weir_tls_resume *resume, weir_tls_config *config, struct WOLFSSL *ssl);
/* When the handshake is over: a ticket of TLS 1.2 that was just used may be used again (RFC 5077
 * s3.1). */
void weir_tls_resume_established(weir_tls_resume *resume, weir_tls_config *config,
                                 struct WOLFSSL *ssl);
/* After each record that may have been a ticket. */
void weir_tls_resume_remember(weir_tls_resume *resume, weir_tls_config *config,
                              struct WOLFSSL *ssl);

#endif
