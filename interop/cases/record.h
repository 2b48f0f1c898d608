/* SPDX-License-Identifier: MIT */
/*
 * Writing rows down as they run.
 *
 * The rows file is text, a line for each fact, its first word saying which; rows.c reads it:
 *
 *     server NAME VERSION
 *     row SERVER CASE PROTOCOL TLS FRONT_END      begins a row; all that follows belongs to it
 *     acquired HOST PORT PROTOCOL FRESH REUSED    the observer's connection_acquired, counted
 *     closed CONN LOCAL_PORT PROTOCOL ROWS WIRE AGREEMENT LEDGER KERNEL OTHER
 *                                                 an account; each of the octets is two columns,
 *                                                 sent and received
 *     witness LOCAL_PORT PEER_PORT SENT RECEIVED ARRIVED STATE
 *                                                 what the kernel told the witness
 *     problem TEXT
 *     end PROBLEMS MILLISECONDS
 *
 * A row without its `end` is one that the program died in. Run again on the same file, it goes on
 * behind that row.
 */
#ifndef INTEROP_RECORD_H
#define INTEROP_RECORD_H

#include "trial.h"

#include <stdio.h>

typedef struct record {
    FILE *rows;
    FILE *witness; /* what witness.so writes, $WEIR_WITNESS */
    weir_time began_ns;
} record;

/* Goes on behind what the file holds. */
void record_open(record *r, const char *path);
void record_close(record *r);
void record_server(record *r, const char *name, const char *version);

/* `key`: server, case, protocol, TLS and front end, a tab between them. */
void record_begin(record *r, const char *key);
/* The trial is closed: every connection has its account and its testimony. */
void record_end(record *r, trial *t);
void record_unreachable(record *r, const char *key);

#endif
