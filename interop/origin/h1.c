/* SPDX-License-Identifier: MIT */
/*
 * Reading HTTP/1.1. llhttp is fed from conn->in and paused at the end of each message, so that the
 * parser never runs ahead of the answers:
 *
 *     NO EXCHANGE --request line--> RECEIVING --answered and ended--> NO EXCHANGE
 *                                      |
 *                                      +--101--> TUNNEL (octets come back as they went in)
 *
 * An echo that owes ECHO_LIMIT octets stops the reading; the socket's window then stops the peer.
 * A request that does not parse is answered with 400 and the connection ended.
 */
#include "h1.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FEED_CHUNK = 16 * 1024, HEAD_LIMIT = 128 * 1024 };

static void start(conn *c);
static bool feed(conn *c);
static bool produce(conn *c);
static void peer_ended(conn *c);
static bool busy(const conn *c);
static void answer(exchange *x);
static void resume(exchange *x);
static void drop(exchange *x);
static void finish(conn *c);

const protocol h1_protocol = {
    .name = "h1",
    .start = start,
    .feed = feed,
    .produce = produce,
    .peer_ended = peer_ended,
    .busy = busy,
    .interim = h1_send_interim,
    .answer = answer,
    .resume = resume,
    .drop = drop,
    .finish = finish,
};

static size_t parse(conn *c);
static bool complete_if_done(conn *c);
static void refuse_bad(conn *c, int status, const char *why);
static void next_field(h1 *h);
static int over_limit(h1 *h, size_t length);
static int on_begin(llhttp_t *parser);
static int on_url(llhttp_t *parser, const char *at, size_t length);
static int on_name(llhttp_t *parser, const char *at, size_t length);
static int on_value(llhttp_t *parser, const char *at, size_t length);
static int on_value_complete(llhttp_t *parser);
static int on_head(llhttp_t *parser);
static int on_body(llhttp_t *parser, const char *at, size_t length);
static int on_complete(llhttp_t *parser);

static void start(conn *c)
{
    h1 *h = must_alloc(sizeof *h);
    llhttp_settings_init(&h->settings);
    h->settings.on_message_begin = on_begin;
    h->settings.on_url = on_url;
    h->settings.on_header_field = on_name;
    h->settings.on_header_value = on_value;
    h->settings.on_header_value_complete = on_value_complete;
    h->settings.on_headers_complete = on_head;
    h->settings.on_body = on_body;
    h->settings.on_message_complete = on_complete;
    llhttp_init(&h->parser, HTTP_REQUEST, &h->settings);
    h->parser.data = c;
    c->session = h;
}

static bool feed(conn *c)
{
    h1 *h = c->session;
    bool took = false;
    while (c->stage == CONN_OPEN && queue_length(&c->in) > 0) {
        exchange *x = h->current;
        if (x != NULL && x->ended && !h->tunnel) {
            break;
        }
        if (x != NULL && queue_length(&x->echo) >= ECHO_LIMIT) {
            break;
        }
        size_t length = queue_length(&c->in);
        size_t count = length < FEED_CHUNK ? length : FEED_CHUNK;
        if (h->tunnel) {
            exchange_body(x, queue_head(&c->in), count);
        } else {
            count = parse(c);
        }
        queue_consume(&c->in, count);
        took = true;
    }
    return took;
}

static bool produce(conn *c)
{
    h1 *h = c->session;
    exchange *x = h->current;
    bool wrote = x != NULL && x->phase == PHASE_ANSWERING && h1_send(c, x);
    if (x != NULL && x->phase == PHASE_SENT) {
        wrote = complete_if_done(c) || wrote;
    }
    return wrote;
}

/* The peer may have shut down only its sending half: a complete request still gets its answer. */
static void peer_ended(conn *c)
{
    h1 *h = c->session;
    exchange *x = h->current;
    h->peer_ended = true;
    if (h->tunnel && !x->ended) {
        x->ended = true;
    } else if (x == NULL || !x->ended || x->phase == PHASE_SENT || x->plan.when == WHEN_NEVER) {
        conn_end(c, ENDING_FIN);
    }
}

static bool busy(const conn *c)
{
    const h1 *h = c->session;
    return h->current != NULL;
}

static void answer(exchange *x)
{
    (void)x; /* produce() sees the phase */
}

static void resume(exchange *x)
{
    (void)x; /* produce() asks the body each time */
}

static void drop(exchange *x)
{
    conn_end(x->conn, ENDING_FIN);
}

static void finish(conn *c)
{
    h1 *h = c->session;
    exchange_free(h->current);
    queue_clear(&h->target);
    queue_clear(&h->name);
    queue_clear(&h->value);
    free(h);
    c->session = NULL;
}

/* Feeds one chunk; answers the octets taken. */
static size_t parse(conn *c)
{
    h1 *h = c->session;
    size_t length = queue_length(&c->in);
    size_t count = length < FEED_CHUNK ? length : FEED_CHUNK;
    const char *at = (const char *)queue_head(&c->in);
    llhttp_errno_t error = llhttp_execute(&h->parser, at, count);
    if (error == HPE_OK) {
        return count;
    }
    size_t taken = (size_t)(llhttp_get_error_pos(&h->parser) - at);
    if (error == HPE_PAUSED) {
        return taken;
    }
    if (error == HPE_PAUSED_UPGRADE) {
        h->tunnel = true;
        return taken;
    }
    if (h->head_too_long) {
        refuse_bad(c, 431, "the head is over the limit");
    } else {
        refuse_bad(c, 400, llhttp_get_error_reason(&h->parser));
    }
    return length;
}

/* The exchange is over when it is answered and its request has been read; then the next may come.
 */
static bool complete_if_done(conn *c)
{
    h1 *h = c->session;
    exchange *x = h->current;
    if (c->stage != CONN_OPEN) {
        return false;
    }
    if (x->plan.ending != ENDING_NONE) {
        conn_end(c, x->plan.ending);
    } else if (!x->keep_alive || x->plan.say_close || h->peer_ended) {
        conn_end(c, ENDING_FIN);
    } else if (x->ended) {
        exchange_free(x);
        h->current = NULL;
        h->head_sent = false;
        h->head_octets = 0;
        llhttp_resume(&h->parser);
    } else {
        return false;
    }
    return true;
}

static void refuse_bad(conn *c, int status, const char *why)
{
    const h1 *h = c->session;
    if (h->head_sent) { /* an answer is under way; another head would be part of its body */
        conn_end(c, ENDING_FIN);
        return;
    }
    queue text = {0};
    queue_format(&text, "%.200s\n", why == NULL ? "" : why);
    queue head = {0};
    queue_format(&head, "HTTP/1.1 %d %s\r\ncontent-length: %zu\r\nconnection: close\r\n\r\n",
                 status, h1_reason(status), queue_length(&text));
    conn_write(c, queue_head(&head), queue_length(&head));
    conn_write(c, queue_head(&text), queue_length(&text));
    queue_clear(&head);
    queue_clear(&text);
    conn_end(c, ENDING_FIN);
}

static void next_field(h1 *h)
{
    queue_clear(&h->name);
    queue_clear(&h->value);
}

static int on_begin(llhttp_t *parser)
{
    conn *c = parser->data;
    h1 *h = c->session;
    assert(h->current == NULL);
    h->current = exchange_new(c, 0);
    h->head_complete = false;
    queue_clear(&h->target);
    next_field(h);
    return 0;
}

/* A data callback's answer: the head may grow no further. */
static int over_limit(h1 *h, size_t length)
{
    h->head_octets += length;
    h->head_too_long = h->head_octets > HEAD_LIMIT;
    return h->head_too_long ? HPE_USER : 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t length)
{
    h1 *h = ((conn *)parser->data)->session;
    queue_append(&h->target, at, length);
    return over_limit(h, length);
}

static int on_name(llhttp_t *parser, const char *at, size_t length)
{
    h1 *h = ((conn *)parser->data)->session;
    queue_append(&h->name, at, length);
    return over_limit(h, length);
}

static int on_value(llhttp_t *parser, const char *at, size_t length)
{
    h1 *h = ((conn *)parser->data)->session;
    queue_append(&h->value, at, length);
    return over_limit(h, length);
}

static int on_value_complete(llhttp_t *parser)
{
    h1 *h = ((conn *)parser->data)->session;
    fields *into = h->head_complete ? &h->current->trailers : &h->current->request;
    bool fits = fields_add_octets(into, queue_head(&h->name), queue_length(&h->name),
                                  queue_head(&h->value), queue_length(&h->value));
    next_field(h);
    h->head_too_long = !fits;
    return fits ? 0 : HPE_USER;
}

static int on_head(llhttp_t *parser)
{
    h1 *h = ((conn *)parser->data)->session;
    exchange *x = h->current;
    h->head_complete = true;
    x->method = must_copy(llhttp_method_name((llhttp_method_t)parser->method),
                          strlen(llhttp_method_name((llhttp_method_t)parser->method)));
    x->target = must_copy(queue_head(&h->target), queue_length(&h->target));
    x->keep_alive = llhttp_should_keep_alive(parser) == 1;
    x->http10 = parser->http_major == 1 && parser->http_minor == 0;
    x->keep_alive = x->keep_alive && !x->http10;
    x->upgrade_asked = parser->upgrade != 0;
    parser->upgrade = 0;
    exchange_head_complete(x);
    if (x->plan.tunnel) {
        parser->upgrade = 1;
        return 2;
    }
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t length)
{
    h1 *h = ((conn *)parser->data)->session;
    exchange_body(h->current, (const uint8_t *)at, length);
    return 0;
}

static int on_complete(llhttp_t *parser)
{
    conn *c = parser->data;
    h1 *h = c->session;
    if (h->current->plan.tunnel) {
        return 0; /* the tunnel's end is the peer's */
    }
    exchange_ended(h->current);
    return HPE_PAUSED;
}
