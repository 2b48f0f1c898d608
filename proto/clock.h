/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic on deadlines, which saturates, and the names of all timers.
 *
 * Time is an argument everywhere: nothing in proto/ or pool/ reads a clock.
 */
#ifndef WEIR_PROTO_CLOCK_H
#define WEIR_PROTO_CLOCK_H

#include "weir/base.h"

/* Which timer a deadline belongs to, for logs, tests and the status that it becomes. */
typedef enum weir_why {
    WEIR_WHY_NONE = 0,
    WEIR_WHY_NOW, /* there is work left: come back at once */
    WEIR_WHY_QUEUE,
    WEIR_WHY_DNS,
    WEIR_WHY_RESOLUTION_DELAY, /* RFC 8305 s3: wait a little for AAAA */
    WEIR_WHY_ATTEMPT_DELAY,    /* RFC 8305 s5: start the next address */
    WEIR_WHY_CONNECT,
    WEIR_WHY_TLS,
    WEIR_WHY_WRITE,
    WEIR_WHY_CONTINUE, /* Expect: 100-continue was not answered: send the body anyway */
    WEIR_WHY_FIRST_OCTET,
    WEIR_WHY_IDLE,
    WEIR_WHY_TOTAL,
    WEIR_WHY_SETTINGS, /* RFC 9113 s6.5.3: the acknowledgement is overdue */
    WEIR_WHY_PING,
    WEIR_WHY_CLOSING, /* a closing link does not flush */
    WEIR_WHY_IDLE_CONNECTION,
    WEIR_WHY_LIFETIME,
    WEIR_WHY_PAUSE, /* the peer refused a request more than once and is given time */
    WEIR_WHY_STOW,  /* an idle HTTP/2 connection puts its header tables away */
    WEIR_WHY_REST,  /* of a response that was cancelled: then the connection is given up */
    WEIR_WHY_COUNT
} weir_why;

const char *weir_why_name(weir_why why);

static inline weir_time weir_time_add(weir_time at, weir_time span_ns)
{
    return at > WEIR_NEVER - span_ns ? WEIR_NEVER : at + span_ns;
}

static inline weir_time weir_time_since(weir_time now, weir_time then)
{
    return now > then ? now - then : 0;
}

static inline weir_time weir_time_earlier(weir_time a, weir_time b)
{
    return a < b ? a : b;
}

/* Runs while something is so, and shows for how long it was so in all. Zero-initialise. */
typedef struct weir_stopwatch {
    weir_time total_ns; /* without the run under way */
    weir_time after_ns; /* when the run under way began, and one more; 0: none is */
} weir_stopwatch;

static inline bool weir_stopwatch_runs(const weir_stopwatch *watch)
{
    return watch->after_ns > 0;
}

static inline weir_time weir_stopwatch_read(const weir_stopwatch *watch, weir_time now_ns)
{
    return watch->total_ns +
           (weir_stopwatch_runs(watch) ? weir_time_since(now_ns, watch->after_ns - 1) : 0);
}

/* It is so from now on, or is not; saying what it knows changes nothing. */
static inline void weir_stopwatch_set(weir_stopwatch *watch, bool is_so, weir_time now_ns)
{
    if (weir_stopwatch_runs(watch) != is_so) {
        watch->total_ns = weir_stopwatch_read(watch, now_ns);
        watch->after_ns = is_so ? now_ns + 1 : 0;
    }
}

#endif
