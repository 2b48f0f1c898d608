/* SPDX-License-Identifier: MIT */
/*
 * Two promises as the operating system sees them, while many call at once, connections are drained
 * and handshakes fail:
 *
 *   - at no moment are more sockets open than the pool may have connections (a socket counts from
 *     its connect to its close, whatever the pool thinks of it);
 *   - nothing of a request is written to a server whose certificate was not accepted.
 */
#include "stage.h"
#include "support/tls_bench.h"
#include "wire.h"

#include "engine/os.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define CALLERS     12
#define CALLS       25 /* of each */
#define CONNECTIONS 4
#define SOCKETS     4096

typedef struct crowd {
    weir_stage *stage;
    atomic_size_t whole;
    atomic_size_t untrusted;
    atomic_size_t wrong;
    atomic_size_t leaked; /* octets of plaintext that a server got which nobody trusts */
} crowd;

static weir_tls_server *tls_first; /* holds the context that all share */
static weir_tls_server_options tls_options;
static weir_tls_config *trusts_another;

static atomic_bool is_socket[SOCKETS];
static atomic_size_t open_sockets;
static atomic_size_t most_sockets;

/* Names that the linker's --wrap prescribes. */
weir_io __real_weir_os_connect(const weir_address *address, uint16_t port, int *fd);
weir_io __wrap_weir_os_connect(const weir_address *address, uint16_t port, int *fd);
void __real_weir_os_close(int fd);
void __wrap_weir_os_close(int fd);

weir_io __wrap_weir_os_connect(const weir_address *address, uint16_t port, int *fd)
{
    const weir_io io = __real_weir_os_connect(address, port, fd);

    if (*fd >= 0 && *fd < SOCKETS) {
        atomic_store(&is_socket[*fd], true);
        const size_t now = atomic_fetch_add(&open_sockets, 1) + 1;
        size_t most = atomic_load(&most_sockets);
        while (now > most && !atomic_compare_exchange_weak(&most_sockets, &most, now)) {
        }
    }
    return io;
}

void __wrap_weir_os_close(int fd)
{
    if (fd >= 0 && fd < SOCKETS && atomic_exchange(&is_socket[fd], false)) {
        atomic_fetch_sub(&open_sockets, 1);
    }
    __real_weir_os_close(fd);
}

static void play_tls(crowd *c, int fd, size_t number)
{
    weir_tls_server_options options = tls_options;
    weir_heard heard;
    weir_wire wire;

    options.context = NULL;
    options.newest = number % 2 == 0 ? 0 : TLS1_2_VERSION;
    if (weir_wire_open(&wire, fd, &options)) {
        (void)weir_wire_hear(&wire, &heard);
    }
    atomic_fetch_add(&c->leaked, wire.heard_octets + wire.tls->got_octets);
    weir_wire_close(&wire);
}

static weir_hostile_end play(int fd, size_t number, void *user)
{
    crowd *c = user;
    uint8_t first = 0;
    char path[128];

    if (recv(fd, &first, 1, MSG_PEEK) != 1) {
        return WEIR_HOSTILE_FIN;
    }
    if (first == 22) {
        play_tls(c, fd, number);
    } else if (first == 'P') {
        weir_hostile_answer_streams(fd);
    } else {
        for (unsigned i = 0; i < 5 && weir_hostile_head(fd, path, sizeof(path)); i++) {
            (void)weir_hostile_say_path(fd, path);
        }
    }
    return number % 3 == 0 ? WEIR_HOSTILE_RESET : WEIR_HOSTILE_FIN;
}

static void drain(crowd *c)
{
    (void)weir_user_drain(c->stage->user, (weir_span){NULL, 0});
}

static void call_all(weir_user *user, size_t index, void *shared)
{
    crowd *c = shared;

    (void)user;
    for (size_t i = 0; i < CALLS; i++) {
        const size_t turn = (index + i) % 4;
        weir_plea plea;
        char path[64];
        (void)snprintf(path, sizeof(path), "/%zu-%zu", index, i);
        weir_stage_ask(c->stage, &plea, turn == 1 ? WEIR_H2 : WEIR_H1, path);
        plea.call.attempts = 6;
        if (turn == 3) {
            (void)snprintf(plea.url, sizeof(plea.url), "https://127.0.0.1:%u%s",
                           weir_hostile_port(c->stage->server), path);
            plea.request.url = weir_span_of(plea.url);
            plea.call.tls = trusts_another;
        }
        const weir_outcome outcome = weir_stage_fetch(c->stage, &plea);
        const bool is_whole = outcome.status == WEIR_END;
        atomic_fetch_add(&c->whole, is_whole ? 1 : 0);
        atomic_fetch_add(&c->untrusted, outcome.status == WEIR_E_TLS_UNTRUSTED ? 1 : 0);
        if (is_whole &&
            (turn == 3 || strcmp(outcome.text, turn == 1 ? "from a stream" : path) != 0)) {
            atomic_fetch_add(&c->wrong, 1);
        }
        if (turn == 3 && outcome.status != WEIR_E_TLS_UNTRUSTED) {
            fprintf(stderr, "untrusted, and %s\n", weir_status_name(outcome.status));
            atomic_fetch_add(&c->wrong, 1);
        }
        if (i % 8 == 7) {
            drain(c);
        }
    }
}

static void gather(weir_user_kind kind)
{
    weir_stage stage;
    crowd c = {.stage = &stage};

    atomic_store(&most_sockets, 0);
    weir_stage_open(&stage, kind);
    stage.limits.connections = CONNECTIONS;
    stage.limits.connections_per_origin = CONNECTIONS - 1;
    weir_stage_begin(&stage, play, &c);
    weir_user_together(stage.user, CALLERS, call_all, &c);
    assert_int_equal(c.wrong, 0);
    assert_int_equal(c.leaked, 0);
    assert_true(c.whole > 0);
    assert_int_equal(c.untrusted, CALLERS * CALLS / 4);
    weir_stage_close(&stage);
    assert_int_equal(open_sockets, 0);
    if (most_sockets > CONNECTIONS) {
        print_error("%s: %zu sockets\n", weir_user_kind_name(kind), (size_t)most_sockets);
    }
    assert_in_range(most_sockets, 2, CONNECTIONS);
}

static void by_threads(void **state)
{
    (void)state;
    gather(WEIR_USER_BLOCKING);
}

static void by_a_loop(void **state)
{
    (void)state;
    gather(WEIR_USER_LOOP);
}

static void trust_another(weir_tls_options *options)
{
    static char *pem;
    const weir_pki_recipe authority = {.name = "another", .authority = true};
    weir_pki other = weir_pki_make(&authority, NULL);

    free(pem);
    pem = weir_pki_certificate_pem(&other);
    weir_pki_free(&other);
    options->ca_pem = weir_span_of(pem);
}

static int set_up(void **state)
{
    (void)weir_bench_make_certificates(state);
    tls_options = weir_bench_server();
    tls_options.protocols = "http/1.1";
    tls_first = weir_tls_server_new(&tls_options);
    trusts_another = weir_bench_new_config(NULL, trust_another);
    return 0;
}

static int tear_down(void **state)
{
    weir_tls_config_release(trusts_another);
    weir_tls_server_free(tls_first);
    return weir_bench_drop_certificates(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_threads),
        cmocka_unit_test(by_a_loop),
    };

    cmocka_set_test_filter(getenv("WEIR_TESTS_ONLY"));
    return cmocka_run_group_tests_name("sockets", tests, set_up, tear_down);
}
