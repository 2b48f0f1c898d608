/* SPDX-License-Identifier: MIT */
/* See fork.h. */
#include "fork.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#define CHILD_SECONDS 20

static weir_origin_log *origin_log;

static void note_closing(const weir_event *event, void *user);

int weir_fork_run(const char *suite, const weir_behaviour *behaviours, size_t count)
{
    origin_log = weir_origin_log_open();
    const char *const arguments[] = {"--log", weir_origin_log_path(origin_log), NULL};
    const int failed = weir_world_run(suite, behaviours, count, arguments);
    weir_origin_log_close(origin_log);
    return failed;
}

weir_origin_log *weir_fork_origin_log(void)
{
    return origin_log;
}

void weir_closings_begin(weir_closings *all, weir_world *world)
{
    *all = (weir_closings){.world = world, .observer = {sizeof(weir_observer), all, note_closing}};
    weir_origin_log_forget(origin_log);
    world->options.observer = &all->observer;
}

void weir_closings_agree(weir_closings *all)
{
    weir_origin_line line;

    weir_world_close(all->world);
    assert_true(all->count > 0);
    for (size_t i = 0; i < all->count; i++) {
        assert_true(weir_origin_log_of_port(origin_log, all->ports[i], &line));
        assert_string_equal(line.ending, "peer-fin");
        assert_int_equal(line.received_octets, all->sent[i]);
    }
}

weir_counts weir_fork_counts(weir_user *user)
{
    weir_counts counts = WEIR_COUNTS_INIT;
    weir_user_counts(user, &counts);
    return counts;
}

void weir_fork_get(weir_world *world)
{
    const weir_ask ask = weir_world_ask(world, "/octets/10");
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.code, 200);
}

bool weir_fork_here(pid_t *child)
{
    const pid_t self = getpid();

    (void)fflush(NULL);
    *child = fork();
    if (*child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != self) {
            _exit(1);
        }
        (void)alarm(CHILD_SECONDS);
    }
    return *child == 0;
}

bool weir_fork_ended_well(pid_t child)
{
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

uint64_t weir_fork_read_all(weir_user *user, weir_exchange *exchange, weir_status *status)
{
    uint8_t room[8192];
    size_t octets = 0;
    uint64_t all = 0;

    for (*status = weir_user_read(user, exchange, room, sizeof(room), &octets); *status == WEIR_OK;
         *status = weir_user_read(user, exchange, room, sizeof(room), &octets)) {
        all += octets;
    }
    return all;
}

unsigned weir_fork_opened(const char *kind)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    MUST(folder != NULL);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char to[64] = "";
        (void)!readlinkat(dirfd(folder), entry->d_name, to, sizeof(to) - 1);
        count += strncmp(to, kind, strlen(kind)) == 0;
    }
    (void)closedir(folder);
    return count;
}

unsigned weir_fork_sockets(void)
{
    return weir_fork_opened("socket:");
}

void weir_fork_get_in_child(weir_world *world, weir_user *user)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;
    weir_status status = WEIR_OK;

    ask.call.observer = NULL;
    MUST(weir_user_call(user, &ask.request, &ask.call, &exchange) == WEIR_OK);
    MUST(weir_exchange_code(exchange) == 200);
    MUST(weir_fork_read_all(user, exchange, &status) == 10);
    MUST(status == WEIR_END);
    weir_user_drop(user, exchange);
}

static void note_closing(const weir_event *event, void *user)
{
    weir_closings *all = user;

    if (event->kind == WEIR_EVENT_CONNECTION_CLOSED && event->account->local_port != 0 &&
        all->count < WEIR_CLOSINGS) {
        all->ports[all->count] = event->account->local_port;
        all->sent[all->count++] = event->account->wire.sent;
    }
    all->world->observer.tell(event, all->world->observer.user);
}
