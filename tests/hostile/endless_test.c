/* SPDX-License-Identifier: MIT */
/*
 * Servers that never stop: on an idle connection they send octets that answer nothing, as fast as
 * they are read. The look before reuse ends all the same, soon, and the next call is answered over
 * another connection.
 *
 * "As fast as it is read" is meant to the letter: where the client would find the socket empty it
 * finds it filled again, until the server has sent far more than anybody has to read.
 */
#include "cue.h"
#include "secure.h"
#include "wire.h"

#include "engine/os.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FLOOD_OCTETS ((size_t)24 << 20)
#define KEYS_OCTETS  ((size_t)30000)   /* about a thousand of them */
#define READ_LIMIT   ((size_t)2 << 20) /* of a flood, before the call goes on without it */
#define REFILL_MS    500

typedef enum flood_kind {
    FLOOD_RUBBISH,
    FLOOD_ANSWERS, /* whole ones, that nobody asked for */
    FLOOD_AFTER_408,
    FLOOD_KEYS,      /* new TLS keys, each with an answer wanted, and none is read */
    FLOOD_KEYS_ALONE /* no more than a thousand, and no request meanwhile */
} flood_kind;

typedef struct flood {
    flood_kind kind;
    bool is_tls;
    weir_cue cue;
    int client; /* the descriptor at the other end of the first connection */
    bool may_flood;
    bool over;
    weir_observer told;
    uint64_t most_octets; /* received on one connection */
} flood;

static atomic_int refilled = -1; /* the descriptor that is never found empty */

/* Names that the linker's --wrap prescribes. */
weir_io __real_weir_os_recv(int fd, uint8_t *to, size_t room, bool dont_wait);
weir_io __wrap_weir_os_recv(int fd, uint8_t *to, size_t room, bool dont_wait);

weir_io __wrap_weir_os_recv(int fd, uint8_t *to, size_t room, bool dont_wait)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};

    if (fd == atomic_load(&refilled) && poll(&one, 1, REFILL_MS) == 0) {
        atomic_store(&refilled, -1); /* the server has sent all that it will */
    }
    return __real_weir_os_recv(fd, to, room, dont_wait);
}

static void pack_drop(const flood *f, weir_wire *wire)
{
    static const char evil[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";
    char text[2048];

    if (f->kind >= FLOOD_KEYS) {
        for (unsigned i = 0; i < 64; i++) {
            weir_wire_pack_keys(wire);
        }
        return;
    }
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    weir_wire_pack(wire, f->kind == FLOOD_ANSWERS ? evil : text);
}

static void send_flood(flood *f, weir_wire *wire)
{
    size_t sent = 0;

    if (f->kind == FLOOD_AFTER_408) {
        weir_wire_pack(wire, "HTTP/1.1 408 Request Timeout\r\n\r\n");
    }
    pack_drop(f, wire);
    while (sent < (f->kind == FLOOD_KEYS_ALONE ? KEYS_OCTETS : FLOOD_OCTETS) &&
           weir_wire_send_all(wire)) {
        pack_drop(f, wire);
        sent += wire->packed_octets;
    }
}

static weir_hostile_end play(int fd, size_t number, void *user)
{
    flood *f = user;
    weir_heard heard;
    weir_wire wire;

    if (number == 0) {
        f->client = weir_wire_client(fd);
    }
    bool goes_on = weir_wire_open(&wire, fd, weir_secure_server(f->is_tls));
    while (goes_on && weir_wire_hear(&wire, &heard)) {
        weir_wire_pack_answer(&wire, heard.path);
        (void)weir_wire_send_all(&wire);
        if (number == 0 && weir_cue_await(&f->cue, &f->may_flood, &f->over)) {
            send_flood(f, &wire);
            break;
        }
    }
    weir_wire_close(&wire);
    return WEIR_HOSTILE_SILENCE;
}

static void tell(const weir_event *event, void *user)
{
    flood *f = user;

    if (event->kind == WEIR_EVENT_CONNECTION_CLOSED) {
        weir_cue_lock(&f->cue);
        if (event->account->wire.received > f->most_octets) {
            f->most_octets = event->account->wire.received;
        }
        weir_cue_unlock(&f->cue);
    }
}

static void ask(weir_stage *stage, const flood *f, weir_plea *plea, const char *path)
{
    weir_secure_ask(stage, plea, f->is_tls, path);
    plea->call.attempts = 3;
}

/* Nobody asks for anything; who looks after idle connections does. */
static void await_its_end(weir_user *user)
{
    const weir_time until_ns = weir_now() + 10 * WEIR_NS_PER_SECOND;
    weir_counts counts = WEIR_COUNTS_INIT;

    do {
        weir_user_settle(user);
        weir_user_counts(user, &counts);
    } while (counts.connections_idle > 0 && weir_now() < until_ns);
    assert_int_equal(counts.connections_idle, 0);
}

static void run(weir_user_kind kind, flood_kind how, bool is_tls)
{
    flood f = {.kind = how, .is_tls = is_tls};
    weir_stage stage;
    weir_plea plea;

    weir_cue_open(&f.cue);
    f.told = (weir_observer){.size = sizeof(f.told), .user = &f, .tell = tell};
    weir_stage_open(&stage, kind);
    stage.options.observer = &f.told;
    weir_stage_begin(&stage, play, &f);
    ask(&stage, &f, &plea, "/first");
    assert_int_equal(weir_stage_fetch(&stage, &plea).status, WEIR_END);
    weir_cue_give(&f.cue, &f.may_flood);
    weir_wire_await_octets(f.client, 1);
    atomic_store(&refilled, f.client);
    ask(&stage, &f, &plea, "/second");
    if (how == FLOOD_KEYS_ALONE) {
        plea.call.attempts = 1; /* it finds no flood */
        await_its_end(stage.user);
    }
    const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
    atomic_store(&refilled, -1);
    if (outcome.status != WEIR_END) {
        print_error("%s, %s: %s\n", weir_user_kind_name(kind), is_tls ? "TLS" : "clear",
                    weir_status_name(outcome.status));
    }
    assert_int_equal(outcome.status, WEIR_END);
    assert_string_equal(outcome.text, "/second");
    weir_cue_give(&f.cue, &f.over);
    weir_stage_close(&stage);
    if (f.most_octets >= READ_LIMIT) {
        print_error("%s, %s: %zu octets\n", weir_user_kind_name(kind), is_tls ? "TLS" : "clear",
                    (size_t)f.most_octets);
    }
    assert_true(f.most_octets < READ_LIMIT);
    weir_cue_close(&f.cue);
}

/* The state: the flood. There are keys only over TLS. */
static void run_all(void **state)
{
    const flood_kind how = *(const flood_kind *)*state;

    for (unsigned bits = how < FLOOD_KEYS ? 0 : 2; bits < 4; bits++) {
        run((bits & 1) != 0 ? WEIR_USER_LOOP : WEIR_USER_BLOCKING, how, (bits & 2) != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"rubbish_before_reuse", run_all, NULL, NULL, &(flood_kind){FLOOD_RUBBISH}},
        {"answers_before_reuse", run_all, NULL, NULL, &(flood_kind){FLOOD_ANSWERS}},
        {"rubbish_behind_a_408", run_all, NULL, NULL, &(flood_kind){FLOOD_AFTER_408}},
        {"new_keys_before_reuse", run_all, NULL, NULL, &(flood_kind){FLOOD_KEYS}},
        {"new_keys_end_an_idle_connection", run_all, NULL, NULL, &(flood_kind){FLOOD_KEYS_ALONE}},
    };

    return weir_secure_run("endless", tests, sizeof(tests) / sizeof(tests[0]));
}
