/* SPDX-License-Identifier: MIT */
/*
 * TLS as a filter over memory: records in, plaintext out; plaintext in, records out. No socket, no
 * clock.
 *
 * The filter walks the 5-octet record headers itself, in both directions, and tells of every record
 * what it was and how long: that is what the octet ledger is made of. wolfSSL is given exactly one
 * whole record at a time.
 *
 * Two laws, one for each direction:
 *   received: octets that feed() took == wire_octets of all records told + torn_received()
 *   sent: octets given to sent() == wire_octets of all records told + torn_sent()
 *
 *   HANDSHAKING --feed--> OPEN --feed: close_notify--> CLOSED
 *        |                  |                             |
 *        +--feed, end-------+--feed, seal: any failure----+--> FAILED
 *
 * Failures are sticky: a failed filter takes nothing more. What it still wants to say (an alert)
 * stays pending.
 *
 * Memory: what is needed for a handshake goes when it is over. Records that are under way, and with
 * them the plaintext of the last one, lie in a loan from the bin (engine/tls_records.h), which goes
 * back as soon as none is. An idle filter holds a small record and wolfSSL's own state.
 *
 * Thread rule: none; whoever owns the link owns its filter.
 */
#ifndef WEIR_ENGINE_TLS_H
#define WEIR_ENGINE_TLS_H

#include "pool/origin.h"
#include "proto/buf.h"
#include "proto/target.h"
#include "weir/failure.h"
#include "weir/tls.h"

/* The most plaintext that one record holds (RFC 8446 s5.1). */
#define WEIR_TLS_PLAIN_LIMIT_OCTETS   16384
/* Such a record, sealed: with its header, and at most 48 octets of nonce, tag and content type. */
#define WEIR_TLS_SEALED_LIMIT_OCTETS  (5 + WEIR_TLS_PLAIN_LIMIT_OCTETS + 48)
/* The longest alert or KeyUpdate, sealed. */
#define WEIR_TLS_CONTROL_LIMIT_OCTETS 64
/* The out queue: four sealed records and one control record. Over it the link stops reading. */
#define WEIR_TLS_OUT_LIMIT_OCTETS     (4 * WEIR_TLS_SEALED_LIMIT_OCTETS + WEIR_TLS_CONTROL_LIMIT_OCTETS)

typedef struct weir_tls weir_tls;
typedef struct weir_tls_sessions weir_tls_sessions; /* engine/tls_session.h */

typedef enum weir_tls_state {
    WEIR_TLS_HANDSHAKING = 0,
    WEIR_TLS_OPEN,
    WEIR_TLS_CLOSED, /* the peer sent close_notify: no more plaintext will come */
    WEIR_TLS_FAILED,
    WEIR_TLS_STATES
} weir_tls_state;

typedef enum weir_tls_record_kind {
    WEIR_TLS_NOTHING = 0,
    WEIR_TLS_HANDSHAKE, /* a record before the handshake was over */
    WEIR_TLS_CONTROL,   /* a record after it that carried no plaintext: ticket, KeyUpdate, alert */
    WEIR_TLS_DATA,      /* at least one octet of plaintext */
    WEIR_TLS_CLOSE_NOTIFY /* the peer will send no more; charged as control */
} weir_tls_record_kind;

typedef struct weir_tls_record {
    weir_tls_record_kind kind;
    weir_span plain;     /* received DATA only: borrowed until the next feed, plain_done or free */
    size_t plain_octets; /* DATA, either direction */
    size_t wire_octets;  /* 5 + length */
} weir_tls_record;

typedef struct weir_tls_filter_options {
    weir_tls_config *config; /* acquired */
    /* Whose connection it is. Its `host` is for SNI and the certificate; its `pin` is what ALPN
     * offers, ANY: h2 and http/1.1. */
    const weir_origin_key *origin;
    /* the IP kinds: 4 or 16 octets, compared with the certificate; no SNI */
    const uint8_t *address;
    weir_bin *bin;               /* its allocator is the filter's */
    weir_tls_sessions *sessions; /* NULL: none are resumed nor remembered */
} weir_tls_filter_options;

/*
 * What whoever reads the plaintext cannot pass on yet, with the octets that came behind it. It lies
 * with the records under way, so that nobody pays for it whose octets are all passed on.
 */
typedef struct weir_tls_held {
    weir_span plain;        /* the rest of the last record's */
    size_t overhead_octets; /* of that record */
    weir_buf stash;         /* came behind it, and was not fed yet */
} weir_tls_held;

/* What was agreed on, for people. Strings are static or live as long as the filter. */
typedef struct weir_tls_facts {
    const char *version; /* "TLSv1.3" */
    const char *suite;
    const char *group; /* NULL: not known */
    bool resumed;
} weir_tls_facts;

/*
 * The address is copied; `bin` and `sessions` are *kept*, and so is `origin`, until nothing more is
 * fed; the configuration is acquired. NULL: *status is WEIR_E_NOMEM or WEIR_E_TLS_CONFIG.
 */
weir_tls *weir_tls_new(const weir_tls_filter_options *options, weir_status *status);
void weir_tls_free(weir_tls *tls);

/* Queues the ClientHello. Once. */
void weir_tls_start(weir_tls *tls);

/*
 * Takes octets up to the end of at most one record; answers how many. *record tells what it was;
 * NOTHING while it is torn. A record that broke the connection is told too (as HANDSHAKE or
 * CONTROL), so that every octet taken has a row. Takes nothing when CLOSED or FAILED.
 */
size_t weir_tls_feed(weir_tls *tls, weir_span octets, weir_tls_record *record);
/* Octets taken of a record that is not yet whole. */
size_t weir_tls_torn_received(const weir_tls *tls);
/* The plaintext of the last record is not needed any more: its memory is given back, and that of
 * the stash if it is empty. */
void weir_tls_plain_done(weir_tls *tls);
/* There from a record with plaintext until weir_tls_plain_done() with an empty stash, and perhaps
 * longer; NULL: nothing is held. Valid until the next call. */
weir_tls_held *weir_tls_held_of(const weir_tls *tls);
/* The transport will bring no more octets. */
void weir_tls_end(weir_tls *tls);

/* May a full record be sealed now? OPEN, and it fits the out queue together with a control record.
 */
bool weir_tls_can_seal(const weir_tls *tls);
/*
 * Makes one record of `plain` (1 to WEIR_TLS_PLAIN_LIMIT_OCTETS; none makes no record) and queues
 * it. Only when weir_tls_can_seal(). OK, or the sticky failure.
 */
weir_status weir_tls_seal(weir_tls *tls, weir_span plain);
/* Queues close_notify, if it was not and the handshake is over. */
void weir_tls_close(weir_tls *tls);

/* The longest run of queued octets that begins `skip` octets into the queue. Pinned until
 * weir_tls_sent(). */
weir_span weir_tls_pending(const weir_tls *tls, size_t skip);
size_t weir_tls_pending_octets(const weir_tls *tls);
/* The kernel took the first `octets` of them. */
void weir_tls_sent(weir_tls *tls, size_t octets);
/* The next record whose last octet was taken, in order; false: none. `plain` is empty. */
bool weir_tls_next_sent(weir_tls *tls, weir_tls_record *record);
/* Octets taken of a record that was not taken whole. */
size_t weir_tls_torn_sent(const weir_tls *tls);
/* Plaintext in the records that were sealed and not told by weir_tls_next_sent(). */
size_t weir_tls_sealed_octets(const weir_tls *tls);

/* Is the out queue over its limit (the peer makes us answer and takes nothing)? Then do not feed.
 */
bool weir_tls_wants_pause(const weir_tls *tls);

/* Records that came since the last with plaintext, or since the beginning. */
uint32_t weir_tls_idle_records(const weir_tls *tls);

weir_tls_state weir_tls_state_of(const weir_tls *tls);
const char *weir_tls_state_name(weir_tls_state state);
/* FAILED, and the fatal alert that tells the peer is queued and was not taken whole. */
bool weir_tls_owes_alert(const weir_tls *tls);
/* Valid when FAILED. `phase` is left to the caller. */
weir_failure weir_tls_failure(const weir_tls *tls);
/* When OPEN: what ALPN chose; ANY: the peer answered none. */
weir_protocol weir_tls_protocol(const weir_tls *tls);
weir_tls_facts weir_tls_describe(const weir_tls *tls);

void weir_tls_check(const weir_tls *tls);

#endif
