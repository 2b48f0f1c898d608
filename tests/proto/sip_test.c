/* SPDX-License-Identifier: MIT */
/*
 * SipHash-1-3 against the values of its authors' program, and what the words of a span promise.
 */
#include "proto/sip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Of the messages 00, 00 01, 00 01 02, ..., the empty one first, under the key 00 01 ... 0f: what
 * the authors' program (github.com/veorq/SipHash) answers with one and three rounds. OpenSSL's
 * SIPHASH with c-rounds 1 and d-rounds 3 answers the same. */
static const uint64_t published[64] = {
    0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb,
    0xcf75576088d38328, 0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140,
    0x369095118d299a8e, 0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
    0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34, 0xd320d86d2a519956,
    0xcc4fdd1a7d908b66, 0x9cf2689063dbd80c, 0x8ffc389cb473e63e, 0xf21f9de58d297d1c,
    0xc0dc2f46a6cce040, 0xb992abfe2b45f844, 0x7ffe7b9ba320872e, 0x525a0e7fdae6c123,
    0xf464aeb267349c8c, 0x45cd5928705b0979, 0x3a3e35e3ca9913a5, 0xa91dc74e4ade3b35,
    0xfb0bed02ef6cd00d, 0x88d93cb44ab1e1f4, 0x540f11d643c5e663, 0x2370dd1f8c21d1bc,
    0x81157b6c16a7b60d, 0x4d54b9e57a8ff9bf, 0x759f12781f2a753e, 0xcea1a3bebf186b91,
    0x2cf508d3ada26206, 0xb6101c2da3c33057, 0xb3f47496ae3a36a1, 0x626b57547b108392,
    0xc1d2363299e41531, 0x667cc1923f1ad944, 0x65704ffec8138825, 0x24f280d1c28949a6,
    0xc2ca1cedfaf8876b, 0xc2164bfc9f042196, 0xa16e9c9368b1d623, 0x49fb169c8b5114fd,
    0x9f3143f8df074c46, 0xc6fdaf2412cc86b3, 0x7eaf49d10a52098f, 0x1cf313559d292f9a,
    0xc44a30dda2f41f12, 0x36fae98943a71ed0, 0x318fb34c73f0bce6, 0xa27abf3670a7e980,
    0xb4bcc0db243c6d75, 0x23f8d852fdb71513, 0x8f035f4da67d8a08, 0xd89cd0e5b7e8f148,
    0xf6f4e6bcf7a644ee, 0xaec59ad80f1837f2, 0xc3b2f6154b6694e0, 0x9d199062b7bbb3a8,
};

/* A message as the paper cuts it into words: the last one ends with the length. */
static uint64_t of_message(const uint8_t *octets, size_t length)
{
    weir_sip sip = weir_sip_keyed(UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908));
    for (size_t at = 0; at <= length; at += 8) {
        uint64_t word = length - at < 8 ? (uint64_t)length << 56 : 0;
        for (size_t i = 0; i < weir_min(length - at, 8); i++) {
            word |= (uint64_t)octets[at + i] << (8 * i);
        }
        weir_sip_word(&sip, word);
    }
    return weir_sip_end(sip);
}

static void sip__answers_what_its_authors_published(void **state)
{
    (void)state;
    uint8_t octets[WEIR_COUNT_OF(published)];
    for (size_t i = 0; i < sizeof(octets); i++) {
        octets[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < WEIR_COUNT_OF(published); i++) {
        assert_true(of_message(octets, i) == published[i]);
    }
}

/* Each length up to three words, in a block of exactly that length, so that AddressSanitizer sees
 * an octet too many: every octet counts, and so does a zero at the end. */
static void sip__every_octet_of_a_span_counts_and_none_behind_it(void **state)
{
    (void)state;
    for (size_t length = 1; length <= 24; length++) {
        uint8_t *exact = calloc(1, length);
        assert_non_null(exact);
        const weir_span span = {exact, length};
        const uint64_t zeros = weir_sip_hash(span, 7);
        assert_true(weir_sip_hash(weir_span_head(span, length - 1), 7) != zeros);
        for (size_t i = 0; i < length; i++) {
            exact[i] = 1;
            assert_true(weir_sip_hash(span, 7) != zeros);
            exact[i] = 0;
        }
        free(exact);
    }
    assert_true(weir_sip_hash((weir_span){NULL, 0}, 7) == weir_sip_hash(WEIR_SPAN(""), 7));
}

static void sip__two_spans_are_not_the_one_of_their_octets(void **state)
{
    (void)state;
    weir_sip two = weir_sip_seeded(7);
    weir_sip_span(&two, WEIR_SPAN("exam"));
    weir_sip_span(&two, WEIR_SPAN("ple.test"));
    weir_sip moved = weir_sip_seeded(7);
    weir_sip_span(&moved, WEIR_SPAN("examp"));
    weir_sip_span(&moved, WEIR_SPAN("le.test"));
    assert_true(weir_sip_end(two) != weir_sip_end(moved));
    assert_true(weir_sip_end(two) != weir_sip_hash(WEIR_SPAN("example.test"), 7));
}

/* Names that share a bucket of 256 under one seed are spread by the next: who has found them by
 * trying has found nothing for another process. */
static void sip__names_that_collide_under_one_seed_do_not_under_another(void **state)
{
    (void)state;
    uint16_t buckets[256] = {0};
    unsigned found = 0;
    for (unsigned i = 0; found < 256; i++) {
        char name[] = "a000000.test";
        for (unsigned k = 0, rest = i; k < 6; k++, rest /= 10) {
            name[6 - k] = (char)('0' + rest % 10);
        }
        if (weir_sip_hash(weir_span_of(name), 1) % 256 == 0) {
            buckets[weir_sip_hash(weir_span_of(name), 2) % 256]++;
            found++;
        }
    }
    for (size_t i = 0; i < WEIR_COUNT_OF(buckets); i++) {
        assert_in_range(buckets[i], 0, 12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sip__answers_what_its_authors_published),
        cmocka_unit_test(sip__every_octet_of_a_span_counts_and_none_behind_it),
        cmocka_unit_test(sip__two_spans_are_not_the_one_of_their_octets),
        cmocka_unit_test(sip__names_that_collide_under_one_seed_do_not_under_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
