/* SPDX-License-Identifier: MIT */
/* A caller's resolver that answers from a thread of its own: whoever waits for it is woken. */
#include "support/world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct thread_resolver {
    weir_resolver resolver;
    pthread_t thread;
    weir_lookup *lookup;
    int starts;
    int cancels;
    bool finds;
} thread_resolver;

static void *give(void *user)
{
    const thread_resolver *resolver = user;
    const weir_address home = {.family = 4, .octets = {127, 0, 0, 1}, .ttl_seconds = 60};
    const weir_status status = resolver->finds ? WEIR_OK : WEIR_E_DNS_NOT_FOUND;

    weir_resolver_answer(resolver->lookup, 6, WEIR_E_DNS_NOT_FOUND, NULL, 0);
    weir_resolver_answer(resolver->lookup, 4, status, &home, resolver->finds ? 1 : 0);
    return NULL;
}

static void start(weir_lookup *lookup, weir_span host, void *user)
{
    thread_resolver *resolver = user;

    (void)host;
    resolver->starts++;
    resolver->lookup = lookup;
    if (pthread_create(&resolver->thread, NULL, give, resolver) != 0) {
        abort();
    }
}

/* An answer may be under way: it is waited for. */
static void cancel(weir_lookup *lookup, void *user)
{
    thread_resolver *resolver = user;

    (void)lookup;
    resolver->cancels++;
    pthread_join(resolver->thread, NULL);
}

static weir_fetched fetch_through(weir_world *world, thread_resolver *resolver, bool finds)
{
    *resolver = (thread_resolver){.finds = finds};
    resolver->resolver = (weir_resolver){
        .size = sizeof(weir_resolver), .user = resolver, .start = start, .cancel = cancel};
    world->options.resolver = &resolver->resolver;
    weir_ask ask = weir_world_ask(world, "/octets/1000");
    ask.request.url = weir_world_url_of(world, "name.test", "/octets/1000");
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    if (resolver->starts > resolver->cancels) {
        pthread_join(resolver->thread, NULL);
    }
    return fetched;
}

static void an_answer_from_a_thread_connects(weir_world *world)
{
    thread_resolver resolver;
    const weir_fetched fetched = fetch_through(world, &resolver, true);

    assert_int_equal(fetched.called, WEIR_OK);
    assert_int_equal(fetched.octets, 1000);
    assert_int_equal(resolver.starts, 1);
    weir_world_close(world);
}

static void an_absence_from_a_thread_fails(weir_world *world)
{
    thread_resolver resolver;
    const weir_fetched fetched = fetch_through(world, &resolver, false);

    assert_int_equal(fetched.called, WEIR_E_DNS_NOT_FOUND);
    assert_int_equal(fetched.failure.processed, WEIR_NOT_SENT);
    weir_world_close(world);
}

/* -- a resolver of which one family is never answered -- */

typedef struct half_resolver {
    weir_resolver resolver;
    size_t starts;
} half_resolver;

static void answer_v4(weir_lookup *lookup, weir_span host, void *user)
{
    half_resolver *half = user;
    const weir_address home = {.family = 4, .octets = {127, 0, 0, 1}, .ttl_seconds = 60};

    (void)host;
    half->starts++;
    weir_resolver_answer(lookup, 4, WEIR_OK, &home, 1);
}

static void leave(weir_lookup *lookup, void *user)
{
    (void)lookup;
    (void)user;
}

/* What is connected asks for nothing more, though an answer be outstanding. */
static void one_family_is_enough(weir_world *world)
{
    half_resolver half = {.starts = 0};

    half.resolver = (weir_resolver){
        .size = sizeof(weir_resolver), .user = &half, .start = answer_v4, .cancel = leave};
    world->options.resolver = &half.resolver;
    weir_ask ask = weir_world_ask(world, "/octets/1000");
    ask.call.connect_to = WEIR_SPAN("name.test");
    ask.call.connect_port = world->way.tls ? world->origin->tls_port : world->origin->clear_port;
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.called, WEIR_OK);
    assert_int_equal(fetched.octets, 1000);
    assert_int_equal(half.starts, 1);
    weir_world_close(world);
}

static void answer_nothing(weir_lookup *lookup, weir_span host, void *user)
{
    (void)lookup;
    (void)host;
    (void)user;
}

/* Without `cancel` what start() did not answer is taken for failed: nobody waits for it. */
static void without_cancel_start_answers(weir_world *world)
{
    half_resolver half = {.starts = 0};
    weir_ask ask = weir_world_ask(world, "/octets/1000");

    half.resolver =
        (weir_resolver){.size = sizeof(weir_resolver), .user = &half, .start = answer_nothing};
    world->options.resolver = &half.resolver;
    ask.call.connect_to = WEIR_SPAN("name.test");
    ask.call.connect_port = world->way.tls ? world->origin->tls_port : world->origin->clear_port;
    assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_E_DNS_FAILED);
    weir_world_close(world);
    half.resolver.start = answer_v4;
    world->options.resolver = &half.resolver;
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    assert_int_equal(half.starts, 1);
    weir_world_close(world);
}

static const weir_behaviour behaviours[] = {
    {"without cancel what start leaves unanswered has failed", without_cancel_start_answers, 0,
     NULL},
    {"an answer from a thread connects", an_answer_from_a_thread_connects, WEIR_ONLY_CLEAR, NULL},
    {"an absence from a thread fails the call", an_absence_from_a_thread_fails, WEIR_ONLY_CLEAR,
     NULL},
    {"one family's answer is enough", one_family_is_enough, 0, NULL},
};

int main(void)
{
    return weir_world_run("resolver", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
