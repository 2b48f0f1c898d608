/* SPDX-License-Identifier: MIT */
/* A table written down: what is written is read again, nghttp2's decoder reads it too, and it is no
 * longer than the octets that RFC 7541 s4.1 counts. */
#include "proto/h2_literal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/h2_hpack.h"
#include "support/failalloc.h"

/* Around the lengths at which RFC 7541 s5.1 takes one octet more. */
static const size_t lengths[] = {0, 1, 126, 127, 128, 254, 255, 16509, 16510, 16511, 65535};

static void literal__is_read_as_it_was_written(void **state)
{
    (void)state;
    uint8_t *letters = malloc(65535);
    uint8_t *block = malloc(4 * 65535 + 2 * WEIR_H2_LITERAL_OVERHEAD);
    memset(letters, 'x', 65535);
    for (size_t i = 0; i < WEIR_COUNT_OF(lengths); i++) {
        for (size_t j = 0; j < WEIR_COUNT_OF(lengths); j++) {
            const weir_span name = {letters, lengths[i]};
            const weir_span value = {letters, lengths[j]};
            const uint8_t *end =
                weir_h2_literal_put(weir_h2_literal_put(block, name, value), value, name);
            const size_t octets = weir_h2_literal_octets(name, value);
            assert_ptr_equal(end, block + 2 * octets);
            assert_true(octets <= name.length + value.length + WEIR_H2_LITERAL_OVERHEAD);
            weir_span rest = {block, 2 * octets};
            weir_field field = weir_h2_literal_next(&rest);
            assert_true(field.name.length == name.length && field.value.length == value.length);
            field = weir_h2_literal_next(&rest);
            assert_true(field.name.length == value.length && field.value.length == name.length);
            assert_true(rest.length == 0);
        }
    }
    free(block);
    free(letters);
}

static void literal__is_what_a_decoder_understands(void **state)
{
    (void)state;
    weir_failalloc failalloc;
    weir_failalloc_init(&failalloc, 0);
    weir_h2_hpack *hpack = weir_h2_hpack_new(&failalloc.allocator);
    static uint8_t letters[16511];
    static uint8_t block[40000];
    memset(letters, 'x', sizeof(letters));
    for (size_t i = 0; i < WEIR_COUNT_OF(lengths) - 1; i++) {
        const weir_span name = {letters, lengths[i]};
        uint8_t *end = weir_h2_literal_put(block, name, name);
        weir_span rest = {block, (size_t)(end - block)};
        weir_field field;
        bool found = false;
        assert_int_equal(weir_h2_hpack_decode(hpack, &rest, true, &field, &found), WEIR_OK);
        assert_true(found && field.name.length == name.length);
        assert_true(field.value.length == name.length);
        assert_int_equal(weir_h2_hpack_decode(hpack, &rest, true, &field, &found), WEIR_OK);
        assert_false(found);
    }
    weir_h2_hpack_free(hpack);
    weir_failalloc_finish(&failalloc);
}

static void literal__says_the_size_of_a_table(void **state)
{
    (void)state;
    uint8_t octets[WEIR_H2_TABLE_SIZE_OCTETS];
    const struct {
        uint32_t size;
        size_t length;
        uint8_t octets[WEIR_H2_TABLE_SIZE_OCTETS];
    } sizes[] = {
        {0, 1, {0x20}},
        {30, 1, {0x3e}},
        {31, 2, {0x3f, 0}},
        {4096, 3, {0x3f, 0xe1, 0x1f}},
        {UINT32_MAX, 6, {0x3f, 0xe0, 0xff, 0xff, 0xff, 0x0f}},
    };
    for (size_t i = 0; i < WEIR_COUNT_OF(sizes); i++) {
        const uint8_t *end = weir_h2_table_size_put(octets, sizes[i].size);
        assert_int_equal(end - octets, sizes[i].length);
        assert_int_equal(weir_h2_table_size_octets(sizes[i].size), sizes[i].length);
        assert_memory_equal(octets, sizes[i].octets, sizes[i].length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literal__is_read_as_it_was_written),
        cmocka_unit_test(literal__is_what_a_decoder_understands),
        cmocka_unit_test(literal__says_the_size_of_a_table),
    };
    return cmocka_run_group_tests_name("h2_literal", tests, NULL, NULL);
}
