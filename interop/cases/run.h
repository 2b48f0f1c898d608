/* SPDX-License-Identifier: MIT */
/* Running the rows of one server and writing them down. */
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
