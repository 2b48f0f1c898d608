/* SPDX-License-Identifier: MIT */
/* Many who wait, and many connections that nobody has used for too long. */
#include "bench/pool/bench.h"

#include <stdlib.h>

enum { BATCH = 100 };

static void of_queue(const bench_run *run, uint32_t length);
static void of_reaping(const bench_run *run, uint32_t slots);

void bench_queue(const bench_run *run)
{
    of_queue(run, run->quick ? 1000 : 100000);
    of_reaping(run, run->quick ? 1000 : 100000);
}

/* One connection, which `holder` has; all others wait for it. */
static void of_queue(const bench_run *run, uint32_t length)
{
    static bench_samples enter;
    static bench_samples grant;
    static bench_samples abandon;
    weir_ticket *tickets = calloc(length, sizeof *tickets);
    uint32_t *order = calloc(length, sizeof *order);
    weir_ticket first = {.state = WEIR_TICKET_IDLE};
    weir_ticket *holder = &first;
    bed_key key;
    bed b;

    (void)run;
    bed_must(tickets != NULL && order != NULL, "there is memory for tickets");
    bed_key_make(&key, 0);
    bed_open(&b, (bed_limits){.connections = 1, .connections_per_origin = 1, .tickets = length});
    bed_lease(&b, &key, holder);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < length; i += BATCH) {
            const double begin_ns = bench_now_ns();
            for (uint32_t j = i; j < i + BATCH; j++) {
                b.now_ns += 100;
                (void)weir_pool_request(b.pool, &key.key, &tickets[j], b.now_ns);
                (void)bed_act(&b);
            }
            bench_samples_add(&enter, bench_now_ns() - begin_ns, BATCH);
        }
        bed_must(weir_pool_count(b.pool).tickets_waiting == length, "all of them wait");
        if (pass == 0) {
            for (uint32_t i = 0; i < length; i += BATCH) {
                const double begin_ns = bench_now_ns();
                for (uint32_t j = i; j < i + BATCH; j++) {
                    b.now_ns += 100;
                    weir_pool_release(b.pool, holder, &bed_ready, b.now_ns);
                    (void)bed_act(&b);
                    holder = &tickets[j];
                }
                bench_samples_add(&grant, bench_now_ns() - begin_ns, BATCH);
                bed_must(holder->state == WEIR_TICKET_LEASED, "the next in the queue is granted");
            }
            bed_release(&b, holder);
            holder = &first;
            bed_lease(&b, &key, holder);
        }
    }
    for (uint32_t i = 0; i < length; i++) { /* shuffled inside out */
        const uint32_t to = bed_random(i + 1);
        order[i] = order[to];
        order[to] = i;
    }
    for (uint32_t i = 0; i < length; i += BATCH) {
        const double begin_ns = bench_now_ns();
        for (uint32_t j = i; j < i + BATCH; j++) {
            b.now_ns += 100;
            weir_pool_abandon(b.pool, &tickets[order[j]], b.now_ns);
            (void)bed_act(&b);
        }
        bench_samples_add(&abandon, bench_now_ns() - begin_ns, BATCH);
    }
    bed_must(weir_pool_count(b.pool).tickets_waiting == 0, "nobody waits any more");
    bed_release(&b, holder);
    bed_close(&b);
    free(tickets);
    free(order);
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
