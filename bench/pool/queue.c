/* SPDX-License-Identifier: MIT */
/* Many who wait, and many connections that nobody has used for too long. */
#include "bench/pool/bench.h"

#include <stdlib.h>

enum { BATCH = 100 };

/* Who waits, and the order in which they leave. */
typedef struct waiters {
    weir_ticket *tickets;
    uint32_t *order;
    uint32_t length;
} waiters;

static void of_queue(const bench_run *run, uint32_t length);
static void enter_all(bed *b, const bed_key *key, const waiters *all, bench_samples *samples);
static weir_ticket *grant_all(bed *b, const waiters *all, weir_ticket *holder,
                              bench_samples *samples);
static void abandon_all(bed *b, const waiters *all, bench_samples *samples);
static void of_reaping(const bench_run *run, uint32_t slots);

void bench_queue(const bench_run *run)
{
    of_queue(run, run->quick ? 1000 : 100000);
    of_reaping(run, run->quick ? 1000 : 100000);
}

/* One connection, which the first has; all others wait for it. */
static void of_queue(const bench_run *run, uint32_t length)
{
    static bench_samples enter;
    static bench_samples grant;
    static bench_samples abandon;
    const waiters all = {.tickets = calloc(length, sizeof *all.tickets),
                         .order = calloc(length, sizeof *all.order),
                         .length = length};
    weir_ticket first = {.state = WEIR_TICKET_IDLE};
    bed_key key;
    bed b;

    (void)run;
    bed_must(all.tickets != NULL && all.order != NULL, "there is memory for tickets");
    bed_key_make(&key, 0);
    bed_open(&b, (bed_limits){.connections = 1, .connections_per_origin = 1, .tickets = length});
    bed_lease(&b, &key, &first);
    for (int pass = 0; pass < 2; pass++) {
        enter_all(&b, &key, &all, &enter);
        if (pass == 0) {
            bed_release(&b, grant_all(&b, &all, &first, &grant));
            bed_lease(&b, &key, &first);
        }
    }
    abandon_all(&b, &all, &abandon);
    bed_release(&b, &first);
    bed_close(&b);
    free(all.tickets);
    free(all.order);
    const bench_figure figure = {
        .group = "Speed: a long queue", .size = length, .of = "tickets", .unit = "ns"};
    bench_figure one = figure;
    one.what = "enter";
    bench_figures_add_samples(one, &enter);
    one.what = "release, and grant to the next in turn";
    bench_figures_add_samples(one, &grant);
    one.what = "abandon, anywhere in it";
    bench_figures_add_samples(one, &abandon);
}

static void enter_all(bed *b, const bed_key *key, const waiters *all, bench_samples *samples)
{
    for (uint32_t i = 0; i < all->length; i += BATCH) {
        const double begin_ns = bench_now_ns();
        for (uint32_t j = i; j < i + BATCH; j++) {
            b->now_ns += 100;
            (void)weir_pool_request(b->pool, &key->key, &all->tickets[j], b->now_ns);
            (void)bed_act(b);
        }
        bench_samples_add(samples, bench_now_ns() - begin_ns, BATCH);
    }
    bed_must(weir_pool_count(b->pool).tickets_waiting == all->length, "all of them wait");
}

/* Each is granted by the release of the one before; who has the connection then. */
static weir_ticket *grant_all(bed *b, const waiters *all, weir_ticket *holder,
                              bench_samples *samples)
{
    for (uint32_t i = 0; i < all->length; i += BATCH) {
        const double begin_ns = bench_now_ns();
        for (uint32_t j = i; j < i + BATCH; j++) {
            b->now_ns += 100;
            weir_pool_release(b->pool, holder, &bed_ready, b->now_ns);
            (void)bed_act(b);
            holder = &all->tickets[j];
        }
        bench_samples_add(samples, bench_now_ns() - begin_ns, BATCH);
        bed_must(holder->state == WEIR_TICKET_LEASED, "the next in the queue is granted");
    }
    return holder;
}

static void abandon_all(bed *b, const waiters *all, bench_samples *samples)
{
    for (uint32_t i = 0; i < all->length; i++) { /* shuffled inside out */
        const uint32_t to = bed_random(i + 1);
        all->order[i] = all->order[to];
        all->order[to] = i;
    }
    for (uint32_t i = 0; i < all->length; i += BATCH) {
        const double begin_ns = bench_now_ns();
        for (uint32_t j = i; j < i + BATCH; j++) {
            b->now_ns += 100;
            weir_pool_abandon(b->pool, &all->tickets[all->order[j]], b->now_ns);
            (void)bed_act(b);
        }
        bench_samples_add(samples, bench_now_ns() - begin_ns, BATCH);
    }
    bed_must(weir_pool_count(b->pool).tickets_waiting == 0, "nobody waits any more");
}

/* A tick closes all of them, and each is told gone. */
static void of_reaping(const bench_run *run, uint32_t slots)
{
    static bench_samples samples;
    const int passes = run->quick ? 3 : 11;

    for (int pass = 0; pass < passes; pass++) {
        bed b;
        bed_open(&b, (bed_limits){.connections = slots, .connections_per_origin = 1, .tickets = 1});
        bed_origins(&b, slots);
        b.now_ns += 91 * WEIR_NS_PER_SECOND;
        const double begin_ns = bench_now_ns();
        weir_pool_tick(b.pool, b.now_ns);
        const size_t closed = bed_act(&b);
        bench_samples_add(&samples, bench_now_ns() - begin_ns, slots);
        bed_must(closed == slots, "a tick closes what was idle too long");
        bed_close(&b);
    }
    bench_figures_add_samples((bench_figure){.group = "Speed: reaping",
                                             .what = "close one that was idle too long",
                                             .size = slots,
                                             .of = "slots",
                                             .unit = "ns"},
                              &samples);
}
