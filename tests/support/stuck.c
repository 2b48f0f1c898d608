/* SPDX-License-Identifier: MIT */
/* See stuck.h. */
#include "support/stuck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* More than the socket buffers on the way can hold. */
#define UPLOAD_OCTETS (UINT64_C(64) << 20)

static void never(weir_lookup *lookup, weir_span host, void *user);
static void cancelled(weir_lookup *lookup, void *user);
static void lead_to(weir_stuck *stuck, uint16_t port);

bool weir_stuck_is_possible(const weir_world *world, weir_phase phase)
{
    return phase != WEIR_PHASE_TLS || world->way.tls;
}

void weir_stuck_prepare(weir_world *world, weir_stuck *stuck, weir_phase phase)
{
    memset(stuck, 0, sizeof(*stuck));
    stuck->phase = phase;
    stuck->resolver = (weir_resolver){sizeof(weir_resolver), stuck, never, cancelled};
    world->options.resolver = &stuck->resolver;
    world->limits.connections_per_origin = 1;
    if (phase == WEIR_PHASE_QUEUE) {
        /* HTTP/2: one stream is all the server allows. */
        weir_ask first = weir_world_ask(world, "/settings?max_streams=1");
        if (world->way.protocol == WEIR_H2) {
            assert_int_equal(weir_world_fetch(world, &first).ended, WEIR_END);
        }
        first = weir_world_ask(world, "/octets/30000000");
        assert_int_equal(weir_world_call(world, &first, &stuck->holder), WEIR_OK);
    }
    if (phase == WEIR_PHASE_HEAD || phase == WEIR_PHASE_BODY) {
        weir_ask first = weir_world_ask(world, "/octets/10");
        assert_int_equal(weir_world_fetch(world, &first).ended, WEIR_END);
    }
    stuck->ask = weir_world_ask(world, phase == WEIR_PHASE_HEAD   ? "/hang"
                                       : phase == WEIR_PHASE_SEND ? "/sink"
                                       : phase == WEIR_PHASE_BODY ? "/drip/10?ms=100000"
                                                                  : "/octets/10");
    if (phase == WEIR_PHASE_DNS) {
        stuck->ask.call.connect_to = WEIR_SPAN("never.test");
    } else if (phase == WEIR_PHASE_CONNECT) {
        weir_full_port_open(&stuck->full);
        lead_to(stuck, stuck->full.port);
    } else if (phase == WEIR_PHASE_TLS) {
        lead_to(stuck, world->origin->mute_port);
    } else if (phase == WEIR_PHASE_SEND) {
        stuck->relay =
            weir_relay_start(world->way.tls ? world->origin->tls_port : world->origin->clear_port);
        lead_to(stuck, weir_relay_port(stuck->relay));
        /* The connection is made while the wire is good. */
        weir_ask first = stuck->ask;
        first.request.url = weir_world_url(world, "/octets/10");
        assert_int_equal(weir_world_fetch(world, &first).ended, WEIR_END);
        weir_relay_set(stuck->relay, WEIR_RELAY_STALL);
        stuck->upload =
            (weir_upload){.kind = WEIR_BODY_SOURCE, .octets = UPLOAD_OCTETS, .counted = true};
    }
}

weir_status weir_stuck_go(weir_world *world, weir_stuck *stuck)
{
    weir_fetched fetched = {.is_pattern = true};

    atomic_store(&stuck->thread, stuck->phase == WEIR_PHASE_BODY ? 0 : (int)gettid());
    if (stuck->phase == WEIR_PHASE_SEND) {
        stuck->upload.taken = 0;
        return weir_upload_begin(world, &stuck->ask, &stuck->upload, &stuck->uploading);
    }
    weir_status status = weir_world_call(world, &stuck->ask, &stuck->uploading.exchange);
    if (stuck->phase == WEIR_PHASE_BODY && status == WEIR_OK) {
        atomic_store(&stuck->thread, (int)gettid());
        weir_world_drain(world, stuck->uploading.exchange, &fetched);
        status = fetched.ended;
    }
    return status;
}

void weir_stuck_drop(weir_world *world, weir_stuck *stuck)
{
    weir_upload_end(world, &stuck->uploading);
    memset(&stuck->uploading, 0, sizeof(stuck->uploading));
}

void weir_stuck_end(weir_world *world, weir_stuck *stuck)
{
    weir_world_drop(world, stuck->holder);
    weir_world_close(world);
    assert_int_equal(atomic_load(&stuck->lookups), 0);
    if (stuck->relay != NULL) {
        weir_relay_stop(stuck->relay);
    }
    if (stuck->phase == WEIR_PHASE_CONNECT) {
        weir_full_port_close(&stuck->full);
    }
}

/* Nothing but never.test is asked for: 127.0.0.1 is no name. */
static void never(weir_lookup *lookup, weir_span host, void *user)
{
    weir_stuck *stuck = user;

    (void)lookup;
    (void)host;
    atomic_fetch_add(&stuck->lookups, 1);
}

static void cancelled(weir_lookup *lookup, void *user)
{
    weir_stuck *stuck = user;

    (void)lookup;
    atomic_fetch_sub(&stuck->lookups, 1);
}

static void lead_to(weir_stuck *stuck, uint16_t port)
{
    stuck->ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    stuck->ask.call.connect_port = port;
}
