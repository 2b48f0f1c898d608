/* SPDX-License-Identifier: MIT */
/*
 * The report: what ran is held against what had to run, the four counts against each other, and the
 * outcome is printed as tables and written as JSON.
 *
 * The servers file has a line for each server that was asked for:
 *
 *     NAME VERSION ROWS WITNESS SERVER     three files
 *     NAME - [PROBLEM]                     it did not run: it is not installed, or there is a
 *                                          problem, which is a failure
 */
#ifndef INTEROP_REPORT_H
#define INTEROP_REPORT_H

#include "cases.h"
#include "judge.h"

typedef struct report_server {
    char *name;
    char *version; /* NULL: it did not run */
    char *problem; /* why, where that is a failure */
    char *rows_file;
    char *witness_file;
    char *server_file;
    bool logged; /* an origin */
} report_server;

typedef struct report_options {
    const char *capabilities_file;
    const char *expected_file; /* NULL: nothing is expected (public servers) */
    const char *servers_file;
    const char *json_file; /* NULL: none */
    const char *cases[32];
    size_t case_count;
    bool all_rows;  /* print every row in full */
    bool is_public; /* may lose races of addresses */
} report_options;

typedef struct report {
    const report_options *options;
    capabilities can;
    report_server *servers;
    size_t server_count;
    size_t server_room;
    rows rows;
    verdicts verdicts;
    size_t passed;
    size_t failed;
    size_t unreachable;
    size_t skipped; /* servers */
} report;

/* Answers the exit status: 0 only if nothing failed. */
int report_make(const report_options *options);

/* expected.c */
void expected_check(report *r);
/* Prints expected.tsv as it follows from the table of cases and from capabilities.tsv. */
void expected_print(const char *capabilities_file);

/* table.c */
void table_print(const report *r);

/* json.c */
void json_write(const report *r, const char *path);

#endif
