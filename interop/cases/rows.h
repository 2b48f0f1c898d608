/* SPDX-License-Identifier: MIT */
/*
 * The rows as they were written down by record.c, read back to be judged. Everything here is what
 * somebody said; whether they agree is judge.h's.
 */
#ifndef INTEROP_ROWS_H
#define INTEROP_ROWS_H

#include "way.h"

#include <stddef.h>

/* One connection, with what each of the four says of it. */
typedef struct connection {
    uint64_t conn;
    uint16_t local_port;
    char *protocol;
    weir_octets ledger; /* the sum of the rows of its account */
    weir_octets wire;   /* the account's own total */
    char *agreement;    /* the self-check's word */
    weir_octets self_ledger;
    weir_octets self_kernel;
    bool has_account;
    bool has_witness;
    uint16_t peer_port;
    weir_octets witness;
    uint64_t arrived; /* by the kernel's account, read or not */
    bool saw_fin;     /* the peer's: all that it sent has arrived */
    char *state;
    bool has_origin;
    bool sent_applies;     /* the origin must have received what we sent */
    bool received_applies; /* ... and sent what we received */
    weir_octets origin;    /* turned round: as the client sees it */
    char *ending;
} connection;

typedef struct row_acquired {
    char *host;
    uint16_t port;
    char *protocol;
    uint64_t fresh;
    uint64_t reused;
} row_acquired;

typedef enum outcome { OUTCOME_FAILED, OUTCOME_PASSED, OUTCOME_UNREACHABLE } outcome;

typedef struct row {
    char *server;
    char *name; /* of the case */
    char *protocol;
    char *tls;
    char *front;
    row_acquired *acquired;
    size_t acquired_count;
    size_t acquired_room;
    connection *connections;
    size_t connection_count;
    size_t connection_room;
    char **problems;
    size_t problem_count;
    size_t problem_room;
    uint64_t milliseconds;
    bool ended;
    bool kernel_agrees;
    outcome outcome;
} row;

typedef struct rows {
    row *at;
    size_t count;
    size_t room;
} rows;

/* Appends what the file holds. */
void rows_load(rows *r, const char *path);
void rows_clear(rows *r);
void row_add_problem(row *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sums over the connections of a row, by source. */
typedef enum source { SOURCE_LEDGER, SOURCE_SELF, SOURCE_WITNESS, SOURCE_ORIGIN, SOURCES } source;
weir_octets connection_octets(const connection *c, source s);
/* false: that source says nothing of this connection. */
bool connection_has(const connection *c, source s);

#endif
