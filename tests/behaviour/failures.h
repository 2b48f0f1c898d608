/* SPDX-License-Identifier: MIT */
/* The parts of the suite of failures: each is a list of behaviours, in a file named for whose fault
 * they are. */
#ifndef WEIR_TESTS_FAILURES_H
#define WEIR_TESTS_FAILURES_H

#include "support/world.h"

typedef struct weir_failures {
    const weir_behaviour *behaviours;
    size_t count;
} weir_failures;

weir_failures weir_failures_of_callers(void);
weir_failures weir_failures_of_deadlines(void);
weir_failures weir_failures_of_networks(void);
weir_failures weir_failures_of_peers(void);
weir_failures weir_failures_of_resources(void);
weir_failures weir_failures_of_tls(void);

#endif
