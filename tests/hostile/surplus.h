/* SPDX-License-Identifier: MIT */
/*
 * A server that sends more than was asked for, and the observer that counts which connections were
 * closed for it.
 *
 * "On the wire before the next call starts" is meant to the letter: the server waits until the
 * surplus lies in the client's kernel, and only then does the next call begin. Any thread may call
 * these functions; the record is guarded by its cue.
 */
#ifndef WEIR_TESTS_HOSTILE_SURPLUS_H
#define WEIR_TESTS_HOSTILE_SURPLUS_H

#include "cue.h"
#include "secure.h"
#include "wire.h"

#define LONG_CALLS 10000 /* of one test, with WEIR_TESTS_LONG */

typedef enum weir_surplus_place {
    IN_ONE_SEGMENT,    /* with the answer, and over TLS in its record */
    IN_TWO_RECORDS,    /* in one segment with the answer, in a record of its own */
    IN_A_TORN_RECORD,  /* half of its record is in the answer's segment, the rest comes after the
                          next request */
    BEFORE_REUSE,      /* after the answer was read */
    TORN_BEFORE_REUSE, /* half of its record then, the rest after the next request */
    AFTER_5_MS         /* by the clock */
} weir_surplus_place;

typedef struct weir_surplus {
    weir_surplus_place place;
    const char *text;
    const weir_tls_server_options *tls; /* NULL: clear */
    weir_observer told;
    weir_cue cue;
    size_t wanted; /* connections may send their surplus up to this number of them */
    size_t lying;  /* surpluses in the client's kernel */
    size_t crowd;  /* answered together: nobody before so many have asked, or one connection would
                      serve two */
    size_t heard;
    bool once; /* only after the first answer of a connection */
    bool over;
    size_t left_over; /* connections closed for that reason */
    size_t otherwise;
    const char *other_reason;
} weir_surplus;

/* AFTER_5_MS: when the surplus behind the answer to that call was sent; 0: it was not. */
extern _Atomic(weir_time) weir_surplus_sent_ns[LONG_CALLS];

/* What the hostile server plays on each connection; `user` is the record. */
weir_hostile_end weir_surplus_play(int fd, size_t number, void *user);
/* Puts `observer` between the stage and its own. */
void weir_surplus_open(weir_surplus *s, weir_stage *stage, weir_observer *observer);
void weir_surplus_close(weir_surplus *s, weir_stage *stage);
/* Lets `count` more connections send theirs, and waits until it lies in our kernel. */
void weir_surplus_await(weir_surplus *s, size_t count);

#endif
