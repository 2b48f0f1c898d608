/* SPDX-License-Identifier: MIT */
/*
 * The table of open streams against a plain list, with ids that collide.
 */
#include "proto/h2_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/failalloc.h"

#define MOST 300

typedef struct model {
    weir_h2_stream *streams; /* MOST of them */
    bool is_in[MOST];
} model;

static void check(const weir_h2_table *table, const model *m)
{
    size_t count = 0;
    weir_h2_table_check(table);
    for (size_t i = 0; i < MOST; i++) {
        uint32_t id = m->streams[i].base.owner.id;
        assert_ptr_equal(weir_h2_table_get(table, id), m->is_in[i] ? &m->streams[i] : NULL);
        count += m->is_in[i] ? 1 : 0;
    }
    assert_int_equal(table->count, count);
}

/* The generator of the C standard's example, so that the run is the same everywhere. */
static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 8;
}

static void churn(uint32_t stride)
{
    weir_failalloc failalloc;
    weir_failalloc_init(&failalloc, 0);
    weir_h2_table table;
    weir_h2_table_init(&table, &failalloc.allocator);
    model m = {.streams = calloc(MOST, sizeof(*m.streams))};
    assert_non_null(m.streams);
    for (uint32_t i = 0; i < MOST; i++) {
        m.streams[i].base.owner.id = 1 + i * stride;
    }
    uint32_t seed = stride;
    for (unsigned step = 0; step < 4000; step++) {
        size_t i = next(&seed) % MOST;
        if (m.is_in[i]) {
            weir_h2_table_remove(&table, &m.streams[i]);
        } else {
            assert_true(weir_h2_table_prepare(&table));
            weir_h2_table_put(&table, &m.streams[i]);
        }
        m.is_in[i] = !m.is_in[i];
        if (step % 16 == 0) {
            check(&table, &m);
        }
    }
    for (size_t i = 0; i < MOST; i++) {
        if (m.is_in[i]) {
            weir_h2_table_remove(&table, &m.streams[i]);
            m.is_in[i] = false;
        }
    }
    check(&table, &m);
    assert_int_equal(table.room, 0);
    free(m.streams);
    weir_failalloc_finish(&failalloc);
}

static void table__finds_what_is_in_it_and_nothing_else(void **state)
{
    (void)state;
    churn(2);
}

static void table__finds_streams_that_all_share_a_home(void **state)
{
    (void)state;
    churn(1024);
    churn(65536);
}

static void table__holds_no_memory_while_it_is_empty(void **state)
{
    (void)state;
    weir_failalloc failalloc;
    weir_failalloc_init(&failalloc, 0);
    weir_h2_table table;
    weir_h2_table_init(&table, &failalloc.allocator);
    assert_null(weir_h2_table_get(&table, 1));
    assert_true(weir_h2_table_prepare(&table));
    weir_h2_table_trim(&table);
    assert_int_equal(atomic_load(&failalloc.live), 0);
    weir_h2_stream *stream = calloc(1, sizeof(*stream));
    stream->base.owner.id = 1;
    assert_true(weir_h2_table_prepare(&table));
    weir_h2_table_put(&table, stream);
    weir_h2_table_trim(&table);
    assert_ptr_equal(weir_h2_table_get(&table, 1), stream);
    weir_h2_table_remove(&table, stream);
    assert_int_equal(atomic_load(&failalloc.live), 0);
    free(stream);
}

static void table__is_as_it_was_when_it_cannot_grow(void **state)
{
    (void)state;
    weir_failalloc failalloc;
    weir_failalloc_init(&failalloc, 2);
    weir_h2_table table;
    weir_h2_table_init(&table, &failalloc.allocator);
    weir_h2_stream *streams = calloc(7, sizeof(*streams));
    assert_non_null(streams);
    for (uint32_t i = 0; i < 6; i++) {
        streams[i].base.owner.id = 2 * i + 1;
        assert_true(weir_h2_table_prepare(&table));
        weir_h2_table_put(&table, &streams[i]);
    }
    assert_false(weir_h2_table_prepare(&table));
    weir_h2_table_check(&table);
    assert_ptr_equal(weir_h2_table_get(&table, 11), &streams[5]);
    weir_h2_table_clear(&table);
    free(streams);
    weir_failalloc_finish(&failalloc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table__finds_what_is_in_it_and_nothing_else),
        cmocka_unit_test(table__finds_streams_that_all_share_a_home),
        cmocka_unit_test(table__holds_no_memory_while_it_is_empty),
        cmocka_unit_test(table__is_as_it_was_when_it_cannot_grow),
    };
    return cmocka_run_group_tests_name("h2_table", tests, NULL, NULL);
}
