/* SPDX-License-Identifier: MIT */
/*
 * HTTP/2 over nghttp2. The session takes and gives memory only; conn.c moves it.
 *
 * Flow control towards us: the connection's window is given back as DATA arrives, a stream's only
 * as its case has used the octets (at once, unless it echoes), so an echo owes at most a window.
 * An exchange lives from its HEADERS to on_stream_close.
 */
#include "h2.h"

#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_OUT_LIMIT = 16 * 1024 * 1024 };

typedef struct h2 {
    nghttp2_session *session;
    exchange *open;
    uint64_t pings;
    bool goaway_sent;
} h2;

static void start(conn *c);
static bool feed(conn *c);
static bool produce(conn *c);
static void peer_ended(conn *c);
static bool busy(const conn *c);
static void interim(exchange *x, int status);
static void answer(exchange *x);
static void resume(exchange *x);
static void drop(exchange *x);
static void finish(conn *c);

const protocol h2_protocol = {
    .name = "h2",
    .start = start,
    .feed = feed,
    .produce = produce,
    .peer_ended = peer_ended,
    .busy = busy,
    .interim = interim,
    .answer = answer,
    .resume = resume,
    .drop = drop,
    .finish = finish,
};

static bool is_over(const h2 *h);
static nghttp2_session *session_of(const conn *c);
static void new_session(h2 *h, conn *c);
static nghttp2_nv *fields_to_nv(const fields *f, const char *status, size_t *count);
static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *out, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *user);
static void end_body(exchange *x, uint32_t *flags);
static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user);
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_octets, const uint8_t *value, size_t value_octets, uint8_t flags,
                     void *user);
static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user);
static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *octets,
                   size_t count, void *user);
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user);
static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user);
static void unlink_exchange(h2 *h, exchange *x);
static ssize_t choose_padding(nghttp2_session *session, const nghttp2_frame *frame, size_t most,
                              void *user);
static bool take_pseudo(exchange *x, const uint8_t *name, size_t name_octets, const uint8_t *value,
                        size_t value_octets);

bool h2_goaway(conn *c, uint32_t last_stream, uint32_t code)
{
    return c->protocol == &h2_protocol &&
           nghttp2_submit_goaway(session_of(c), NGHTTP2_FLAG_NONE,
                                 (int32_t)(last_stream & 0x7fffffff), code, NULL, 0) == 0;
}

bool h2_ping(conn *c)
{
    uint8_t opaque[8];
    if (c->protocol != &h2_protocol) {
        return false;
    }
    uint64_t number = ((h2 *)c->session)->pings++;
    memcpy(opaque, &number, sizeof opaque);
    return nghttp2_submit_ping(session_of(c), NGHTTP2_FLAG_NONE, opaque) == 0;
}

bool h2_settings(conn *c, h2_change change)
{
    const nghttp2_settings_entry all[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, change.max_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, change.window},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, change.frame},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, change.table},
    };
    nghttp2_settings_entry sent[4];
    size_t count = 0;
    if (c->protocol != &h2_protocol) {
        return false;
    }
    for (size_t i = 0; i < 4; i++) {
        if (all[i].value != UINT32_MAX) {
            sent[count++] = all[i];
        }
    }
    return nghttp2_submit_settings(session_of(c), NGHTTP2_FLAG_NONE, sent, count) == 0;
}

bool h2_window(conn *c, int32_t stream, uint32_t octets)
{
    return c->protocol == &h2_protocol &&
           nghttp2_session_set_local_window_size(session_of(c), NGHTTP2_FLAG_NONE, stream,
                                                 (int32_t)(octets & 0x7fffffff)) == 0;
}

bool h2_reset(exchange *x, uint32_t code)
{
    return x->conn->protocol == &h2_protocol &&
           nghttp2_submit_rst_stream(session_of(x->conn), NGHTTP2_FLAG_NONE, x->stream, code) == 0;
}

static void start(conn *c)
{
    const options *o = c->server->options;
    h2 *h = must_alloc(sizeof *h);
    c->session = h;
    new_session(h, c);
    (void)h2_settings(c, (h2_change){
                             .max_streams = o->max_streams,
                             .window = o->window,
                             .frame = o->frame == 16384 ? UINT32_MAX : o->frame,
                             .table = o->table == 4096 ? UINT32_MAX : o->table,
                         });
    if (o->window > 65535) {
        (void)h2_window(c, 0, o->window);
    }
}

static bool feed(conn *c)
{
    size_t length = queue_length(&c->in);
    if (length == 0) {
        return false;
    }
    ssize_t taken = nghttp2_session_mem_recv(session_of(c), queue_head(&c->in), length);
    if (taken < 0) { /* not even the preface was right: there is nobody to talk to */
        conn_end(c, ENDING_FIN);
    }
    queue_consume(&c->in, length);
    return true;
}

static bool produce(conn *c)
{
    bool wrote = false;
    while (conn_room(c) > 0) {
        const uint8_t *octets;
        ssize_t count = nghttp2_session_mem_send(session_of(c), &octets);
        if (count <= 0) {
            break;
        }
        conn_write(c, octets, (size_t)count);
        wrote = true;
    }
    if (!wrote && !c->raw_due && conn_room(c) > 0 && is_over(c->session)) {
        conn_end(c, ENDING_FIN);
    }
    return wrote;
}

static void peer_ended(conn *c)
{
    conn_end(c, ENDING_FIN);
}

/*
 * Our GOAWAY and all before it is done. A GOAWAY of the peer's is no reason to end: it is about to
 * close, and octets that cross its close would be counted here and received nowhere.
 */
static bool is_over(const h2 *h)
{
    return h->goaway_sent && nghttp2_session_want_read(h->session) == 0 &&
           nghttp2_session_want_write(h->session) == 0;
}

static bool busy(const conn *c)
{
    return ((const h2 *)c->session)->open != NULL;
}

static void interim(exchange *x, int status)
{
    char code[8] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                    (char)('0' + status % 10)};
    fields f = {0};
    if (status == 103) {
        (void)fields_add(&f, "link", "</style.css>; rel=preload; as=style");
    }
    size_t count;
    nghttp2_nv *nv = fields_to_nv(&f, code, &count);
    (void)nghttp2_submit_headers(session_of(x->conn), NGHTTP2_FLAG_NONE, x->stream, NULL, nv, count,
                                 NULL);
    free(nv);
    fields_clear(&f);
}

static void answer(exchange *x)
{
    char code[8] = {(char)('0' + x->plan.status / 100), (char)('0' + x->plan.status / 10 % 10),
                    (char)('0' + x->plan.status % 10)};
    if (x->plan.framing == FRAMING_LENGTH && x->plan.declared != UNDECLARED) {
        fields_format(&x->plan.fields, "content-length", "%llu",
                      (unsigned long long)x->plan.declared);
    }
    size_t count;
    nghttp2_nv *nv = fields_to_nv(&x->plan.fields, code, &count);
    nghttp2_data_provider provider = {.source = {.ptr = x}, .read_callback = read_body};
    bool has_body = exchange_has_body(x);
    int error = nghttp2_submit_response(session_of(x->conn), x->stream, nv, count,
                                        has_body ? &provider : NULL);
    free(nv);
    if (error != 0) {
        (void)h2_reset(x, NGHTTP2_INTERNAL_ERROR);
    }
}

static void resume(exchange *x)
{
    (void)nghttp2_session_resume_data(session_of(x->conn), x->stream);
}

static void drop(exchange *x)
{
    (void)h2_reset(x, NGHTTP2_REFUSED_STREAM);
}

static void finish(conn *c)
{
    h2 *h = c->session;
    while (h->open != NULL) { /* deleting the session tells of no stream's end */
        unlink_exchange(h, h->open);
    }
    nghttp2_session_del(h->session);
    free(h);
    c->session = NULL;
}

static nghttp2_session *session_of(const conn *c)
{
    return ((const h2 *)c->session)->session;
}

static void new_session(h2 *h, conn *c)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) {
        exit(70);
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_select_padding_callback(callbacks, choose_padding);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_send_header_block_length(option, HEAD_OUT_LIMIT);
    if (nghttp2_session_server_new2(&h->session, callbacks, c, option) != 0) {
        exit(70);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
}

/* The array borrows from `f` and `status`; the caller frees it once submitted. */
static nghttp2_nv *fields_to_nv(const fields *f, const char *status, size_t *count)
{
    static char pseudo[] = ":status";
    nghttp2_nv *nv = must_alloc((f->count + 1) * sizeof *nv);
    size_t n = 0;
    if (status != NULL) {
        nv[n++] = (nghttp2_nv){(uint8_t *)pseudo, (uint8_t *)(uintptr_t)status, 7, 3, 0};
    }
    for (size_t i = 0; i < f->count; i++) {
        const field *one = &f->at[i];
        nv[n++] = (nghttp2_nv){(uint8_t *)one->name, (uint8_t *)one->value, strlen(one->name),
                               one->value_octets, 0};
    }
    *count = n;
    return nv;
}

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *out, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    exchange *x = source->ptr;
    (void)user;
    if (x->plan.piece > 0 && x->plan.piece < room) {
        room = (size_t)x->plan.piece;
    }
    body_piece got = exchange_read(x, out, room);
    if (got.count > 0 && x->plan.body == BODY_ECHO) {
        (void)nghttp2_session_consume_stream(session, stream, got.count);
    }
    if (got.last) {
        end_body(x, flags);
    } else if (got.count == 0) {
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)got.count;
}

static void end_body(exchange *x, uint32_t *flags)
{
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (x->plan.reset_stream) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM; /* on_sent sends RST_STREAM instead */
    } else if (x->plan.trailers.count > 0) {
        size_t count;
        nghttp2_nv *nv = fields_to_nv(&x->plan.trailers, NULL, &count);
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        (void)nghttp2_submit_trailer(session_of(x->conn), x->stream, nv, count);
        free(nv);
    }
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    conn *c = user;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        exchange *x = exchange_new(c, frame->hd.stream_id);
        h2 *h = c->session;
        x->next = h->open;
        if (h->open != NULL) {
            h->open->previous = x;
        }
        h->open = x;
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, x);
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_octets, const uint8_t *value, size_t value_octets, uint8_t flags,
                     void *user)
{
    exchange *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags;
    (void)user;
    if (x == NULL || take_pseudo(x, name, name_octets, value, value_octets)) {
        return 0;
    }
    fields *into = x->phase == PHASE_HEAD ? &x->request : &x->trailers;
    bool fits = fields_add_octets(into, name, name_octets, value, value_octets);
    return fits ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    (void)user;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
        return 0;
    }
    exchange *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (x == NULL) {
        return 0;
    }
    if (x->phase == PHASE_HEAD) {
        exchange_head_complete(x);
    }
    if (ends && !x->ended) {
        exchange_ended(x);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *octets,
                   size_t count, void *user)
{
    exchange *x = nghttp2_session_get_stream_user_data(session, stream);
    (void)flags;
    (void)user;
    (void)nghttp2_session_consume_connection(session, count);
    if (x == NULL) {
        return 0;
    }
    exchange_body(x, octets, count);
    if (x->plan.body != BODY_ECHO || x->phase == PHASE_SENT) {
        (void)nghttp2_session_consume_stream(session, stream, count);
    }
    return 0;
}

/* An answer is complete when its last frame has been made; a planned reset comes after that. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    conn *c = user;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        ((h2 *)c->session)->goaway_sent = true;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
        return 0;
    }
    exchange *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (x == NULL || x->phase != PHASE_ANSWERING) {
        return 0;
    }
    bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    /* nghttp2 makes no DATA frame of no octets without END_STREAM: then the head was the last. */
    bool may_be_last = frame->hd.type == NGHTTP2_DATA ||
                       (x->plan.octets == 0 && frame->headers.cat == NGHTTP2_HCAT_RESPONSE);
    bool all = may_be_last && x->plan.body == BODY_PATTERN && x->body_at == x->plan.octets;
    if (ends || (all && x->plan.reset_stream)) {
        bool reset = x->plan.reset_stream;
        uint32_t code = x->plan.code;
        exchange_sent(x);
        if (x->plan.say_close) {
            (void)h2_goaway(x->conn, (uint32_t)x->stream, NGHTTP2_NO_ERROR);
        }
        if (reset) {
            (void)h2_reset(x, code);
        }
        if (x->plan.ending != ENDING_NONE) {
            conn_end(x->conn, x->plan.ending);
        }
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    conn *c = user;
    exchange *x = nghttp2_session_get_stream_user_data(session, stream);
    (void)code;
    if (x != NULL) {
        nghttp2_session_set_stream_user_data(session, stream, NULL);
        unlink_exchange(c->session, x);
    }
    return 0;
}

static void unlink_exchange(h2 *h, exchange *x)
{
    if (x->next != NULL) {
        x->next->previous = x->previous;
    }
    *(x->previous != NULL ? &x->previous->next : &h->open) = x->next;
    exchange_free(x);
}

static ssize_t choose_padding(nghttp2_session *session, const nghttp2_frame *frame, size_t most,
                              void *user)
{
    const exchange *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)user;
    size_t length = frame->hd.length;
    uint64_t pad = x == NULL ? 0 : x->plan.pad;
    return (ssize_t)(length + pad < most ? length + (size_t)pad : most);
}

static bool take_pseudo(exchange *x, const uint8_t *name, size_t name_octets, const uint8_t *value,
                        size_t value_octets)
{
    const struct {
        const char *name;
        char **into;
    } pseudo[] = {
        {":method", &x->method},
        {":path", &x->target},
        {":authority", &x->authority},
        {":scheme", &x->scheme},
    };
    if (name_octets == 0 || name[0] != ':' || x->phase != PHASE_HEAD) {
        return false;
    }
    for (size_t i = 0; i < sizeof pseudo / sizeof pseudo[0]; i++) {
        if (name_octets == strlen(pseudo[i].name) &&
            memcmp(name, pseudo[i].name, name_octets) == 0 && *pseudo[i].into == NULL) {
            *pseudo[i].into = must_copy(value, value_octets);
            return true;
        }
    }
    return true;
}
