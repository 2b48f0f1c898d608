/* SPDX-License-Identifier: MIT */
/*
 * Stand-ins for the two machines, for conn_test.c alone: defined under the names of the real ones,
 * so that the archive's are not linked. They keep one stream, charge what they are fed to UNREAD
 * and write down which function was asked last.
 */
#ifndef WEIR_TESTS_CONN_STAND_IN_H
#define WEIR_TESTS_CONN_STAND_IN_H

#include "proto/conn_common.h"

typedef struct machine {
    weir_conn conn;
    weir_ledger_annex annex;
    weir_out out;
    weir_stream stream;
    const char *asked; /* the last function, with its prefix */
    size_t takes;      /* feed and write take no more than this */
    int astray;        /* octets that are charged too many, or too few */
    uint32_t h2_code;
    weir_time asked_ns;
} machine;

machine *machine_of(const weir_conn *conn);

#endif
