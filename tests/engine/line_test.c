/* SPDX-License-Identifier: MIT */
/*
 * Whom the holder of a line's lock wakes when it lets go: everybody for whom something came, however
 * many they are, and whatever holders of other lines do meanwhile to who sits in the same seats.
 */
#include "engine/sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/failalloc.h"

#define CALLS 100 /* more than are woken in one go */

typedef struct caller {
    weir_exchange exchange;
    weir_stream stream;
    weir_seat *seat;
} caller;

typedef struct bench {
    weir_failalloc memory;
    weir_held held;
    caller callers[CALLS];
} bench;

typedef struct rig {
    weir_line line;
    weir_link link;
} rig;

/* The streams that have something to tell, in place of a conn's. */
static weir_stream *ready[CALLS];
static size_t ready_count;

weir_stream *__wrap_weir_conn_next_ready(weir_conn *conn, const weir_stream *after);
weir_stream *__wrap_weir_conn_next_ready(weir_conn *conn, const weir_stream *after)
{
    size_t i = 0;

    (void)conn;
    while (after != NULL && ready[i++] != after) {
    }
    return i < ready_count ? ready[i] : NULL;
}

static void open_bench(bench *b)
{
    weir_failalloc_init(&b->memory, 0);
    weir_held_init(&b->held, &b->memory.allocator);
    for (size_t i = 0; i < CALLS; i++) {
        caller *c = &b->callers[i];
        *c = (caller){.seat = weir_seat_new(&b->memory.allocator, NULL, &b->held)};
        assert_non_null(c->seat);
        weir_list_init(&c->exchange.news_place);
        c->stream.user = &c->exchange;
    }
    ready_count = 0;
}

static void close_bench(bench *b)
{
    for (size_t i = 0; i < CALLS; i++) {
        weir_seat_free(b->callers[i].seat, &b->memory.allocator);
    }
    weir_held_clear(&b->held);
    weir_failalloc_finish(&b->memory);
}

static void open_rig(rig *r)
{
    static long conn;

    *r = (rig){.line = {.link = &r->link}};
    r->link.conn = (weir_conn *)&conn; /* nobody looks into it */
    weir_list_init(&r->line.waiting);
    weir_list_init(&r->line.wakes);
}

static void sit(caller *c)
{
    weir_seat_take(c->seat, &c->exchange);
    atomic_store(&c->exchange.sits, c->seat);
}

static void stand(caller *c)
{
    atomic_store(&c->exchange.sits, NULL);
    weir_seat_leave(c->seat);
}

/* Something came for it, and the holder of the line's lock has seen it. */
static void deliver(rig *r, caller *callers, size_t count)
{
    weir_lock_take(&r->line.lock);
    for (size_t i = 0; i < count; i++) {
        ready[i] = &callers[i].stream;
    }
    ready_count = count;
    weir_line_deliver(&r->line, NULL);
}

static void line__wakes_however_many_there_are(void **state)
{
    static bench b;
    rig r;

    (void)state;
    open_bench(&b);
    open_rig(&r);
    for (size_t i = 0; i < CALLS; i++) {
        sit(&b.callers[i]);
    }
    deliver(&r, b.callers, CALLS);
    weir_line_deliver(&r.line, NULL); /* again: each once */
    weir_line_unlock(&r.line);
    assert_true(weir_list_is_empty(&r.line.wakes));
    for (size_t i = 0; i < CALLS; i++) {
        assert_true(b.callers[i].seat->woken);
        stand(&b.callers[i]);
    }
    close_bench(&b);
}

/* The holder of the first line's lock comes to no end; a call on another line has its seat from who
 * left the first. */
static void line__of_another_is_not_waited_for(void **state)
{
    static bench b;
    rig first;
    rig second;
    caller *before = &b.callers[0];
    caller *after = &b.callers[1];
    weir_seat *own = NULL;

    (void)state;
    open_bench(&b);
    open_rig(&first);
    open_rig(&second);
    sit(before);
    deliver(&first, before, 1);
    stand(before);
    own = after->seat;
    after->seat = before->seat;
    sit(after);
    deliver(&second, after, 1);
    weir_line_unlock(&second.line);
    assert_true(after->seat->woken);
    weir_line_unlock(&first.line);
    stand(after);
    after->seat = own;
    close_bench(&b);
}

static void line__wakes_nobody_who_is_outside(void **state)
{
    static bench b;
    rig r;

    (void)state;
    open_bench(&b);
    open_rig(&r);
    sit(&b.callers[0]);
    deliver(&r, b.callers, 2);
    stand(&b.callers[0]);
    weir_line_unlock(&r.line);
    assert_true(weir_list_is_empty(&r.line.wakes));
    assert_true(weir_list_is_empty(&b.callers[0].exchange.news_place));
    assert_true(weir_list_is_empty(&b.callers[1].exchange.news_place));
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line__wakes_however_many_there_are),
        cmocka_unit_test(line__of_another_is_not_waited_for),
        cmocka_unit_test(line__wakes_nobody_who_is_outside),
    };

    return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
