/* SPDX-License-Identifier: MIT */
/*
 * The event loop. A turn is: work out how long the earliest timer lets us wait, wait, run the
 * watches that are ready, run the timers that are due.
 *
 * Invariant: heap[i] is not later than its two children, and each timer's `place` is its index
 * plus one. A timer that is set again for now while timers run waits for the next turn, because
 * the turn's time is read once.
 */
#include "loop.h"

#include "queue.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 256 };

struct loop {
    int epoll;
    bool stopped;
    timer **heap;
    size_t count;
    size_t room;
};

static uint64_t now_ns(void);
static int wait_ms(const loop *l);
static void run_timers(loop *l);
static void sift_up(loop *l, size_t i);
static void sift_down(loop *l, size_t i);
static void put(loop *l, size_t i, timer *t);
static void set_epoll(loop *l, int operation, watch *w);

loop *loop_new(void)
{
    loop *l = must_alloc(sizeof *l);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0) {
        perror("weir-origin: epoll_create1");
        exit(71);
    }
    return l;
}

bool loop_watch(loop *l, watch *w)
{
    struct epoll_event event = {.events = w->interest, .data.ptr = w};
    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, w->fd, &event) == 0;
}

void loop_interest(loop *l, watch *w, uint32_t interest)
{
    if (interest != w->interest) {
        w->interest = interest;
        set_epoll(l, EPOLL_CTL_MOD, w);
    }
}

void loop_unwatch(loop *l, watch *w)
{
    set_epoll(l, EPOLL_CTL_DEL, w);
}

void loop_timer(loop *l, timer *t, uint64_t delay_ms)
{
    loop_timer_stop(l, t);
    uint64_t longest_ms = UINT64_MAX / 4000000;
    t->at_ns = now_ns() + (delay_ms < longest_ms ? delay_ms : longest_ms) * 1000000;
    if (l->count == l->room) {
        l->room = l->room == 0 ? 64 : l->room * 2;
        l->heap = realloc(l->heap, l->room * sizeof(timer *));
        if (l->heap == NULL) {
            exit(70);
        }
    }
    put(l, l->count, t);
    l->count++;
    sift_up(l, l->count - 1);
}

void loop_timer_stop(loop *l, timer *t)
{
    if (t->place == 0) {
        return;
    }
    size_t i = t->place - 1;
    assert(l->heap[i] == t);
    t->place = 0;
    l->count--;
    if (i < l->count) {
        put(l, i, l->heap[l->count]);
        sift_down(l, i);
        sift_up(l, i);
    }
}

void loop_run(loop *l)
{
    struct epoll_event events[BATCH];
    while (!l->stopped) {
        int count = epoll_wait(l->epoll, events, BATCH, wait_ms(l));
        if (count < 0 && errno != EINTR) {
            perror("weir-origin: epoll_wait");
            return;
        }
        for (int i = 0; i < count; i++) {
            watch *w = events[i].data.ptr;
            w->ready(w->user, events[i].events);
        }
        run_timers(l);
    }
}

void loop_stop(loop *l)
{
    l->stopped = true;
}

void loop_free(loop *l)
{
    close(l->epoll);
    free(l->heap);
    free(l);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int wait_ms(const loop *l)
{
    if (l->count == 0) {
        return -1;
    }
    uint64_t now = now_ns();
    uint64_t at = l->heap[0]->at_ns;
    uint64_t wait = at <= now ? 0 : (at - now + 999999) / 1000000;
    return wait > INT_MAX ? INT_MAX : (int)wait;
}

static void run_timers(loop *l)
{
    uint64_t now = now_ns();
    while (l->count > 0 && l->heap[0]->at_ns <= now) {
        timer *due = l->heap[0];
        loop_timer_stop(l, due);
        due->fire(due->user);
    }
}

static void put(loop *l, size_t i, timer *t)
{
    l->heap[i] = t;
    t->place = i + 1;
}

static void sift_up(loop *l, size_t i)
{
    while (i > 0 && l->heap[i]->at_ns < l->heap[(i - 1) / 2]->at_ns) {
        timer *child = l->heap[i];
        put(l, i, l->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
        put(l, i, child);
    }
}

static void sift_down(loop *l, size_t i)
{
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < l->count; child++) {
            if (l->heap[child]->at_ns < l->heap[least]->at_ns) {
                least = child;
            }
        }
        if (least == i) {
            return;
        }
        timer *parent = l->heap[i];
        put(l, i, l->heap[least]);
        put(l, least, parent);
        i = least;
    }
}

static void set_epoll(loop *l, int operation, watch *w)
{
    struct epoll_event event = {.events = w->interest, .data.ptr = w};
    if (epoll_ctl(l->epoll, operation, w->fd, &event) != 0) {
        perror("weir-origin: epoll_ctl");
        exit(71);
    }
}
