/* SPDX-License-Identifier: MIT */
/*
 * The vigil (docs/baton.md, engine/sync_vigil.c) as a model small enough to try every interleaving
 * of it: one connection that has no stream left, threads whose calls have one and are inside or
 * away, threads that wait for one, and a peer whose word, a raised limit or the end, must be read
 * though no caller comes back. There are no time-outs in it: with them a lost wake-up would only be
 * slow.
 *
 *   who has a stream   INSIDE -nobody reads-> READS -octets, woken-> INSIDE
 *                             -else-> PARKED -woken-> INSIDE
 *                             -it has its answer-> leaves -the last, of a watched line-> CALLS -> AWAY
 *                             -its exchange is over-> ENDS, and gives its stream to one who waits
 *   who waits          ASKS -given a stream-> ATTACHES -> INSIDE
 *                           -cancelled-> passes the vigil on, GONE
 *                           -else-> BEGINS -nobody keeps the line-> LOOKS -> SETTLES
 *                                          -else-> SLEEPS -woken-> ASKS
 *                      SETTLES -somebody reads: the line is watched now-> SLEEPS
 *                              -else-> KEEPS -octets, woken-> STOPS -> ASKS
 *
 * Each step is what a thread does under one lock, or one system call without any. A state is stuck
 * when the word lies in the socket, somebody waits, and no thread moves.
 */
#include "support/ways.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define THREADS    4
#define TABLE_BITS 24
#define CHOSEN     100

typedef enum place {
    INSIDE = 0,
    READS,
    PARKED,
    CALLS,
    AWAY,
    ENDS,
    ASKS,
    ATTACHES,
    BEGINS,
    LOOKS,
    SETTLES,
    KEEPS,
    STOPS,
    SLEEPS,
    GONE
} place;

static const char *const place_names[] = {
    "is inside", "reads", "parks",   "calls", "is away", "ends",   "asks",   "has a stream",
    "begins",    "looks", "settles", "keeps", "stops",   "sleeps", "is gone"};

typedef struct thread {
    uint8_t at;
    uint8_t woken : 1;
    uint8_t is_over : 1;  /* its exchange: cancelled */
    uint8_t has : 1;      /* its answer was read */
    uint8_t keeps : 1;    /* it keeps the line, or is about to look whether it can */
    uint8_t called : 1;   /* it is to look */
    uint8_t granted : 1;  /* a stream is its own, and it does not know yet */
    uint8_t fills : 1;    /* ... and others wait */
    uint8_t may_poll : 1; /* it looked, and nobody read */
    uint8_t returned : 1; /* its caller came back, once */
} thread;

typedef struct state {
    thread threads[THREADS];
    uint8_t answers;  /* in the socket; a set of threads */
    uint8_t answered; /* ever */
    uint8_t reader;   /* thread + 1, 0: nobody */
    uint8_t keeper;
    uint8_t watched;
    uint8_t word; /* 0: not said, 1: in the socket, 2: read */
    uint8_t cancels;
} state;

/* Who moves but a thread. */
enum { PEER = THREADS, CALLER, CANCEL };

typedef struct rules {
    unsigned holders;
    unsigned threads;
    bool watches; /* who finds it read leaves it watched */
    bool calls;   /* who leaves a watched one calls */
    bool passes;  /* who kept it, or was called to, passes that on */
    bool fills;   /* who is given a stream that others wait for leaves it watched */
} rules;

typedef struct search {
    rules rules;
    weir_ways ways;
} search;

static const state *state_at(const search *s, uint32_t number)
{
    return weir_ways_state(&s->ways, number);
}

static unsigned bit(unsigned i)
{
    return 1u << i;
}

static bool is_in_queue(const thread *t)
{
    return t->at >= BEGINS && t->at <= SLEEPS && !t->granted;
}

static bool has_task(const thread *t)
{
    return t->keeps || t->called;
}

static bool somebody_waits(const state *s, const rules *r)
{
    for (unsigned i = 0; i < r->threads; i++) {
        if (is_in_queue(&s->threads[i]) || (s->threads[i].at == ASKS && !s->threads[i].granted)) {
            return true;
        }
    }
    return false;
}

/* -- one step of a thread; `choice`: which of several ways, CHOSEN when it was one of them -- */

/* weir_client_call_keeper() */
static void call(state *s, const rules *r, unsigned *choice)
{
    bool idle = false;

    if (s->keeper != 0) {
        return;
    }
    for (unsigned i = 0; i < r->threads; i++) {
        idle = idle || (is_in_queue(&s->threads[i]) && !has_task(&s->threads[i]));
        if (is_in_queue(&s->threads[i]) && s->threads[i].called && (*choice)-- == 0) {
            *choice = CHOSEN;
            return; /* it is going to look */
        }
    }
    for (unsigned i = 0; i < r->threads; i++) {
        thread *t = &s->threads[i];
        if (is_in_queue(t) && (!has_task(t) || !idle) && (*choice)-- == 0) {
            t->called = 1;
            t->woken = 1;
            *choice = CHOSEN;
            return;
        }
    }
}

/* Octets are read, by whoever. */
static void take(state *s, const rules *r)
{
    for (unsigned i = 0; i < r->threads; i++) {
        if ((s->answers & bit(i)) != 0) {
            s->threads[i].has = 1;
            s->threads[i].woken = 1;
        }
    }
    s->answers = 0;
    s->word = s->word == 1 ? 2 : s->word;
}

/* The baton is passed; true: weir_line_is_left(). */
static bool let_go(state *s, const rules *r)
{
    bool somebody = s->reader != 0;

    for (unsigned i = 0; i < r->threads; i++) {
        if (s->threads[i].at == PARKED) {
            s->threads[i].woken = s->threads[i].woken || !somebody;
            somebody = true;
        }
    }
    const bool is_left = !somebody && s->watched;
    s->watched = s->watched && !is_left;
    return is_left && r->calls;
}

static void go_round(state *s, const rules *r, unsigned i)
{
    thread *t = &s->threads[i];

    if (t->is_over) {
        t->at = ENDS;
    } else if (t->has) {
        t->has = 0;
        t->at = let_go(s, r) ? CALLS : AWAY;
    } else if (s->reader == 0) {
        s->reader = (uint8_t)(i + 1);
        t->at = READS;
    } else {
        t->at = PARKED;
    }
}

/* Its lease goes to one who waits, if there is one: which, each is tried. */
static void end(state *s, const rules *r, unsigned i, unsigned *choice)
{
    s->threads[i].at = GONE;
    (void)let_go(s, r);
    for (unsigned w = 0; w < r->threads; w++) {
        thread *t = &s->threads[w];
        if ((is_in_queue(t) || (t->at == ASKS && !t->granted)) && (*choice)-- == 0) {
            t->granted = 1;
            t->woken = 1;
            *choice = CHOSEN;
            return;
        }
    }
}

/* has_left() */
static void ask(state *s, const rules *r, unsigned i, unsigned *choice)
{
    thread *t = &s->threads[i];

    if (t->granted) {
        t->granted = 0;
        t->keeps = t->called = 0; /* this line it leaves watched */
        t->at = ATTACHES;
        t->fills = somebody_waits(s, r) && r->fills;
    } else if (t->is_over) {
        const bool had = has_task(t);
        t->keeps = t->called = 0;
        t->at = GONE;
        if (had && r->passes) {
            call(s, r, choice);
        }
    } else {
        t->at = BEGINS;
    }
}

static void look(state *s, const rules *r, unsigned i)
{
    thread *t = &s->threads[i];

    t->may_poll = s->reader == 0;
    if (t->may_poll) {
        take(s, r);
    }
    s->watched = !t->may_poll && r->watches;
    t->at = SETTLES;
}

static void settle(state *s, unsigned i)
{
    thread *t = &s->threads[i];

    t->keeps = t->may_poll && s->keeper == 0;
    t->at = t->keeps ? KEEPS : SLEEPS;
    t->may_poll = 0;
    if (t->keeps) {
        s->keeper = (uint8_t)(i + 1);
    }
}

/* False: it waits. */
static bool step(state *s, const rules *r, unsigned i, unsigned *choice)
{
    thread *t = &s->threads[i];
    const bool readable = s->answers != 0 || s->word == 1;

    switch ((place)t->at) {
    case INSIDE:
        go_round(s, r, i);
        return true;
    case READS:
        if (!readable && !t->woken) {
            return false;
        }
        s->reader = 0;
        take(s, r);
        t->woken = 0;
        t->at = INSIDE;
        return true;
    case PARKED:
    case SLEEPS:
        if (!t->woken) {
            return false;
        }
        t->woken = 0;
        t->at = t->at == PARKED ? INSIDE : ASKS;
        return true;
    case CALLS:
        t->at = AWAY;
        call(s, r, choice);
        return true;
    case ENDS:
        end(s, r, i, choice);
        return true;
    case ASKS:
        ask(s, r, i, choice);
        return true;
    case ATTACHES:
        s->watched = s->watched || t->fills;
        t->fills = 0;
        t->at = INSIDE;
        return true;
    case BEGINS:
        t->called = 0;
        t->keeps = s->keeper == 0;
        t->at = t->keeps ? LOOKS : SLEEPS;
        return true;
    case LOOKS:
        look(s, r, i);
        return true;
    case SETTLES:
        settle(s, i);
        return true;
    case KEEPS:
        if (!readable && !t->woken) {
            return false;
        }
        t->woken = 0;
        t->at = STOPS;
        return true;
    case STOPS:
        s->keeper = 0;
        t->at = ASKS;
        return true;
    case AWAY:
    case GONE:
        return false;
    }
    return false;
}

/* -- the search: breadth first, so that the first stuck state is one of the nearest -- */

static void visit(search *s, const state *next, uint32_t from, unsigned who, unsigned what)
{
    weir_ways_visit(&s->ways, next, (weir_way){from, (uint8_t)who, (uint8_t)what});
}

static bool move(search *s, uint32_t at, unsigned i)
{
    bool moved = false;
    bool more = true;

    for (unsigned way = 0; more; way++) {
        state next = *state_at(s, at);
        unsigned choice = way;
        const bool goes = step(&next, &s->rules, i, &choice);
        more = goes && choice == CHOSEN;
        if (goes && (way == 0 || more)) {
            visit(s, &next, at, i, next.threads[i].at);
        }
        moved = moved || goes;
    }
    return moved;
}

/* The peer says its word once and answers each request once; a caller who is away comes back once,
 * or never; one call is cancelled, wherever it is. */
static void happen(search *s, uint32_t from)
{
    const state now = *state_at(s, from); /* they move as they grow */
    state next = now;

    if (now.word == 0) {
        next.word = 1;
        visit(s, &next, from, PEER, THREADS);
    }
    for (unsigned i = 0; i < s->rules.threads; i++) {
        const thread *t = &now.threads[i];
        const bool has_stream = t->at <= AWAY;
        if (has_stream && (now.answered & bit(i)) == 0) {
            next = now;
            next.answers |= (uint8_t)bit(i);
            next.answered |= (uint8_t)bit(i);
            visit(s, &next, from, PEER, i);
        }
        if (t->at == AWAY && !t->returned) {
            next = now;
            next.threads[i].returned = 1;
            next.threads[i].at = INSIDE;
            visit(s, &next, from, CALLER, i);
        }
        if (now.cancels > 0 && t->at != ENDS && t->at != GONE && !t->is_over) {
            next = now;
            next.cancels--;
            next.threads[i].is_over = 1;
            next.threads[i].woken = 1;
            if (t->at == AWAY) {
                next.threads[i].at = ENDS; /* its caller gives it up */
            }
            visit(s, &next, from, CANCEL, i);
        }
    }
}

static void explore(search *s)
{
    state first;

    memset(&first, 0, sizeof(first));
    for (unsigned i = 0; i < THREADS; i++) {
        first.threads[i].at = (uint8_t)(i < s->rules.holders   ? INSIDE
                                        : i < s->rules.threads ? ASKS
                                                               : GONE);
    }
    first.cancels = s->rules.threads < THREADS ? 2 : 1;
    weir_ways_open(&s->ways, sizeof(first), TABLE_BITS, &first);
    for (uint32_t at = 0; at < s->ways.count && s->ways.stuck == 0; at++) {
        bool moved = false;
        if (state_at(s, at)->word == 2) {
            continue; /* it was read: who waits got on */
        }
        for (unsigned i = 0; i < s->rules.threads; i++) {
            moved = move(s, at, i) || moved;
        }
        if (!moved && state_at(s, at)->word == 1 && somebody_waits(state_at(s, at), &s->rules)) {
            s->ways.stuck = at;
        }
        happen(s, at);
    }
}

static size_t print_way(const search *s)
{
    uint32_t way[WEIR_WAYS_STEPS];
    const size_t count = weir_ways_to(&s->ways, s->ways.stuck, way);

    for (size_t i = count; i > 0; i--) {
        const weir_way *n = &s->ways.ways[way[i - 1]];
        if (n->who < THREADS) {
            print_message("#   %2zu. thread %u %s\n", count - i + 1, n->who + 1u,
                          place_names[n->what]);
        } else if (n->who == PEER && n->what == THREADS) {
            print_message("#   %2zu. the peer says its word\n", count - i + 1);
        } else {
            print_message("#   %2zu. %s thread %u\n", count - i + 1,
                          n->who == PEER     ? "the peer answers"
                          : n->who == CANCEL ? "somebody cancels"
                                             : "its caller comes back:",
                          n->what + 1u);
        }
    }
    return count;
}

static void vigil__with_the_whole_rule_is_never_stuck(void **unused)
{
    (void)unused;
    for (unsigned threads = 2; threads <= THREADS; threads++) {
        for (unsigned holders = 1; holders <= 2 && holders < threads; holders++) {
            search s = {.rules = {holders, threads, true, true, true, true}};
            explore(&s);
            print_message("# %u have a stream, %u wait: %u states, none stuck\n", holders,
                          threads - holders, s.ways.count);
            if (s.ways.stuck != 0) {
                (void)print_way(&s);
            }
            assert_int_equal(s.ways.stuck, 0);
            weir_ways_close(&s.ways);
        }
    }
}

static void assert_stuck(rules without, const char *what)
{
    search s = {.rules = without};

    explore(&s);
    assert_int_not_equal(s.ways.stuck, 0);
    print_message("# %s:\n", what);
    assert_in_range(print_way(&s), 1, 30);
    weir_ways_close(&s.ways);
}

static void vigil__without_a_part_of_it_is_stuck(void **unused)
{
    (void)unused;
    assert_stuck((rules){1, 2, false, true, true, true}, "who finds it read does not watch it");
    assert_stuck((rules){1, 2, true, false, true, true}, "who leaves a watched one does not call");
    assert_stuck((rules){1, 3, true, true, false, true}, "who goes does not pass the vigil on");
    assert_stuck((rules){1, 3, true, true, true, false}, "who is given the stream does not watch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vigil__with_the_whole_rule_is_never_stuck),
        cmocka_unit_test(vigil__without_a_part_of_it_is_stuck),
    };
    return cmocka_run_group_tests_name("vigil_model", tests, NULL, NULL);
}
