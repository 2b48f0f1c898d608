/* SPDX-License-Identifier: MIT */
/*
 * Acquiring and releasing: weir_pool_request() to weir_pool_release(), and every action pulled, as
 * both front ends do it. Keys are made before a sample begins, so that they are as warm as that of
 * a request that was just parsed; whatever the pool touches is as cold as the order of origins
 * makes it.
 */
#include "bench/pool/bench.h"

#include <stdlib.h>

enum { BATCH = 256 };

static void measure(bed *b, const bench_run *run, uint32_t origins, bool random,
                    bench_samples *samples);
static void of_origins(const bench_run *run, uint32_t origins);
static void of_slots(const bench_run *run, uint32_t slots, bool busy);

static const char same_origin[] = "acquire + release, the same origin";
static const char random_origin[] = "acquire + release, a random origin";
static const char rested_origin[] = "... each idle for seconds, a random one";
static const char idle_slots[] = "acquire + release, one origin, all idle";
static const char busy_slots[] = "acquire + release, one origin, all but one busy";

void bench_speed(const bench_run *run)
{
    static const uint32_t origins[] = {1, 1000, 100000, 1000000};
    static const uint32_t slots[] = {1, 100, 10000};

    for (size_t i = 0; i < sizeof origins / sizeof origins[0] - (run->quick ? 2 : 0); i++) {
        of_origins(run, origins[i]);
    }
    bench_small_pages(run, run->quick ? 1000 : 1000000);
    for (size_t i = 0; i < sizeof slots / sizeof slots[0] - (run->quick ? 1 : 0); i++) {
        of_slots(run, slots[i], false);
        of_slots(run, slots[i], true);
    }
}

void bench_random_origins(bed *b, const bench_run *run, uint32_t origins, bench_samples *samples)
{
    measure(b, run, origins, true, samples);
}

static void of_origins(const bench_run *run, uint32_t origins)
{
    bench_samples samples = {.count = 0};
    bed b;

    bed_open(&b, (bed_limits){.connections = origins, .connections_per_origin = 1, .tickets = 1});
    bed_origins(&b, origins);
    measure(&b, run, 1, false, &samples);
    bench_figures_add_samples((bench_figure){.group = "Speed: origins",
                                             .what = same_origin,
                                             .series = "same",
                                             .size = origins,
                                             .of = origins == 1 ? "origin" : "origins",
                                             .unit = "ns",
                                             .limit = origins == 1 ? ACQUIRE_LIMIT_NS : 0},
                              &samples);
    if (origins > 1) {
        samples.count = 0;
        bench_random_origins(&b, run, origins, &samples);
        bench_figures_add_samples((bench_figure){.group = "Speed: origins",
                                                 .what = random_origin,
                                                 .series = "random",
                                                 .size = origins,
                                                 .of = "origins",
                                                 .unit = "ns",
                                                 .limit = 3 * ACQUIRE_LIMIT_NS},
                                  &samples);
    }
    if (origins == 1000000) {
        /* So long that nearly all lose their place among the idle ones, with both its neighbours. */
        samples.count = 0;
        b.now_ns += 4 * WEIR_NS_PER_SECOND;
        bench_random_origins(&b, run, origins, &samples);
        bench_figures_add_samples((bench_figure){.group = "Speed: origins",
                                                 .what = rested_origin,
                                                 .size = origins,
                                                 .of = "origins",
                                                 .unit = "ns",
                                                 .limit = 3 * ACQUIRE_LIMIT_NS},
                                  &samples);
        bench_pages_share(&b, origins);
    }
    bed_close(&b);
}

static void of_slots(const bench_run *run, uint32_t slots, bool busy)
{
    bench_samples samples = {.count = 0};
    weir_ticket *tickets = calloc(slots, sizeof *tickets);
    const uint32_t leased = busy ? slots - 1 : 0;
    bed b;

    bed_must(tickets != NULL, "there is memory for tickets");
    bed_open(&b,
             (bed_limits){.connections = slots, .connections_per_origin = slots, .tickets = slots});
    bed_slots(&b, tickets, slots, leased);
    measure(&b, run, 1, false, &samples);
    bench_figures_add_samples((bench_figure){.group = "Speed: slots",
                                             .what = busy ? busy_slots : idle_slots,
                                             .series = busy ? "busy" : "idle",
                                             .size = slots,
                                             .of = slots == 1 ? "slot" : "slots",
                                             .unit = "ns"},
                              &samples);
    for (uint32_t i = 0; i < leased; i++) {
        bed_release(&b, &tickets[i]);
    }
    bed_close(&b);
    free(tickets);
}

static void measure(bed *b, const bench_run *run, uint32_t origins, bool random,
                    bench_samples *samples)
{
    static bed_key keys[BATCH];
    static weir_ticket tickets[BATCH];

    for (size_t i = 0; i < run->samples; i++) {
        for (size_t j = 0; j < BATCH; j++) {
            bed_key_make(&keys[j], random ? bed_random(origins) : 0);
            tickets[j] = (weir_ticket){.state = WEIR_TICKET_IDLE};
        }
        const double begin_ns = bench_now_ns();
        for (size_t j = 0; j < BATCH; j++) {
            b->now_ns += 500; /* about what it takes, of very many */
            if (weir_pool_request(b->pool, &keys[j].key, &tickets[j], b->now_ns) != WEIR_OK) {
                bed_must(false, "an idle connection is leased at once");
            }
            (void)bed_act(b);
            tickets[j].answered = true;
            weir_pool_release(b->pool, &tickets[j], &bed_ready, b->now_ns);
            (void)bed_act(b);
        }
        bench_samples_add(samples, bench_now_ns() - begin_ns, BATCH);
    }
}
