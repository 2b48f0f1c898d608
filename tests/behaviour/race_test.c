/* SPDX-License-Identifier: MIT */
/*
 * Attempts of one dial that are connected at the same moment: one wins, and the other was a
 * connection too. It is closed with an account of its own, on which the kernel agrees.
 *
 * The first address is that of a listener whose queue is full, so that the second is tried; then
 * there is room, and before anybody looks both are connected.
 */
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/weir.h>

typedef struct race {
    int full; /* listens on 127.0.0.2 */
    int filler;
    int ready; /* listens on 127.0.0.3, the same port */
    uint16_t port;
    int first; /* the connection to the one, the other; -1: none */
    int second;
    bool answered;
    weir_resolver resolver;
    weir_observer observer;
    size_t closed;
    size_t agreed;
    size_t lost;
    weir_octets lost_octets;
    bool lost_has_port;
    weir_token *token;
} race;

static int listen_at(uint32_t host, uint16_t *port, int backlog)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t length = sizeof(at);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(host);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &length), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void start(weir_lookup *lookup, weir_span host, void *user)
{
    static const weir_address both[] = {
        {.family = 4, .octets = {127, 0, 0, 2}, .ttl_seconds = 60},
        {.family = 4, .octets = {127, 0, 0, 3}, .ttl_seconds = 60},
    };

    (void)host;
    (void)user;
    weir_resolver_answer(lookup, 6, WEIR_E_DNS_NOT_FOUND, NULL, 0);
    weir_resolver_answer(lookup, 4, WEIR_OK, both, 2);
}

static void note(const weir_event *event, void *user)
{
    race *r = user;

    if (event->kind != WEIR_EVENT_CONNECTION_CLOSED) {
        return;
    }
    r->closed++;
    r->agreed += event->account->verdict.agreement == WEIR_AGREE;
    if (strcmp(event->why, "lost_race") == 0) {
        r->lost++;
        r->lost_octets = event->account->verdict.kernel;
        r->lost_has_port = event->account->local_port != 0;
    }
}

static int open_race(void **state)
{
    static race r;
    struct sockaddr_in to = {.sin_family = AF_INET};

    r = (race){.first = -1, .second = -1};
    r.full = listen_at(INADDR_LOOPBACK + 1, &r.port, 0);
    r.ready = listen_at(INADDR_LOOPBACK + 2, &r.port, 8);
    r.filler = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_port = htons(r.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    assert_int_equal(connect(r.filler, (struct sockaddr *)&to, sizeof(to)), 0);
    r.resolver = (weir_resolver){.size = sizeof(r.resolver), .user = &r, .start = start};
    r.observer = (weir_observer){.size = sizeof(r.observer), .user = &r, .tell = note};
    *state = &r;
    return 0;
}

static int close_race(void **state)
{
    race *r = *state;
    const int fds[] = {r->full, r->filler, r->ready, r->first, r->second};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    return 0;
}

/* Both attempts become connections, while the caller does not look. */
static void connect_both(race *r)
{
    struct pollfd ready[] = {{.fd = r->full, .events = POLLIN}};

    (void)close(accept(r->full, NULL, NULL));   /* the filler's */
    assert_int_equal(poll(ready, 1, 10000), 1); /* its SYN is sent once more */
    r->first = accept(r->full, NULL, NULL);
    r->second = accept(r->ready, NULL, NULL);
    assert_true(r->first >= 0);
    assert_true(r->second >= 0);
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void assert_both_are_told(const race *r)
{
    assert_int_equal(r->closed, 2);
    assert_int_equal(r->agreed, 2);
    assert_int_equal(r->lost, 1);
    assert_int_equal(r->lost_octets.sent, 0);
    assert_int_equal(r->lost_octets.received, 0);
    assert_true(r->lost_has_port);
}

/* The call was given up: of its attempts one was a connection. */
static void assert_one_is_told(const race *r)
{
    assert_int_equal(r->closed, 2); /* the other is the link that never was */
    assert_int_equal(r->lost, 1);
    assert_int_equal(r->lost_octets.sent, 0);
    assert_int_equal(r->lost_octets.received, 0);
    assert_true(r->lost_has_port);
    assert_int_equal(r->agreed, 1);
}

static void url_of(const race *r, char *url, size_t room)
{
    (void)snprintf(url, room, "http://name.test:%u/", (unsigned)r->port);
}

/* What the blocking front end waits with, which sees what it waits for. */
static int wait_between(weir_poll *fds, size_t count, weir_time deadline_ns, void *user)
{
    race *r = user;
    struct pollfd polls[8];
    size_t attempts = 0;

    assert_true(count <= 8);
    for (size_t i = 0; i < count; i++) {
        polls[i] = (struct pollfd){.fd = fds[i].fd, .events = fds[i].events};
        attempts += fds[i].events == POLLOUT;
    }
    if (r->first < 0 && attempts == 2) {
        connect_both(r);
        say(r->second, "who asked?"); /* of an attempt that loses nothing is read */
    } else if (r->first >= 0 && !r->answered) {
        r->answered = true;
        say(r->first, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    const weir_time now_ns = weir_now();
    const weir_time left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    const int timeout = left_ns > 1000000000U * UINT64_C(60) ? 60000 : (int)(left_ns / 1000000 + 1);
    const int ready = poll(polls, (nfds_t)count, timeout);
    for (size_t i = 0; i < count; i++) {
        fds[i].revents = polls[i].revents;
    }
    return ready;
}

static void never_park(void **parked, weir_time deadline_ns, void *user)
{
    (void)parked;
    (void)deadline_ns;
    (void)user;
    abort(); /* nobody is there to be waited for */
}

static void never_wake(void **parked, void *user)
{
    (void)parked;
    (void)user;
    abort();
}

static weir_client *open_client(race *r, const weir_wait_hooks *hooks)
{
    weir_client_options options = WEIR_CLIENT_OPTIONS_INIT;

    options.resolver = &r->resolver;
    options.observer = &r->observer;
    options.hooks = hooks;
    return weir_client_new(&options, NULL);
}

static void client__tells_of_an_attempt_that_lost_connected(void **state)
{
    race *r = *state;
    const weir_wait_hooks hooks = {.size = sizeof(hooks),
                                   .user = r,
                                   .wait = wait_between,
                                   .park = never_park,
                                   .wake = never_wake};
    weir_request request = WEIR_REQUEST_INIT;
    weir_counts counts = WEIR_COUNTS_INIT;
    weir_exchange *exchange = NULL;
    char url[64];

    url_of(r, url, sizeof(url));
    request.url = weir_span_of(url);
    weir_client *client = open_client(r, &hooks);
    assert_int_equal(weir_client_call(client, &request, NULL, &exchange), WEIR_OK);
    assert_int_equal(r->lost, 1); /* told by the call that caused it */
    weir_client_counts(client, &counts);
    assert_int_equal(counts.ledger_agree, 1);
    weir_exchange_free(exchange);
    weir_client_free(client);
    assert_both_are_told(r);
}

/* The call is given up when its attempt has become a connection, before anybody looks. */
static int wait_and_give_up(weir_poll *fds, size_t count, weir_time deadline_ns, void *user)
{
    race *r = user;

    (void)deadline_ns;
    for (size_t i = 0; i < count; i++) {
        if (r->first < 0 && fds[i].events == POLLOUT) {
            r->first = accept(r->full, NULL, NULL);
            say(r->first, "who asked?");
            weir_token_cancel(r->token);
        }
        fds[i].revents = 0;
    }
    return 0;
}

static void wake_nobody(void **parked, void *user)
{
    (void)parked;
    (void)user;
}

/* As loop__tells_of_an_attempt_that_was_given_up_connected. */
static void client__tells_of_an_attempt_that_was_given_up_connected(void **state)
{
    race *r = *state;
    const weir_wait_hooks hooks = {.size = sizeof(hooks),
                                   .user = r,
                                   .wait = wait_and_give_up,
                                   .park = never_park,
                                   .wake = wake_nobody};
    weir_request request = WEIR_REQUEST_INIT;
    weir_call call = WEIR_CALL_INIT;
    weir_exchange *exchange = NULL;
    char url[64];

    (void)close(accept(r->full, NULL, NULL));
    r->token = weir_token_new(NULL);
    assert_non_null(r->token);
    call.token = r->token;
    url_of(r, url, sizeof(url));
    request.url = weir_span_of(url);
    weir_client *client = open_client(r, &hooks);
    assert_int_equal(weir_client_call(client, &request, &call, &exchange), WEIR_E_CANCELLED);
    weir_exchange_free(exchange);
    weir_client_free(client);
    weir_token_free(r->token);
    assert_one_is_told(r);
}

static weir_loop *open_loop(race *r)
{
    weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;

    options.resolver = &r->resolver;
    options.observer = &r->observer;
    return weir_loop_new(&options, NULL);
}

static void loop__tells_of_an_attempt_that_lost_connected(void **state)
{
    race *r = *state;
    weir_request request = WEIR_REQUEST_INIT;
    weir_counts counts = WEIR_COUNTS_INIT;
    weir_exchange *exchange = NULL;
    weir_loop_event event = {.told = WEIR_TOLD_NOTHING};
    struct pollfd ready = {.fd = r->ready, .events = POLLIN};
    char url[64];

    url_of(r, url, sizeof(url));
    request.url = weir_span_of(url);
    weir_loop *loop = open_loop(r);
    assert_int_equal(weir_loop_submit(loop, &request, NULL, NULL, &exchange), WEIR_OK);
    do { /* until the second attempt has begun */
        weir_loop_wait(loop, WEIR_NEVER);
        assert_int_equal(weir_loop_turn(loop, &event, 1), 0);
    } while (poll(&ready, 1, 0) == 0);
    connect_both(r);
    say(r->first, "who asked?"); /* the second was connected first */
    assert_int_equal(weir_loop_turn(loop, &event, 1), 0);
    assert_int_equal(r->lost, 1);
    say(r->second, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    while (event.told != WEIR_TOLD_DONE) {
        weir_loop_wait(loop, WEIR_NEVER);
        (void)weir_loop_turn(loop, &event, 1);
    }
    assert_int_equal(event.status, WEIR_OK);
    weir_loop_counts(loop, &counts);
    assert_int_equal(counts.ledger_agree, 1);
    weir_exchange_free(exchange);
    weir_loop_free(loop);
    assert_both_are_told(r);
}

/* Nobody had looked yet whether it was connected. */
static void loop__tells_of_an_attempt_that_was_given_up_connected(void **state)
{
    race *r = *state;
    weir_request request = WEIR_REQUEST_INIT;
    weir_exchange *exchange = NULL;
    weir_loop_event event;
    char url[64];

    (void)close(accept(r->full, NULL, NULL));
    url_of(r, url, sizeof(url));
    request.url = weir_span_of(url);
    weir_loop *loop = open_loop(r);
    assert_int_equal(weir_loop_submit(loop, &request, NULL, NULL, &exchange), WEIR_OK);
    assert_int_equal(weir_loop_turn(loop, &event, 1), 0);
    r->first = accept(r->full, NULL, NULL);
    say(r->first, "who asked?");
    weir_exchange_free(exchange);
    weir_loop_free(loop);
    assert_one_is_told(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(client__tells_of_an_attempt_that_lost_connected, open_race,
                                        close_race),
        cmocka_unit_test_setup_teardown(client__tells_of_an_attempt_that_was_given_up_connected,
                                        open_race, close_race),
        cmocka_unit_test_setup_teardown(loop__tells_of_an_attempt_that_lost_connected, open_race,
                                        close_race),
        cmocka_unit_test_setup_teardown(loop__tells_of_an_attempt_that_was_given_up_connected,
                                        open_race, close_race),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
