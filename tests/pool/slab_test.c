/* SPDX-License-Identifier: MIT */
/*
 * Slabs: every record is apart from all others, zeroed, and where a line begins; memory goes back
 * when records do.
 */
#include "pool/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "pool/table.h"
#include "support/failalloc.h"

enum { OCTETS = 10 * WEIR_LINE_OCTETS, MANY = 10000 };

typedef struct held {
    uint8_t *record;
    weir_slab *slab;
} held;

static held held_all[MANY];

static void take(weir_slabs *slabs, held *h)
{
    static const uint8_t zeros[OCTETS];
    h->record = weir_slabs_take(slabs, &h->slab);
    assert_non_null(h->record);
    assert_int_equal((uintptr_t)h->record % WEIR_LINE_OCTETS, 0);
    assert_memory_equal(h->record, zeros, OCTETS);
    memset(h->record, (int)((h - held_all) % 251 + 1), OCTETS);
}

static void give(weir_slabs *slabs, held *h)
{
    for (size_t i = 0; i < OCTETS; i++) {
        assert_int_equal(h->record[i], (h - held_all) % 251 + 1);
    }
    weir_slabs_give(slabs, h->slab, h->record);
    h->record = NULL;
}

static void slab__keeps_records_apart(void **state)
{
    (void)state;
    weir_failalloc memory;
    weir_slabs slabs;
    uint64_t random = 1;
    weir_failalloc_init(&memory, 0);
    weir_slabs_init(&slabs, &memory.allocator, OCTETS);
    for (size_t i = 0; i < 6 * (size_t)MANY; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
        /* In the first half most are taken, in the second most are given back. */
        held *h = &held_all[(random >> 33) % MANY];
        const bool takes = (random >> 60) < (i < 3 * (size_t)MANY ? 13 : 3);
        if (takes && !h->record) {
            take(&slabs, h);
        } else if (!takes && h->record) {
            give(&slabs, h);
        }
    }
    for (size_t i = 0; i < MANY; i++) {
        if (held_all[i].record) {
            give(&slabs, &held_all[i]);
        }
    }
    assert_int_equal(slabs.records, 0);
    weir_slabs_clear(&slabs);
    weir_failalloc_finish(&memory);
}

static void slab__takes_little_for_few_and_large_pieces_for_many(void **state)
{
    (void)state;
    weir_failalloc memory;
    weir_slabs slabs;
    weir_failalloc_init(&memory, 0);
    weir_slabs_init(&slabs, &memory.allocator, OCTETS);
    assert_int_equal(memory.calls, 0);
    for (size_t i = 0; i < MANY; i++) {
        take(&slabs, &held_all[i]);
        if (i == 4) {
            assert_int_equal(memory.calls, 3); /* of two, of two, of four */
        }
    }
    /* Doubled from two to 2,048, then full ones. */
    const size_t full = (WEIR_SLAB_OCTETS - 127) / OCTETS;
    assert_true(memory.calls <= 12 + (MANY - 4096) / full + 1);
    for (size_t i = MANY; i-- > 0;) {
        give(&slabs, &held_all[i]);
    }
    assert_int_equal(memory.live, 1);
    take(&slabs, &held_all[0]);
    give(&slabs, &held_all[0]);
    assert_true(memory.calls <= 12 + (MANY - 4096) / full + 1);
    weir_slabs_clear(&slabs);
    weir_failalloc_finish(&memory);
}

static void slab__says_when_there_is_no_memory(void **state)
{
    (void)state;
    weir_failalloc memory;
    weir_slabs slabs;
    weir_slab *slab = NULL;
    weir_failalloc_init(&memory, 1);
    weir_slabs_init(&slabs, &memory.allocator, OCTETS);
    assert_null(weir_slabs_take(&slabs, &slab));
    assert_int_equal(slabs.records, 0);
    take(&slabs, &held_all[0]);
    give(&slabs, &held_all[0]);
    weir_slabs_clear(&slabs);
    weir_failalloc_finish(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slab__keeps_records_apart),
        cmocka_unit_test(slab__takes_little_for_few_and_large_pieces_for_many),
        cmocka_unit_test(slab__says_when_there_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
