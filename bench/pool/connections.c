/* SPDX-License-Identifier: MIT */
/*
 * What an idle connection holds: real ones, to the embedded origin, by both front ends. As many
 * calls at once as connections are wanted; all are read to their end, and the connections are idle.
 * Half as many are counted first, so that what is there once is not theirs. Buffers (blocks of 16
 * KiB and more) are on loan from the client or loop and counted apart: an idle connection has none.
 *
 * To an address, and to a name that a resolver answered, since that ties a connection to the answer.
 *
 * An HTTP/2 connection is counted twice: when its last exchange is over, and at rest, a second
 * later, when it has put its header tables away. The target is what it holds at rest.
 *
 * wolfSSL's own memory is counted by its allocation hook, which a program may set and the library
 * never does. It comes on top of a connection over TLS; what is weir's has the target of a clear one.
 */
#include "bench/pool/bench.h"

#include <string.h>
#include <time.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "weir/client.h"
#include "weir/loop.h"
#include "weir/tls.h"

enum { HALF = 64, MOST = 2 * HALF };

#define H1_LIMIT_OCTETS 1024.0
#define H2_LIMIT_OCTETS                                                                            \
    (2 * 4096 + 4096.0)              /* the two HPACK tables that were agreed on, and 4 KiB */
#define PATH        "/octets/400000" /* more than an inbox holds: each call keeps its connection */
/* More short fields than a table of 4096 octets holds (RFC 7541 s4.1), in either direction. */
#define FULL_FIELDS 100
/* After so long an HTTP/2 connection is at rest (docs/http2.md). */
#define REST_NS     (WEIR_NS_PER_SECOND + WEIR_NS_PER_SECOND / 10)

/* Of connections. */
typedef struct kind {
    weir_protocol protocol;
    bool tls;
    bool named; /* the host is a name */
    bool full;  /* both HPACK tables are full */
} kind;

typedef struct user {
    bench_counted memory;
    weir_client *client; /* either */
    weir_loop *loop;
} user;

static bench_counted of_wolfssl;

static void measure(const bench_run *run, kind of, bool in_loop);
static void open_user(user *u, bool in_loop);
static void close_user(user *u);
static weir_tls_config *trust_in(const char *ca);
static void know(weir_lookup *lookup, weir_span host, void *unused);
static void add_figure(const char *what, double octets, double limit);
static double own_octets(const user *u);
static void fill(weir_request *request);
static void open_and_rest(user *u, const weir_request *request, const weir_call *call,
                          size_t count);
static void rest(user *u);
static bool drained(weir_exchange *exchange);
static void turn(user *u);
static void *wolfssl_give(size_t octets);
static void wolfssl_take(void *block);
static void *wolfssl_resize(void *block, size_t octets);

void bench_connections(const bench_run *run)
{
    static const kind kinds[] = {
        {.protocol = WEIR_H1},
        {.protocol = WEIR_H2},
        {.protocol = WEIR_H1, .tls = true},
        {.protocol = WEIR_H2, .tls = true},
        {.protocol = WEIR_H1, .named = true},
        {.protocol = WEIR_H1, .tls = true, .named = true},
        {.protocol = WEIR_H2, .tls = true, .named = true},
        {.protocol = WEIR_H2, .full = true},
    };

    bench_counted_init(&of_wolfssl);
    (void)wolfSSL_SetAllocators(wolfssl_give, wolfssl_take, wolfssl_resize);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        measure(run, kinds[i], false);
        measure(run, kinds[i], true);
    }
}

static void measure(const bench_run *run, kind of, bool in_loop)
{
    const bool is_h2 = of.protocol == WEIR_H2;
    const double limit = is_h2 ? H2_LIMIT_OCTETS : H1_LIMIT_OCTETS - 1;
    weir_request request = WEIR_REQUEST_INIT;
    weir_call call = WEIR_CALL_INIT;
    user u = {.client = NULL};
    char label[64];
    char url[96];

    (void)snprintf(url, sizeof(url), "%s://%s:%u" PATH "?fields=%d", of.tls ? "https" : "http",
                   of.named ? "a.test" : "127.0.0.1", of.tls ? run->tls_port : run->clear_port,
                   of.full ? FULL_FIELDS : 0);
    if (of.full) {
        fill(&request);
    }
    request.url = (weir_span){(const uint8_t *)url, strlen(url)};
    call.pin = of.protocol;
    call.tls = of.tls ? trust_in(run->ca) : NULL;
    open_user(&u, in_loop);
    open_and_rest(&u, &request, &call, HALF);
    const double ours = own_octets(&u);
    const double wolfssl = (double)of_wolfssl.octets;
    if (is_h2) {
        rest(&u);
    }
    const double ours_at_rest = own_octets(&u);
    open_and_rest(&u, &request, &call, MOST);
    (void)snprintf(label, sizeof(label), "%s, %s, %s%s%s", is_h2 ? "HTTP/2" : "HTTP/1.1",
                   of.tls ? "TLS" : "clear", in_loop ? "loop" : "blocking",
                   of.named ? ", to a name" : "", of.full ? ", both HPACK tables full" : "");
    add_figure(label, (own_octets(&u) - ours) / HALF, of.full ? 0 : limit);
    if (is_h2) {
        rest(&u);
        add_figure("... and at rest", (own_octets(&u) - ours_at_rest) / HALF, limit);
    }
    if (of.tls && in_loop && !of.named) {
        add_figure(is_h2 ? "... and wolfSSL's own, HTTP/2" : "... and wolfSSL's own, HTTP/1.1",
                   ((double)of_wolfssl.octets - wolfssl) / HALF, 0);
    }
    close_user(&u);
    weir_tls_config_release(call.tls);
}

static void open_user(user *u, bool in_loop)
{
    static const weir_resolver resolver = {.size = sizeof(resolver), .start = know};
    weir_pool_limits limits = WEIR_POOL_LIMITS_INIT;
    weir_client_options client = WEIR_CLIENT_OPTIONS_INIT;
    weir_loop_options loop = WEIR_LOOP_OPTIONS_INIT;
    weir_status status = WEIR_OK;

    bench_counted_init(&u->memory);
    limits.connections_per_origin = MOST;
    limits.h2_connections = MOST;
    limits.connections = MOST;
    client.allocator = loop.allocator = &u->memory.allocator;
    client.limits = loop.limits = &limits;
    client.resolver = loop.resolver = &resolver;
    if (in_loop) {
        u->loop = weir_loop_new(&loop, &status);
    } else {
        u->client = weir_client_new(&client, &status);
    }
    bed_must(status == WEIR_OK, "a client or loop is made");
}

static void close_user(user *u)
{
    weir_client_free(u->client);
    weir_loop_free(u->loop);
    bed_must(u->memory.octets == 0, "everything was given back");
}

static weir_tls_config *trust_in(const char *ca)
{
    weir_tls_options trust = WEIR_TLS_OPTIONS_INIT;
    weir_status status = WEIR_OK;
    weir_failure failure;

    trust.ca_file = ca;
    trust.only_these_roots = true;
    weir_tls_config *tls = weir_tls_config_new(&trust, NULL, &status, &failure);
    bed_must(tls != NULL, "the test CA can be read");
    return tls;
}

/* Every name is here, and its answer counts for as long as the bench runs. */
static void know(weir_lookup *lookup, weir_span host, void *unused)
{
    const weir_address home = {.family = 4, .octets = {127, 0, 0, 1}, .ttl_seconds = 3600};

    (void)host;
    (void)unused;
    weir_resolver_answer(lookup, 6, WEIR_OK, NULL, 0);
    weir_resolver_answer(lookup, 4, WEIR_OK, &home, 1);
}

static void add_figure(const char *what, double octets, double limit)
{
    static char labels[32][64];
    static size_t label;
    bench_figure figure = {.group = "Memory: an idle connection", .unit = "octets"};

    bed_must(label < sizeof labels / sizeof labels[0], "there is room for its name");
    (void)snprintf(labels[label], sizeof(labels[0]), "%s", what);
    figure.what = labels[label++];
    figure.value = figure.low = figure.high = octets;
    figure.limit = limit;
    bench_figures_add(&figure);
}

static double own_octets(const user *u)
{
    return (double)(u->memory.octets - u->memory.large_octets);
}

/* Fields that no table has yet. */
static void fill(weir_request *request)
{
    static weir_field fields[FULL_FIELDS];
    static char names[FULL_FIELDS][16];

    for (size_t i = 0; i < FULL_FIELDS; i++) {
        (void)snprintf(names[i], sizeof(names[0]), "x-f-%zu", i);
        fields[i] = (weir_field){.name = {(const uint8_t *)names[i], strlen(names[i])},
                                 .value = {(const uint8_t *)"sixteen letters!", 16}};
    }
    request->fields = fields;
    request->field_count = FULL_FIELDS;
}

static void open_and_rest(user *u, const weir_request *request, const weir_call *call, size_t count)
{
    weir_exchange *open[MOST];
    weir_counts counts = WEIR_COUNTS_INIT;

    for (size_t i = 0; i < count; i++) {
        if (u->client != NULL) {
            bed_must(weir_client_call(u->client, request, call, &open[i]) == WEIR_OK,
                     "the origin answers");
            continue;
        }
        bed_must(weir_loop_submit(u->loop, request, call, NULL, &open[i]) == WEIR_OK,
                 "a request is taken");
        while (weir_response(open[i]) == WEIR_AGAIN) {
            turn(u);
        }
        bed_must(weir_exchange_code(open[i]) == 200, "the origin answers");
    }
    for (size_t i = 0; i < count; i++) {
        while (!drained(open[i])) {
            turn(u);
        }
        weir_exchange_free(open[i]);
    }
    if (u->client != NULL) {
        (void)weir_client_maintain(u->client);
        weir_client_counts(u->client, &counts);
    } else {
        turn(u);
        weir_loop_counts(u->loop, &counts);
    }
    bed_must(counts.connections_idle == count, "each call had a connection of its own");
}

/* What is due is done by the loop itself, and in a client by weir_client_maintain(). */
static void rest(user *u)
{
    const weir_time until_ns = weir_now() + REST_NS;

    while (u->loop != NULL && weir_now() < until_ns) {
        turn(u);
    }
    if (u->client != NULL) {
        const struct timespec span = {.tv_sec = REST_NS / WEIR_NS_PER_SECOND,
                                      .tv_nsec = REST_NS % WEIR_NS_PER_SECOND};
        (void)nanosleep(&span, NULL);
        (void)weir_client_maintain(u->client);
    }
}

/* False: to be asked again after a turn. */
static bool drained(weir_exchange *exchange)
{
    uint8_t room[65536];
    size_t octets = 0;
    weir_status status;

    do {
        status = weir_read(exchange, room, sizeof(room), &octets);
    } while (status == WEIR_OK);
    bed_must(status == WEIR_END || status == WEIR_AGAIN, "a response is whole");
    return status == WEIR_END;
}

static void turn(user *u)
{
    weir_loop_event events[64];

    weir_loop_wait(u->loop, weir_now() + WEIR_NS_PER_SECOND / 100);
    (void)weir_loop_turn(u->loop, events, sizeof events / sizeof events[0]);
}

static void *wolfssl_give(size_t octets)
{
    return bench_counted_give(octets, &of_wolfssl);
}

static void wolfssl_take(void *block)
{
    bench_counted_take(block, &of_wolfssl);
}

static void *wolfssl_resize(void *block, size_t octets)
{
    return bench_counted_resize(block, octets, &of_wolfssl);
}
