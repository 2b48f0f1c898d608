/* SPDX-License-Identifier: MIT */
/*
 * Everything that a program may do to a whole client or loop, while it is in use: drained, told
 * that the network changed, given other TLS settings, warmed, looked after, copied and counted, by
 * many threads at once and from inside an observer, with a name whose answer is another at each
 * look-up, with tokens that are cancelled, and with memory that fails. Calls end with their own
 * answer, or as they were told to.
 */
#include "stage.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define CALLERS   6
#define KEEPERS   4
#define CALLS     40 /* of each caller */
#define DEEDS     60 /* of each keeper */
#define ADDRESSES 4000

typedef struct storm {
    weir_stage *stage;
    weir_tls_config *tls[2];
    weir_observer told;
    weir_resolver resolver;
    atomic_uint lookups;
    atomic_size_t whole;
    atomic_size_t cancelled;
    atomic_size_t no_memory;
    atomic_size_t wrong;
    atomic_size_t inside; /* deeds that an observer did */
} storm;

/* -- the server, the name -- */

static weir_hostile_end play(int fd, size_t number, void *user)
{
    char first = 0;
    char answer[512];
    char path[128];

    (void)user;
    if (recv(fd, &first, 1, MSG_PEEK) == 1 && first == 'P') {
        weir_hostile_answer_streams(fd);
        return WEIR_HOSTILE_FIN;
    }
    /* Some close after an answer, and one has something to say that nobody asked. */
    for (unsigned i = 0; weir_hostile_head(fd, path, sizeof(path)); i++) {
        const bool is_last = number % 4 == 1 && i == 2;
        (void)snprintf(answer, sizeof(answer),
                       "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n%s\r\n%s%s", strlen(path),
                       is_last ? "Connection: close\r\n" : "", path,
                       number % 8 == 3 && i == 1 ? "HTTP/1.1 408 Late\r\n\r\n" : "");
        (void)weir_hostile_say(fd, answer);
        if (is_last) {
            break;
        }
    }
    return WEIR_HOSTILE_FIN;
}

/* 127.0.0.1 is always among them, with more and more that refuse. */
static void look_up(weir_lookup *lookup, weir_span host, void *user)
{
    storm *s = user;
    const unsigned turn = atomic_fetch_add(&s->lookups, 1);
    const size_t count = turn % 8 == 7 ? ADDRESSES : turn % 4 + 1;
    weir_address *all = calloc(ADDRESSES, sizeof(*all));

    (void)host;
    for (size_t i = 0; all != NULL && i < count; i++) {
        all[i] = (weir_address){.family = 4, .octets = {127, 0, 0, 1}};
        if (i > 0) {
            all[i].octets[2] = (uint8_t)(turn % 200);
            all[i].octets[3] = (uint8_t)(2 + i % 200);
        }
    }
    weir_resolver_answer(lookup, 4, WEIR_OK, all, all != NULL ? count : 0);
    weir_resolver_answer(lookup, 6, WEIR_OK, NULL, 0);
    free(all);
}

/* -- callers -- */

static void look_at_candidates(storm *s, const weir_exchange *exchange)
{
    char line[256];

    for (size_t i = 0; i < weir_exchange_candidate_count(exchange); i++) {
        weir_candidate candidate = WEIR_CANDIDATE_INIT;
        if (!weir_exchange_candidate_at(exchange, i, &candidate) ||
            weir_candidate_text(&candidate, line, sizeof(line)) >= sizeof(line)) {
            atomic_fetch_add(&s->wrong, 1);
        }
    }
}

static void note_end(storm *s, const weir_outcome *outcome, const char *wanted)
{
    const weir_status status = outcome->status;

    if (status == WEIR_END) {
        atomic_fetch_add(&s->whole, 1);
        atomic_fetch_add(&s->wrong, strcmp(outcome->text, wanted) != 0 ? 1 : 0);
    } else if (status == WEIR_E_CANCELLED) {
        atomic_fetch_add(&s->cancelled, 1);
    } else if (status == WEIR_E_NOMEM) {
        atomic_fetch_add(&s->no_memory, 1);
    } else if (atomic_load(&s->stage->failed) == 0) {
        fprintf(stderr, "a call ended with %s\n", weir_status_name(status));
        atomic_fetch_add(&s->wrong, 1);
    }
}

static void one_call(storm *s, size_t index, size_t i, weir_token *token)
{
    weir_stage *stage = s->stage;
    const weir_protocol protocol = (index + i) % 3 == 0 ? WEIR_H2 : WEIR_H1;
    weir_exchange *exchange = NULL;
    weir_plea plea;
    char path[64];
    weir_outcome outcome = {.octets = 0};

    (void)snprintf(path, sizeof(path), "/%zu-%zu", index, i);
    weir_stage_ask(stage, &plea, protocol, path);
    if (i % 2 == 0) {
        (void)snprintf(plea.url, sizeof(plea.url), "http://name.test:%u%s",
                       weir_hostile_port(stage->server), path);
        plea.request.url = weir_span_of(plea.url);
    }
    plea.call.attempts = 8;
    plea.call.explain = true;
    plea.call.token = token;
    outcome.status = weir_stage_call(stage, &plea, &exchange);
    if (exchange == NULL) {
        note_end(s, &outcome, path);
        return;
    }
    weir_stage_drain(stage, exchange, &outcome);
    look_at_candidates(s, exchange);
    note_end(s, &outcome, protocol == WEIR_H1 ? path : "from a stream");
    weir_stage_drop(stage, exchange);
}

/* -- keepers -- */

static void take_snapshot(storm *s)
{
    weir_user *user = s->stage->user;
    weir_status status = WEIR_OK;
    weir_snapshot *snapshot = weir_user_snapshot(user, &status);

    if (snapshot == NULL) {
        atomic_fetch_add(&s->wrong, status != WEIR_E_NOMEM ? 1 : 0);
        return;
    }
    char *text = malloc(65536);
    if (text != NULL) {
        (void)weir_snapshot_text(snapshot, text, 65536);
    }
    free(text);
    weir_snapshot_free(snapshot);
}

static void take_metrics(storm *s)
{
    weir_user *user = s->stage->user;
    const weir_metrics metrics = weir_user_metrics(user);
    weir_counts counts = WEIR_COUNTS_INIT;

    weir_user_counts(user, &counts);
    if (metrics.connections_closed > metrics.connections_opened || counts.ledger_differ != 0) {
        atomic_fetch_add(&s->wrong, 1);
    }
}

static void drain(storm *s, weir_span url)
{
    const weir_status status = weir_user_drain(s->stage->user, url);

    if (status != WEIR_OK && status != WEIR_E_DEADLINE_TOTAL && status != WEIR_E_NOMEM) {
        atomic_fetch_add(&s->wrong, 1);
    }
}

static void change_network(storm *s)
{
    weir_user *user = s->stage->user;

    if (weir_user_loop(user) != NULL) {
        weir_loop_network_changed(weir_user_loop(user));
    } else {
        weir_client_network_changed(weir_user_client(user));
    }
}

static void warm(storm *s, uint32_t dice)
{
    weir_plea plea;

    weir_stage_ask(s->stage, &plea, dice % 2 == 0 ? WEIR_H1 : WEIR_H2, "/");
    plea.call.observer = NULL;
    const weir_status status =
        weir_user_preconnect(s->stage->user, &plea.request, &plea.call, 1 + dice % 3);
    if (status != WEIR_OK && status != WEIR_E_CLOSED_EARLY && atomic_load(&s->stage->failed) == 0) {
        fprintf(stderr, "a wish ended with %s\n", weir_status_name(status));
        atomic_fetch_add(&s->wrong, 1);
    }
}

static void one_deed(storm *s, uint32_t dice)
{
    weir_user *user = s->stage->user;
    char url[64];

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", weir_hostile_port(s->stage->server));
    switch (dice % 8) {
    case 0:
        drain(s, dice % 16 == 0 ? (weir_span){NULL, 0} : weir_span_of(url));
        break;
    case 1:
        change_network(s);
        break;
    case 2:
        (void)weir_shared_set_tls(s->stage->shared, s->tls[dice / 8 % 2]);
        break;
    case 3:
        warm(s, dice / 8);
        break;
    case 4:
    case 5:
        if (weir_user_client(user) != NULL) {
            (void)weir_client_maintain(weir_user_client(user));
        }
        break;
    case 6:
        take_snapshot(s);
        break;
    default:
        take_metrics(s);
        break;
    }
}

/* Events of connections: whoever hears them may do what anybody may who is in no call. */
static void tell(const weir_event *event, void *user)
{
    static _Thread_local unsigned depth;
    storm *s = user;

    if (depth == 0 && event->kind == WEIR_EVENT_CONNECTION_CLOSED && event->conn % 4 == 0) {
        depth++;
        drain(s, weir_span_of("http://nobody.test/"));
        take_snapshot(s);
        take_metrics(s);
        depth--;
        atomic_fetch_add(&s->inside, 1);
    }
    s->stage->observer.tell(event, s->stage);
}

static void one_of_them(weir_user *user, size_t index, void *shared)
{
    storm *s = shared;
    uint64_t seed = 104729 * (index + 1);
    weir_token *token = NULL;

    (void)user;
    for (size_t i = 0; index >= CALLERS && i < DEEDS; i++) {
        one_deed(s, weir_hostile_dice(&seed));
    }
    for (size_t i = 0; index < CALLERS && i < CALLS; i++) {
        if (i % 4 == 0) {
            weir_token_free(token);
            token = weir_token_new(NULL);
        }
        if (i % 16 == 15) {
            weir_token_cancel(token); /* before the call, which says so */
        }
        one_call(s, index, i, token);
    }
    weir_token_free(token);
}

static void rage(weir_user_kind kind, unsigned fail_per_1000)
{
    weir_stage stage;
    storm s = {.stage = &stage};

    weir_tls_options only = WEIR_INIT(weir_tls_options);
    only.insecure = true;
    for (size_t i = 0; i < 2; i++) {
        s.tls[i] = weir_tls_config_new(&only, NULL, NULL, NULL);
        assert_non_null(s.tls[i]);
    }
    weir_stage_open(&stage, kind);
    s.told = (weir_observer){.size = sizeof(s.told), .user = &s, .tell = tell};
    s.resolver = (weir_resolver){.size = sizeof(s.resolver), .user = &s, .start = look_up};
    weir_shared_options options = WEIR_SHARED_OPTIONS_INIT;
    options.dns_answers = 1;
    options.origins = 1;
    options.tls_sessions = 1;
    options.tls = s.tls[0];
    stage.shared = weir_shared_new(&options, NULL);
    assert_non_null(stage.shared);
    stage.options.shared = stage.shared;
    stage.options.observer = &s.told;
    stage.options.resolver = &s.resolver;
    stage.limits.connections_per_origin = 3;
    stage.limits.connections = 5;
    stage.limits.address_left_ns = 1;
    stage.limits.ping_ns = WEIR_NS_PER_MS;
    stage.limits.ping_idle = true;
    weir_stage_begin(&stage, play, NULL);
    atomic_store(&stage.fail_per_1000, fail_per_1000);
    weir_user_together(stage.user, CALLERS + KEEPERS, one_of_them, &s);
    atomic_store(&stage.fail_per_1000, 0);
    assert_int_equal(s.wrong, 0);
    assert_true(s.whole > 0);
    assert_true(s.inside > 0);
    assert_true(s.lookups > 0);
    assert_true(fail_per_1000 > 0 || s.no_memory == 0);
    assert_int_equal(s.cancelled > 0, 1);
    const weir_outcome after = weir_stage_get(&stage, WEIR_H1, "/after");
    assert_int_equal(after.status, WEIR_END);
    assert_string_equal(after.text, "/after");
    weir_shared_release(stage.shared);
    weir_stage_close(&stage);
    weir_tls_config_release(s.tls[0]);
    weir_tls_config_release(s.tls[1]);
}

static void while_it_is_in_use(void **state)
{
    (void)state;
    rage(WEIR_USER_BLOCKING, 0);
    rage(WEIR_USER_LOOP, 0);
}

static void while_memory_fails(void **state)
{
    (void)state;
    rage(WEIR_USER_BLOCKING, 20);
    rage(WEIR_USER_LOOP, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_it_is_in_use),
        cmocka_unit_test(while_memory_fails),
    };

    cmocka_set_test_filter(getenv("WEIR_TESTS_ONLY"));
    return cmocka_run_group_tests_name("upkeep", tests, NULL, NULL);
}
