/* SPDX-License-Identifier: MIT */
/*
 * IP addresses from text, with inet_pton() as the second opinion.
 */
#include "proto/ip.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Both must take the text, and for the same address, or neither. */
static bool assert_same(const char *text)
{
    uint8_t ours[16] = {0};
    uint8_t theirs[16] = {0};
    size_t bad = SIZE_MAX;
    weir_span span = weir_span_of(text);
    bool v6 = weir_ip_parse_v6(span, ours, &bad);
    if (v6 != (inet_pton(AF_INET6, text, theirs) == 1)) {
        fail_msg("IPv6 %s: we say %d", text, v6);
    }
    assert_memory_equal(ours, theirs, v6 ? 16 : 0);
    if (!v6) {
        assert_true(bad <= span.length);
    }
    bool v4 = weir_ip_parse_v4(span, ours);
    if (v4 != (inet_pton(AF_INET, text, theirs) == 1)) {
        fail_msg("IPv4 %s: we say %d", text, v4);
    }
    assert_memory_equal(ours, theirs, v4 ? 4 : 0);
    return v6 || v4;
}

/* Every text over the alphabet of up to `length` octets, those included. */
static size_t every_text(const char *alphabet, size_t length)
{
    char text[16] = "";
    size_t digits[16] = {0};
    size_t letters = strlen(alphabet);
    size_t taken = 0;
    assert_true(length < sizeof(text));
    for (size_t used = 0; used <= length; used++) {
        memset(digits, 0, sizeof(digits));
        for (bool more = true; more;) {
            for (size_t i = 0; i < used; i++) {
                text[i] = alphabet[digits[i]];
            }
            text[used] = '\0';
            taken += assert_same(text);
            size_t i = 0;
            while (i < used && ++digits[i] == letters) {
                digits[i++] = 0;
            }
            more = i < used;
        }
    }
    return taken;
}

static void ip__every_short_text_is_read_as_inet_pton_reads_it(void **state)
{
    (void)state;
    assert_true(every_text("1:", 11) > 300);
    assert_true(every_text("1f:.", 8) > 300);
    assert_true(every_text("025.", 8) > 100);
}

static void ip__random_long_texts_are_read_as_inet_pton_reads_them(void **state)
{
    (void)state;
    static const char *const parts[] = {"1",     "a0",  "Ffff",    "0",
                                        "00001", ":",   ":",       ":",
                                        ":",     ":",   "::",      ".",
                                        "255",   "256", "1.2.3.4", "::ffff:1.2.3.4",
                                        "g",     "abcd"};
    uint32_t seed = 1;
    size_t taken = 0;
    for (int i = 0; i < 200000; i++) {
        char text[256] = "";
        seed = seed * 1664525 + 1013904223;
        size_t count = 1 + (seed >> 24) % 17;
        for (size_t k = 0; k < count; k++) {
            seed = seed * 1664525 + 1013904223;
            /* Mostly a group and a colon in turn, so that many come out well. */
            size_t part = (seed >> 16) % WEIR_COUNT_OF(parts);
            bool regular = (seed >> 8) % 16 != 0;
            strcat(text, regular ? (k % 2 ? ":" : parts[(seed >> 16) % 4]) : parts[part]);
        }
        taken += assert_same(text);
    }
    assert_true(taken > 1000);
}

static void ip__a_wrong_v6_text_is_wrong_at_a_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bad;
    } cases[] = {
        {"", 0},
        {":", 0},
        {":1", 0},
        {"1:", 1},
        {":::", 2},
        {"1:::2", 3},
        {"1::2::3", 5},
        {"12345::", 4},
        {"g::", 0},
        {"1:2:g::", 4},
        {"1:2:3:4:5:6:7", 13},
        {"1:2:3:4:5:6:7:8:9", 16},
        {"1:2:3:4:5:6:7:8:", 15},
        {"::1.2.3", 2},
        {"::1.2.3.256", 2},
        {"1:2:3:4:5:6:7:1.2.3.4", 14},
        {"::1.2.3.4:5", 2},
        {"1:2:3:4:5:6:7:8::", 17},
        {"::1 ", 3},
        {"::01.2.3.4", 2},
    };
    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        uint8_t address[16] = {42};
        size_t bad = SIZE_MAX;
        assert_false(weir_ip_parse_v6(weir_span_of(cases[i].text), address, &bad));
        if (bad != cases[i].bad) {
            fail_msg("%s: wrong at %zu, expected %zu", cases[i].text, bad, cases[i].bad);
        }
        assert_int_equal(address[0], 42);
    }
}

static void ip__a_nul_inside_is_no_end(void **state)
{
    (void)state;
    uint8_t address[16];
    size_t bad = 0;
    assert_false(weir_ip_parse_v4((weir_span){(const uint8_t *)"1.2.3.4\0", 8}, address));
    assert_false(weir_ip_parse_v6((weir_span){(const uint8_t *)"::1\0", 4}, address, &bad));
    assert_int_equal(bad, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ip__every_short_text_is_read_as_inet_pton_reads_it),
        cmocka_unit_test(ip__random_long_texts_are_read_as_inet_pton_reads_them),
        cmocka_unit_test(ip__a_wrong_v6_text_is_wrong_at_a_place),
        cmocka_unit_test(ip__a_nul_inside_is_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
