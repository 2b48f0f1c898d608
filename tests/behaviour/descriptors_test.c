/* SPDX-License-Identifier: MIT */
/* A process that ran out of descriptors: calls say so, and go well again once there are some. */
#include "support/conn_limits.h"
#include "support/world.h"

#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define SWEEP       8
/* As long as a world waits (user.c): an origin that a busy machine does not run is no want of
 * descriptors. */
#define PATIENCE_NS (60 * WEIR_NS_PER_SECOND)

static void be_patient(weir_conn_limits *filled, weir_protocol protocol)
{
    (void)protocol;
    filled->settings_ns = PATIENCE_NS;
}

/* Only descriptors below the lowest free one, plus `more`, can be had. */
static struct rlimit leave_only(unsigned more)
{
    struct rlimit before;
    struct rlimit now;
    const int lowest = dup(STDOUT_FILENO);

    assert_true(lowest >= 0);
    assert_int_equal(close(lowest), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = (rlim_t)lowest + more;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    return before;
}

static void give_back(const struct rlimit *before)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, before), 0);
}

/* Whoever has to find out why it ended so wants to know what took the descriptors. */
static void print_open(void)
{
    DIR *all = opendir("/proc/self/fd");

    for (const struct dirent *one = all != NULL ? readdir(all) : NULL; one != NULL;
         one = readdir(all)) {
        char path[300];
        char is[200];
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%s", one->d_name);
        const ssize_t count = readlink(path, is, sizeof(is) - 1);
        if (count > 0) {
            is[count] = '\0';
            print_error("  %s: %s\n", one->d_name, is);
        }
    }
    if (all != NULL) {
        (void)closedir(all);
    }
}

static void assert_status(const weir_fetched *fetched, weir_status called, weir_status ended,
                          const char *when)
{
    const weir_failure *failure = &fetched->failure;

    if (fetched->called == called && fetched->ended == ended) {
        return;
    }
    print_open();
    fail_msg("%s: %s and %s in place of %s and %s; %s, errno %d, phase %d, %" PRIu64 " octets",
             when, weir_status_name(fetched->called), weir_status_name(fetched->ended),
             weir_status_name(called), weir_status_name(ended),
             failure->what != NULL ? failure->what : "no word", failure->sys_errno,
             (int)failure->phase, fetched->octets);
}

static weir_fetched fetch(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/1000");

    ask.call.connect_ns = PATIENCE_NS;
    ask.call.tls_ns = PATIENCE_NS;
    return weir_world_fetch(world, &ask);
}

/* Fetches with no more than so many descriptors. */
static weir_fetched fetch_with(weir_world *world, unsigned more)
{
    const struct rlimit before = leave_only(more);
    const weir_fetched fetched = fetch(world);

    give_back(&before);
    return fetched;
}

static void assert_goes_well(weir_world *world)
{
    const weir_fetched fetched = fetch(world);

    assert_status(&fetched, WEIR_OK, WEIR_END, "with descriptors, or a connection");
    assert_int_equal(fetched.octets, 1000);
}

static void a_connect_without_descriptors_says_so(weir_world *world)
{
    (void)weir_world_user(world);
    for (int i = 0; i < 3; i++) {
        const weir_fetched fetched = fetch_with(world, 0);
        assert_status(&fetched, WEIR_E_DESCRIPTORS, WEIR_E_DESCRIPTORS, "without descriptors");
        assert_int_equal(fetched.failure.processed, WEIR_NOT_SENT);
    }
    assert_goes_well(world);
}

static void any_number_of_descriptors_is_enough_or_too_few(weir_world *world)
{
    bool was_enough = false;

    (void)weir_world_user(world);
    for (unsigned more = 0; more < SWEEP; more++) {
        const weir_fetched fetched = fetch_with(world, more);
        char when[64];
        (void)snprintf(when, sizeof(when), "with %u descriptors", more);
        if (fetched.called == WEIR_OK) {
            assert_status(&fetched, WEIR_OK, WEIR_END, when);
            was_enough = true;
        } else {
            assert_status(&fetched, WEIR_E_DESCRIPTORS, WEIR_E_DESCRIPTORS, when);
        }
        assert_goes_well(world);
        weir_world_close(world); /* the next is without a connection again */
        (void)weir_world_user(world);
    }
    assert_true(was_enough);
}

static void a_connection_that_is_open_needs_none(weir_world *world)
{
    assert_goes_well(world);
    const struct rlimit before = leave_only(0);
    assert_goes_well(world);
    give_back(&before);
}

int main(void)
{
    static const weir_behaviour behaviours[] = {
        {.name = "a connect without descriptors says so",
         .run = a_connect_without_descriptors_says_so},
        {.name = "any number of descriptors is enough or too few",
         .run = any_number_of_descriptors_is_enough_or_too_few},
        {.name = "a connection that is open needs none",
         .run = a_connection_that_is_open_needs_none},
    };

    weir_conn_limits_are_changed(be_patient);
    return weir_world_run("descriptors", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          NULL);
}
