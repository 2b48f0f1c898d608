/* SPDX-License-Identifier: MIT */
/*
 * Writing HTTP/1.1 answers: head, then body in chunks or plainly, then trailers, as far as the
 * connection has room. What is written is decided by the plan alone; where the plan is to lie
 * (half a body, a chunked body that never ends) it simply stops where `octets` says.
 */
#include "h1.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 16 * 1024 };

static void send_head(conn *c, exchange *x);
static bool send_body(conn *c, exchange *x);
static void send_chunk(conn *c, const exchange *x, const uint8_t *octets, size_t count);
static void send_last_chunk(conn *c, exchange *x);
static void write_fields(queue *out, const fields *f);
static void write_framing(queue *out, const exchange *x);

bool h1_send(conn *c, exchange *x)
{
    h1 *h = c->session;
    bool wrote = false;
    if (!h->head_sent && conn_room(c) > 0) {
        send_head(c, x);
        h->head_sent = true;
        wrote = true;
    }
    if (!exchange_has_body(x) && !x->plan.tunnel) {
        exchange_sent(x);
        return true;
    }
    while (conn_room(c) > 0 && x->phase == PHASE_ANSWERING) {
        if (!send_body(c, x)) {
            break;
        }
        wrote = true;
    }
    return wrote;
}

void h1_send_interim(exchange *x, int status)
{
    queue out = {0};
    queue_format(&out, "HTTP/1.1 %d %s\r\n", status, h1_reason(status));
    if (status == 103) {
        queue_text(&out, "link: </style.css>; rel=preload; as=style\r\n");
    }
    queue_text(&out, "\r\n");
    conn_write(x->conn, queue_head(&out), queue_length(&out));
    queue_clear(&out);
}

const char *h1_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } table[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {103, "Early Hints"},
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].status == status) {
            return table[i].reason;
        }
    }
    return "Case";
}

static void send_head(conn *c, exchange *x)
{
    queue out = {0};
    queue_format(&out, "HTTP/1.1 %d %s\r\n", x->plan.status, h1_reason(x->plan.status));
    write_fields(&out, &x->plan.fields);
    write_framing(&out, x);
    bool closing = x->plan.say_close || !x->keep_alive || x->plan.framing == FRAMING_CLOSE;
    if (closing && !x->plan.tunnel) {
        queue_text(&out, "connection: close\r\n");
    }
    queue_text(&out, "\r\n");
    conn_write(c, queue_head(&out), queue_length(&out));
    queue_clear(&out);
}

static bool send_body(conn *c, exchange *x)
{
    uint8_t octets[PIECE];
    size_t room = PIECE;
    if (x->plan.piece > 0 && x->plan.piece < room) {
        room = (size_t)x->plan.piece;
    }
    body_piece got = exchange_read(x, octets, room);
    if (got.count > 0 && x->plan.framing == FRAMING_CHUNKED && !x->http10) {
        send_chunk(c, x, octets, got.count);
    } else if (got.count > 0) {
        conn_write(c, octets, got.count);
    }
    if (got.last) {
        if (x->plan.framing == FRAMING_CHUNKED && !x->http10) {
            send_last_chunk(c, x);
        }
        exchange_sent(x);
    }
    return got.count > 0 || got.last;
}

static void send_chunk(conn *c, const exchange *x, const uint8_t *octets, size_t count)
{
    queue out = {0};
    queue_format(&out, "%zx", count);
    if (x->plan.ext > 0) {
        queue_text(&out, ";");
        memset(queue_reserve(&out, (size_t)x->plan.ext), 'e', (size_t)x->plan.ext);
        queue_commit(&out, (size_t)x->plan.ext);
    }
    queue_text(&out, "\r\n");
    queue_append(&out, octets, count);
    queue_text(&out, "\r\n");
    conn_write(c, queue_head(&out), queue_length(&out));
    queue_clear(&out);
}

static void send_last_chunk(conn *c, exchange *x)
{
    queue out = {0};
    if (x->plan.ending != ENDING_NONE) {
        return; /* a chunked body cut short */
    }
    queue_text(&out, "0\r\n");
    write_fields(&out, &x->plan.trailers);
    queue_text(&out, "\r\n");
    conn_write(c, queue_head(&out), queue_length(&out));
    queue_clear(&out);
}

static void write_fields(queue *out, const fields *f)
{
    for (size_t i = 0; i < f->count; i++) {
        queue_text(out, f->at[i].name);
        queue_text(out, ": ");
        queue_append(out, f->at[i].value, f->at[i].value_octets);
        queue_text(out, "\r\n");
    }
}

static void write_framing(queue *out, const exchange *x)
{
    if (x->plan.framing == FRAMING_LENGTH && x->plan.declared != UNDECLARED) {
        queue_format(out, "content-length: %llu\r\n", (unsigned long long)x->plan.declared);
    }
    if (x->plan.framing == FRAMING_CHUNKED && !x->http10) {
        queue_text(out, "transfer-encoding: chunked\r\n");
    }
}
