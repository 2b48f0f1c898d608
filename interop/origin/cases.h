/* SPDX-License-Identifier: MIT */
/*
 * The cases: what each path asks of the origin. cases.c holds the table of paths; a case looks at
 * the request's head and fills the exchange's plan.
 */
#ifndef ORIGIN_CASES_H
#define ORIGIN_CASES_H

#include "exchange.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A target taken apart: /name/number?query. Borrows from the exchange. */
typedef struct ask {
    const char *name;
    size_t name_octets;
    uint64_t number;
    bool has_number;
    const char *query; /* never NULL */
} ask;

void cases_choose(exchange *x);
void cases_clear(void);

ask ask_of(const exchange *x);
uint64_t ask_number(const ask *a, const char *name, uint64_t fallback);
/* The value of a parameter as it stands, not decoded; false when it is not there. */
bool ask_word(const ask *a, const char *name, const char **at, size_t *count);
bool ask_flag(const ask *a, const char *name);

/* Pieces of plans that several cases share. */
void plan_text(exchange *x, int status, const char *type);
void plan_cannot(exchange *x, const char *reason);
void plan_pattern(exchange *x, uint64_t octets);
void json_string(queue *out, const void *octets, size_t count);
bool is_h2(const exchange *x);

/* Counting requests by ?id=, for finding what was processed twice. */
typedef struct tally {
    char id[32];
    uint64_t reached;
    uint64_t processed;
} tally;

/* NULL: no id in the query, or too many ids. */
tally *tally_of(const ask *a);
void tally_clear(void);

typedef void case_choose(exchange *x, const ask *a);

case_choose case_octets, case_chunked, case_close, case_trailers, case_echo, case_sink,
    case_trailers_echo, case_headers, case_status, case_hints, case_delay, case_drip, case_hang,
    case_big_head, case_upgrade;
case_choose case_half, case_early, case_expect, case_reset, case_refuse, case_misdirect, case_count,
    case_processed, case_raw, case_surplus, case_alert;
case_choose case_goaway, case_last, case_close_after, case_end_others, case_key_update,
    case_tickets, case_ping, case_settings, case_windows;

#endif
