/* SPDX-License-Identifier: MIT */
/*
 * What the flags of a field promise, from the call to the wire and through a replay: WEIR_KEEP is
 * not copied, WEIR_FIELD_SENSITIVE is in no table of the compression (RFC 7541 s6.2.3) and in no
 * text.
 *
 * The server is one of the test's own. It resets its first connection behind the second request,
 * which is sent again over another; HTTP/2 is decoded by nghttp2, which tells how each field was written.
 */
#include "support/scold_way.h"
#include "support/world.h"

#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FRAME_HEAD_OCTETS 9
#define PREFACE_OCTETS    24
#define LONG_OCTETS       30000
#define SECRET            "s3cr3t-of-the-test"

enum { HEADERS = 1, END_STREAM = 1, REQUESTS = 4 };

/* What the server heard, of each request: "name: value" lines, those of fields that were written as
 * never to be indexed with a '!' before. Guarded by weir_scold_await(). */
typedef struct heard {
    bool h2;
    bool resets; /* the first connection */
    size_t connections;
    size_t requests;
    char heads[REQUESTS][2048];
    size_t block_octets[REQUESTS]; /* HTTP/2: of the head as it was written */
    uint8_t octets[16384];         /* of this connection, not yet taken apart */
    size_t count;
} heard;

static heard got;

static void note_field(char *head, size_t room, const nghttp2_nv *nv)
{
    const size_t at = strlen(head);

    (void)snprintf(head + at, room - at, "%s%.*s: %.*s\n",
                   (nv->flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0 ? "!" : "", (int)nv->namelen,
                   (const char *)nv->name, (int)nv->valuelen, (const char *)nv->value);
}

static void decode(heard *h, nghttp2_hd_inflater *inflater, const uint8_t *block, size_t octets)
{
    int flags = 0;

    h->block_octets[h->requests] = octets;
    while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
        nghttp2_nv nv;
        const ssize_t taken = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, block, octets, 1);
        if (taken < 0) {
            abort();
        }
        block += taken;
        octets -= (size_t)taken;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            note_field(h->heads[h->requests], sizeof(h->heads[0]), &nv);
        }
    }
    (void)nghttp2_hd_inflate_end_headers(inflater);
}

/* A whole request, which is taken off: the id of its stream, 1 on HTTP/1.1; 0: there is none yet.
 * Nobody here sends more than one frame of a head, or content that is longer than an octet. */
static uint8_t take_request(heard *h, nghttp2_hd_inflater *inflater)
{
    const uint8_t *end = memmem(h->octets, h->count, "\r\n\r\n", 4);
    uint8_t stream = 0;
    size_t at = 0;

    if (!h->h2) {
        at = end != NULL ? (size_t)(end - h->octets) + 4 : 0;
        at += at > 0 && memmem(h->octets, at, "content-length: 1\r\n", 19) != NULL ? 1 : 0;
        stream = at > 0 && at <= h->count ? 1 : 0;
        if (stream != 0) {
            (void)snprintf(h->heads[h->requests], sizeof(h->heads[0]), "%.*s", (int)at,
                           (const char *)h->octets);
        }
    }
    while (h->h2 && stream == 0 && at + FRAME_HEAD_OCTETS <= h->count) {
        const uint8_t *head = h->octets + at;
        const size_t length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (at + FRAME_HEAD_OCTETS + length > h->count) {
            break;
        }
        at += FRAME_HEAD_OCTETS + length;
        if (head[3] == HEADERS) {
            decode(h, inflater, head + FRAME_HEAD_OCTETS, length);
        }
        stream = head[3] <= HEADERS && (head[4] & END_STREAM) != 0 ? head[8] : 0;
    }
    if (h->h2 || stream != 0) {
        h->count -= at;
        memmove(h->octets, h->octets + at, h->count);
    }
    h->requests += stream != 0 ? 1 : 0;
    return stream;
}

static void answer(weir_scold_line *line, const heard *h, uint8_t stream)
{
    static const char h1[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    /* :status 200 with END_STREAM */
    const uint8_t h2[] = {0, 0, 1, HEADERS, 5, 0, 0, 0, stream, 0x88};

    if (h->h2) {
        weir_scold_write(line, h2, sizeof(h2));
    } else {
        weir_scold_write(line, h1, sizeof(h1) - 1);
    }
}

static void serve(weir_scold_line *line, void *user)
{
    static const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0};
    heard *h = user;
    nghttp2_hd_inflater *inflater = NULL;
    size_t preface = h->h2 ? PREFACE_OCTETS : 0;

    (void)nghttp2_hd_inflate_new(&inflater);
    h->count = 0;
    h->connections++;
    if (h->h2) {
        weir_scold_write(line, settings, sizeof(settings));
    }
    for (;;) {
        const size_t step =
            weir_scold_read(line, h->octets + h->count, sizeof(h->octets) - h->count);
        h->count += step;
        if (preface > 0 && h->count >= preface) {
            h->count -= preface;
            memmove(h->octets, h->octets + preface, h->count);
            preface = 0;
        }
        const uint8_t stream = preface == 0 ? take_request(h, inflater) : 0;
        if (stream != 0 && h->resets && h->connections == 1 && h->requests == 2) {
            line->resets = true;
            break;
        }
        if (stream != 0) {
            answer(line, h, stream);
        }
        if (step == 0) {
            break;
        }
    }
    nghttp2_hd_inflate_del(inflater);
}

/* Its first connection is idle then. */
static weir_scold *start(weir_world *world, bool resets, weir_ask *ask)
{
    got = (heard){.h2 = world->way.protocol == WEIR_H2, .resets = resets};
    weir_scold *server = weir_scold_way_start(world, serve, &got);

    *ask = weir_scold_way_ask(world, server);
    assert_int_equal(weir_world_fetch(world, ask).ended, WEIR_END);
    return server;
}

static void stop(weir_world *world, weir_scold *server)
{
    (void)weir_scold_way_end(world, server, got.resets ? 2 : 1);
}

static void assert_has(size_t request, const char *line)
{
    if (strstr(got.heads[request], line) == NULL) {
        fail_msg("request %zu has no line \"%s\":\n%s", request, line, got.heads[request]);
    }
}

/* The caller's own memory, which the source of the content writes over in the middle of a call. */
typedef struct scribbler {
    char copied[8];
    char kept[8];
} scribbler;

static weir_status scribble(void *to, size_t room, uint64_t offset, size_t *octets, void *user)
{
    scribbler *s = user;

    (void)room;
    memcpy(s->copied, "after", 5);
    memcpy(s->kept, "after", 5);
    memcpy(to, "x", 1);
    *octets = offset == 0 ? 1 : 0;
    return WEIR_END;
}

static bool rewind_it(void *user)
{
    (void)user;
    return true;
}

/* What was copied at the call is sent a second time as it was; what is kept stands where it stood,
 * and is read there. */
static void kept_is_read_again(weir_world *world)
{
    scribbler s = {"before", "before"};
    const weir_source source = {sizeof(source), &s, scribble, rewind_it};
    const weir_field fields[] = {
        {WEIR_SPAN("x-copied"), {(const uint8_t *)s.copied, 5}, 0},
        {WEIR_SPAN("x-kept"), {(const uint8_t *)s.kept, 5}, WEIR_KEEP},
    };
    weir_ask ask;
    weir_scold *server = start(world, true, &ask);

    ask.request.method = WEIR_SPAN("PUT");
    ask.request.fields = fields;
    ask.request.field_count = 2;
    ask.request.body = (weir_body){.kind = WEIR_BODY_SOURCE, .source = &source, .length_octets = 1};
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_END);
    stop(world, server);
    assert_int_equal(got.requests, 3);
    assert_has(1, "x-copied: befor");
    assert_has(1, "x-kept: befor");
    assert_has(2, "x-copied: befor");
    assert_has(2, "x-kept: after");
}

/* Octets that the world's client holds while a call with that field is answered. */
static size_t held(weir_world *world, uint32_t flags)
{
    static uint8_t value[LONG_OCTETS];
    const weir_field field = {WEIR_SPAN("x-long"), {value, LONG_OCTETS}, flags};
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;

    memset(value, 'v', sizeof(value));
    ask.request.fields = &field;
    ask.request.field_count = 1;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_code(exchange), 200);
    const size_t octets = atomic_load(&world->memory.live_octets);
    weir_world_drop(world, exchange);
    weir_world_close(world);
    return octets;
}

static void kept_is_not_copied(weir_world *world)
{
    const size_t copied = held(world, 0);

    assert_true(held(world, WEIR_KEEP) + LONG_OCTETS <= copied);
}

/* Twice over the second connection: what may be indexed is shorter then, a secret is not. */
static void sensitive_is_never_indexed(weir_world *world)
{
    const weir_field fields[] = {
        {WEIR_SPAN("x-plain"), WEIR_SPAN("a-value-that-may-be-indexed"), 0},
        {WEIR_SPAN("x-secret"), WEIR_SPAN(SECRET), WEIR_FIELD_SENSITIVE},
        {WEIR_SPAN("x-kept"), WEIR_SPAN(SECRET), WEIR_FIELD_SENSITIVE | WEIR_KEEP},
        {WEIR_SPAN("Proxy-Authorization"), WEIR_SPAN(SECRET), 0}, /* one whatever the flags say */
    };
    weir_ask ask;
    weir_scold *server = start(world, true, &ask);

    ask.request.fields = fields;
    ask.request.field_count = 4;
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    stop(world, server);
    assert_int_equal(got.connections, 2);
    assert_int_equal(got.requests, 4);
    for (size_t i = 1; i < 4; i++) {
        const bool h2 = world->way.protocol == WEIR_H2;
        assert_has(i, "\nx-plain: a-value-that-may-be-indexed");
        assert_has(i, h2 ? "\n!x-secret: " SECRET "\n" : "\r\nx-secret: " SECRET "\r\n");
        assert_has(i, h2 ? "\n!x-kept: " SECRET "\n" : "\r\nx-kept: " SECRET "\r\n");
        assert_has(i, h2 ? "\n!proxy-authorization: " SECRET "\n"
                         : "\r\nproxy-authorization: " SECRET "\r\n");
    }
    if (world->way.protocol == WEIR_H2) {
        /* The value of x-plain and the names are in the table now: the three secrets are not. */
        assert_in_range(got.block_octets[3], 3 * (sizeof(SECRET) - 1) * 5 / 8,
                        got.block_octets[2] - 20);
    }
}

static void assert_untold(const char *text)
{
    if (text != NULL && strstr(text, SECRET) != NULL) {
        fail_msg("the secret is told: %s", text);
    }
}

static void assert_unprinted(weir_world *world)
{
    static char text[65536];
    weir_snapshot *snapshot = weir_user_snapshot(world->user, NULL);

    assert_non_null(snapshot);
    assert_in_range(weir_snapshot_text(snapshot, text, sizeof(text)), 100, sizeof(text) - 1);
    assert_untold(text);
    weir_snapshot_free(snapshot);
}

/* While the call is under way, when it was refused for the secret itself, and behind it. */
static void sensitive_is_in_no_text(weir_world *world)
{
    const weir_field good[] = {{WEIR_SPAN("x-secret"), WEIR_SPAN(SECRET), WEIR_FIELD_SENSITIVE},
                               {WEIR_SPAN("cookie"), WEIR_SPAN(SECRET), 0}};
    const weir_field bad = {WEIR_SPAN("authorization"), WEIR_SPAN(SECRET "\n"), 0};
    weir_ask ask = weir_world_ask(world, "/octets/100000");
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};

    ask.request.fields = good;
    ask.request.field_count = 2;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_unprinted(world);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    weir_world_drop(world, exchange);
    ask.request.fields = &bad;
    ask.request.field_count = 1;
    fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.called, WEIR_E_FIELD_VALUE);
    assert_untold(fetched.failure.what);
    assert_unprinted(world);
    for (size_t i = 0; i < world->event_count; i++) {
        assert_untold(world->events[i].why);
        assert_untold(world->events[i].failure.what);
    }
}

static const weir_behaviour behaviours[] = {
    {"a kept field is read again for a replay, another was copied", kept_is_read_again, 0, NULL},
    {"a kept field is held by its caller alone", kept_is_not_copied, 0, NULL},
    {"a sensitive field is never indexed, nor in a replay", sensitive_is_never_indexed, 0, NULL},
    {"a sensitive field is in no text", sensitive_is_in_no_text, 0, NULL},
};

int main(void)
{
    return weir_world_run("fields", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
