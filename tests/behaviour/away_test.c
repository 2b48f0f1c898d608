/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/2 connection whose streams are all taken by calls whose callers are away: between two calls
 * into weir, for as long as they like. What the peer says meanwhile counts at once for those who wait
 * for a stream: a raised MAX_CONCURRENT_STREAMS (RFC 9113 s6.5.2), GOAWAY (s6.8), the connection's
 * end. Nobody looks after the client, and no deadline is near. Those who wait have no observer: nobody
 * wakes them to tell why they wait. Threads are found asleep before anything happens that must wake
 * them.
 */
#include "support/asleep.h"
#include "support/scold_h2.h"
#include "support/scold_way.h"
#include "support/world.h"

#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define APART_NS (5 * WEIR_NS_PER_MS)

enum { SITES = 2, WAITERS = 2 };

typedef enum word { RAISES, GOES_AWAY, ENDS, RESETS } word;

/* A server that allows one stream on its first connection. It answers with no more than a head, and
 * when it is told to, says its word. */
typedef struct site {
    word says;
    bool answers_late; /* the head is waited for */
    unsigned pings;    /* that it waits for the answers of, one by one, before the head */
    unsigned pieces;   /* of content, behind the head and one by one */
    bool dries_up;     /* it allows none when the first request came, and one again */
    unsigned held; /* of the requests the one that gets that head; those before it get nothing */
    sem_t may_answer;
    sem_t may_say;
    atomic_uint requests; /* on its first connection */
    atomic_uint acks;     /* of SETTINGS, there */
    atomic_bool is_dry;
    size_t connections;
    weir_scold *server;
    weir_ask ask;
} site;

/* Who has the stream, who waits, and who makes it happen. */
typedef struct scene {
    weir_world *world;
    site sites[SITES];
    size_t count;        /* of sites */
    weir_token *token;   /* of who has it, or of the first who waits */
    bool cancels_holder; /* else the first who waits, if there is a token */
    uint64_t sleeps; /* of who has the stream and who waits, while the head and the pieces came */
    weir_time took_ns;
    atomic_int holder;
    bool is_inside; /* who has the stream, when the others come */
    size_t waiters; /* at each site */
    weir_exchange *held[SITES];
    weir_fetched drained[SITES];
    atomic_bool away[SITES];
    atomic_int threads[SITES * WAITERS];
    weir_status ended[SITES * WAITERS];
    atomic_bool said;
} scene;

#define ALLOW(streams) 0, 0, 6, WEIR_SCOLD_SETTINGS, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, (streams)
/* The indexed field ":status: 200". */
#define HEAD(stream, flags)                                                                        \
    0, 0, 1, WEIR_SCOLD_HEADERS, WEIR_SCOLD_END_HEADERS | (flags), 0, 0, 0, (stream), 0x88
#define HEAD_OCTETS    10
#define END_OF(stream) 0, 0, 0, WEIR_SCOLD_DATA, WEIR_SCOLD_END_STREAM, 0, 0, 0, (stream)
#define GOAWAY(last)   0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, (last), 0, 0, 0, 0

static uint8_t stream_of(unsigned request)
{
    return (uint8_t)(2 * request - 1);
}

/* -- the server -- */

static void say(weir_scold_line *line, const site *s)
{
    const uint8_t two[] = {ALLOW(2)};
    const uint8_t goaway[] = {GOAWAY(stream_of(s->held)), END_OF(stream_of(s->held))};

    if (s->says == RAISES) {
        weir_scold_write(line, two, sizeof(two));
    } else if (s->says == GOES_AWAY) {
        weir_scold_write(line, goaway, sizeof(goaway));
    } else if (s->says == ENDS) {
        (void)shutdown(line->fd, SHUT_WR);
    } else {
        line->resets = true;
    }
}

/* Says so much and a PING, at once, and waits until the client, whoever reads there, has answered. */
static void say_and_await(weir_scold_line *line, const uint8_t *words, size_t octets)
{
    static const uint8_t ping[] = {0, 0, 8, WEIR_SCOLD_PING, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    uint8_t all[64];
    weir_scold_frame frame = {0};

    if (octets > 0) {
        memcpy(all, words, octets);
    }
    memcpy(all + octets, ping, sizeof(ping));
    weir_scold_write(line, all, octets + sizeof(ping));
    while (!weir_scold_h2_is_ack(&frame, WEIR_SCOLD_PING) && weir_scold_h2_read(line, &frame)) {
    }
}

/* False: that was the last word. */
static bool answer(weir_scold_line *line, site *s, unsigned request)
{
    const uint8_t head[] = {HEAD(stream_of(request), 0)};
    const uint8_t piece[] = {0, 0, 1, WEIR_SCOLD_DATA, 0, 0, 0, 0, stream_of(request), 'a'};
    const uint8_t both[] = {HEAD(stream_of(request), WEIR_SCOLD_END_STREAM),
                            END_OF(stream_of(s->held))};

    if (s->dries_up) {
        weir_scold_write(line, both, request > 1 ? HEAD_OCTETS : 0);
        return true;
    }
    if (request == s->held) {
        if (s->answers_late) {
            (void)sem_wait(&s->may_answer);
        }
        for (unsigned i = 0; i < s->pings; i++) {
            say_and_await(line, NULL, 0);
        }
        weir_scold_write(line, head, sizeof(head));
        for (unsigned i = 0; i < s->pieces; i++) {
            say_and_await(line, piece, sizeof(piece));
        }
        (void)sem_wait(&s->may_say);
        say(line, s);
        return s->says == RAISES || s->says == GOES_AWAY;
    }
    if (request > s->held) {
        weir_scold_write(line, both, sizeof(both));
    }
    return true;
}

/* It is known that no stream is allowed; when it may, it allows one. */
static void be_dry(weir_scold_line *line, site *s)
{
    static const uint8_t one[] = {ALLOW(1)};

    atomic_store(&s->is_dry, true);
    (void)sem_wait(&s->may_say);
    weir_scold_write(line, one, sizeof(one));
}

static void play_first(weir_scold_line *line, site *s)
{
    static const uint8_t one[] = {ALLOW(1)};
    static const uint8_t none[] = {ALLOW(0)};
    weir_scold_frame frame;
    unsigned answered = 0;

    weir_scold_write(line, one, sizeof(one));
    if (!weir_scold_h2_preface(line)) {
        return;
    }
    while (weir_scold_h2_read(line, &frame)) {
        const bool asked = frame.type == WEIR_SCOLD_HEADERS;
        if (weir_scold_h2_is_ack(&frame, WEIR_SCOLD_SETTINGS)) {
            atomic_fetch_add(&s->acks, 1);
        }
        if (asked) {
            atomic_fetch_add(&s->requests, 1);
        }
        const unsigned requests = atomic_load(&s->requests);
        if (s->dries_up && atomic_load(&s->acks) == 1 && requests == 1) {
            weir_scold_write(line, none, sizeof(none));
            continue;
        }
        if (s->dries_up && atomic_load(&s->acks) == 2 && requests == 1 &&
            !atomic_load(&s->is_dry)) {
            be_dry(line, s);
        }
        /* That one is allowed is known by then. */
        for (; atomic_load(&s->acks) > 0 && answered < requests; answered++) {
            if (!answer(line, s, answered + 1)) {
                return;
            }
        }
    }
}

static void play(weir_scold_line *line, void *user)
{
    site *s = user;
    weir_scold_frame frame;

    if (s->connections++ == 0) {
        play_first(line, s);
        return;
    }
    if (!weir_scold_h2_begin(line)) {
        return;
    }
    while (weir_scold_h2_read(line, &frame)) {
        const uint8_t all[] = {HEAD(frame.stream[3], WEIR_SCOLD_END_STREAM)};
        if (frame.type == WEIR_SCOLD_HEADERS) {
            weir_scold_write(line, all, sizeof(all));
        }
    }
}

/* -- the callers -- */

/* Reads for nobody. */
static void go_on(weir_user *user)
{
    if (weir_user_loop(user) != NULL) {
        weir_user_settle(user);
    } else {
        (void)sched_yield();
    }
}

/* Until they got on, or not with this connection: it is open as long as somebody has a stream, and
 * its server serves one after the other. */
static void await_the_others(weir_user *user, scene *all, size_t i)
{
    weir_counts counts = WEIR_COUNTS_INIT;

    while (!atomic_load(&all->said)) {
        go_on(user);
    }
    for (weir_user_counts(user, &counts);
         counts.waiting > 0 && (all->sites[i].says == RAISES || counts.dials < 2);
         weir_user_counts(user, &counts)) {
        go_on(user);
    }
}

static void come_back(scene *all, size_t i)
{
    weir_world_drain(all->world, all->held[i], &all->drained[i]);
    weir_world_drop(all->world, all->held[i]);
}

/* Gets the stream, and goes away with it; or is cancelled before. */
static void hold(weir_user *user, scene *all, size_t i)
{
    weir_ask ask = all->sites[i].ask;
    uint8_t octet = 0;
    size_t octets = 0;

    if (i == 0) {
        atomic_store(&all->holder, (int)gettid());
    }
    ask.call.token = all->cancels_holder ? all->token : NULL;
    all->drained[i].called = weir_world_call(all->world, &ask, &all->held[i]);
    if (all->cancels_holder) {
        weir_world_drop(all->world, all->held[i]);
        return;
    }
    for (unsigned piece = 0; piece < all->sites[i].pieces; piece++) {
        (void)weir_user_read(user, all->held[i], &octet, 1, &octets);
    }
    atomic_store(&all->away[i], true);
    await_the_others(user, all, i);
    come_back(all, i);
}

/* One after the other: the first looks first. */
static void await_turn(weir_user *user, const scene *all, size_t i)
{
    for (size_t at = 0; all->is_inside && at < all->count; at++) {
        const site *s = &all->sites[at];
        while (atomic_load(&s->requests) == 0 || atomic_load(&s->acks) == 0) {
            go_on(user);
        }
    }
    if (weir_user_loop(user) == NULL && i > 0) {
        while (atomic_load(&all->threads[i - 1]) == 0) {
            go_on(user);
        }
        weir_await_asleep(atomic_load(&all->threads[i - 1]), APART_NS);
    }
}

static void wait_for_a_stream(weir_user *user, scene *all, size_t i)
{
    weir_ask ask = all->sites[i % all->count].ask;
    weir_exchange *exchange = NULL;

    await_turn(user, all, i);
    ask.call.observer = NULL;
    ask.call.token = i == 0 && !all->cancels_holder ? all->token : NULL;
    atomic_store(&all->threads[i], (int)gettid());
    all->ended[i] = weir_user_call(user, &ask.request, &ask.call, &exchange);
    if (all->ended[i] == WEIR_OK && all->sites[0].held == i + 2) {
        atomic_store(&all->away[0], true); /* now this one has the stream */
        await_the_others(user, all, 0);
    }
    if (all->ended[i] == WEIR_OK) {
        all->ended[i] = weir_user_read_on(user, exchange);
    }
    weir_user_drop(user, exchange);
}

static uint64_t sleeps_of(const scene *all)
{
    return all->is_inside && !all->cancels_holder
               ? weir_sleeps_of(atomic_load(&all->holder)) +
                     weir_sleeps_of(atomic_load(&all->threads[0]))
               : 0;
}

static void make_it_happen(weir_user *user, scene *all)
{
    const size_t waiters = all->count * all->waiters;

    while (atomic_load(&all->threads[waiters - 1]) == 0) {
        go_on(user);
    }
    weir_user_await_waiting(user, waiters);
    for (size_t i = 0; weir_user_loop(user) == NULL && i < waiters; i++) {
        weir_await_asleep(atomic_load(&all->threads[i]), APART_NS);
    }
    while (all->sites[0].dries_up && !atomic_load(&all->sites[0].is_dry)) {
        go_on(user);
    }
    if (all->token != NULL) {
        weir_token_cancel(all->token);
        weir_user_await_waiting(user, waiters - !all->sites[0].dries_up);
        for (size_t i = 1; weir_user_loop(user) == NULL && i < waiters; i++) {
            weir_await_asleep(atomic_load(&all->threads[i]), APART_NS);
        }
    }
    const uint64_t slept = sleeps_of(all);
    const weir_time began_ns = weir_now();
    for (size_t i = all->count; i-- > 0;) {
        if (all->sites[i].answers_late) {
            (void)sem_post(&all->sites[i].may_answer);
        }
        while (all->is_inside && !all->sites[i].dries_up && !atomic_load(&all->away[i])) {
            go_on(user);
        }
    }
    all->took_ns = weir_now() - began_ns;
    all->sleeps = sleeps_of(all) - slept;
    for (size_t i = 0; i < all->count; i++) {
        (void)sem_post(&all->sites[i].may_say);
    }
    atomic_store(&all->said, true);
    for (size_t i = 0; !all->is_inside && i < all->count; i++) {
        await_the_others(user, all, i);
        come_back(all, i);
    }
}

static void one_of_them(weir_user *user, size_t index, void *shared)
{
    scene *all = shared;
    const size_t waiters = all->count * all->waiters;

    if (index < waiters) {
        wait_for_a_stream(user, all, index);
    } else if (index == waiters) {
        make_it_happen(user, all);
    } else {
        hold(user, all, index - waiters - 1);
    }
}

/* -- scenes -- */

static void begin(scene *all, weir_world *world)
{
    all->world = world;
    all->count = all->count > 0 ? all->count : 1;
    all->waiters = all->waiters > 0 ? all->waiters : 1;
    world->limits.h2_connections = 1;
    for (size_t i = 0; i < all->count; i++) {
        site *s = &all->sites[i];
        s->held = s->held > 0 ? s->held : 1;
        assert_int_equal(sem_init(&s->may_answer, 0, 0), 0);
        assert_int_equal(sem_init(&s->may_say, 0, 0), 0);
        s->server = weir_scold_way_start(world, play, s);
        s->ask = weir_scold_way_ask(world, s->server);
        if (!all->is_inside) {
            assert_int_equal(weir_world_call(world, &s->ask, &all->held[i]), WEIR_OK);
        }
    }
}

static void end(scene *all)
{
    weir_world_close(all->world);
    for (size_t i = 0; i < all->count; i++) {
        site *s = &all->sites[i];
        weir_scold_stop(s->server);
        (void)sem_destroy(&s->may_answer);
        (void)sem_destroy(&s->may_say);
    }
}

static void perform(scene *all, weir_world *world)
{
    begin(all, world);
    weir_user_together(weir_world_user(world),
                       all->count * all->waiters + 1 + (all->is_inside ? all->count : 0),
                       one_of_them, all);
    const bool is_cancelled = all->token != NULL && !all->cancels_holder;
    for (size_t i = 0; i < all->count * all->waiters; i++) {
        assert_int_equal(all->ended[i], i == 0 && is_cancelled ? WEIR_E_CANCELLED : WEIR_END);
    }
    for (size_t i = 0; i < all->count; i++) {
        const word says = all->sites[i].says;
        if (!all->cancels_holder) {
            assert_int_equal(all->drained[i].ended == WEIR_END,
                             says == RAISES || says == GOES_AWAY);
        }
    }
    assert_int_equal(weir_world_counts(world).dials, all->sites[0].says == RAISES ? all->count : 2);
    end(all);
}

static void a_caller_is_away(weir_world *world)
{
    scene all = {.sites = {{.says = *(const word *)world->with}}};
    perform(&all, world);
}

/* The others came while it was inside, and read for them. */
static void a_caller_goes_away(weir_world *world)
{
    scene all = {.sites = {{.says = *(const word *)world->with, .answers_late = true}},
                 .is_inside = true,
                 .waiters = 2};
    perform(&all, world);
}

/* Who has the stream is inside for long, or comes and goes for each piece: he sleeps for each, and who
 * waits is woken for none; or now and then, when he is out. */
static void what_others_read_wakes_nobody(weir_world *world)
{
    const unsigned many = 100;
    const bool comes_and_goes = *(const bool *)world->with;
    scene all = {.sites = {{.answers_late = true,
                            .pings = comes_and_goes ? 0 : many,
                            .pieces = comes_and_goes ? many : 0}},
                 .is_inside = true};

    perform(&all, world);
    const uint64_t now_and_then = 10 + 4 * (all.took_ns / (10 * WEIR_NS_PER_MS));
    assert_true(all.sleeps < many + many / 2 + now_and_then);
}

static void who_keeps_it_is_cancelled(weir_world *world)
{
    scene all = {.sites = {{.says = *(const word *)world->with}},
                 .token = weir_token_new(NULL),
                 .waiters = 2};
    perform(&all, world);
    weir_token_free(all.token);
}

static void at_two_origins(weir_world *world)
{
    scene all = {.count = 2};
    perform(&all, world);
}

/* At both a caller leaves, one right after the other. Somebody was called lately by then, and whose
 * time it is to call again waits at the other origin. */
static void leave_two_origins(weir_world *world)
{
    scene all = {
        .sites = {{.answers_late = true}, {.answers_late = true}}, .count = 2, .is_inside = true};
    perform(&all, world);
}

/* Who is given the stream by one that ends goes away in its turn. */
static void the_next_goes_away(weir_world *world)
{
    scene all = {.sites = {{.says = *(const word *)world->with, .held = 2}},
                 .token = weir_token_new(NULL),
                 .cancels_holder = true,
                 .is_inside = true,
                 .waiters = 2};
    perform(&all, world);
    weir_token_free(all.token);
}

/* The only one ends when none is allowed any more. */
static void the_last_ends(weir_world *world)
{
    scene all = {.sites = {{.dries_up = true}},
                 .token = weir_token_new(NULL),
                 .cancels_holder = true,
                 .is_inside = true};
    perform(&all, world);
    weir_token_free(all.token);
}

enum { CROWD = 4, CALLS_OF_EACH = 100 };

static atomic_size_t polls; /* of anybody */

int __real_ppoll(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
int __wrap_ppoll(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);

int __wrap_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *left, const sigset_t *set)
{
    atomic_fetch_add(&polls, 1);
    return __real_ppoll(fds, count, left, set);
}

static void calls_many_times(weir_user *user, size_t index, void *shared)
{
    weir_world *world = shared;

    (void)index;
    for (int i = 0; i < CALLS_OF_EACH; i++) {
        weir_ask ask = weir_world_ask(world, "/octets/100");
        weir_exchange *exchange = NULL;
        ask.call.observer = NULL;
        if (weir_user_call(user, &ask.request, &ask.call, &exchange) != WEIR_OK ||
            weir_user_read_on(user, exchange) != WEIR_END) {
            abort();
        }
        weir_user_drop(user, exchange);
    }
}

/* One stream for all of them. Each call polls once, for its answer. That its caller is out for a
 * moment, between the head and the rest, makes nobody poll who waits, but now and then. */
static void a_busy_stream_wakes_nobody_else(weir_world *world)
{
    const size_t calls = (size_t)CROWD * CALLS_OF_EACH;

    world->limits.h2_connections = 1;
    world->limits.streams_per_connection = 1;
    atomic_store(&polls, 0);
    const weir_time began_ns = weir_now();
    weir_user_together(weir_world_user(world), CROWD, calls_many_times, world);
    const weir_time took_ns = weir_now() - began_ns;
    const size_t now_and_then = CROWD * (took_ns / (10 * WEIR_NS_PER_MS));
    assert_true(atomic_load(&polls) < calls + calls / 20 + now_and_then);
}

static const bool yes = true;
static const bool no = false;
static const word raises = RAISES;
static const word goes_away = GOES_AWAY;
static const word ends = ENDS;
static const word resets = RESETS;

static const weir_behaviour behaviours[] = {
    {"callers are away: a raised limit", a_caller_is_away, WEIR_ONLY_H2, &raises},
    {"callers are away: GOAWAY", a_caller_is_away, WEIR_ONLY_H2, &goes_away},
    {"callers are away: FIN", a_caller_is_away, WEIR_ONLY_H2, &ends},
    {"callers are away: a reset", a_caller_is_away, WEIR_ONLY_H2, &resets},
    {"the caller who read leaves: a raised limit", a_caller_goes_away,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, &raises},
    {"the caller who read leaves: GOAWAY", a_caller_goes_away, WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING,
     &goes_away},
    {"what a caller reads who is inside wakes nobody who waits", what_others_read_wakes_nobody,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, &no},
    {"what a caller reads who comes and goes wakes nobody who waits", what_others_read_wakes_nobody,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, &yes},
    {"calls that share a stream wake nobody but the next", a_busy_stream_wakes_nobody_else,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, NULL},
    {"who keeps the vigil is cancelled: a raised limit", who_keeps_it_is_cancelled,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, &raises},
    {"who keeps the vigil is cancelled: GOAWAY", who_keeps_it_is_cancelled,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, &goes_away},
    {"callers are away at two origins", at_two_origins, WEIR_ONLY_H2, NULL},
    {"callers leave at two origins", leave_two_origins, WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, NULL},
    {"the next caller leaves: a raised limit", the_next_goes_away,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, &raises},
    {"the next caller leaves: GOAWAY", the_next_goes_away, WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING,
     &goes_away},
    {"the last exchange ends when no stream is allowed", the_last_ends,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, NULL},
};

int main(void)
{
    return weir_world_run("away", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
