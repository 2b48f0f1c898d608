/* SPDX-License-Identifier: MIT */
/* Eight threads on one weir_client. */
#include "race.h"

#include "../cases/text.h"

#include <time.h>

/* What all threads do next, between two meetings at the barrier. */
typedef enum step { STEP_BURST, STEP_BATCH, STEP_LEAVE } step;

typedef struct crew {
    race_front *front;
    weir_client *client;
    pthread_barrier_t barrier;
    step step;
    size_t until; /* BURST: the front's call */
} crew;

typedef struct hand {
    crew *crew;
    pthread_t thread;
    uint64_t seed;
} hand;

static void *work(void *user);
static void burst(hand *h);
static void batch(hand *h);
static bool begin(hand *h, race_run *run, unsigned way);
static void finish(race_run *run);
static void all(crew *c, step what);
static void open_client(crew *c);
static void close_client(crew *c);

void race_run_threads(race_front *front)
{
    crew c = {.front = front};
    hand hands[RACE_THREADS];
    if (pthread_barrier_init(&c.barrier, NULL, RACE_THREADS + 1) != 0) {
        die("no barrier");
    }
    for (size_t i = 0; i < RACE_THREADS; i++) {
        hands[i] = (hand){.crew = &c, .seed = 0x9e3779b97f4a7c15 * (i + 1)};
        if (pthread_create(&hands[i].thread, NULL, work, &hands[i]) != 0) {
            die("no thread");
        }
    }
    for (size_t round = 1; round <= front->rounds; round++) {
        if (c.client == NULL) {
            open_client(&c);
        }
        size_t full = RACE_FULL * RACE_THREADS;
        size_t end = front->call_count * round / front->rounds;
        c.until = end > 3 * full ? end - 3 * full : 0;
        all(&c, STEP_BURST);
        all(&c, STEP_BATCH);
        all(&c, STEP_BATCH);
        struct timespec pause = {.tv_sec = (time_t)(front->pause_ns / WEIR_NS_PER_SECOND),
                                 .tv_nsec = (long)(front->pause_ns % WEIR_NS_PER_SECOND)};
        (void)nanosleep(&pause, NULL);
        size_t first = atomic_load(&front->next);
        all(&c, STEP_BATCH);
        race_adapt(front, first, atomic_load(&front->next), round);
        race_progress(front, round);
        if (front->forgets || round == front->rounds) {
            close_client(&c);
        }
    }
    all(&c, STEP_LEAVE);
    for (size_t i = 0; i < RACE_THREADS; i++) {
        (void)pthread_join(hands[i].thread, NULL);
    }
    (void)pthread_barrier_destroy(&c.barrier);
}

/* While the threads wait for what to do next. */
static void open_client(crew *c)
{
    weir_client_options options = WEIR_CLIENT_OPTIONS_INIT;
    options.observer = &c->front->observer;
    options.limits = &c->front->limits;
    c->client = weir_client_new(&options, NULL);
    if (c->client == NULL) {
        die("no client");
    }
}

static void close_client(crew *c)
{
    weir_counts counts = WEIR_COUNTS_INIT;
    weir_client_counts(c->client, &counts);
    race_add_counts(c->front, &counts);
    weir_client_free(c->client);
    c->client = NULL;
}

static void all(crew *c, step what)
{
    c->step = what;
    (void)pthread_barrier_wait(&c->barrier);
    if (what != STEP_LEAVE) {
        (void)pthread_barrier_wait(&c->barrier);
    }
}

static void *work(void *user)
{
    hand *h = user;
    for (;;) {
        (void)pthread_barrier_wait(&h->crew->barrier);
        step what = h->crew->step;
        if (what == STEP_LEAVE) {
            return NULL;
        }
        if (what == STEP_BURST) {
            burst(h);
        } else {
            batch(h);
        }
        (void)pthread_barrier_wait(&h->crew->barrier);
    }
}

/* One to four calls at a time, of any way. */
static void burst(hand *h)
{
    race_run runs[4];
    while (atomic_load(&h->crew->front->next) < h->crew->until) {
        unsigned way = race_dice(&h->seed) % RACE_WAYS;
        size_t count = race_dice(&h->seed) % 4 + 1;
        size_t begun = 0;
        while (begun < count && begin(h, &runs[begun], way)) {
            begun++;
        }
        for (size_t i = 0; i < begun; i++) {
            finish(&runs[i]);
        }
    }
}

/* All ways, as many calls on each as its share of the connections, begun before any is read. */
static void batch(hand *h)
{
    race_run runs[RACE_FULL];
    size_t begun = 0;
    while (begun < RACE_FULL && begin(h, &runs[begun], (unsigned)(begun % RACE_WAYS))) {
        begun++;
    }
    for (size_t i = 0; i < begun; i++) {
        finish(&runs[i]);
    }
}

static bool begin(hand *h, race_run *run, unsigned way)
{
    race_front *front = h->crew->front;
    if (!race_prepare(front, run, way, race_dice(&h->seed))) {
        return false;
    }
    weir_status status =
        weir_client_call(h->crew->client, &run->request, &run->options, &run->exchange);
    if (status != WEIR_OK) {
        race_end(run, status);
    }
    return true;
}

static void finish(race_run *run)
{
    if (run->exchange != NULL) {
        race_end(run, race_read(run));
    }
}
