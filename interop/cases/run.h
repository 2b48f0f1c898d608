/* SPDX-License-Identifier: MIT */
/*
 * Running the rows of one server and writing them down.
 *
 * The rows file is text, a line for each fact, its first word saying which; rows.c reads it:
 *
 *     server NAME VERSION
 *     row SERVER CASE PROTOCOL TLS FRONT_END      begins a row; all that follows belongs to it
 *     acquired HOST PORT PROTOCOL FRESH REUSED    the observer's connection_acquired, counted
 *     closed CONN LOCAL_PORT PROTOCOL ROWS WIRE AGREEMENT LEDGER KERNEL OTHER
 *                                                 an account; each of the octets is two columns,
 * sent and received witness LOCAL_PORT PEER_PORT SENT RECEIVED ARRIVED STATE what the kernel told
 * the witness problem TEXT end PROBLEMS MILLISECONDS
 *
 * A row without its `end` is one that the program died in. Run again on the same file, it goes on
 * behind that row.
 */
#ifndef INTEROP_RUN_H
#define INTEROP_RUN_H

#include "cases.h"

typedef struct run_options {
    const char *server_file;
    const char *capabilities_file;
    const char *rows_file;
    const char *cases[32]; /* only these; none: all */
    size_t case_count;
} run_options;

/* Ends the program if something is missing; what fails in a row is in the file. */
void run_rows(const run_options *options);

#endif
