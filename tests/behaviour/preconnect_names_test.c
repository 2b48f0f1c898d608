/* SPDX-License-Identifier: MIT */
/*
 * The name of a pre-connect is looked up once for all of its dials, whether the answer comes at once
 * or later, from another thread.
 */
#include "support/asleep.h"
#include "support/world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

enum { DIALS = 6 };

typedef struct asked {
    bool at_once;
    weir_status says; /* later */
    pid_t caller;
    size_t starts;
    weir_lookup *lookup;
    pthread_t thread;
} asked;

static void *say_later(void *user)
{
    asked *it = user;

    if (it->says == WEIR_OK) {
        weir_world_answer(it->lookup);
        return NULL;
    }
    weir_await_asleep(it->caller, 3 * WEIR_NS_PER_MS); /* all of its dials have begun */
    weir_resolver_answer(it->lookup, 4, it->says, NULL, 0);
    weir_resolver_answer(it->lookup, 6, it->says, NULL, 0);
    return NULL;
}

/* Another question would find no thread for its answer: the wish would run into its deadline. */
static void start_counting(weir_lookup *lookup, weir_span host, void *user)
{
    asked *it = user;

    (void)host;
    it->starts++;
    if (it->at_once) {
        weir_world_answer(lookup);
    } else if (it->starts == 1) {
        it->lookup = lookup;
        (void)pthread_create(&it->thread, NULL, say_later, it);
    }
}

/* The thread of the only answer: with it no look-up is outstanding. */
static void end_counting(weir_lookup *lookup, void *user)
{
    asked *it = user;

    if (!it->at_once && lookup == it->lookup) {
        (void)pthread_join(it->thread, NULL);
        it->lookup = NULL;
    }
}

static void asks_once(weir_world *world, bool at_once, weir_status says)
{
    asked it = {.at_once = at_once, .says = says, .caller = gettid()};
    weir_resolver resolver = {sizeof(resolver), &it, start_counting, end_counting};
    weir_ask ask = weir_world_ask(world, "/octets/1000");

    world->limits.streams_per_connection = 1; /* one exchange on each connection */
    world->limits.h2_connections = DIALS;
    world->limits.connections_per_origin = DIALS;
    world->options.resolver = &resolver;
    ask.call.connect_to = WEIR_SPAN("name.test");
    ask.call.connect_port = world->way.tls ? world->origin->tls_port : world->origin->clear_port;
    ask.call.dns_ns = 5 * WEIR_NS_PER_SECOND;
    assert_int_equal(weir_user_preconnect(weir_world_user(world), &ask.request, &ask.call, DIALS),
                     says);
    world->begun++;
    assert_int_equal(weir_world_counts(world).connections_idle, says == WEIR_OK ? DIALS : 0);
    assert_int_equal(it.starts, 1);
    weir_world_close(world);
    if (!at_once && it.lookup != NULL) {
        (void)pthread_join(it.thread, NULL);
    }
}

static void one_question_for_all(weir_world *world)
{
    asks_once(world, false, WEIR_OK);
}

static void one_question_for_all_answered_at_once(weir_world *world)
{
    asks_once(world, true, WEIR_OK);
}

/* A failure, which nobody remembers, is told to all that wait for the answer, too. */
static void one_question_for_all_that_fails(weir_world *world)
{
    asks_once(world, false, WEIR_E_DNS_FAILED);
}

static const weir_behaviour behaviours[] = {
    {"one question for all dials, that fails", one_question_for_all_that_fails, 0, NULL},
    {"one question for all dials", one_question_for_all, 0, NULL},
    {"one question for all dials, answered at once", one_question_for_all_answered_at_once, 0,
     NULL},
};

int main(void)
{
    return weir_world_run("preconnect_names", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
