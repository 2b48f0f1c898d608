/* SPDX-License-Identifier: MIT */
/* The bed of the pool's benchmarks: see bed.h. */
#include "bench/pool/bed.h"

#include <stdio.h>
#include <stdlib.h>

static void finish(bed *b);

const weir_facts bed_ready = {
    .version = 1, .protocol = WEIR_H1, .capacity_streams = 1, .accepting = true, .reusable = true};

void bed_open(bed *b, bed_limits limits)
{
    weir_status status = WEIR_OK;

    bench_counted_init(&b->memory);
    const weir_pool_options options = {
        .allocator = &b->memory.allocator,
        .seed = 42,
        .connections = limits.connections,
        .connections_per_origin = limits.connections_per_origin,
        .waiting = limits.tickets,
        .waiting_per_origin = limits.tickets,
    };
    b->now_ns = 1;
    b->pool = weir_pool_new(&options, &status);
    bed_must(b->pool != NULL, "there is memory for a pool");
}

void bed_close(bed *b)
{
    weir_pool_shutdown(b->pool, b->now_ns);
    finish(b);
    weir_pool_free(b->pool);
    bed_must(b->memory.octets == 0, "everything was given back");
}

void bed_key_make(bed_key *key, uint32_t number)
{
    const int length = snprintf(key->host, sizeof(key->host), "origin%07u.example", number);

    key->key = (weir_origin_key){.host = {(const uint8_t *)key->host, (size_t)length},
                                 .port = 80,
                                 .kind = WEIR_HOST_NAME,
                                 .pin = WEIR_H1};
}

void bed_lease(bed *b, const bed_key *key, weir_ticket *ticket)
{
    const weir_status status = weir_pool_request(b->pool, &key->key, ticket, b->now_ns);

    bed_must(status == WEIR_OK || status == WEIR_AGAIN, "a request is taken");
    finish(b);
    bed_must(ticket->state == WEIR_TICKET_LEASED, "a request is served");
}

void bed_release(bed *b, weir_ticket *ticket)
{
    weir_pool_release(b->pool, ticket, &bed_ready, b->now_ns);
    finish(b);
}

void bed_origins(bed *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        weir_ticket ticket = {.state = WEIR_TICKET_IDLE};
        bed_key key;
        bed_key_make(&key, i);
        bed_lease(b, &key, &ticket);
        bed_release(b, &ticket);
    }
}

void bed_slots(bed *b, weir_ticket *tickets, uint32_t count, uint32_t leased)
{
    bed_key key;

    bed_key_make(&key, 0);
    for (uint32_t i = 0; i < count; i++) {
        tickets[i] = (weir_ticket){.state = WEIR_TICKET_IDLE};
        bed_lease(b, &key, &tickets[i]);
    }
    for (uint32_t i = leased; i < count; i++) {
        bed_release(b, &tickets[i]);
    }
}

size_t bed_act(bed *b)
{
    weir_action action;
    size_t count = 0;

    while (weir_pool_next_action(b->pool, &action)) {
        count++;
        if (action.kind == WEIR_ACTION_DIAL) {
            weir_pool_ready(b->pool, action.slot, &bed_ready, b->now_ns);
        } else if (action.kind == WEIR_ACTION_CLOSE) {
            weir_pool_gone(b->pool, action.slot, b->now_ns);
        }
    }
    return count;
}

uint32_t bed_random(uint32_t limit)
{
    static uint64_t state = 88172645463325252U; /* xorshift64 */

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) * limit >> 32);
}

void bed_must(bool so, const char *what)
{
    if (!so) {
        fprintf(stderr, "bench: it is not true that %s\n", what);
        exit(1);
    }
}

static void finish(bed *b)
{
    (void)bed_act(b);
}
