/* SPDX-License-Identifier: MIT */
/*
 * Waits until another thread of this program sleeps and stays asleep: it has nothing to do until
 * somebody wakes it. What the kernel says of it is read from /proc, so nothing of the program under
 * test needs to tell.
 */
#ifndef WEIR_TESTS_ASLEEP_H
#define WEIR_TESTS_ASLEEP_H

#include <stdint.h>
#include <sys/types.h>

/* Two looks `apart_ns` from each other found it in the same sleep. */
void weir_await_asleep(pid_t thread, uint64_t apart_ns);
/* How often it went to sleep of itself since it began: waking up for nothing shows here. */
uint64_t weir_sleeps_of(pid_t thread);

#endif
