/* SPDX-License-Identifier: MIT */
/*
 * What came of a race: what the client wrote down of every call and connection, what the server's
 * log says it processed, and what the witness saw of the kernel's counters. A row is a front end
 * and a way; who reads it: count.c, which prints, and rows.c, which hands it to the report of the
 * whole suite.
 */
#ifndef INTEROP_TALLY_H
#define INTEROP_TALLY_H

#include "race.h"

enum { FRONTS = 5, ROWS = FRONTS * RACE_WAYS, REASONS = 64 };

typedef struct row {
    const char *front;
    unsigned way;
    uint64_t calls;
    uint64_t reused;
    uint64_t replays[3];
    uint64_t wrong;
    uint64_t failed;                /* though RFC 9110 and 9113 let a client avoid it */
    uint64_t unavoidable;           /* a POST that may have been processed */
    uint64_t unavoidable_processed; /* ... and was, by the server's log */
    uint64_t twice;                 /* POSTs that the server processed more than once */
    uint64_t gets_twice;
    uint64_t missing;   /* answered, and not in the server's log */
    uint64_t overtaken; /* processed after one that asked later */
    size_t last_line;   /* of the log, among those that asked before */
    uint64_t connections;
    uint64_t differ;
    uint16_t port;  /* of the server */
    uint64_t fresh; /* connection_acquired */
    uint64_t again; /* ... of one that had served before */
} row;

typedef struct front {
    char *name;
    uint64_t dials;
    uint64_t reuses;
    uint64_t bounces;
    uint64_t differ;
    uint64_t took_ns;
} front;

/* By the ledger, or by the witness. */
typedef struct connection {
    uint32_t port;
    weir_octets octets; /* the ledger's; the witness's */
    /* The ledger's only: */
    uint64_t conn;
    size_t row;
    bool is_h2;
    weir_octets sum; /* of its rows */
    weir_octets wire;
    weir_octets kernel;
    weir_octets other;
    weir_agreement agreement;
    bool has_witness;
    /* The witness's only: */
    uint32_t peer_port;
    uint64_t arrived;
    bool saw_fin;
    char *state;
} connection;

typedef struct connections {
    connection *at;
    size_t count;
    size_t room;
} connections;

typedef struct reason {
    char *front;
    char *word;
    uint64_t count;
    bool is_failure; /* of a call; else why connections were closed */
} reason;

typedef struct tally {
    front fronts[FRONTS];
    size_t front_count;
    row rows[ROWS];
    uint32_t *logged; /* by id: lines of the server's log */
    size_t *lines;    /* by id: the first of them, from 1 */
    size_t ids;
    connections ours;
    connections witnessed;
    reason reasons[REASONS];
    size_t reason_count;
} tally;

/* The connections stay in the order in which they were closed. */
void tally_read(tally *t, const race_report *report);
/* Whether a front end plays on that way: in order, only HTTP/2 has something to refuse. */
bool row_is_played(const tally *t, size_t which);
bool row_passes(const row *r);

#endif
