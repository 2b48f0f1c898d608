/* SPDX-License-Identifier: MIT */
/*
 * The baton (docs/baton.md, engine/baton.c) as a model small enough to try every interleaving of
 * it: two to four threads, each with one request on a shared connection, a kernel that may take
 * nothing for a while, a peer that answers in any order or never, and one cancel. There are no
 * time-outs in it: with them a lost wake-up would only be slow.
 *
 *   LOOP -octets wait, nobody writes-> SENDING -> LOOP
 *        -nobody reads-> READING -octets came, writable, woken-> LOOP
 *        -else-> PARKED -woken-> LOOP
 *        -it has its answer, or is cancelled-> LEAVING
 *   LEAVING -octets wait, nobody writes-> FLUSHING -> LEAVING -> GONE
 *
 * Each step is what a thread does while it holds the lock of the line, or one system call without
 * it. A state is stuck when no thread can move, though octets wait that nobody will write, or that
 * nobody will read.
 *
 * The rule on leaving has two halves: write what is pending; if nobody reads and somebody waits,
 * wake one. Without either the search finds a stuck state, and prints the way there; with both it
 * finds none.
 */
#include "support/ways.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THREADS    4
#define TABLE_BITS 22
#define CHOSEN     100

typedef enum place { LOOP = 0, SENDING, READING, PARKED, LEAVING, FLUSHING, GONE } place;

static const char *const place_names[] = {"runs",   "sends",   "reads",  "parks",
                                          "leaves", "flushes", "is gone"};

typedef struct thread {
    uint8_t at;
    uint8_t queued : 1; /* its request is in the link */
    uint8_t woken : 1;
    uint8_t cancelled : 1;
} thread;

/* Sets of threads are bits. */
typedef struct state {
    thread threads[THREADS];
    uint8_t pending; /* whose octets wait to be sent */
    uint8_t carried; /* ... and are in the send(2) that runs */
    uint8_t sent;
    uint8_t answers;  /* in the socket */
    uint8_t answered; /* by the peer, ever */
    uint8_t delivered;
    uint8_t reader; /* thread + 1, 0: nobody */
    uint8_t writer;
    uint8_t flags;
} state;

enum {
    FULL = 1,       /* the kernel takes nothing now */
    UNWRITABLE = 2, /* it said so: line->unwritable */
    ARMED = 4,      /* the reader polls for writing too */
    FULL_LEFT = 8,  /* it may become full once */
    CANCEL_LEFT = 16
};

/* Who moves but a thread. */
enum { PEER = THREADS, CANCEL, KERNEL };

typedef struct rules {
    unsigned threads;
    bool writes; /* the first half of the rule */
    bool wakes;  /* the second */
    bool alike;  /* threads have no names: states that differ in them alone are one */
} rules;

typedef struct search {
    rules rules;
    weir_ways ways;
} search;

static void visit(search *s, const state *next, uint32_t from, unsigned who, unsigned what);

static const state *state_at(const search *s, uint32_t number)
{
    return weir_ways_state(&s->ways, number);
}

static unsigned bit(unsigned i)
{
    return 1u << i;
}

/* -- one step of a thread -- */

static void wake(state *s, unsigned who)
{
    s->threads[who].woken = 1;
}

/* weir_line_deliver(): whoever has something to collect is woken, but not the caller. */
static void deliver(state *s, const rules *r, unsigned self)
{
    for (unsigned i = 0; i < r->threads; i++) {
        if (i != self && (s->answers & bit(i)) != 0) {
            wake(s, i);
        }
    }
    s->delivered |= s->answers;
    s->answers = 0;
}

/* write_step(): the send(2) has returned. */
static void sent(state *s)
{
    s->writer = 0;
    if ((s->flags & FULL) != 0) {
        s->flags |= UNWRITABLE;
        if (s->reader != 0) {
            wake(s, s->reader - 1u); /* it must poll for writing as well */
        }
    } else {
        s->sent |= s->carried;
        s->pending &= (uint8_t)~s->carried;
    }
    s->carried = 0;
}

static bool can_write(const state *s)
{
    return s->pending != 0 && s->writer == 0 && (s->flags & UNWRITABLE) == 0;
}

static void begin_sending(state *s, unsigned i, place where)
{
    s->writer = (uint8_t)(i + 1);
    s->carried = s->pending;
    s->threads[i].at = (uint8_t)where;
}

/* The end of weir_baton_drive() and weir_baton_leave(): flush, then pass the baton. */
static void leave(state *s, const rules *r, unsigned i, unsigned *choice)
{
    if (r->writes && can_write(s)) {
        begin_sending(s, i, FLUSHING);
        return;
    }
    s->threads[i].at = GONE;
    if (!r->wakes || s->reader != 0) {
        return;
    }
    /* Which of them: each is tried. */
    for (unsigned w = 0; w < r->threads; w++) {
        if (s->threads[w].at == PARKED && (*choice)-- == 0) {
            wake(s, w);
            *choice = CHOSEN;
            return;
        }
    }
}

/* weir_baton_drive(), once round. */
static void go_round(state *s, const rules *r, unsigned i, unsigned *choice)
{
    thread *t = &s->threads[i];

    if (!t->queued) {
        t->queued = 1;
        s->pending |= (uint8_t)bit(i);
    }
    if ((s->delivered & bit(i)) != 0 || t->cancelled) {
        t->at = LEAVING;
        leave(s, r, i, choice);
    } else if (can_write(s)) {
        begin_sending(s, i, SENDING);
    } else if (s->reader == 0) {
        s->reader = (uint8_t)(i + 1);
        s->flags = (uint8_t)((s->flags & ~ARMED) | ((s->flags & UNWRITABLE) != 0 ? ARMED : 0));
        t->at = READING;
    } else {
        t->at = PARKED;
    }
}

/* read_step(): the poll has returned, for whatever reason. */
static void read_returned(state *s, const rules *r, unsigned i)
{
    if ((s->flags & (ARMED | FULL)) == ARMED) {
        s->flags &= (uint8_t)~UNWRITABLE;
    }
    s->threads[i].woken = 0;
    s->reader = 0;
    deliver(s, r, i);
    s->threads[i].at = LOOP;
}

/* What the thread does next; false: it waits. *choice: which of several ways; CHOSEN when there may
 * be a further one. */
static bool step(state *s, const rules *r, unsigned i, unsigned *choice)
{
    thread *t = &s->threads[i];

    switch ((place)t->at) {
    case LOOP:
        go_round(s, r, i, choice);
        return true;
    case SENDING:
        sent(s);
        t->at = LOOP;
        return true;
    case FLUSHING:
        sent(s);
        t->at = LEAVING;
        return true;
    case LEAVING:
        leave(s, r, i, choice);
        return true;
    case READING:
        if (s->answers == 0 && !t->woken && (s->flags & (ARMED | FULL)) != ARMED) {
            return false;
        }
        read_returned(s, r, i);
        return true;
    case PARKED:
        if (!t->woken) {
            return false;
        }
        t->woken = 0;
        t->at = LOOP;
        return true;
    case GONE:
        return false;
    }
    return false;
}

/* -- the world around -- */

/* The peer may answer whom it has read, in any order; the kernel may be full for once; a call may
 * be cancelled for once. */
static void happen(search *s, uint32_t from)
{
    const state copy = *state_at(s, from); /* they move as they grow */
    const state *now = &copy;
    state next;

    for (unsigned i = 0; i < s->rules.threads; i++) {
        if ((now->sent & bit(i)) != 0 && (now->answered & bit(i)) == 0) {
            next = *now;
            next.answers |= (uint8_t)bit(i);
            next.answered |= (uint8_t)bit(i);
            visit(s, &next, from, PEER, i);
        }
        if ((now->flags & CANCEL_LEFT) != 0 && now->threads[i].queued &&
            now->threads[i].at != GONE) {
            next = *now;
            next.flags &= (uint8_t)~CANCEL_LEFT;
            next.threads[i].cancelled = 1;
            next.threads[i].woken = 1;
            visit(s, &next, from, CANCEL, i);
        }
    }
    if ((now->flags & FULL_LEFT) != 0) {
        next = *now;
        next.flags = (uint8_t)((next.flags & ~FULL_LEFT) | FULL);
        visit(s, &next, from, KERNEL, 1);
    }
    if ((now->flags & FULL) != 0) {
        next = *now;
        next.flags &= (uint8_t)~FULL;
        visit(s, &next, from, KERNEL, 0);
    }
}

/* No thread moved. Octets that nobody will write or read, although nothing is wrong with the peer:
 * stuck. */
static bool is_stuck(const state *s, const rules *r)
{
    bool somebody_waits = false;

    for (unsigned i = 0; i < r->threads; i++) {
        somebody_waits = somebody_waits || s->threads[i].at != GONE;
    }
    /* A kernel that is full and has a reader who polls for room is not our fault. */
    if ((s->flags & FULL) != 0) {
        return false;
    }
    return somebody_waits && (s->pending != 0 || s->answers != 0);
}

/* -- the search: breadth first, so that the first stuck state is one of the nearest -- */

/* All that a state says of one thread, as a number. */
static uint32_t key_of(const state *s, unsigned i)
{
    const thread *t = &s->threads[i];
    const unsigned sets[] = {s->pending, s->carried,  s->sent,
                             s->answers, s->answered, s->delivered};
    uint32_t key = t->at;

    key = key << 3 | (uint32_t)(t->queued | t->woken << 1 | t->cancelled << 2);
    for (size_t set = 0; set < sizeof(sets) / sizeof(sets[0]); set++) {
        key = key << 1 | ((sets[set] >> i) & 1u);
    }
    return key << 2 | (uint32_t)((s->reader == i + 1) | (s->writer == i + 1) << 1);
}

static int by_key(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a;
    const uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

/* The state with its threads in the order of what is said of them. */
static void sort_threads(state *s, unsigned threads)
{
    uint32_t keys[THREADS];
    uint8_t *const sets[] = {&s->delivered, &s->answered, &s->answers,
                             &s->sent,      &s->carried,  &s->pending};

    for (unsigned i = 0; i < threads; i++) {
        keys[i] = key_of(s, i);
    }
    qsort(keys, threads, sizeof(keys[0]), by_key);
    s->reader = 0;
    s->writer = 0;
    for (size_t set = 0; set < sizeof(sets) / sizeof(sets[0]); set++) {
        *sets[set] = 0;
    }
    for (unsigned i = 0; i < threads; i++) {
        uint32_t key = keys[i];
        s->reader = (key & 1) != 0 ? (uint8_t)(i + 1) : s->reader;
        s->writer = (key & 2) != 0 ? (uint8_t)(i + 1) : s->writer;
        key >>= 2;
        for (size_t set = 0; set < sizeof(sets) / sizeof(sets[0]); set++) {
            *sets[set] |= (uint8_t)((key & 1u) << i);
            key >>= 1;
        }
        s->threads[i].queued = key & 1;
        s->threads[i].woken = (key >> 1) & 1;
        s->threads[i].cancelled = (key >> 2) & 1;
        s->threads[i].at = (uint8_t)(key >> 3);
    }
}

static void visit(search *s, const state *found, uint32_t from, unsigned who, unsigned what)
{
    state sorted = *found;

    if (s->rules.alike) {
        sort_threads(&sorted, s->rules.threads);
    }
    weir_ways_visit(&s->ways, &sorted, (weir_way){from, (uint8_t)who, (uint8_t)what});
}

/* Every way in which a thread can go on. */
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

/* How many states there are; s->stuck is set if one of them is stuck. */
static void explore(search *s)
{
    state first;

    memset(&first, 0, sizeof(first));
    first.flags = FULL_LEFT | CANCEL_LEFT;
    weir_ways_open(&s->ways, sizeof(first), TABLE_BITS, &first);
    for (uint32_t at = 0; at < s->ways.count && s->ways.stuck == 0; at++) {
        bool moved = false;
        for (unsigned i = 0; i < s->rules.threads; i++) {
            moved = move(s, at, i) || moved;
        }
        if (!moved && is_stuck(state_at(s, at), &s->rules)) {
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
        } else if (n->who == KERNEL) {
            print_message("#   %2zu. the kernel %s\n", count - i + 1,
                          n->what != 0 ? "is full" : "has room");
        } else {
            print_message("#   %2zu. %s thread %u\n", count - i + 1,
                          n->who == PEER ? "the peer answers" : "somebody cancels", n->what + 1u);
        }
    }
    return count;
}

static void baton__with_both_halves_is_never_stuck(void **unused)
{
    (void)unused;
    for (unsigned threads = 2; threads <= THREADS; threads++) {
        search s = {.rules = {threads, true, true, true}};
        explore(&s);
        print_message("# %u threads: %u states, none stuck\n", threads, s.ways.count);
        assert_int_equal(s.ways.stuck, 0);
        weir_ways_close(&s.ways);
    }
}

static void baton__without_writing_is_stuck(void **unused)
{
    search s = {.rules = {3, false, true, false}};

    (void)unused;
    explore(&s);
    assert_int_not_equal(s.ways.stuck, 0);
    print_message("# who leaves does not write:\n");
    assert_in_range(print_way(&s), 1, 20);
    assert_int_not_equal(state_at(&s, s.ways.stuck)->pending, 0);
    weir_ways_close(&s.ways);
}

static void baton__without_waking_is_stuck(void **unused)
{
    search s = {.rules = {2, true, false, false}};

    (void)unused;
    explore(&s);
    assert_int_not_equal(s.ways.stuck, 0);
    print_message("# who leaves does not wake:\n");
    assert_in_range(print_way(&s), 1, 20);
    weir_ways_close(&s.ways);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(baton__with_both_halves_is_never_stuck),
        cmocka_unit_test(baton__without_writing_is_stuck),
        cmocka_unit_test(baton__without_waking_is_stuck),
    };
    return cmocka_run_group_tests_name("baton_model", tests, NULL, NULL);
}
