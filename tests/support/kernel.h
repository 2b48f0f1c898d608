/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says, as a test wants it: a system call that fails as no machine makes it fail,
 * and a monotonic clock that leaps, so that what lasts a minute is over at once.
 *
 * The linker puts this in the place of the system's calls, for the library and the test alike: see
 * weir_stand_in_for_kernel() in tests/behaviour/CMakeLists.txt.
 */
#ifndef WEIR_TESTS_KERNEL_H
#define WEIR_TESTS_KERNEL_H

#include <stdint.h>

/*
 * From now on this call fails: recv, ppoll, setsockopt, eventfd, epoll_create1 or epoll_ctl, with
 * that errno or, if it is 0, with one that says that the call made no sense. NULL: none fails. The
 * name is *kept*.
 */
void weir_kernel_break(const char *name, int sys_errno);

/*
 * So much time passes: who sleeps until a moment, in recv(), ppoll(), pthread_cond_timedwait() or
 * for a timerfd, wakes if it has come, and sleeps on if not. Any thread, one at a time.
 */
void weir_kernel_leap(uint64_t span_ns);

#endif
