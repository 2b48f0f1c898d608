/* SPDX-License-Identifier: MIT */
/*
 * Names that connections came from, with a clock of the test's: when they are asked for again, and
 * what becomes of connections whose address is not in the answer any more.
 */
#include "engine/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/sip.h"
#include "support/failalloc.h"

#define SECOND WEIR_NS_PER_SECOND
#define LINKS  4

typedef struct names_bench {
    weir_failalloc memory;
    weir_shared *shared;
    weir_pool *pool;
    weir_names names;
    weir_ticket tickets[LINKS];
    weir_link links[LINKS];
    uint8_t last[LINKS];
    weir_time now_ns;
} names_bench;

static weir_span span_of(const char *text)
{
    return (weir_span){(const uint8_t *)text, strlen(text)};
}

static weir_address address(uint8_t family, uint8_t n, uint32_t ttl_seconds)
{
    return (weir_address){.family = family, .octets = {10, 0, 0, n}, .ttl_seconds = ttl_seconds};
}

static void init_names(names_bench *bench, weir_names *names, uint64_t seed)
{
    const weir_names_options options = {
        .allocator = &bench->memory.allocator,
        .shared = bench->shared,
        .pool = bench->pool,
        .leave_ns = 1,
        .seed = seed,
    };

    weir_names_init(names, &options);
}

static int setup(void **state)
{
    static names_bench bench;
    weir_shared_options shared = WEIR_SHARED_OPTIONS_INIT;
    weir_status status = WEIR_E_STATE;

    memset(&bench, 0, sizeof(bench));
    bench.now_ns = 1000 * SECOND;
    weir_failalloc_init(&bench.memory, 0);
    shared.allocator = &bench.memory.allocator;
    bench.shared = weir_shared_new(&shared, &status);
    assert_non_null(bench.shared);
    const weir_pool_options pool = {.allocator = &bench.memory.allocator, .idle_ns = WEIR_NEVER};
    bench.pool = weir_pool_new(&pool, &status);
    assert_non_null(bench.pool);
    init_names(&bench, &bench.names, 1);
    *state = &bench;
    return 0;
}

static void remember(names_bench *bench, const char *host, uint8_t family, const uint8_t *last,
                     size_t count, uint32_t ttl_seconds)
{
    weir_address addresses[WEIR_DIAL_ADDRESSES];

    for (size_t i = 0; i < count; i++) {
        addresses[i] = address(family, last[i], ttl_seconds);
    }
    const weir_answer answer = {.family = family, .addresses = addresses, .count = count};
    weir_shared_remember(bench->shared, span_of(host), &answer, bench->now_ns);
}

/* A connection to this address of the host, idle. */
static weir_link *connect_to(names_bench *bench, size_t i, const char *host, uint8_t family,
                             uint8_t last)
{
    const weir_origin_key key = {.host = span_of(host), .port = 80, .pin = WEIR_H1};
    const weir_facts facts = {.version = 1,
                              .protocol = WEIR_H1,
                              .accepting = true,
                              .reusable = true,
                              .capacity_streams = 1};
    weir_link *link = &bench->links[i];
    weir_action action;

    for (size_t k = 0; k < LINKS; k++) {
        if (bench->tickets[k].state == WEIR_TICKET_LEASED) {
            continue; /* the others are in use, or this would get one of them */
        }
        if (weir_pool_request(bench->pool, &key, &bench->tickets[k], bench->now_ns) != WEIR_OK) {
            break;
        }
    }
    assert_true(weir_pool_next_action(bench->pool, &action));
    assert_int_equal(action.kind, WEIR_ACTION_DIAL);
    weir_pool_ready(bench->pool, action.slot, &facts, bench->now_ns);
    assert_true(weir_pool_next_action(bench->pool, &action));
    assert_int_equal(action.kind, WEIR_ACTION_GRANT);
    const weir_address to = address(family, last, 0);
    *link = (weir_link){.slot = action.ticket->slot};
    bench->last[i] = last;
    weir_slot_set_user(link->slot, link);
    weir_names_join(&bench->names, link, span_of(host), &to, bench->now_ns);
    return link;
}

static void release_all(names_bench *bench)
{
    for (size_t i = 0; i < LINKS; i++) {
        if (bench->tickets[i].state == WEIR_TICKET_LEASED) {
            weir_pool_release(bench->pool, &bench->tickets[i], NULL, bench->now_ns);
        }
    }
}

/* Closes what the pool wants closed; the reasons, in order. */
static const char *closed(names_bench *bench)
{
    static char text[256];
    weir_action action;

    text[0] = '\0';
    weir_pool_tick(bench->pool, bench->now_ns);
    while (weir_pool_next_action(bench->pool, &action)) {
        assert_int_equal(action.kind, WEIR_ACTION_CLOSE);
        weir_link *link = weir_slot_user(action.slot);
        const size_t length = strlen(text);
        (void)snprintf(text + length, sizeof(text) - length, "%s%d %s", length > 0 ? ", " : "",
                       bench->last[link - bench->links], weir_reason_name(action.reason));
        weir_names_leave(&bench->names, link);
        weir_pool_gone(bench->pool, action.slot, bench->now_ns);
    }
    return text;
}

static int teardown(void **state)
{
    names_bench *bench = *state;

    release_all(bench);
    weir_pool_shutdown(bench->pool, bench->now_ns);
    (void)closed(bench);
    weir_names_clear(&bench->names);
    weir_pool_free(bench->pool);
    weir_shared_release(bench->shared);
    weir_failalloc_finish(&bench->memory);
    return 0;
}

/* The clock goes to the next deadline, and it is this name's. */
static weir_name *next_name(names_bench *bench)
{
    bench->now_ns = weir_names_deadline(&bench->names);
    assert_int_not_equal(bench->now_ns, WEIR_NEVER);
    weir_name *name = weir_names_next(&bench->names, bench->now_ns);
    assert_non_null(name);
    return name;
}

static bool answer(names_bench *bench, weir_name *name, uint8_t family, weir_status status,
                   const uint8_t *last, size_t count)
{
    weir_address addresses[WEIR_DIAL_ADDRESSES];

    for (size_t i = 0; i < count; i++) {
        addresses[i] = address(family, last[i], 60);
    }
    const weir_answer answer = {
        .family = family, .status = status, .addresses = addresses, .count = count};
    return weir_names_answer(&bench->names, name, &answer, bench->now_ns);
}

static const uint8_t one[] = {1};
static const uint8_t two[] = {2};
static const uint8_t both[] = {1, 2};

static void names__are_asked_for_again_when_the_answer_runs_out(void **state)
{
    names_bench *bench = *state;

    remember(bench, "a.test", 4, one, 1, 60);
    remember(bench, "a.test", 6, NULL, 0, 0); /* no address, for 2 seconds: of no connection */
    (void)connect_to(bench, 0, "a.test", 4, 1);
    assert_int_equal(weir_names_deadline(&bench->names), bench->now_ns + 60 * SECOND);
    bench->now_ns += 60 * SECOND - 1;
    assert_null(weir_names_next(&bench->names, bench->now_ns));
    weir_name *name = next_name(bench);
    assert_null(weir_names_next(&bench->names, bench->now_ns)); /* one look-up at a time */
    assert_int_equal(weir_names_deadline(&bench->names), WEIR_NEVER);
    assert_false(answer(bench, name, 6, WEIR_E_DNS_NOT_FOUND, NULL, 0));
    assert_true(answer(bench, name, 4, WEIR_OK, both, 2));
    assert_int_equal(weir_names_deadline(&bench->names), bench->now_ns + 60 * SECOND);
    release_all(bench);
    assert_string_equal(closed(bench), "");
}

static void names__retire_what_left_the_answer(void **state)
{
    names_bench *bench = *state;

    remember(bench, "a.test", 4, both, 2, 60);
    (void)connect_to(bench, 0, "a.test", 4, 1);
    (void)connect_to(bench, 1, "a.test", 4, 2);
    remember(bench, "b.test", 4, one, 1, 600);
    (void)connect_to(bench, 2, "b.test", 4, 1);
    weir_name *name = next_name(bench);
    assert_false(answer(bench, name, 4, WEIR_OK, two, 1));
    assert_string_equal(closed(bench), ""); /* in use */
    release_all(bench);
    assert_string_equal(closed(bench), "1 address_left_dns");
    assert_true(answer(bench, name, 6, WEIR_E_DNS_FAILED, NULL, 0));
    assert_string_equal(closed(bench), "");
}

/* Not all at once, when all of a name have to go: at a moment of a span. */
static void names__leave_at_a_moment_of_a_span(void **state)
{
    names_bench *bench = *state;
    weir_why why = WEIR_WHY_NONE;

    bench->names.leave_ns = 10 * SECOND;
    remember(bench, "a.test", 4, both, 2, 60);
    (void)connect_to(bench, 0, "a.test", 4, 1);
    release_all(bench);
    weir_name *name = next_name(bench);
    assert_false(answer(bench, name, 4, WEIR_OK, two, 1));
    assert_string_equal(closed(bench), "");
    const weir_time at_ns = weir_pool_deadline(bench->pool, &why);
    assert_in_range(at_ns, bench->now_ns + 1, bench->now_ns + 10 * SECOND);
    bench->now_ns = at_ns;
    weir_pool_tick(bench->pool, bench->now_ns);
    assert_string_equal(closed(bench), "1 address_left_dns");
    assert_true(answer(bench, name, 6, WEIR_E_DNS_FAILED, NULL, 0));
}

/* A family without addresses is an answer if the other has some. */
static void names__retire_what_is_of_a_family_that_is_gone(void **state)
{
    names_bench *bench = *state;

    remember(bench, "a.test", 6, one, 1, 60);
    remember(bench, "a.test", 4, NULL, 0, 60);
    (void)connect_to(bench, 0, "a.test", 6, 1);
    release_all(bench);
    weir_name *name = next_name(bench);
    assert_false(answer(bench, name, 6, WEIR_OK, NULL, 0));
    assert_string_equal(closed(bench), ""); /* no address at all: there is no better place to go */
    assert_true(answer(bench, name, 4, WEIR_OK, two, 1));
    assert_string_equal(closed(bench), "1 address_left_dns");
    assert_int_equal(weir_names_deadline(&bench->names), WEIR_NEVER);
}

static void names__keep_everything_without_an_answer(void **state)
{
    static const weir_status statuses[] = {WEIR_E_DNS_FAILED, WEIR_E_DEADLINE_DNS,
                                           WEIR_E_DNS_NOT_FOUND, WEIR_E_NOMEM};
    names_bench *bench = *state;

    remember(bench, "a.test", 4, one, 1, 60);
    (void)connect_to(bench, 0, "a.test", 4, 1);
    release_all(bench);
    for (size_t i = 0; i < WEIR_COUNT_OF(statuses); i++) {
        weir_name *name = next_name(bench);
        assert_false(answer(bench, name, 4, statuses[i], NULL, 0));
        assert_true(answer(bench, name, 6, statuses[i], NULL, 0));
        assert_string_equal(closed(bench), "");
        /* Absence is known for two seconds; what failed is tried again after a pause. */
        assert_int_equal(weir_names_deadline(&bench->names),
                         bench->now_ns + (statuses[i] == WEIR_E_DNS_NOT_FOUND
                                              ? 2 * SECOND
                                              : WEIR_NAMES_RETRY_NS));
    }
}

/* An answer that was too long to be kept whole may hold what was not kept. */
static void names__keep_what_may_be_in_the_rest_of_an_answer(void **state)
{
    uint8_t many[WEIR_DIAL_ADDRESSES];
    names_bench *bench = *state;

    for (size_t i = 0; i < WEIR_COUNT_OF(many); i++) {
        many[i] = (uint8_t)(i + 100);
    }
    remember(bench, "a.test", 4, one, 1, 60);
    (void)connect_to(bench, 0, "a.test", 4, 1);
    release_all(bench);
    weir_name *name = next_name(bench);
    assert_false(answer(bench, name, 4, WEIR_OK, many, WEIR_COUNT_OF(many)));
    assert_string_equal(closed(bench), "");
    assert_true(answer(bench, name, 6, WEIR_OK, NULL, 0));
}

static void names__apply_what_others_learned(void **state)
{
    names_bench *bench = *state;
    weir_names other;

    remember(bench, "a.test", 4, one, 1, 60);
    weir_link *link = connect_to(bench, 0, "a.test", 4, 1);
    release_all(bench);
    assert_false(weir_names_are_behind(link));
    remember(bench, "b.test", 4, two, 1, 60);
    assert_false(weir_names_are_behind(link));
    remember(bench, "a.test", 4, two, 1, 60);
    assert_true(weir_names_are_behind(link));
    weir_names_catch_up(&bench->names, link, bench->now_ns);
    assert_false(weir_names_are_behind(link));
    assert_string_equal(closed(bench), "1 address_left_dns");
    /* Nor does it ask when the time comes: it compares. */
    remember(bench, "a.test", 4, both, 2, 60);
    link = connect_to(bench, 0, "a.test", 4, 1);
    bench->now_ns += 59 * SECOND;
    remember(bench, "a.test", 4, both, 2, 60);
    bench->now_ns += SECOND;
    assert_null(weir_names_next(&bench->names, bench->now_ns));
    assert_int_equal(weir_names_deadline(&bench->names), bench->now_ns + 59 * SECOND);
    release_all(bench);
    /* While another asks for the name, it does not. */
    init_names(bench, &other, 1);
    weir_link far = {.slot = link->slot};
    const weir_address to = address(4, 1, 0);
    weir_names_join(&other, &far, span_of("a.test"), &to, bench->now_ns);
    bench->now_ns += 59 * SECOND;
    weir_name *name = weir_names_next(&other, bench->now_ns);
    assert_non_null(name);
    assert_null(weir_names_next(&bench->names, bench->now_ns));
    weir_names_leave(&other, &far);
    weir_names_clear(&other); /* with the look-up under way */
    assert_non_null(next_name(bench));
}

/* The answer may be another by the time that a connection stands. */
static void names__judge_who_joins(void **state)
{
    names_bench *bench = *state;

    remember(bench, "a.test", 4, two, 1, 60);
    (void)connect_to(bench, 0, "a.test", 4, 2);
    (void)connect_to(bench, 1, "a.test", 4, 1);
    release_all(bench);
    assert_string_equal(closed(bench), "1 address_left_dns");
}

/* Who joins may find a newer answer than the others were held against: all are held against it. */
static void names__judge_all_when_who_joins_finds_news(void **state)
{
    names_bench *bench = *state;

    remember(bench, "a.test", 4, one, 1, 60);
    (void)connect_to(bench, 0, "a.test", 4, 1);
    remember(bench, "a.test", 4, two, 1, 600);
    (void)connect_to(bench, 1, "a.test", 4, 2);
    release_all(bench);
    assert_string_equal(closed(bench), "1 address_left_dns");
    assert_int_equal(weir_names_deadline(&bench->names), bench->now_ns + 600 * SECOND);
}

/* The answer of a family of which there is no connection may run out unnoticed. */
static void names__follow_the_families_of_their_connections(void **state)
{
    names_bench *bench = *state;

    remember(bench, "a.test", 4, one, 1, 30);
    remember(bench, "a.test", 6, one, 1, 60);
    (void)connect_to(bench, 0, "a.test", 6, 1);
    assert_int_equal(weir_names_deadline(&bench->names), bench->now_ns + 60 * SECOND);
    (void)connect_to(bench, 1, "a.test", 4, 1);
    assert_int_equal(weir_names_deadline(&bench->names), bench->now_ns + 30 * SECOND);
    weir_name *name = next_name(bench);
    assert_false(answer(bench, name, 4, WEIR_OK, two, 1)); /* that of IPv4 has to go */
    remember(bench, "a.test", 4, two, 1, 5);
    assert_true(answer(bench, name, 6, WEIR_OK, one, 1));
    release_all(bench);
    assert_string_equal(closed(bench), "1 address_left_dns");
    assert_int_equal(weir_names_deadline(&bench->names), bench->now_ns + 60 * SECOND);
}

/* Who joins while it is asked for does not make it be asked for again. */
static void names__are_looked_up_once_though_others_join(void **state)
{
    names_bench *bench = *state;

    remember(bench, "a.test", 4, one, 1, 60);
    (void)connect_to(bench, 0, "a.test", 4, 1);
    weir_name *name = next_name(bench);
    (void)connect_to(bench, 1, "a.test", 4, 1);
    assert_int_equal(weir_names_deadline(&bench->names), WEIR_NEVER);
    assert_false(answer(bench, name, 4, WEIR_OK, one, 1));
    (void)connect_to(bench, 2, "a.test", 4, 1);
    assert_int_equal(weir_names_deadline(&bench->names), WEIR_NEVER);
    assert_true(answer(bench, name, 6, WEIR_OK, NULL, 0));
    assert_int_equal(weir_names_deadline(&bench->names), bench->now_ns + 60 * SECOND);
}

/* Of a family that nothing is known of nothing can have left. */
static void names__keep_what_no_answer_tells_of(void **state)
{
    names_bench *bench = *state;

    remember(bench, "a.test", 4, two, 1, 60);
    (void)connect_to(bench, 0, "a.test", 6, 1);
    release_all(bench);
    assert_string_equal(closed(bench), "");
}

/* A resolver of the caller's may tell the interface with the address (RFC 4007). */
static void names__tell_addresses_of_two_interfaces_apart(void **state)
{
    names_bench *bench = *state;
    weir_address to = address(6, 1, 60);
    weir_link far = {.slot = NULL};

    to.scope = 3;
    const weir_answer scoped = {.family = 6, .addresses = &to, .count = 1};
    weir_shared_remember(bench->shared, span_of("a.test"), &scoped, bench->now_ns);
    (void)connect_to(bench, 0, "a.test", 6, 1); /* of no interface */
    release_all(bench);
    assert_string_equal(closed(bench), "1 address_left_dns");
    weir_names_join(&bench->names, &far, span_of("a.test"), &to, bench->now_ns);
    assert_int_equal(weir_tie_address(far.tie).scope, 3);
    assert_int_equal(weir_names_deadline(&bench->names), bench->now_ns + 60 * SECOND);
    weir_names_leave(&bench->names, &far);
}

/* A look-up is over when nobody needs it any more. */
static void names__outlive_their_connections_while_asked_for(void **state)
{
    names_bench *bench = *state;

    remember(bench, "a.test", 4, one, 1, 60);
    (void)connect_to(bench, 0, "a.test", 4, 1);
    release_all(bench);
    weir_name *name = next_name(bench);
    assert_ptr_equal(weir_names_of(&bench->names, NULL), name);
    weir_pool_drain(bench->pool, &(weir_drain){.origin = NULL}, bench->now_ns);
    assert_string_equal(closed(bench), "1 draining");
    assert_false(answer(bench, name, 4, WEIR_OK, one, 1));
    assert_true(answer(bench, name, 6, WEIR_OK, NULL, 0));
    assert_int_equal(weir_names_deadline(&bench->names), WEIR_NEVER);
}

static void names__do_without_memory(void **state)
{
    const weir_address to = address(4, 1, 0);
    names_bench *bench = *state;

    for (uint64_t fail = 1; fail <= 3; fail++) {
        remember(bench, "a.test", 4, one, 1, 60);
        weir_link *link = connect_to(bench, 0, "a.test", 4, 1);
        weir_names_leave(&bench->names, link);
        remember(bench, "a.test", 4, NULL, 0, 60);
        bench->now_ns += 3 * SECOND;
        weir_remembered ignored = {.answer.family = 4};
        (void)weir_shared_recall(bench->shared, span_of("a.test"), &ignored, bench->now_ns);
        bench->memory.fail_at = atomic_load(&bench->memory.calls) + fail;
        weir_names_join(&bench->names, link, span_of("a.test"), &to, bench->now_ns);
        bench->memory.fail_at = 0;
        assert_null(link->tie); /* as a connection that came from no answer */
        assert_false(weir_names_are_behind(link));
        release_all(bench);
        weir_pool_drain(bench->pool, &(weir_drain){.origin = NULL}, bench->now_ns);
        assert_string_equal(closed(bench), "1 draining");
    }
}

/* How many buckets of a table the hosts are in. */
static size_t buckets_of(names_bench *bench, char hosts[][16], size_t count, uint64_t seed)
{
    weir_names names;
    weir_link links[8] = {{.tie = NULL}};
    const weir_address to = address(4, 1, 0);
    size_t used = 0;

    init_names(bench, &names, seed);
    for (size_t i = 0; i < count; i++) {
        weir_names_join(&names, &links[i], span_of(hosts[i]), &to, bench->now_ns);
    }
    for (size_t i = 0; i < WEIR_NAMES_BUCKETS; i++) {
        used += !weir_list_is_empty(&names.buckets[i]);
    }
    for (size_t i = 0; i < count; i++) {
        weir_names_leave(&names, &links[i]);
    }
    weir_names_clear(&names);
    return used;
}

/* Hosts that a stranger found to share a bucket in one process are spread in another. */
static void names__that_share_a_bucket_do_not_under_another_seed(void **state)
{
    names_bench *bench = *state;
    char hosts[8][16] = {""};
    size_t count = 0;

    for (unsigned i = 0; count < 8; i++) {
        (void)snprintf(hosts[count], sizeof(hosts[count]), "%u.test", i);
        count += weir_sip_hash(span_of(hosts[count]), 1) % WEIR_NAMES_BUCKETS == 0;
    }
    assert_int_equal(buckets_of(bench, hosts, count, 1), 1);
    assert_true(buckets_of(bench, hosts, count, 2) > 4);
}

#define BENCHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCHED(names__are_asked_for_again_when_the_answer_runs_out),
        BENCHED(names__retire_what_left_the_answer),
        BENCHED(names__leave_at_a_moment_of_a_span),
        BENCHED(names__retire_what_is_of_a_family_that_is_gone),
        BENCHED(names__keep_everything_without_an_answer),
        BENCHED(names__keep_what_may_be_in_the_rest_of_an_answer),
        BENCHED(names__apply_what_others_learned),
        BENCHED(names__judge_who_joins),
        BENCHED(names__judge_all_when_who_joins_finds_news),
        BENCHED(names__follow_the_families_of_their_connections),
        BENCHED(names__are_looked_up_once_though_others_join),
        BENCHED(names__keep_what_no_answer_tells_of),
        BENCHED(names__tell_addresses_of_two_interfaces_apart),
        BENCHED(names__outlive_their_connections_while_asked_for),
        BENCHED(names__do_without_memory),
        BENCHED(names__that_share_a_bucket_do_not_under_another_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
