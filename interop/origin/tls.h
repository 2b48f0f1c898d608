/* SPDX-License-Identifier: MIT */
/*
 * TLS as a filter between two queues: records in, plain octets out, and back. OpenSSL sees memory
 * only and never a socket, so the connection counts what really passes the socket.
 *
 * SNI names with a meaning of their own: `alert-N.<anything>` ends the handshake with the fatal
 * alert N; names given by --sni choose their certificate.
 */
#ifndef ORIGIN_TLS_H
#define ORIGIN_TLS_H

#include "options.h"
#include "queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tls_context tls_context;
typedef struct tls tls;

typedef enum tls_state { TLS_SHAKING, TLS_OPEN, TLS_PEER_CLOSED, TLS_FAILED } tls_state;

/* Ends the program when a certificate or a setting is unusable. */
tls_context *tls_context_new(const options *o);
void tls_context_free(tls_context *t);

tls *tls_new(tls_context *context);
void tls_free(tls *t);
/* Takes records; appends the plain octets to `plain` and whatever TLS answers to `wire`. */
tls_state tls_receive(tls *t, const uint8_t *octets, size_t count, queue *plain, queue *wire);
/* Seals all of `plain` into `wire`. Only when open. */
void tls_seal(tls *t, queue *plain, queue *wire);
void tls_close_notify(tls *t, queue *wire);
bool tls_is_open(const tls *t);
bool tls_is_h2(const tls *t);
bool tls_is_resumed(const tls *t);

/* The following three are for TLS 1.3 only and answer false with anything else. */
bool tls_key_update(tls *t, bool ask_peer, queue *wire);
bool tls_send_ticket(tls *t, queue *wire);
/* Makes OpenSSL send a fatal alert by showing it a record that the peer never sent. */
bool tls_fatal_alert(tls *t, unsigned alert, queue *wire);

#endif
