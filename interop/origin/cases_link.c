/* SPDX-License-Identifier: MIT */
/* Cases that do something to the connection: its end, its TLS, its HTTP/2 settings. */
#include "cases.h"

#include "h2.h"

enum { ACTS_LIMIT = 10000 };

static void goaway_after(exchange *x);
static void goaway_before(exchange *x);
static void close_later(exchange *x);
static void plan_word(exchange *x, const char *word);
static uint64_t acts(const ask *a);
static uint32_t setting(const ask *a, const char *name);

void case_goaway(exchange *x, const ask *a)
{
    uint64_t last = ask_number(a, "last", UINT64_MAX);
    if (!is_h2(x)) {
        plan_cannot(x, "HTTP/1.1 has no GOAWAY");
        return;
    }
    if (last != UINT64_MAX) { /* streams above `last` end unanswered, this one perhaps too */
        x->plan.refused = last < (uint64_t)x->stream;
        (void)h2_goaway(x->conn, (uint32_t)last, (uint32_t)ask_number(a, "code", 0));
    }
    plan_word(x, "going away\n");
    if (last == UINT64_MAX && ask_flag(a, "before")) {
        x->plan.before = goaway_before;
    } else if (last == UINT64_MAX) {
        x->plan.after = goaway_after;
    }
}

void case_last(exchange *x, const ask *a)
{
    (void)a;
    x->plan.say_close = true;
    plan_word(x, "last\n");
}

void case_close_after(exchange *x, const ask *a)
{
    (void)a;
    x->plan.after = close_later;
    plan_word(x, "closing later\n");
}

/* In this order whatever the machine does: both are timers of one loop, and the ends are due first. */
void case_end_others(exchange *x, const ask *a)
{
    (void)a;
    for (conn *c = x->conn->server->conns; c != NULL; c = c->next) {
        if (c != x->conn && (c->protocol == NULL || !c->protocol->busy(c))) {
            conn_end_later(c, 0, ENDING_FIN);
        }
    }
    x->plan.delay_ms = 1;
    plan_word(x, "ended the others\n");
}

void case_key_update(exchange *x, const ask *a)
{
    bool ask_peer = ask_number(a, "ask", 1) != 0;
    for (uint64_t i = acts(a); i > 0; i--) {
        if (!conn_key_update(x->conn, ask_peer)) {
            plan_cannot(x, "KeyUpdate needs TLS 1.3");
            return;
        }
    }
    plan_word(x, "key updated\n");
}

void case_tickets(exchange *x, const ask *a)
{
    for (uint64_t i = acts(a); i > 0; i--) {
        if (!conn_ticket(x->conn)) {
            plan_cannot(x, "tickets after the handshake need TLS 1.3");
            return;
        }
    }
    plan_word(x, "tickets sent\n");
}

void case_ping(exchange *x, const ask *a)
{
    for (uint64_t i = acts(a); i > 0; i--) {
        if (!h2_ping(x->conn)) {
            plan_cannot(x, "HTTP/1.1 has no PING");
            return;
        }
    }
    plan_word(x, "pinged\n");
}

void case_settings(exchange *x, const ask *a)
{
    h2_change change = {
        .max_streams = setting(a, "max_streams"),
        .window = setting(a, "window"),
        .frame = setting(a, "frame"),
        .table = setting(a, "table"),
    };
    for (uint64_t i = acts(a); i > 0; i--) {
        if (!h2_settings(x->conn, change)) {
            plan_cannot(x, "HTTP/1.1 has no SETTINGS, or a value is out of range");
            return;
        }
    }
    plan_word(x, "settings sent\n");
}

void case_windows(exchange *x, const ask *a)
{
    uint32_t stream = setting(a, "stream");
    uint32_t whole = setting(a, "conn");
    if (!is_h2(x)) {
        plan_cannot(x, "HTTP/1.1 has no windows");
        return;
    }
    if (stream != UINT32_MAX) {
        (void)h2_window(x->conn, x->stream, stream);
    }
    if (whole != UINT32_MAX) {
        (void)h2_window(x->conn, 0, whole);
    }
    case_sink(x, a);
}

static void goaway_after(exchange *x)
{
    ask a = ask_of(x);
    (void)h2_goaway(x->conn, (uint32_t)x->stream, (uint32_t)ask_number(&a, "code", 0));
}

static void goaway_before(exchange *x)
{
    goaway_after(x);
}

static void close_later(exchange *x)
{
    ask a = ask_of(x);
    conn_end_later(x->conn, ask_number(&a, "ms", 10),
                   ask_flag(&a, "rst") ? ENDING_RESET : ENDING_FIN);
}

static void plan_word(exchange *x, const char *word)
{
    plan_text(x, 200, "text/plain");
    queue_text(&x->plan.text, word);
}

static uint64_t acts(const ask *a)
{
    uint64_t count = ask_number(a, "n", 1);
    return count < ACTS_LIMIT ? count : ACTS_LIMIT;
}

static uint32_t setting(const ask *a, const char *name)
{
    uint64_t value = ask_number(a, name, UINT32_MAX);
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}
