/* SPDX-License-Identifier: MIT */
/*
 * The key: every member keeps two origins apart, in the comparison and in the hash, and octets
 * cannot move from one member into the next.
 */
#include "pool/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static weir_origin_key base_key(void)
{
    return (weir_origin_key){.host = WEIR_SPAN("example.test"),
                             .zone = WEIR_SPAN("eth0"),
                             .address = WEIR_SPAN("10.0.0.1"),
                             .proxy = WEIR_SPAN("http://user:secret@proxy.test:3128"),
                             .socket_path = WEIR_SPAN("/run/app.sock"),
                             .local = WEIR_SPAN("192.0.2.7"),
                             .tls = 1,
                             .port = 443,
                             .address_port = 8443,
                             .https = 1,
                             .kind = WEIR_HOST_NAME,
                             .pin = WEIR_H1};
}

static void check_differ(const weir_origin_key *a, const weir_origin_key *b)
{
    assert_false(weir_origin_key_equal(a, b));
    assert_false(weir_origin_key_equal(b, a));
    for (uint64_t seed = 0; seed < 4; seed++) {
        assert_true(weir_origin_key_hash(a, seed) != weir_origin_key_hash(b, seed));
        weir_origin_sought of_a;
        weir_origin_sought of_b;
        weir_origin_seek(&of_a, a, seed);
        weir_origin_seek(&of_b, b, seed);
        if (of_a.is_whole) {
            assert_memory_not_equal(of_a.words, of_b.words, sizeof of_a.words);
        }
    }
}

static void origin__is_another_when_any_member_differs(void **state)
{
    (void)state;
    const weir_origin_key key = base_key();
    weir_origin_key others[12];
    for (size_t i = 0; i < WEIR_COUNT_OF(others); i++) {
        others[i] = key;
    }
    others[0].host = WEIR_SPAN("examplf.test");
    others[1].zone = WEIR_SPAN("eth1");
    others[2].address = WEIR_SPAN("10.0.0.2");
    others[3].proxy = WEIR_SPAN("http://user:Secret@proxy.test:3128");
    others[4].socket_path = WEIR_SPAN("/run/app.sock2");
    others[5].local = WEIR_SPAN("192.0.2.8");
    others[6].tls = 2;
    others[7].port = 444;
    others[8].address_port = 8444;
    others[9].https = 0;
    others[10].kind = WEIR_HOST_IPV4;
    others[11].pin = WEIR_H2;
    for (size_t i = 0; i < WEIR_COUNT_OF(others); i++) {
        check_differ(&key, &others[i]);
        for (size_t k = 0; k < i; k++) {
            check_differ(&others[i], &others[k]);
        }
    }
}

static void origin__is_another_when_a_member_is_empty_or_moved(void **state)
{
    (void)state;
    const weir_span empty = {NULL, 0};
    weir_origin_key a = base_key();
    a.zone = empty;
    weir_origin_key b = a;
    b.host = WEIR_SPAN("example.testx");
    b.address = WEIR_SPAN("0.0.0.1");
    check_differ(&a, &b);
    /* The same octets, one member further on. */
    weir_origin_key c = a;
    c.proxy = empty;
    c.socket_path = WEIR_SPAN("same");
    c.local = empty;
    weir_origin_key d = c;
    d.socket_path = empty;
    d.local = WEIR_SPAN("same");
    check_differ(&c, &d);
    /* Padding is not content. */
    weir_origin_key e = a;
    e.host = (weir_span){(const uint8_t *)"abc\0\0", 3};
    weir_origin_key f = a;
    f.host = (weir_span){(const uint8_t *)"abc\0\0", 5};
    check_differ(&e, &f);
}

static void origin__is_the_same_wherever_its_octets_lie(void **state)
{
    (void)state;
    const weir_origin_key a = base_key();
    weir_origin_key b = a;
    char host[] = "-example.test-";
    b.host = (weir_span){(const uint8_t *)host + 1, 12};
    b.zone.at = (const uint8_t *)"eth0";
    assert_true(weir_origin_key_equal(&a, &b));
    assert_true(weir_origin_key_hash(&a, 9) == weir_origin_key_hash(&b, 9));
    /* An empty span may point anywhere. */
    b.zone = (weir_span){(const uint8_t *)host, 0};
    weir_origin_key c = a;
    c.zone = (weir_span){NULL, 0};
    assert_true(weir_origin_key_equal(&b, &c));
    assert_true(weir_origin_key_hash(&b, 9) == weir_origin_key_hash(&c, 9));
}

/* A key of so few words is told from every other by them, longer ones too. */
static void origin__is_whole_in_its_first_words_if_it_is_short(void **state)
{
    (void)state;
    static const char name[] = "a.host.with.a.name.of.forty.octets.test-and-more";
    weir_origin_key key = {.port = 80};
    for (size_t length = 1; length < sizeof name; length++) {
        key.host = (weir_span){(const uint8_t *)name, length};
        weir_origin_sought sought;
        weir_origin_seek(&sought, &key, 1);
        assert_int_equal(sought.is_whole, length <= 40);
        assert_true(sought.hash == weir_origin_key_hash(&key, 1));
        for (size_t more = length + 1; more < sizeof name; more++) {
            weir_origin_key longer = key;
            longer.host.length = more;
            check_differ(&key, &longer);
        }
        weir_origin_key other = key;
        other.local = WEIR_SPAN("192.0.2.7");
        check_differ(&key, &other);
    }
}

static void origin__hash_cannot_be_known_without_the_seed(void **state)
{
    (void)state;
    const weir_origin_key key = base_key();
    for (uint64_t seed = 0; seed < 200; seed++) {
        for (uint64_t other = 0; other < seed; other++) {
            assert_true(weir_origin_key_hash(&key, seed) != weir_origin_key_hash(&key, other));
        }
    }
}

/* Names that count up, as crawlers and tests have them, fill the buckets evenly: with 4096 keys in
 * 1024 buckets, none may hold more than a tenfold of its share. A hash that keeps the pattern of
 * its input fails by far. */
static void origin__hash_spreads_names_that_count_up(void **state)
{
    (void)state;
    uint16_t buckets[1024] = {0};
    for (unsigned i = 0; i < 4096; i++) {
        char host[] = "host-0000.test";
        for (unsigned k = 0, rest = i; k < 4; k++, rest /= 10) {
            host[8 - k] = (char)('0' + rest % 10);
        }
        const weir_origin_key key = {.host = weir_span_of(host), .port = 80};
        buckets[weir_origin_key_hash(&key, 1) % 1024]++;
    }
    uint16_t most = 0;
    for (size_t i = 0; i < WEIR_COUNT_OF(buckets); i++) {
        most = buckets[i] > most ? buckets[i] : most;
    }
    assert_in_range(most, 4, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origin__is_another_when_any_member_differs),
        cmocka_unit_test(origin__is_another_when_a_member_is_empty_or_moved),
        cmocka_unit_test(origin__is_the_same_wherever_its_octets_lie),
        cmocka_unit_test(origin__is_whole_in_its_first_words_if_it_is_short),
        cmocka_unit_test(origin__hash_cannot_be_known_without_the_seed),
        cmocka_unit_test(origin__hash_spreads_names_that_count_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
