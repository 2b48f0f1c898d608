/* SPDX-License-Identifier: MIT */
/* The filter with a server, or somebody between, that does not keep to the rules. */
#include "support/tls_bench.h"
#include "support/tls_forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <wolfssl/options.h> /* what this build can; no function of it is called */

#define OCTETS(...)                                                                                \
    ((weir_span){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

static weir_tls_pair *forge_hands(weir_bench *bench, weir_tls_forge *forge)
{
    weir_tls_server_options options = weir_bench_server();

    weir_tls_forge_prepare(&options);
    weir_bench_shake_hands(bench, &options);
    weir_assert_open(bench->pair);
    assert_int_equal(bench->pair->received.records[WEIR_TLS_CONTROL], 0);
    weir_tls_forge_init(forge, bench->pair->server);
    return bench->pair;
}

/* Data that comes next is taken, and is all that was. */
static void assert_goes_on(weir_tls_forge *forge, weir_tls_pair *pair)
{
    weir_tls_forge_send(forge, pair, FORGE_DATA, WEIR_SPAN("data"), 0);
    weir_assert_open(pair);
    assert_int_equal(pair->received.plain, 4);
}

/* Before the handshake is over. */

static void peer__that_is_not_tls_is_refused(void **state)
{
    weir_tls_server_options options = weir_bench_server();
    weir_tls_pair *pair = weir_bench_begin(*state, &options);

    weir_tls_pair_inject(pair, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    assert_string_equal(weir_assert_failed(pair, WEIR_E_TLS_PROTOCOL).what, "what came is not TLS");
    /* The header that gave it away is accounted for, and nothing more was taken. */
    assert_int_equal(pair->received.octets, 5);
    assert_int_equal(weir_tls_torn_received(pair->tls), 5);
}

static void peer__with_a_header_of_no_record_is_refused(void **state)
{
    static const char *const headers[] = {"\x13\x03\x03\x01\x01", "\x18\x03\x03\x01\x01",
                                          "\x16\x02\x03\x01\x01", "\x80\x03\x03\x01\x01"};
    weir_tls_server_options options = weir_bench_server();

    for (size_t i = 0; i < WEIR_COUNT_OF(headers); ++i) {
        weir_tls_pair *pair = weir_bench_begin(*state, &options);
        weir_tls_pair_inject(pair, headers[i], 5);
        assert_string_equal(weir_assert_failed(pair, WEIR_E_TLS_PROTOCOL).what,
                            "what came is not TLS");
    }
}

static void peer__with_a_record_that_is_too_long_is_refused(void **state)
{
    weir_tls_server_options options = weir_bench_server();
    weir_tls_pair *pair = weir_bench_begin(*state, &options);

    weir_tls_pair_inject(pair, "\x16\x03\x03\x41\x01", 5);
    weir_assert_failed(pair, WEIR_E_TLS_PROTOCOL);
    assert_int_equal(weir_tls_torn_received(pair->tls), 5);
}

static void peer__with_a_fatal_alert_is_told_with_its_number_and_name(void **state)
{
    static const struct {
        uint8_t alert;
        weir_status status;
        const char *what; /* NULL: the status says it */
    } cases[] = {{40, WEIR_E_TLS_ALERT, "the alert is handshake_failure"},
                 {70, WEIR_E_TLS_VERSION, "the server supports none of the TLS versions offered"},
                 {71, WEIR_E_TLS_VERSION, "the server wants stronger cipher suites"},
                 {80, WEIR_E_TLS_ALERT, "the alert is internal_error"},
                 {112, WEIR_E_TLS_ALERT, "the alert is unrecognized_name"},
                 {116, WEIR_E_TLS_ALERT, "the alert is certificate_required"},
                 {120, WEIR_E_TLS_ALPN, NULL},
                 {200, WEIR_E_TLS_ALERT, NULL}}; /* nobody's */
    weir_tls_server_options options = weir_bench_server();

    for (size_t i = 0; i < WEIR_COUNT_OF(cases); ++i) {
        weir_tls_pair *pair = weir_bench_begin(*state, &options);
        weir_span record = OCTETS(21, 3, 3, 0, 2, 2, cases[i].alert);
        weir_tls_pair_inject(pair, record.at, record.length);
        const weir_failure failure = weir_assert_failed(pair, cases[i].status);
        assert_int_equal(failure.tls_alert, cases[i].alert);
        if (cases[i].what == NULL) {
            assert_null(failure.what);
        } else {
            assert_non_null(failure.what);
            assert_string_equal(failure.what, cases[i].what);
        }
        assert_int_equal(pair->received.wire[WEIR_TLS_HANDSHAKE], 7);
    }
}

static void peer__with_an_older_version_is_refused(void **state)
{
    weir_tls_server_options options = weir_bench_server();

    options.oldest = TLS1_VERSION;
    options.newest = TLS1_1_VERSION;
    weir_bench_shake_hands(*state, &options);
    assert_int_equal(weir_assert_failed(((weir_bench *)*state)->pair, WEIR_E_TLS_VERSION).tls_alert,
                     70);
}

static void only_1_3(weir_tls_options *options)
{
    options->oldest = WEIR_TLS_1_3;
}

static void peer__that_is_older_than_is_wanted_is_refused(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = weir_bench_server();

    weir_bench_configure(bench, only_1_3);
    weir_assert_open(weir_bench_shake_hands(bench, &options));
    options.newest = TLS1_2_VERSION;
    weir_bench_shake_hands(bench, &options);
    weir_assert_failed(bench->pair, WEIR_E_TLS_VERSION);
}

static void peer__without_a_common_suite_is_refused(void **state)
{
    weir_tls_server_options options = weir_bench_server();

    options.newest = TLS1_2_VERSION;
    options.suites = "ECDHE-ECDSA-AES128-SHA:AES128-SHA:NULL";
    weir_bench_shake_hands(*state, &options);
    /* handshake_failure says no more than that: it is not guessed what was meant. */
    assert_int_equal(weir_assert_failed(((weir_bench *)*state)->pair, WEIR_E_TLS_ALERT).tls_alert,
                     40);
}

/* A ServerHello with this version and suite, whatever was offered. */
static void answer_hello(weir_tls_pair *pair, uint8_t version, uint16_t suite)
{
    uint8_t hello[5 + 4 + 38] = {22, 3, 3, 0, 42, 2, 0, 0, 38, 3, version};

    hello[5 + 4 + 2 + 32] = 0;
    hello[5 + 4 + 2 + 33] = (uint8_t)(suite >> 8);
    hello[5 + 4 + 2 + 34] = (uint8_t)suite;
    weir_tls_pair_inject(pair, hello, sizeof(hello));
}

static void peer__that_chooses_what_was_not_offered_is_refused(void **state)
{
    static const struct {
        uint8_t version;
        uint16_t suite;
    } cases[] = {
        {3, 0x0001 /* RSA_NULL_MD5 */},       {3, 0x003b /* RSA_NULL_SHA256 */},
        {3, 0x002f /* RSA_AES128_CBC_SHA */}, {3, 0xc013 /* ECDHE_RSA_AES128_CBC_SHA */},
        {3, 0x009c /* RSA_AES128_GCM */},     {2, 0xc02b /* over TLS 1.1 */},
        {1, 0xc02b /* over TLS 1.0 */},
    };
    weir_tls_server_options options = weir_bench_server();

    for (size_t i = 0; i < WEIR_COUNT_OF(cases); ++i) {
        weir_tls_pair *pair = weir_bench_begin(*state, &options);
        answer_hello(pair, cases[i].version, cases[i].suite);
        weir_assert_failed(pair, WEIR_E_TLS_VERSION);
    }
}

static void peer__with_a_huge_handshake_message_is_refused_at_once(void **state)
{
    weir_tls_server_options options = weir_bench_server();
    uint8_t part[5 + 16384] = {22, 3, 3, 0x40, 0, 2, 0xff, 0xff, 0xff, 3, 3};
    weir_tls_pair *pair = weir_bench_begin(*state, &options);

    weir_tls_pair_inject(pair, part, sizeof(part));
    weir_assert_failed(pair, WEIR_E_TLS_PROTOCOL);
    assert_int_equal(pair->received.octets, sizeof(part));
}

static void peer__without_end_of_its_handshake_is_refused(void **state)
{
    weir_tls_server_options options = weir_bench_server();
    weir_tls_pair *pair = weir_bench_begin(*state, &options);
    size_t records = 0;

    /* HelloRequests, which a client of TLS 1.2 has to pass over (RFC 5246 s7.4.1.1). */
    while (weir_tls_state_of(pair->tls) == WEIR_TLS_HANDSHAKING && records < 100000) {
        weir_span record = OCTETS(22, 3, 3, 0, 4, 0, 0, 0, 0);
        weir_tls_pair_inject(pair, record.at, record.length);
        records++;
    }
    assert_int_equal(weir_tls_state_of(pair->tls), WEIR_TLS_FAILED);
    assert_true(records < 1000);
}

/* Each octet of a flight in a record of its own: correct, and six times as long. */
static void peer__that_cuts_its_handshake_into_crumbs_is_refused(void **state)
{
    weir_tls_server_options options = weir_bench_server();
    options.newest = TLS1_2_VERSION;
    options.chain[0] = &weir_bench_root;
    options.chain[1] = &weir_bench_root;
    weir_tls_pair *pair = weir_bench_begin(*state, &options);
    static uint8_t flight[65536];
    size_t records = 0;

    weir_tls_pair_send(pair);
    size_t length = weir_tls_server_take(pair->server, flight, sizeof(flight));
    for (size_t at = 0; at + 5 <= length;) {
        size_t body = (size_t)flight[at + 3] << 8 | flight[at + 4];
        /* wolfSSL wants the four octets of a message's header together. */
        for (size_t i = 0; i < body && weir_tls_state_of(pair->tls) == WEIR_TLS_HANDSHAKING;) {
            uint8_t step = i == 0 ? 4 : 1;
            uint8_t crumb[5 + 4] = {22, 3, 3, 0, step};
            memcpy(crumb + 5, flight + at + 5 + i, step);
            weir_tls_pair_inject(pair, crumb, 5u + step);
            i += step;
            records++;
        }
        at += 5 + body;
    }
    weir_assert_failed(pair, WEIR_E_LIMIT_FLOOD);
    assert_int_equal(records, 1024 + 1);
}

/* ChangeCipherSpec, which a client of TLS 1.3 has to pass over (RFC 8446 s5): not without end. */
static void peer__that_changes_cipher_specs_for_ever_is_refused(void **state)
{
    weir_tls_server_options options = weir_bench_server();
    options.oldest = TLS1_3_VERSION;
    options.groups = "P-384";
    weir_tls_pair *pair = weir_bench_begin(*state, &options);
    size_t records = 0;

    /* After a HelloRetryRequest, where they are allowed. */
    weir_tls_pair_send(pair);
    weir_tls_pair_receive(pair);
    while (weir_tls_state_of(pair->tls) == WEIR_TLS_HANDSHAKING && records < 100000) {
        weir_span record = OCTETS(20, 3, 3, 0, 1, 1);
        weir_tls_pair_inject(pair, record.at, record.length);
        records++;
    }
    assert_int_equal(weir_tls_state_of(pair->tls), WEIR_TLS_FAILED);
    assert_true(records <= 1024);
}

/* Afterwards. */

static void peer__whose_record_was_changed_is_refused(void **state)
{
    weir_bench *bench = *state;

    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; ++version) {
        weir_tls_server_options options = weir_bench_server();
        options.oldest = version;
        options.newest = version;
        for (size_t i = 0; i < 64; ++i) {
            uint8_t record[256];
            weir_tls_pair *pair = weir_bench_shake_hands(bench, &options);
            weir_tls_server_say(pair->server, "0123456789", 10);
            size_t length = weir_tls_server_take(pair->server, record, sizeof(record));
            if (i + 5 >= length) {
                break;
            }
            record[5 + i] ^= 0x10;
            weir_tls_pair_inject(pair, record, length);
            weir_assert_failed(pair, WEIR_E_TLS_RECORD);
            assert_int_equal(pair->got_octets, 0);
            assert_int_equal(weir_tls_torn_received(pair->tls), 0);
        }
    }
}

static void peer__whose_record_is_played_twice_is_refused(void **state)
{
    weir_tls_server_options options = weir_bench_server();
    weir_tls_pair *pair = weir_bench_shake_hands(*state, &options);
    uint8_t record[256];

    weir_tls_server_say(pair->server, "once", 4);
    size_t length = weir_tls_server_take(pair->server, record, sizeof(record));
    weir_tls_pair_inject(pair, record, length);
    assert_int_equal(pair->got_octets, 4);
    weir_tls_pair_inject(pair, record, length);
    weir_assert_failed(pair, WEIR_E_TLS_RECORD);
    assert_int_equal(pair->got_octets, 4);
}

static void peer__that_is_told_of_a_changed_record_answers_with_an_alert(void **state)
{
    weir_tls_server_options options = weir_bench_server();
    weir_tls_pair *pair = weir_bench_shake_hands(*state, &options);
    weir_span broken = OCTETS(23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                              16, 17, 18, 19, 20);

    weir_tls_server_feed(pair->server, broken);
    assert_true(pair->server->failed);
    weir_tls_pair_receive(pair);
    /* bad_record_mac */
    assert_int_equal(weir_assert_failed(pair, WEIR_E_TLS_ALERT).tls_alert, 20);
}

static void peer__may_send_an_empty_record(void **state)
{
    weir_tls_forge forge;
    weir_tls_pair *pair = forge_hands(*state, &forge);

    weir_tls_forge_send(&forge, pair, FORGE_DATA, (weir_span){NULL, 0}, 0);
    weir_assert_open(pair);
    assert_int_equal(pair->received.records[WEIR_TLS_DATA], 0);
    assert_int_equal(pair->received.wire[WEIR_TLS_CONTROL], 22);
    assert_goes_on(&forge, pair);
}

static void peer__may_pad_its_records(void **state)
{
    weir_tls_forge forge;
    weir_tls_pair *pair = forge_hands(*state, &forge);

    weir_tls_forge_send(&forge, pair, FORGE_DATA, WEIR_SPAN("padded"), 1000);
    weir_tls_forge_send(&forge, pair, FORGE_DATA, WEIR_SPAN("padded"), 16384 - 6);
    weir_assert_open(pair);
    assert_int_equal(pair->received.plain, 12);
    assert_int_equal(pair->received.wire[WEIR_TLS_DATA], 2 * (6 + 22) + 1000 + 16384 - 6);
}

static void peer__with_padding_only_is_refused(void **state)
{
    weir_tls_forge forge;
    weir_tls_pair *pair = forge_hands(*state, &forge);

    /* No content type at all (RFC 8446 s5.4). */
    weir_tls_forge_send(&forge, pair, 0, (weir_span){NULL, 0}, 10);
    weir_assert_failed(pair, WEIR_E_TLS_PROTOCOL);
}

static void peer__with_too_much_plaintext_is_refused(void **state)
{
    static uint8_t plain[WEIR_TLS_PLAIN_LIMIT_OCTETS + 1];
    weir_tls_forge forge;
    weir_tls_pair *pair = forge_hands(*state, &forge);

    weir_tls_forge_send(&forge, pair, FORGE_DATA, (weir_span){plain, sizeof(plain)}, 0);
    weir_assert_failed(pair, WEIR_E_TLS_PROTOCOL);
    assert_int_equal(pair->got_octets, 0);
}

static void peer__with_an_unknown_message_is_refused(void **state)
{
    weir_bench *bench = *state;
    weir_tls_forge forge;

    /* An unknown handshake message, a HelloRequest, a Finished, a CertificateRequest that we did
     * not ask for. */
    const weir_span messages[] = {OCTETS(99, 0, 0, 0), OCTETS(0, 0, 0, 0),
                                  OCTETS(20, 0, 0, 2, 1, 2), OCTETS(13, 0, 0, 3, 0, 0, 0)};
    for (size_t i = 0; i < WEIR_COUNT_OF(messages); ++i) {
        weir_tls_pair *pair = forge_hands(bench, &forge);
        weir_tls_forge_send(&forge, pair, FORGE_HANDSHAKE, messages[i], 0);
        assert_int_equal(weir_tls_state_of(pair->tls), WEIR_TLS_FAILED);
        assert_int_equal(weir_tls_failure(pair->tls).status, WEIR_E_TLS_PROTOCOL);
    }
    weir_tls_pair *pair = forge_hands(bench, &forge);
    weir_tls_forge_send(&forge, pair, 99, WEIR_SPAN("what"), 0);
    weir_assert_failed(pair, WEIR_E_TLS_PROTOCOL);
}

static void peer__in_the_clear_after_the_handshake_is_refused(void **state)
{
    weir_bench *bench = *state;
    const weir_span records[] = {OCTETS(21, 3, 3, 0, 2, 1, 0), OCTETS(21, 3, 3, 0, 2, 2, 40),
                                 OCTETS(22, 3, 3, 0, 4, 0, 0, 0, 0)};

    for (size_t i = 0; i < WEIR_COUNT_OF(records); ++i) {
        weir_tls_server_options options = weir_bench_server();
        options.oldest = TLS1_3_VERSION;
        weir_tls_pair *pair = weir_bench_shake_hands(bench, &options);
        weir_tls_pair_inject(pair, records[i].at, records[i].length);
        /* Not an alert of the peer's: anybody could have written it. */
        assert_int_equal(weir_assert_failed(pair, WEIR_E_TLS_PROTOCOL).tls_alert, -1);
    }
}

static void peer__is_told_by_the_alert_that_it_sealed(void **state)
{
    weir_bench *bench = *state;
    weir_tls_forge forge;
    weir_tls_pair *pair = forge_hands(bench, &forge);

    weir_tls_forge_send(&forge, pair, FORGE_ALERT, OCTETS(2, 80), 0);
    assert_int_equal(weir_assert_failed(pair, WEIR_E_TLS_ALERT).tls_alert, 80);
    assert_int_equal(pair->received.records[WEIR_TLS_CONTROL], 1);
}

static void peer__that_said_goodbye_is_not_heard_any_more(void **state)
{
    weir_tls_forge forge;
    weir_tls_pair *pair = forge_hands(*state, &forge);

    weir_tls_forge_send(&forge, pair, FORGE_ALERT, OCTETS(1, 0), 0);
    assert_int_equal(weir_tls_state_of(pair->tls), WEIR_TLS_CLOSED);
    weir_tls_forge_send(&forge, pair, FORGE_DATA, WEIR_SPAN("late"), 0);
    assert_int_equal(pair->got_octets, 0);
    assert_int_equal(pair->kept_octets, 26);
    assert_int_equal(weir_tls_state_of(pair->tls), WEIR_TLS_CLOSED);
}

static void peer__that_asks_for_new_keys_without_reading_makes_us_pause(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = weir_bench_server();
    options.oldest = TLS1_3_VERSION;
    weir_tls_pair *pair = weir_bench_shake_hands(bench, &options);
    size_t asked = 0;

    while (!weir_tls_wants_pause(pair->tls) && asked < 100000) {
        weir_tls_server_update_keys(pair->server, true);
        weir_tls_pair_receive(pair);
        asked++;
    }
    weir_assert_open(pair);
    assert_true(asked < 4096);
    assert_true(weir_tls_pending_octets(pair->tls) <=
                WEIR_TLS_OUT_LIMIT_OCTETS + WEIR_TLS_CONTROL_LIMIT_OCTETS);
    assert_false(weir_tls_can_seal(pair->tls));
    /* It reads at last: everything goes on. */
    weir_tls_pair_run(pair);
    assert_false(weir_tls_wants_pause(pair->tls));
    assert_int_equal(pair->sent.records[WEIR_TLS_CONTROL], asked);
    weir_tls_pair_write(pair, "on", 2);
}

static void peer__that_never_stops_updating_keys_is_refused(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = weir_bench_server();
    options.oldest = TLS1_3_VERSION;
    weir_tls_pair *pair = weir_bench_shake_hands(bench, &options);
    size_t asked = 0;

    while (weir_tls_state_of(pair->tls) == WEIR_TLS_OPEN && asked < 100000) {
        weir_tls_server_update_keys(pair->server, asked % 2 == 0);
        weir_tls_pair_run(pair);
        asked++;
    }
    weir_assert_failed(pair, WEIR_E_LIMIT_FLOOD);
    assert_true(asked > 1000);
    assert_true(asked < 10000);
}

static void peer__with_many_messages_in_a_record_is_bounded(void **state)
{
    weir_tls_forge forge;
    weir_tls_pair *pair = forge_hands(*state, &forge);
    static uint8_t updates[3276 * 5];

    for (size_t i = 0; i < sizeof(updates); i += 5) {
        updates[i] = 24;
        updates[i + 3] = 1;
        updates[i + 4] = 1;
    }
    weir_tls_forge_send(&forge, pair, FORGE_HANDSHAKE, (weir_span){updates, sizeof(updates)}, 0);
    assert_true(weir_tls_pending_octets(pair->tls) <= WEIR_TLS_OUT_LIMIT_OCTETS + 128 * 1024);
    assert_true(weir_tls_state_of(pair->tls) == WEIR_TLS_FAILED || weir_tls_wants_pause(pair->tls));
}

/* NewSessionTicket with a nonce of `nonce` octets. */
static weir_span ticket_of(uint8_t nonce, uint8_t *to)
{
    size_t at = 0;
    size_t body = 4 + 4 + 1 + (size_t)nonce + 2 + 32 + 2;

    memset(to, 7, 512);
    memcpy(to, (const uint8_t[]){4, 0, (uint8_t)(body >> 8), (uint8_t)body, 0, 0, 28, 32}, 8);
    at = 12;
    to[at++] = nonce;
    at += nonce;
    to[at++] = 0;
    to[at++] = 32;
    at += 32;
    to[at++] = 0;
    to[at++] = 0;
    return (weir_span){to, at};
}

static void peer__may_send_several_tickets_in_a_record(void **state)
{
    weir_tls_forge forge;
    weir_tls_pair *pair = forge_hands(*state, &forge);
    uint8_t tickets[1024];
    weir_span one = ticket_of(8, tickets);

    memcpy(tickets + one.length, tickets, one.length);
    weir_tls_forge_send(&forge, pair, FORGE_HANDSHAKE, (weir_span){tickets, 2 * one.length}, 0);
    weir_assert_open(pair);
    assert_int_equal(pair->received.records[WEIR_TLS_CONTROL], 1);
    assert_goes_on(&forge, pair);
}

/* wolfSSL gathers messages only while it shakes hands, on most builds: then it fails closed. */
static void peer__that_cuts_a_ticket_in_two_is_understood_or_refused(void **state)
{
    weir_tls_forge forge;
    weir_tls_pair *pair = forge_hands(*state, &forge);
    uint8_t ticket[512];
    weir_span whole = ticket_of(8, ticket);

    weir_tls_forge_send(&forge, pair, FORGE_HANDSHAKE, weir_span_head(whole, 20), 0);
    assert_int_equal(pair->received.records[WEIR_TLS_CONTROL], 1);
    if (weir_tls_state_of(pair->tls) != WEIR_TLS_OPEN) {
        weir_assert_failed(pair, WEIR_E_TLS_PROTOCOL);
        return;
    }
    weir_tls_forge_send(&forge, pair, FORGE_HANDSHAKE, weir_span_from(whole, 20), 0);
    assert_goes_on(&forge, pair);
}

/* rustls and Mbed TLS send nonces of 32 octets. A wolfSSL that has room for 8 takes them for a
 * breach of the protocol. */
static void peer__with_a_long_nonce_is_understood_where_wolfssl_can(void **state)
{
    weir_tls_forge forge;
    weir_tls_pair *pair = forge_hands(*state, &forge);
    uint8_t ticket[512];

    weir_tls_forge_send(&forge, pair, FORGE_HANDSHAKE, ticket_of(32, ticket), 0);
#ifdef WOLFSSL_TICKET_NONCE_MALLOC
    assert_goes_on(&forge, pair);
#else
    assert_string_equal(weir_assert_failed(pair, WEIR_E_TLS_PROTOCOL).what,
                        "something has a value that wolfSSL does not take");
#endif
}

static void peer__with_a_renegotiation_is_refused_or_ignored(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = weir_bench_server();
    options.newest = TLS1_2_VERSION;
    weir_tls_pair *pair = weir_bench_shake_hands(bench, &options);

    SSL_clear_options(pair->server->ssl, SSL_OP_NO_RENEGOTIATION);
    (void)SSL_renegotiate(pair->server->ssl);
    (void)SSL_do_handshake(pair->server->ssl);
    weir_tls_pair_run(pair);
    assert_int_equal(pair->received.records[WEIR_TLS_DATA], 0);
    /* At most a warning went out, never a second ClientHello. */
    assert_true(pair->sent.wire[WEIR_TLS_CONTROL] < 100);
    assert_int_equal(pair->sent.records[WEIR_TLS_DATA], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WEIR_LIVE(peer__that_is_not_tls_is_refused),
        WEIR_LIVE(peer__with_a_header_of_no_record_is_refused),
        WEIR_LIVE(peer__with_a_record_that_is_too_long_is_refused),
        WEIR_LIVE(peer__that_cuts_its_handshake_into_crumbs_is_refused),
        WEIR_LIVE(peer__with_a_fatal_alert_is_told_with_its_number_and_name),
        WEIR_LIVE(peer__with_an_older_version_is_refused),
        WEIR_LIVE(peer__that_is_older_than_is_wanted_is_refused),
        WEIR_LIVE(peer__without_a_common_suite_is_refused),
        WEIR_LIVE(peer__that_chooses_what_was_not_offered_is_refused),
        WEIR_LIVE(peer__with_a_huge_handshake_message_is_refused_at_once),
        WEIR_LIVE(peer__without_end_of_its_handshake_is_refused),
        WEIR_LIVE(peer__that_changes_cipher_specs_for_ever_is_refused),
        WEIR_LIVE(peer__whose_record_was_changed_is_refused),
        WEIR_LIVE(peer__whose_record_is_played_twice_is_refused),
        WEIR_LIVE(peer__that_is_told_of_a_changed_record_answers_with_an_alert),
        WEIR_LIVE(peer__may_send_an_empty_record),
        WEIR_LIVE(peer__may_pad_its_records),
        WEIR_LIVE(peer__with_padding_only_is_refused),
        WEIR_LIVE(peer__with_too_much_plaintext_is_refused),
        WEIR_LIVE(peer__with_an_unknown_message_is_refused),
        WEIR_LIVE(peer__in_the_clear_after_the_handshake_is_refused),
        WEIR_LIVE(peer__is_told_by_the_alert_that_it_sealed),
        WEIR_LIVE(peer__that_said_goodbye_is_not_heard_any_more),
        WEIR_LIVE(peer__that_asks_for_new_keys_without_reading_makes_us_pause),
        WEIR_LIVE(peer__that_never_stops_updating_keys_is_refused),
        WEIR_LIVE(peer__with_many_messages_in_a_record_is_bounded),
        WEIR_LIVE(peer__may_send_several_tickets_in_a_record),
        WEIR_LIVE(peer__that_cuts_a_ticket_in_two_is_understood_or_refused),
        WEIR_LIVE(peer__with_a_long_nonce_is_understood_where_wolfssl_can),
        WEIR_LIVE(peer__with_a_renegotiation_is_refused_or_ignored),
    };
    return cmocka_run_group_tests_name("tls_peer", tests, weir_bench_make_certificates,
                                       weir_bench_drop_certificates);
}
