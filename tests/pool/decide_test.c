/* SPDX-License-Identifier: MIT */
/*
 * The decision: a table of situations that a reader can check by hand, then every situation made of
 * small values against what must be true of any answer.
 */
#include "pool/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static weir_situation one_wants_in(void)
{
    return (weir_situation){.protocol = WEIR_H1,
                            .waiting = 1,
                            .connections_limit = 6,
                            .h2_limit = 6,
                            .streams = 100,
                            .total_limit = 100};
}

typedef struct row {
    const char *sentence;
    weir_situation situation; /* limits that are 0 are those of one_wants_in() */
    weir_decision_kind kind;
    weir_reason reason;
    uint32_t dials; /* how many are worth while */
} row;

static const row rows[] = {
    {"nobody waits", {.protocol = WEIR_H1, .waiting = 0}, WEIR_DECIDE_WAIT, WEIR_REASON_NONE, 0},
    {"nobody waits, and there is room",
     {.protocol = WEIR_H1, .waiting = 0, .available = 3, .ready = 3, .connections = 3},
     WEIR_DECIDE_WAIT,
     WEIR_REASON_NONE,
     0},
    {"the first of all is dialled for",
     {.protocol = WEIR_H1, .waiting = 1},
     WEIR_DECIDE_DIAL,
     WEIR_REASON_DIALING,
     1},
    {"a connection with room is leased",
     {.protocol = WEIR_H1, .waiting = 1, .available = 1, .ready = 1, .connections = 1},
     WEIR_DECIDE_LEASE,
     WEIR_REASON_REUSED,
     0},
    {"it is leased even when dials pause and all is full",
     {.protocol = WEIR_H1,
      .waiting = 1,
      .available = 1,
      .ready = 6,
      .connections = 6,
      .total = 100,
      .backing_off = true,
      .others_first = true},
     WEIR_DECIDE_LEASE,
     WEIR_REASON_REUSED,
     0},
    {"a dial to each ticket on HTTP/1.1",
     {.protocol = WEIR_H1, .waiting = 3, .dialing = 2, .connections = 2},
     WEIR_DECIDE_DIAL,
     WEIR_REASON_DIALING,
     1},
    {"no more dials than tickets",
     {.protocol = WEIR_H1, .waiting = 2, .dialing = 2, .connections = 2},
     WEIR_DECIDE_WAIT,
     WEIR_REASON_DIALING,
     0},
    {"as many at once as the origin may have",
     {.protocol = WEIR_H1, .waiting = 9, .ready = 2, .connections = 2},
     WEIR_DECIDE_DIAL,
     WEIR_REASON_DIALING,
     4},
    {"the origin's limit, all leased",
     {.protocol = WEIR_H1, .waiting = 1, .ready = 6, .connections = 6},
     WEIR_DECIDE_WAIT,
     WEIR_REASON_BUSY,
     0},
    {"the origin's limit, all dialling",
     {.protocol = WEIR_H1, .waiting = 7, .dialing = 6, .connections = 6},
     WEIR_DECIDE_WAIT,
     WEIR_REASON_ORIGIN_LIMIT,
     0},
    {"the origin's limit, all ending",
     {.protocol = WEIR_H1, .waiting = 1, .connections = 6},
     WEIR_DECIDE_WAIT,
     WEIR_REASON_CLOSING,
     0},
    {"ALPN unknown: one probe",
     {.protocol = WEIR_PROTOCOL_ANY, .waiting = 9},
     WEIR_DECIDE_DIAL,
     WEIR_REASON_DIALING,
     1},
    {"ALPN unknown: the others wait for it",
     {.protocol = WEIR_PROTOCOL_ANY, .waiting = 9, .dialing = 1, .connections = 1},
     WEIR_DECIDE_WAIT,
     WEIR_REASON_ALPN_UNKNOWN,
     0},
    {"HTTP/2: a dial is worth a hundred tickets",
     {.protocol = WEIR_H2, .waiting = 100, .dialing = 1, .connections = 1},
     WEIR_DECIDE_WAIT,
     WEIR_REASON_DIALING,
     0},
    {"HTTP/2: the hundred and first needs another",
     {.protocol = WEIR_H2, .waiting = 101, .dialing = 1, .connections = 1},
     WEIR_DECIDE_DIAL,
     WEIR_REASON_DIALING,
     1},
    {"HTTP/2: remembered streams count",
     {.protocol = WEIR_H2, .waiting = 21, .streams = 5},
     WEIR_DECIDE_DIAL,
     WEIR_REASON_DIALING,
     5},
    {"HTTP/2: full, and another is allowed",
     {.protocol = WEIR_H2, .waiting = 1, .ready = 1, .connections = 1},
     WEIR_DECIDE_DIAL,
     WEIR_REASON_DIALING,
     1},
    {"HTTP/2: strictly one",
     {.protocol = WEIR_H2, .waiting = 1, .ready = 1, .connections = 1, .h2_limit = 1},
     WEIR_DECIDE_WAIT,
     WEIR_REASON_AT_MAX_STREAMS,
     0},
    {"HTTP/2: strictly one, but that one drains",
     {.protocol = WEIR_H2, .waiting = 1, .connections = 1, .h2_limit = 1},
     WEIR_DECIDE_DIAL,
     WEIR_REASON_DIALING,
     1},
    {"dials failed lately",
     {.protocol = WEIR_H1, .waiting = 1, .backing_off = true},
     WEIR_DECIDE_WAIT,
     WEIR_REASON_BACK_OFF,
     0},
    {"all is full, nothing is idle",
     {.protocol = WEIR_H1, .waiting = 1, .total = 100},
     WEIR_DECIDE_WAIT,
     WEIR_REASON_TOTAL_LIMIT,
     1},
    {"all is full, one is idle",
     {.protocol = WEIR_H1, .waiting = 1, .total = 100, .idle = 1},
     WEIR_DECIDE_EVICT,
     WEIR_REASON_TOTAL_LIMIT,
     1},
    {"one is on its way out for it already",
     {.protocol = WEIR_H1, .waiting = 1, .total = 100, .idle = 1, .coming = 1},
     WEIR_DECIDE_WAIT,
     WEIR_REASON_TOTAL_LIMIT,
     1},
    {"that one is for others",
     {.protocol = WEIR_H1,
      .waiting = 1,
      .total = 100,
      .idle = 1,
      .coming = 1,
      .wanted_by_others = 1},
     WEIR_DECIDE_EVICT,
     WEIR_REASON_TOTAL_LIMIT,
     1},
    {"a place is free, but others are first",
     {.protocol = WEIR_H1, .waiting = 1, .total = 99, .others_first = true},
     WEIR_DECIDE_WAIT,
     WEIR_REASON_BEHIND_OTHERS,
     1},
};

static weir_situation with_limits(weir_situation s)
{
    const weir_situation usual = one_wants_in();
    s.connections_limit = usual.connections_limit;
    s.h2_limit = s.h2_limit ? s.h2_limit : usual.h2_limit;
    s.streams = s.streams ? s.streams : usual.streams;
    s.total_limit = usual.total_limit;
    return s;
}

static void decide__answers_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEIR_COUNT_OF(rows); i++) {
        const weir_situation situation = with_limits(rows[i].situation);
        const weir_decision decision = weir_decide(&situation);
        if (decision.kind != rows[i].kind || decision.reason != rows[i].reason) {
            print_error("%s: kind %d, %s\n", rows[i].sentence, (int)decision.kind,
                        weir_reason_name(decision.reason));
        }
        assert_int_equal(decision.kind, rows[i].kind);
        assert_int_equal(decision.reason, rows[i].reason);
        assert_int_equal(weir_decide_dials(&situation), rows[i].dials);
    }
}

/* What must be true of the answer to any situation. */
static void check_answer(const weir_situation *s)
{
    const weir_decision d = weir_decide(s);
    const uint32_t dials = weir_decide_dials(s);
    const bool unknown = s->protocol == WEIR_PROTOCOL_ANY;
    /* It waits only without a cause if nobody waits, and says why otherwise. */
    assert_true((s->waiting == 0) == (d.reason == WEIR_REASON_NONE));
    assert_true((d.kind == WEIR_DECIDE_LEASE) == (s->waiting > 0 && s->available > 0));
    if (d.kind == WEIR_DECIDE_DIAL) {
        assert_true(s->connections < s->connections_limit);
        assert_true(s->total < s->total_limit);
        assert_true(s->protocol != WEIR_H2 || s->dialing + s->ready < s->h2_limit);
        assert_true(!unknown || s->dialing == 0);
        assert_false(s->backing_off);
        assert_false(s->others_first);
        assert_true(weir_decide_expected(s) < s->waiting);
        assert_true(dials >= 1);
    }
    if (d.kind == WEIR_DECIDE_EVICT) {
        assert_true(s->idle > 0);
        assert_true(s->total >= s->total_limit);
        assert_true(s->coming < s->wanted_by_others + dials);
    }
    /* No lost wake-up: with a ticket that no dial in flight is for, and a free place, something
     * happens. */
    const bool wants = s->waiting > weir_decide_expected(s) && !(unknown && s->dialing > 0);
    const bool may = s->connections < s->connections_limit && !s->backing_off &&
                     (s->protocol != WEIR_H2 || s->dialing + s->ready < s->h2_limit);
    if (s->available == 0 && wants && may) {
        assert_true(dials >= 1);
        assert_true(s->total >= s->total_limit || s->others_first || d.kind == WEIR_DECIDE_DIAL);
        assert_true(s->total < s->total_limit || s->idle == 0 ||
                    s->coming >= s->wanted_by_others + dials || d.kind == WEIR_DECIDE_EVICT);
    }
    /* The dials that are wanted fit the origin's limits and are not more than the tickets can use.
     */
    assert_true(dials == 0 || s->connections + dials <= s->connections_limit);
    assert_true(dials == 0 || s->protocol != WEIR_H2 ||
                s->dialing + s->ready + dials <= s->h2_limit);
    assert_true(dials <= s->waiting);
}

/* Every mixture of small values, the members of the whole pool in the inner loops. */
static void check_with_totals(weir_situation s, unsigned long *situations)
{
    for (s.total = 0; s.total <= 2; s.total++) {
        for (s.idle = 0; s.idle <= 1; s.idle++) {
            for (s.coming = 0; s.coming <= 2; s.coming++) {
                for (s.wanted_by_others = 0; s.wanted_by_others <= 1; s.wanted_by_others++) {
                    s.others_first = false;
                    check_answer(&s);
                    s.others_first = true;
                    check_answer(&s);
                    *situations += 2;
                }
            }
        }
    }
}

static void check_with_origins(weir_situation s, unsigned long *situations)
{
    for (s.waiting = 0; s.waiting <= 4; s.waiting++) {
        for (s.dialing = 0; s.dialing <= 2; s.dialing++) {
            for (s.ready = 0; s.ready <= 2; s.ready++) {
                for (s.available = 0; s.available <= s.ready; s.available++) {
                    for (uint32_t going = 0; going <= 1; going++) {
                        s.connections = s.dialing + s.ready + going;
                        check_with_totals(s, situations);
                    }
                }
            }
        }
    }
}

static void decide__is_right_for_every_small_situation(void **state)
{
    (void)state;
    unsigned long situations = 0;
    weir_situation s = one_wants_in();
    s.total_limit = 2;
    for (s.protocol = WEIR_PROTOCOL_ANY; s.protocol <= WEIR_H2; s.protocol++) {
        for (s.connections_limit = 1; s.connections_limit <= 3; s.connections_limit++) {
            for (s.h2_limit = 1; s.h2_limit <= 2; s.h2_limit++) {
                for (s.streams = 1; s.streams <= 2; s.streams++) {
                    s.backing_off = false;
                    check_with_origins(s, &situations);
                    s.backing_off = true;
                    check_with_origins(s, &situations);
                }
            }
        }
    }
    assert_true(situations > 500000);
}

static void decide__does_not_overflow_at_the_largest_values(void **state)
{
    (void)state;
    const weir_situation s = {.protocol = WEIR_H2,
                              .waiting = UINT32_MAX,
                              .dialing = 3,
                              .connections = 3,
                              .connections_limit = UINT32_MAX,
                              .h2_limit = UINT32_MAX,
                              .streams = UINT32_MAX,
                              .total = UINT32_MAX - 1,
                              .total_limit = UINT32_MAX,
                              .wanted_by_others = UINT64_MAX / 2};
    assert_int_equal(weir_decide(&s).kind, WEIR_DECIDE_WAIT);
    assert_true(weir_decide_expected(&s) == 3 * (uint64_t)UINT32_MAX);
}

static void decide__has_a_name_for_every_reason(void **state)
{
    (void)state;
    for (int i = 0; i < WEIR_REASON_COUNT; i++) {
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(weir_reason_name((weir_reason)i),
                                    weir_reason_name((weir_reason)k));
        }
    }
    assert_string_equal(weir_reason_name(WEIR_REASON_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decide__answers_as_the_table_says),
        cmocka_unit_test(decide__is_right_for_every_small_situation),
        cmocka_unit_test(decide__does_not_overflow_at_the_largest_values),
        cmocka_unit_test(decide__has_a_name_for_every_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
