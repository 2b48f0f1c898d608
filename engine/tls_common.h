/* SPDX-License-Identifier: MIT */
/*
 * What the filter is whoever seals its records, for the two files that it is made of; the rest of
 * weir knows only tls.h.
 *
 *   tls.c          its state, the records that are under way, what is queued, limits, its failure
 *   tls_wolfssl.c  the machine: it reads a record that is whole and says what it was, makes records
 *                  of plaintext, shakes hands
 *
 * The machine implements of tls.h: new, free, start, seal, close, protocol, describe; and of this
 * header weir_tls_take(). Its own type begins with weir_tls. There is one in the library, and one in
 * the simulator (tests/sim/tls_stand_in.c), which is linked instead; so no switch and no vtable.
 */
#ifndef WEIR_ENGINE_TLS_COMMON_H
#define WEIR_ENGINE_TLS_COMMON_H

#include "engine/tls.h"
#include "engine/tls_config.h"
#include "engine/tls_records.h"

/* What there is to say of a failure: the members of weir_failure that a filter can fill. */
typedef struct weir_tls_trouble {
    const char *what;
    int tls_error;
    int16_t alert; /* -1: none */
    weir_status status : 16;
} weir_tls_trouble;

struct weir_tls {
    weir_bin *bin; /* its allocator is the filter's */
    weir_tls_config *config;
    weir_tls_records *records; /* NULL: none is under way */
    weir_tls_trouble trouble;
    uint32_t idle_records; /* since the last plaintext, or since the beginning */
    weir_tls_state state : 8;
    bool started;
    bool said_goodbye;
    bool said_alert; /* a fatal one: the last that was queued */
};

/* For the machine's new() and free(): the common part of a filter that is all zeros, and its end. */
void weir_tls_init(weir_tls *tls, const weir_tls_filter_options *options);
void weir_tls_clear(weir_tls *tls);

/* Edges of the state machine. */
void weir_tls_enter(weir_tls *tls, weir_tls_state state);
/* Ends it, for good. The first failure stays. */
void weir_tls_fail(weir_tls *tls, weir_tls_trouble trouble);
/* ... where there is no more to say than this; `what` may be NULL. */
void weir_tls_fail_with(weir_tls *tls, weir_status status, const char *what);

/*
 * The machine's: a record is whole in `tls->records->in`. Reads it to its end, or fails, and says in
 * *record what it was; its wire_octets are there already.
 */
void weir_tls_take(weir_tls *tls, weir_tls_record *record);
/* For it: the record was DATA, with so much plaintext, which lies in the room that
 * weir_tls_records_plain_room() answered. */
void weir_tls_tell_plain(weir_tls *tls, weir_tls_record *record, size_t octets);
/* For it: the record had none. False: there were too many of them, and it has failed. */
bool weir_tls_tell_idle(weir_tls *tls);

/* Queues octets that were sealed, all of them; false: it has failed, for want of memory, or because
 * the peer makes us answer and takes nothing. */
bool weir_tls_queue(weir_tls *tls, weir_tls_record_kind kind, weir_span octets);
/* The record that was queued last is a fatal alert. */
void weir_tls_mark_alert(weir_tls *tls);

#endif
