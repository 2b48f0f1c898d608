/* SPDX-License-Identifier: MIT */
/*
 * A test that is killed leaves nobody behind: neither its origin nor the child that it forked, which
 * holds what the test held, the pipe to the origin too. The orphans become children of this program,
 * which waits for their end.
 */
#include "fork.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct orphans {
    pid_t origin;
    pid_t child;
} orphans;

static _Noreturn void wait_to_be_killed(void)
{
    for (;;) {
        (void)pause();
    }
}

static _Noreturn void be_a_test(int say)
{
    weir_origin_process origin;
    pid_t child = 0;

    weir_origin_process_start(&origin, NULL);
    if (weir_fork_here(&child)) {
        const orphans all = {.origin = origin.pid, .child = getpid()};
        if (write(say, &all, sizeof(all)) != (ssize_t)sizeof(all)) {
            _exit(1);
        }
    }
    wait_to_be_killed();
}

static void nobody_is_left(void **state)
{
    orphans all = {0};
    int said[2];
    int status = 0;

    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_int_equal(pipe(said), 0);
    const pid_t test = fork();
    assert_true(test >= 0);
    if (test == 0) {
        be_a_test(said[1]);
    }
    (void)alarm(60);
    assert_int_equal(read(said[0], &all, sizeof(all)), sizeof(all));
    assert_int_equal(kill(test, SIGKILL), 0);
    assert_int_equal(waitpid(test, &status, 0), test);
    assert_int_equal(waitpid(all.child, &status, 0), all.child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL); /* not its alarm */
    assert_int_equal(waitpid(all.origin, &status, 0), all.origin);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    (void)close(said[0]);
    (void)close(said[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_is_left)};

    return cmocka_run_group_tests_name("orphans", tests, NULL, NULL);
}
