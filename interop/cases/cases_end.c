/* SPDX-License-Identifier: MIT */
/* Cases of exchanges that we end ourselves, by a cancel or a deadline, and of those that end badly.
 * Each shows that the next works. */
#include "cases.h"

#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE = TRANSFER_BLOCK };
#define SHORT_NS (150 * WEIR_NS_PER_MS)

static void expect_prompt(trial *t, const transfer *x, weir_time least_ns, weir_time most_ns);
static void expect_cut(trial *t, const transfer *x, weir_status status, uint64_t octets);
static uint16_t closed_port(int *fd);

void case_cancel_body(trial *t)
{
    transfer x;
    trial_ask(t, &x, "octets", LARGE);
    x.cancel_after_octets = 100000;
    trial_run(t, &x);
    (void)trial_expect_status(t, &x, WEIR_E_CANCELLED);
    (void)trial_check(t, x.octets < LARGE, "all of it was read");
    (void)trial_check(t, x.wrong_at == WEIR_UNKNOWN,
                      "the content is wrong from octet %" PRIu64 " on", x.wrong_at);
    trial_expect_alive(t);
}

void case_cancel_waiting(trial *t)
{
    transfer x;
    trial_ask(t, &x, "hang", 0);
    x.cancel_after_ns = 30 * WEIR_NS_PER_MS;
    trial_run(t, &x);
    (void)trial_expect_status(t, &x, WEIR_E_CANCELLED);
    expect_prompt(t, &x, 0, 5 * WEIR_NS_PER_SECOND);
    trial_expect_alive(t);
}

void case_deadline_total(trial *t)
{
    transfer x;
    trial_ask(t, &x, "hang", 0);
    x.call.deadline_ns = weir_now() + SHORT_NS;
    trial_run(t, &x);
    (void)trial_expect_status(t, &x, WEIR_E_DEADLINE_TOTAL);
    expect_prompt(t, &x, SHORT_NS / 2, 5 * WEIR_NS_PER_SECOND);
    trial_expect_alive(t);
}

void case_deadline_first_octet(trial *t)
{
    transfer x;
    trial_ask(t, &x, "hang", 0);
    x.call.first_octet_ns = SHORT_NS;
    trial_run(t, &x);
    (void)trial_expect_status(t, &x, WEIR_E_DEADLINE_FIRST_OCTET);
    expect_prompt(t, &x, SHORT_NS, 5 * WEIR_NS_PER_SECOND);
    trial_expect_alive(t);
}

void case_deadline_idle(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/drip/3?ms=3000");
    x.call.idle_ns = SHORT_NS;
    trial_run(t, &x);
    (void)trial_expect_status(t, &x, WEIR_E_DEADLINE_IDLE);
    expect_prompt(t, &x, SHORT_NS, 5 * WEIR_NS_PER_SECOND);
    trial_expect_alive(t);
}

void case_deadline_tls(trial *t)
{
    transfer x;
    trial_ask_at(t, &x, "localhost", t->server->mute, "/");
    x.call.tls_ns = SHORT_NS;
    trial_run(t, &x);
    (void)trial_expect_status(t, &x, WEIR_E_DEADLINE_TLS);
    expect_prompt(t, &x, SHORT_NS, 5 * WEIR_NS_PER_SECOND);
}

/* One connection is allowed, and it is taken by an exchange that nobody reads. */
void case_deadline_queue(trial *t)
{
    weir_pool_limits limits = WEIR_POOL_LIMITS_INIT;
    transfer first;
    transfer second;
    transfer *list[] = {&first};
    limits.connections_per_origin = 1;
    trial_reopen(t, t->tls->trusting, &limits);
    trial_ask(t, &first, "octets", LARGE);
    face_begin(t->face, &first);
    trial_ask(t, &second, "octets", 1000);
    second.call.queue_ns = SHORT_NS;
    trial_run(t, &second);
    (void)trial_expect_status(t, &second, WEIR_E_DEADLINE_QUEUE);
    face_run(t->face, list, 1);
    (void)trial_expect(t, &first, 200, LARGE);
}

void case_reset(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/reset?after=5000&of=10000&code=2");
    trial_run(t, &x);
    if (t->way.protocol == WEIR_H2) {
        expect_cut(t, &x, WEIR_E_H2_RESET, 5000);
        (void)trial_check(t, x.failure.has_h2_code && x.failure.h2_code == 2,
                          "the code of the reset is lost");
    } else {
        expect_cut(t, &x, WEIR_E_RESET, 5000);
        (void)trial_check(t, x.failure.sys_errno == ECONNRESET, "errno %d", x.failure.sys_errno);
    }
    trial_expect_alive(t);
}

void case_truncated(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/half/1000");
    trial_run(t, &x);
    expect_cut(t, &x, t->way.protocol == WEIR_H2 ? WEIR_E_H2_LENGTH : WEIR_E_TRUNCATED, 500);
    trial_expect_alive(t);
}

void case_truncated_chunks(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/half/1000?chunked=1");
    trial_run(t, &x);
    expect_cut(t, &x, WEIR_E_TRUNCATED, 500);
    trial_expect_alive(t);
}

/* Without TLS nobody can tell this from an end; with TLS everybody can. */
void case_unframed(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/close/1000?truncate=1");
    trial_run(t, &x);
    if (t->way.tls) {
        expect_cut(t, &x, WEIR_E_UNFRAMED, 1000);
    } else {
        (void)trial_expect(t, &x, 200, 1000);
    }
    trial_expect_alive(t);
}

void case_malformed(trial *t)
{
    transfer x;
    if (t->way.protocol == WEIR_H1) {
        /* HTTP/1.1 200 OK, Content-Length: 5, Content-Length: 6, hello */
        trial_ask_path(
            t, &x,
            "/raw?then=fin&b64="
            "SFRUUC8xLjEgMjAwIE9LDQpDb250ZW50LUxlbmd0aDogNQ0KQ29udGVudC1MZW5ndGg6IDYNCg0K"
            "aGVsbG8");
    } else {
        trial_ask_path(
            t, &x, "/raw?stream=1&b64=AAABAQV_____gA"); /* HEADERS whose block is one octet, 0x80 */
    }
    x.is_text = true;
    trial_run(t, &x);
    (void)trial_expect_status(
        t, &x, t->way.protocol == WEIR_H1 ? WEIR_E_H1_LENGTH : WEIR_E_H2_COMPRESSION);
    trial_expect_alive(t);
}

void case_head_too_large(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/big-head?fields=90&octets=1000");
    x.is_text = true;
    trial_run(t, &x);
    (void)trial_expect_status(t, &x, WEIR_E_LIMIT_HEAD);
    trial_expect_alive(t);
}

void case_upgrade_unasked(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/upgrade?force=1");
    x.is_text = true;
    trial_run(t, &x);
    (void)trial_expect_status(t, &x, WEIR_E_H1_UPGRADE);
    trial_expect_alive(t);
}

void case_connection_refused(trial *t)
{
    transfer x;
    int fd;
    trial_ask_at(t, &x, "127.0.0.1", closed_port(&fd), "/");
    x.is_text = true;
    trial_run(t, &x);
    (void)trial_expect_status(t, &x, WEIR_E_CONNECT_REFUSED);
    (void)trial_check(t, x.failure.sys_errno == ECONNREFUSED, "errno %d", x.failure.sys_errno);
    (void)trial_check(t, t->notes.told[WEIR_EVENT_CONNECTION_ACQUIRED] == 0,
                      "a connection was acquired");
    close(fd);
}

/* What is said of a name under .invalid depends on the name server, or on there being none. */
void case_no_such_name(trial *t)
{
    transfer x;
    trial_ask_at(t, &x, "weir.invalid", 80, "/");
    x.call.dns_ns = WEIR_NS_PER_SECOND;
    x.is_text = true;
    trial_run(t, &x);
    if (x.status != WEIR_E_DNS_FAILED && x.status != WEIR_E_DEADLINE_DNS) {
        (void)trial_expect_status(t, &x, WEIR_E_DNS_NOT_FOUND);
    }
    expect_prompt(t, &x, 0, 5 * WEIR_NS_PER_SECOND);
    (void)trial_check(t, t->notes.told[WEIR_EVENT_CONNECTION_ACQUIRED] == 0,
                      "a connection was acquired");
}

static void expect_prompt(trial *t, const transfer *x, weir_time least_ns, weir_time most_ns)
{
    (void)trial_check(t, x->took_ns >= least_ns && x->took_ns <= most_ns, "it took %" PRIu64 " ms",
                      x->took_ns / WEIR_NS_PER_MS);
}

/* It failed so, and what was read before is right and no more than was sent. */
static void expect_cut(trial *t, const transfer *x, weir_status status, uint64_t octets)
{
    (void)trial_expect_status(t, x, status);
    (void)trial_check(t, x->octets <= octets, "%" PRIu64 " octets of content came of %" PRIu64,
                      x->octets, octets);
    (void)trial_check(t, x->wrong_at == WEIR_UNKNOWN,
                      "the content is wrong from octet %" PRIu64 " on", x->wrong_at);
    (void)trial_check(t, x->attempts == 1, "%zu attempts", x->attempts);
}

/* Bound and not listening: nobody else gets it meanwhile. */
static uint16_t closed_port(int *fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&address, length) != 0 ||
        getsockname(*fd, (struct sockaddr *)&address, &length) != 0) {
        die("no port: %s", strerror(errno));
    }
    return ntohs(address.sin_port);
}
