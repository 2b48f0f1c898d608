/* SPDX-License-Identifier: MIT */
/*
 * Two threads on one HTTP/2 connection of a blocking client: one reads for both, the other is
 * parked. The first goes where nobody knows for how long, back to its caller, into its source, or
 * to its observer, and does not come back before the other was answered: that one reads from then
 * on.
 */
#include "support/asleep.h"
#include "support/scold_h2.h"
#include "support/scold_way.h"
#include "support/world.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define APART_NS      (3 * WEIR_NS_PER_MS)
#define PATIENCE_S    10
#define WINDOW_OCTETS 65535               /* RFC 9113 s6.9.2 */
#define BODY_OCTETS   ((uint64_t)1 << 18) /* more than the window at first */
#define WIDER_OCTETS  (1 << 20)

/* What the server says to the first when both have asked. ROOM: nothing, but it reads on. */
typedef enum word { HEAD, WINDOW, HINT, ROOM } word;

static const uint8_t content[1 << 24]; /* more than the kernels hold of one connection */

typedef struct passing {
    weir_world *world;
    weir_scold *server;
    word says;
    pid_t first;
    _Atomic pid_t second;
    atomic_bool said;
    sem_t has_asked;  /* the first, as far as it can */
    sem_t may_answer; /* the second */
    sem_t is_answered;
    bool was_answered; /* while the first was away */
    weir_status ended;
} passing;

/* -- the server -- */

static void say(weir_scold_line *line, uint8_t type, uint8_t flags, uint8_t stream,
                const void *payload, uint8_t octets)
{
    uint8_t frame[64] = {0, 0, octets, type, flags, 0, 0, 0, stream};

    memcpy(frame + 9, payload, octets);
    weir_scold_write(line, frame, 9U + octets);
}

static void say_word(weir_scold_line *line, word says)
{
    static const uint8_t wider[] = {0, WIDER_OCTETS >> 16, 0, 0};

    switch (says) {
    case HEAD:
        say(line, WEIR_SCOLD_HEADERS, WEIR_SCOLD_END_HEADERS, 1, "\x88", 1);
        break;
    case WINDOW:
        say(line, 8, 0, 1, wider, sizeof(wider));
        say(line, 8, 0, 0, wider, sizeof(wider));
        break;
    case ROOM:
        break;
    case HINT: /* :status 103 */
        say(line, WEIR_SCOLD_HEADERS, WEIR_SCOLD_END_HEADERS, 1,
            "\x08\x03"
            "103",
            5);
        break;
    }
}

/* Windows for all of the second's content, so that only the kernels' buffers hold it up. */
static void give_windows(weir_scold_line *line)
{
    static const uint8_t initial[] = {0, 4, 2, 0, 0, 0};
    static const uint8_t more[] = {2, 0, 0, 0};

    say(line, WEIR_SCOLD_SETTINGS, 0, 0, initial, sizeof(initial));
    say(line, 8, 0, 0, more, sizeof(more));
}

static void play(weir_scold_line *line, void *user)
{
    const uint8_t whole = WEIR_SCOLD_END_HEADERS | WEIR_SCOLD_END_STREAM;
    passing *p = user;
    weir_scold_frame frame;
    size_t octets = 0;
    unsigned asked = 0;

    if (!weir_scold_h2_begin(line)) {
        return;
    }
    if (p->says == ROOM) {
        give_windows(line);
    }
    while (weir_scold_h2_read(line, &frame)) {
        asked += frame.type == WEIR_SCOLD_HEADERS;
        octets += frame.type == WEIR_SCOLD_DATA ? frame.length : 0;
        if (p->says == WINDOW ? frame.type == WEIR_SCOLD_DATA && octets == WINDOW_OCTETS
                              : frame.type == WEIR_SCOLD_HEADERS && asked == 1) {
            (void)sem_post(&p->has_asked);
        }
        if (p->says == ROOM && frame.type == WEIR_SCOLD_DATA &&
            (frame.flags & WEIR_SCOLD_END_STREAM) != 0) {
            say(line, WEIR_SCOLD_HEADERS, whole, 3, "\x88", 1);
            (void)sem_wait(&p->may_answer);
            say(line, WEIR_SCOLD_HEADERS, whole, 1, "\x88", 1);
        }
        if (frame.type != WEIR_SCOLD_HEADERS || asked != 2) {
            continue;
        }
        weir_await_asleep(p->first, APART_NS);
        weir_await_asleep(atomic_load(&p->second), APART_NS);
        atomic_store(&p->said, true);
        say_word(line, p->says);
        if (p->says == ROOM) {
            continue; /* the second sleeps because its octets are not taken */
        }
        (void)sem_wait(&p->may_answer);
        say(line, WEIR_SCOLD_HEADERS, whole, 3, "\x88", 1);
        (void)sem_wait(&p->may_answer);
        if (p->says == HEAD) {
            say(line, WEIR_SCOLD_DATA, WEIR_SCOLD_END_STREAM, 1, "", 0);
        } else {
            say(line, WEIR_SCOLD_HEADERS, whole, 1, "\x88", 1);
        }
    }
}

/* -- the first -- */

/* It reads for nobody now, and does not come back before the second was answered. */
static void be_away(passing *p)
{
    struct timespec until;

    (void)sem_post(&p->may_answer);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    p->was_answered = sem_timedwait(&p->is_answered, &until) == 0;
    (void)sem_post(&p->may_answer);
}

/* -- the second -- */

static void *ask_second(void *user)
{
    passing *p = user;
    weir_ask ask = weir_scold_way_ask(p->world, p->server);

    (void)sem_wait(&p->has_asked);
    weir_await_asleep(p->first, APART_NS);
    atomic_store(&p->second, (pid_t)gettid());
    if (p->says == ROOM) {
        ask.request.method = WEIR_SPAN("POST");
        ask.request.body = (weir_body){.kind = WEIR_BODY_SPAN, .span = {content, sizeof(content)}};
    }
    p->ended = weir_world_fetch(p->world, &ask).ended;
    (void)sem_post(&p->is_answered);
    if (p->says == ROOM) { /* the first waits for its own answer all the time */
        p->was_answered = true;
        (void)sem_post(&p->may_answer);
    }
    return NULL;
}

/* -- where the first goes -- */

static weir_status read_source(void *to, size_t room, uint64_t offset, size_t *octets, void *user)
{
    passing *p = user;

    if (atomic_load(&p->said)) {
        be_away(p);
        return WEIR_END;
    }
    assert_true(offset < BODY_OCTETS);
    memset(to, 'a', room);
    *octets = room;
    return WEIR_OK;
}

static void observe(const weir_event *event, void *user)
{
    if (event->kind == WEIR_EVENT_INFORMATIONAL) {
        be_away(user);
    }
}

static void the_first_goes_away(weir_world *world)
{
    passing p = {.world = world, .says = *(const word *)world->with, .first = gettid()};
    const weir_source source = {.size = sizeof(source), .user = &p, .read = read_source};
    const weir_observer observer = {sizeof(observer), &p, observe};
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};
    pthread_t second;

    (void)alarm(60);
    assert_int_equal(sem_init(&p.has_asked, 0, 0), 0);
    assert_int_equal(sem_init(&p.may_answer, 0, 0), 0);
    assert_int_equal(sem_init(&p.is_answered, 0, 0), 0);
    world->limits.h2_connections = 1;
    (void)weir_world_user(world);
    p.server = weir_scold_way_start(world, play, &p);
    weir_ask ask = weir_scold_way_ask(world, p.server);
    if (p.says == WINDOW) {
        ask.request.method = WEIR_SPAN("POST");
        ask.request.body =
            (weir_body){.kind = WEIR_BODY_SOURCE, .source = &source, .length_octets = WEIR_UNKNOWN};
    } else if (p.says == HINT) {
        ask.call.observer = &observer;
    }
    assert_int_equal(pthread_create(&second, NULL, ask_second, &p), 0);
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    if (p.says == HEAD) {
        be_away(&p);
    }
    assert_int_equal(pthread_join(second, NULL), 0);
    assert_true(p.was_answered);
    assert_int_equal(p.ended, WEIR_END);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    weir_world_drop(world, exchange);
    assert_int_equal(weir_world_counts(world).dials, 1);
    (void)weir_scold_way_end(world, p.server, 1);
    (void)sem_destroy(&p.has_asked);
    (void)sem_destroy(&p.may_answer);
    (void)sem_destroy(&p.is_answered);
}

static const word head = HEAD;
static const word window = WINDOW;
static const word hint = HINT;
static const word room = ROOM;

static const weir_behaviour behaviours[] = {
    {"who reads for two goes back to its caller", the_first_goes_away,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, &head},
    {"who reads for two goes into its source", the_first_goes_away,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, &window},
    {"who reads for two goes to its observer", the_first_goes_away,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, &hint},
    {"who reads for two writes for the other, too", the_first_goes_away,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, &room},
};

int main(void)
{
    return weir_world_run("baton_passed", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
