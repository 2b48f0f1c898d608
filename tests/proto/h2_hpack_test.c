/* SPDX-License-Identifier: MIT */
/*
 * Header compression: our encoder against a decoder that is nghttp2's own, our decoder at every
 * split, and both without memory. What HPACK itself must refuse is in tests/corpus/h2/block.txt.
 */
#include "proto/h2_hpack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"
#include "support/h2_twins.h"
#include "support/split.h"
#include "support/text.h"

#define ROOM 20000

static const char *const words[] = {
    ":method",    "GET",
    ":path",      "/a/long/path?with=query",
    "user-agent", "weir-test/1",
    "accept",     "*/*",
    "x-a",        "",
    "x-b",        "some value or other",
};

static weir_field field(const char *name, const char *value)
{
    return (weir_field){.name = weir_span_of(name), .value = weir_span_of(value)};
}

static size_t fill(weir_field *fields)
{
    size_t count = 0;
    for (size_t i = 0; i < WEIR_COUNT_OF(words); i += 2) {
        fields[count++] = field(words[i], words[i + 1]);
    }
    return count;
}

typedef struct bench {
    weir_failalloc memory;
    weir_h2_hpack *hpack;
    weir_field fields[WEIR_COUNT_OF(words) / 2]; /* the words */
    size_t count;
    weir_text log; /* what was decoded */
    uint8_t octets[ROOM];
} bench;

static int setup(void **state)
{
    bench *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    weir_failalloc_init(&b->memory, 0);
    b->hpack = weir_h2_hpack_new(&b->memory.allocator);
    assert_non_null(b->hpack);
    b->count = fill(b->fields);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    bench *b = *state;
    weir_text_clear(&b->log);
    weir_h2_hpack_free(b->hpack);
    weir_failalloc_finish(&b->memory);
    free(b);
    return 0;
}

static weir_span encode(weir_h2_hpack *hpack, const weir_field *fields, size_t count, uint8_t *to)
{
    weir_h2_section_fields section = {fields, count, NULL};
    size_t length = 0;
    assert_true(weir_h2_hpack_bound(&section) <= ROOM);
    assert_int_equal(weir_h2_hpack_encode(hpack, &section, to, &length), WEIR_OK);
    assert_true(length <= weir_h2_hpack_bound(&section));
    return (weir_span){to, length};
}

/* Feeds one piece and appends what is found. */
static weir_status decode_piece(weir_h2_hpack *hpack, weir_span piece, bool last, weir_text *log)
{
    bool found = true;
    while (found) {
        weir_field one;
        weir_status status = weir_h2_hpack_decode(hpack, &piece, last, &one, &found);
        if (status != WEIR_OK) {
            return status;
        }
        if (found) {
            weir_text_escape(log, one.name);
            weir_text_append(log, WEIR_SPAN("="));
            weir_text_escape(log, one.value);
            weir_text_printf(log, "%s\n", one.flags ? " (never)" : "");
        }
    }
    return WEIR_OK;
}

static weir_status decode(weir_h2_hpack *hpack, weir_span block, const weir_split *split,
                          weir_text *log)
{
    for (size_t at = 0; split && at < block.length;) {
        size_t piece = at < split->length ? weir_split_piece(split, at) : block.length - at;
        weir_span octets = weir_span_head(weir_span_from(block, at), piece);
        weir_status status = decode_piece(hpack, octets, false, log);
        if (status != WEIR_OK) {
            return status;
        }
        at += piece;
    }
    weir_span rest = split ? (weir_span){NULL, 0} : block;
    return decode_piece(hpack, rest, true, log);
}

static void hpack__decodes_what_it_encodes_at_every_split(void **state)
{
    (void)state;
    weir_failalloc failalloc;
    weir_failalloc_init(&failalloc, 0);
    weir_field fields[16];
    size_t count = fill(fields);
    uint8_t octets[ROOM];
    weir_split split;
    for (weir_split_first(&split, 60); !weir_split_is_over(&split); weir_split_next(&split)) {
        weir_h2_hpack *hpack = weir_h2_hpack_new(&failalloc.allocator);
        weir_text log = {.at = NULL};
        /* The second block is made of indexed fields. */
        for (unsigned round = 0; round < 2; round++) {
            weir_span block = encode(hpack, fields, count, octets);
            assert_int_equal(decode(hpack, block, &split, &log), WEIR_OK);
        }
        const char *once = ":method=GET\n:path=/a/long/path?with=query\n"
                           "user-agent=weir-test/1\naccept=*/*\nx-a=\nx-b=some value or other\n";
        assert_int_equal(log.length, 2 * strlen(once));
        assert_memory_equal(log.at, once, strlen(once));
        assert_string_equal(weir_text_string(&log) + strlen(once), once);
        weir_text_clear(&log);
        weir_h2_hpack_free(hpack);
    }
    weir_failalloc_finish(&failalloc);
}

static void hpack__a_repeated_section_is_shorter(void **state)
{
    bench *b = *state;
    weir_h2_hpack *hpack = b->hpack;
    size_t first = encode(hpack, b->fields, b->count, b->octets).length;
    size_t second = encode(hpack, b->fields, b->count, b->octets).length;
    assert_true(second < first / 2);
}

static void hpack__a_sensitive_field_is_never_indexed(void **state)
{
    bench *b = *state;
    weir_h2_hpack *hpack = b->hpack;
    weir_field secret = field("x-token", "very-secret-token");
    secret.flags = WEIR_FIELD_SENSITIVE;
    size_t lengths[2];
    for (unsigned round = 0; round < 2; round++) {
        weir_span block = encode(hpack, &secret, 1, b->octets);
        /* RFC 7541 s6.2.3: 0001 and the index of the name, 0 for a new one. */
        assert_int_equal(block.at[0], 0x10);
        lengths[round] = block.length;
        weir_text log = {.at = NULL};
        assert_int_equal(decode(hpack, block, NULL, &log), WEIR_OK);
        assert_string_equal(weir_text_string(&log), "x-token=very-secret-token (never)\n");
        weir_text_clear(&log);
    }
    assert_int_equal(lengths[0], lengths[1]);
}

static void hpack__encodes_leading_fields_before_the_rest(void **state)
{
    bench *b = *state;
    weir_h2_hpack *hpack = b->hpack;
    weir_field lead[] = {field(":method", "GET"), field(":path", "/")};
    weir_fields rest;
    weir_fields_init(&rest, &b->memory.allocator);
    char name[16];
    /* More fields than are handed over from the stack. */
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "x-%u", i);
        assert_true(weir_fields_add(&rest, field(name, "v")));
    }
    weir_h2_section_fields section = {lead, 2, &rest};
    size_t length = 0;
    assert_int_equal(weir_h2_hpack_encode(hpack, &section, b->octets, &length), WEIR_OK);
    assert_int_equal(decode(hpack, (weir_span){b->octets, length}, NULL, &b->log), WEIR_OK);
    assert_memory_equal(b->log.at, ":method=GET\n:path=/\nx-0=v\nx-1=v\n", 32);
    assert_non_null(strstr(weir_text_string(&b->log), "x-99=v\n"));
    weir_fields_clear(&rest);
}

static void hpack__an_empty_section_is_an_empty_block(void **state)
{
    bench *b = *state;
    weir_h2_hpack *hpack = b->hpack;
    weir_span block = encode(hpack, NULL, 0, b->octets);
    assert_int_equal(block.length, 0);
    assert_int_equal(decode(hpack, block, NULL, &b->log), WEIR_OK);
    assert_int_equal(b->log.length, 0);
}

static void hpack__announces_a_smaller_table_that_the_peer_asked_for(void **state)
{
    bench *b = *state;
    weir_h2_hpack *hpack = b->hpack;
    encode(hpack, b->fields, b->count, b->octets);
    assert_true(weir_h2_hpack_limit_encoder(hpack, 0));
    assert_true(weir_h2_hpack_limit_encoder(hpack, 100));
    weir_span block = encode(hpack, b->fields, b->count, b->octets);
    /* RFC 7541 s4.2: the smallest size in between, and the last. */
    assert_int_equal(block.at[0], 0x20);
    assert_int_equal(block.at[1], 0x3f);
    assert_int_equal(block.at[2], 100 - 31);
}

static void hpack__never_uses_more_table_than_the_default(void **state)
{
    bench *b = *state;
    weir_h2_hpack *hpack = b->hpack;
    assert_true(weir_h2_hpack_limit_encoder(hpack, UINT32_MAX));
    char value[64];
    size_t before = atomic_load(&b->memory.live_octets);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(value, sizeof(value), "a value that differs each time: %u", i);
        weir_field one = field("x-name", value);
        encode(hpack, &one, 1, b->octets);
    }
    /* nghttp2 needs more memory for an entry than the 32 octets that RFC 7541 s4.1 counts. */
    assert_true(atomic_load(&b->memory.live_octets) < before + 4 * WEIR_H2_TABLE_OCTETS);
}

/* Of the section when it is encoded for the second time. */
static size_t second_length(const weir_h2_section_fields *section)
{
    weir_failalloc failalloc;
    weir_failalloc_init(&failalloc, 0);
    weir_h2_hpack *hpack = weir_h2_hpack_new(&failalloc.allocator);
    uint8_t octets[ROOM];
    (void)encode(hpack, section->lead, section->lead_count, octets);
    const size_t length = encode(hpack, section->lead, section->lead_count, octets).length;
    weir_h2_hpack_free(hpack);
    return length;
}

/* What is put away and cannot be made anew is still put away: it can be tried again. */
static void again_after_rest(weir_h2_hpack *hpack, const weir_h2_section_fields *section,
                             weir_text *log, bool once)
{
    uint8_t octets[ROOM];
    size_t length = 0;
    weir_h2_hpack_stow(hpack);
    weir_status status = weir_h2_hpack_encode(hpack, section, octets, &length);
    assert_true(status == WEIR_OK || status == WEIR_E_NOMEM);
    if (status == WEIR_E_NOMEM && weir_h2_hpack_can_encode(hpack) && once) {
        status = weir_h2_hpack_encode(hpack, section, octets, &length);
        assert_int_equal(status, WEIR_OK);
    }
    if (status == WEIR_OK) {
        weir_text same = {.at = NULL};
        assert_int_equal(length, second_length(section));
        status = decode(hpack, (weir_span){octets, length}, NULL, &same);
        assert_true(status == WEIR_OK || status == WEIR_E_NOMEM);
        if (status == WEIR_OK) {
            assert_string_equal(weir_text_string(&same), weir_text_string(log));
        }
        weir_text_clear(&same);
    }
}

static void without_memory(weir_failalloc *failalloc, void *user)
{
    (void)user;
    weir_h2_hpack *hpack = weir_h2_hpack_new(&failalloc->allocator);
    if (!hpack) {
        return;
    }
    weir_field fields[40];
    size_t count = 0;
    while (count < 40) {
        count += fill(fields + count);
        if (count + 6 > 40) {
            break;
        }
    }
    weir_h2_section_fields section = {fields, count, NULL};
    uint8_t octets[ROOM];
    size_t length = 0;
    weir_status status = weir_h2_hpack_encode(hpack, &section, octets, &length);
    assert_true(status == WEIR_OK || status == WEIR_E_NOMEM);
    if (status == WEIR_E_NOMEM && weir_h2_hpack_can_encode(hpack) && !failalloc->and_after) {
        /* Nothing was encoded: it can be done again. */
        status = weir_h2_hpack_encode(hpack, &section, octets, &length);
        assert_int_equal(status, WEIR_OK);
    }
    weir_text log = {.at = NULL};
    if (status == WEIR_OK) {
        status = decode(hpack, (weir_span){octets, length}, NULL, &log);
        assert_true(status == WEIR_OK || status == WEIR_E_NOMEM);
    }
    if (status == WEIR_OK) {
        again_after_rest(hpack, &section, &log, !failalloc->and_after);
    }
    weir_text_clear(&log);
    weir_h2_hpack_free(hpack);
}

static void hpack__survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(weir_failalloc_every(without_memory, NULL) > 10);
}

/* More short fields than a table holds. */
static size_t fill_many(weir_field *fields, char (*names)[16])
{
    size_t count = 0;
    for (; count < 100; count++) {
        (void)snprintf(names[count], sizeof(names[0]), "x-f-%zu", count);
        fields[count] = field(names[count], "sixteen letters!");
    }
    return count;
}

static void hpack__full_tables_take_what_is_counted_at_rest(void **state)
{
    bench *b = *state;
    weir_h2_hpack *hpack = b->hpack;
    weir_field fields[100];
    char names[100][16];
    weir_text again = {.at = NULL};
    const size_t count = fill_many(fields, names);
    weir_span block = encode(hpack, fields, count, b->octets);
    assert_int_equal(decode(hpack, block, NULL, &b->log), WEIR_OK);
    assert_true(atomic_load(&b->memory.live_octets) > 20000);
    weir_h2_hpack_stow(hpack);
    assert_true(atomic_load(&b->memory.live_octets) < 2 * WEIR_H2_TABLE_OCTETS);
    block = encode(hpack, fields, count, b->octets);
    assert_int_equal(decode(hpack, block, NULL, &again), WEIR_OK);
    assert_string_equal(weir_text_string(&b->log), weir_text_string(&again));
    weir_text_clear(&again);
}

static void hpack__a_decoder_in_a_block_is_not_put_away(void **state)
{
    bench *b = *state;
    weir_h2_hpack *hpack = b->hpack;
    const weir_field one = field("x-a", "some value or other");
    const weir_span block = encode(hpack, &one, 1, b->octets);
    assert_int_equal(decode_piece(hpack, weir_span_head(block, 5), false, &b->log), WEIR_OK);
    weir_h2_hpack_stow(hpack);
    assert_true(weir_h2_hpack_has_decoder(hpack));
    assert_false(weir_h2_hpack_has_encoder(hpack));
    assert_int_equal(decode_piece(hpack, weir_span_from(block, 5), false, &b->log), WEIR_OK);
    weir_h2_hpack_stow(hpack);
    assert_true(weir_h2_hpack_has_decoder(hpack));
    assert_int_equal(decode_piece(hpack, (weir_span){NULL, 0}, true, &b->log), WEIR_OK);
    assert_string_equal(weir_text_string(&b->log), "x-a=some value or other\n");
    weir_h2_hpack_stow(hpack);
    assert_false(weir_h2_hpack_has_decoder(hpack));
}

/* RFC 7541 s4.2: a peer that goes on without it is in error, also after a rest. */
static void hpack__a_size_that_is_owed_is_still_owed_after_rest(void **state)
{
    (void)state;
    weir_failalloc failalloc;
    weir_failalloc_init(&failalloc, 0);
    for (unsigned put_away_first = 0; put_away_first < 2; put_away_first++) {
        weir_h2_hpack *hpack = weir_h2_hpack_new(&failalloc.allocator);
        weir_text log = {.at = NULL};
        if (put_away_first) {
            weir_h2_hpack_stow(hpack);
        }
        assert_true(weir_h2_hpack_limit_decoder(hpack, 100));
        weir_h2_hpack_stow(hpack);
        assert_int_equal(decode(hpack, WEIR_SPAN("\x82"), NULL, &log), WEIR_E_H2_COMPRESSION);
        weir_text_clear(&log);
        weir_h2_hpack_free(hpack);
    }
    weir_failalloc_finish(&failalloc);
}

/*
 * Should nghttp2 one day not let a field in that it let in before, then our table and the peer's
 * would be different ones. Here two entries are made one, which it lets in once.
 */
static void hpack__a_table_that_comes_back_different_is_emptied_on_both_sides(void **state)
{
    bench *b = *state;
    weir_h2_hpack *hpack = b->hpack;
    weir_field fields[] = {field("x-a", "1"), field("x-a", "2"), field("x-b", "3")};
    assert_true(weir_h2_hpack_limit_encoder(hpack, 1000));
    weir_span block = encode(hpack, fields, 3, b->octets);
    assert_int_equal(decode(hpack, block, NULL, &b->log), WEIR_OK);
    weir_h2_hpack_stow(hpack);
    const weir_span written = weir_h2_hpack_stowed_encoder(hpack);
    uint8_t *two = memchr(written.at, '2', written.length);
    *two = '1';
    weir_text_reset(&b->log);
    block = encode(hpack, fields, 3, b->octets);
    assert_memory_equal(block.at, "\x20\x3f\xc9\x07", 4); /* a table of none, then of 1000 */
    assert_int_equal(decode(hpack, block, NULL, &b->log), WEIR_OK);
    block = encode(hpack, fields, 3, b->octets);
    assert_int_equal(block.length, 3);
    assert_int_equal(decode(hpack, block, NULL, &b->log), WEIR_OK);
    assert_string_equal(weir_text_string(&b->log), "x-a=1\nx-a=2\nx-b=3\nx-a=1\nx-a=2\nx-b=3\n");
}

/* Programs of random octets (splitmix64). */
static void hpack__is_the_same_after_it_was_put_away(void **state)
{
    (void)state;
    enum { PROGRAMS = 600, OCTETS = 1500 };
    weir_h2_twins_seen seen = {.encoded = 0};
    static uint8_t program[OCTETS];
    uint64_t dice = 1;
    for (size_t i = 0; i < PROGRAMS; i++) {
        for (size_t at = 0; at < OCTETS; at++) {
            dice += UINT64_C(0x9e3779b97f4a7c15);
            uint64_t value = (dice ^ (dice >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
            program[at] = (uint8_t)(value >> 40);
        }
        weir_h2_twins_run((weir_span){program, OCTETS}, &seen);
    }
    print_message("# put away %zu encoders and %zu decoders, encoded %zu and decoded %zu blocks, "
                  "refused %zu\n",
                  seen.stowed_encoders, seen.stowed_decoders, seen.encoded, seen.decoded,
                  seen.refused);
    assert_true(seen.stowed_encoders > PROGRAMS);
    assert_true(seen.stowed_decoders > PROGRAMS);
    assert_true(seen.refused < PROGRAMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hpack__decodes_what_it_encodes_at_every_split),
        cmocka_unit_test_setup_teardown(hpack__a_repeated_section_is_shorter, setup, teardown),
        cmocka_unit_test_setup_teardown(hpack__a_sensitive_field_is_never_indexed, setup, teardown),
        cmocka_unit_test_setup_teardown(hpack__encodes_leading_fields_before_the_rest, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(hpack__an_empty_section_is_an_empty_block, setup, teardown),
        cmocka_unit_test_setup_teardown(hpack__announces_a_smaller_table_that_the_peer_asked_for,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(hpack__never_uses_more_table_than_the_default, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(hpack__full_tables_take_what_is_counted_at_rest, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(hpack__a_decoder_in_a_block_is_not_put_away, setup,
                                        teardown),
        cmocka_unit_test(hpack__a_size_that_is_owed_is_still_owed_after_rest),
        cmocka_unit_test_setup_teardown(
            hpack__a_table_that_comes_back_different_is_emptied_on_both_sides, setup, teardown),
        cmocka_unit_test(hpack__is_the_same_after_it_was_put_away),
        cmocka_unit_test(hpack__survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name("h2_hpack", tests, NULL, NULL);
}
