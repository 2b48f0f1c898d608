/* SPDX-License-Identifier: MIT */
/*
 * How many mutexes the calling thread holds: a caller's hook must be called with none.
 *
 * The linker puts counting ones in the place of the system's, and of a connection's lock, for the library and the test alike:
 * see weir_count_mutexes() in tests/behaviour/CMakeLists.txt.
 */
#ifndef WEIR_TESTS_MUTEXES_H
#define WEIR_TESTS_MUTEXES_H

int weir_mutexes_held(void);
/* The most at once, since the thread forgot what was before. */
int weir_mutexes_most_held(void);
void weir_mutexes_forget(void);

#endif
