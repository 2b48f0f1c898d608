/* SPDX-License-Identifier: MIT */
/* The HTTP/1.1 peer reads requests and sends scripts: see peer_h1.h. */
#include "peer_h1.h"

#include <stdlib.h>
#include <string.h>

#include "client.h"

#define HEAD_LIMIT 4096

typedef enum reading {
    READING_HEAD = 0,
    READING_COUNTED,
    READING_CHUNK_LINE,
    READING_CHUNK,
    READING_CHUNK_END,
    READING_TRAILERS
} reading;

typedef struct h1_peer {
    sim_peer *peer;
    reading reading;
    char text[HEAD_LIMIT]; /* of a head, a chunk line, a trailer section */
    size_t length;
    uint64_t left; /* of a counted body or chunk */
    uint64_t body_at;
    bool has_trailers;
    sim_request *request; /* whose body is being read; NULL: between two */
    sim_request *answering;
    bool begun;  /* its script is being sent */
    bool early;  /* it is answered before its body ended */
    bool silent; /* nothing more is answered */
    sim_script script;
    size_t sent;
    uint64_t idle_turn; /* counts requests, so that an old time-out is known as old */
} h1_peer;

static void connected(sim_peer *peer);
static void got(sim_peer *peer, weir_span octets);
static void saw_end(sim_peer *peer, bool reset);
static void meddle(sim_peer *peer);
static void calm(sim_peer *peer);
static bool rest_ends(sim_peer *peer);
static bool is_at_rest(const h1_peer *h1);
static size_t take_text(h1_peer *h1, weir_span octets, const char *end);
static size_t take_body(h1_peer *h1, weir_span octets);
static void head_complete(h1_peer *h1);
static void check_line(h1_peer *h1, size_t length);
static const char *field_of(const h1_peer *h1, const char *name);
static void begin_body(h1_peer *h1);
static void chunk_line_complete(h1_peer *h1);
static void request_complete(h1_peer *h1);
static void begin_answer(h1_peer *h1);
static void answer(sim_world *world, void *what, uint64_t unused);
static void send_piece(sim_world *world, void *what, uint64_t unused);
static void script_sent(h1_peer *h1);
static void idle_time_out(sim_world *world, void *what, uint64_t turn);
static void unasked(sim_world *world, void *what, uint64_t turn);

const sim_peer_kind sim_peer_h1 = {connected, got, saw_end, meddle, calm, rest_ends};

static void connected(sim_peer *peer)
{
    h1_peer *h1 = sim_room(peer->world, sizeof(*h1));

    h1->peer = peer;
    peer->own = h1;
}

static void got(sim_peer *peer, weir_span octets)
{
    h1_peer *h1 = peer->own;

    while (octets.length > 0) {
        size_t step = octets.length;
        if (peer->over) {
            peer->got_octets += step;
            return;
        }
        switch (h1->reading) {
        case READING_HEAD:
            step = take_text(h1, octets, "\r\n\r\n");
            break;
        case READING_CHUNK_LINE:
        case READING_CHUNK_END:
            step = take_text(h1, octets, "\r\n");
            break;
        case READING_TRAILERS:
            step = take_text(h1, octets,
                             h1->length == 0 && octets.at[0] == '\r' ? "\r\n"
                             : h1->text[0] == '\r'                   ? "\r\n"
                                                                     : "\r\n\r\n");
            break;
        case READING_COUNTED:
        case READING_CHUNK:
            step = take_body(h1, octets);
            break;
        }
        peer->got_octets += step;
        octets = weir_span_from(octets, step);
    }
}

/* A request that was cut short is nobody's fault: the call failed or was given up. */
static void saw_end(sim_peer *peer, bool reset)
{
    if (!reset) {
        (void)sim_peer_end(peer, true);
    }
}

static void meddle(sim_peer *peer)
{
    h1_peer *h1 = peer->own;

    if (h1->answering == NULL && h1->request == NULL && h1->length == 0) {
        idle_time_out(peer->world, h1, h1->idle_turn);
    }
}

static void calm(sim_peer *peer)
{
    h1_peer *h1 = peer->own;

    if (h1->silent && h1->answering != NULL && !h1->begun &&
        (h1->early || h1->answering->complete)) {
        h1->silent = false;
        begin_answer(h1);
    }
}

static bool rest_ends(sim_peer *peer)
{
    h1_peer *h1 = peer->own;
    const bool rests = is_at_rest(h1) && h1->length == 0;

    if (rests) {
        idle_time_out(peer->world, h1, h1->idle_turn);
    }
    return rests;
}

static bool is_at_rest(const h1_peer *h1)
{
    return h1->request == NULL && h1->answering == NULL;
}

/* -- reading -- */

/* Up to and with `end`, or all there is. */
static size_t take_text(h1_peer *h1, weir_span octets, const char *end)
{
    sim_world *world = h1->peer->world;
    const size_t end_length = strlen(end);

    for (size_t i = 0; i < octets.length; i++) {
        SIM_MUST(world, h1->length < HEAD_LIMIT - 1, "a request head without an end");
        h1->text[h1->length++] = (char)octets.at[i];
        h1->text[h1->length] = '\0';
        if (h1->length < end_length ||
            memcmp(h1->text + h1->length - end_length, end, end_length) != 0) {
            continue;
        }
        switch (h1->reading) {
        case READING_HEAD:
            head_complete(h1);
            break;
        case READING_CHUNK_LINE:
            chunk_line_complete(h1);
            break;
        case READING_CHUNK_END:
            SIM_MUST(world, h1->length == 2, "a chunk without its line end");
            h1->request->rows.framing += 2;
            h1->reading = READING_CHUNK_LINE;
            break;
        case READING_TRAILERS:
            /* The empty line ends the chunked coding, not the trailer section (RFC 9112 s7.1). */
            h1->request->rows.trailers += h1->length - 2;
            h1->request->rows.framing += 2;
            request_complete(h1);
            break;
        case READING_COUNTED:
        case READING_CHUNK:
            break;
        }
        h1->length = 0;
        return i + 1;
    }
    return octets.length;
}

static size_t take_body(h1_peer *h1, weir_span octets)
{
    sim_world *world = h1->peer->world;
    sim_request *request = h1->request;
    const size_t step = weir_min(h1->left, octets.length);
    const size_t wrong =
        sim_body_compare(SIM_BODY_OF_CALL | request->call, h1->body_at, octets.at, step);

    SIM_MUST(world, wrong == SIZE_MAX, "call %llu: octet %llu of the request's content is wrong",
             (unsigned long long)request->call, (unsigned long long)(h1->body_at + wrong));
    h1->body_at += step;
    h1->left -= step;
    request->rows.body += step;
    if (h1->left == 0) {
        if (h1->reading == READING_COUNTED) {
            request_complete(h1);
        } else {
            h1->reading = READING_CHUNK_END;
        }
    }
    return step;
}

static void head_complete(h1_peer *h1)
{
    sim_world *world = h1->peer->world;
    char method[16] = "";
    char *path = NULL;
    const char *space = strchr(h1->text, ' ');
    const size_t line = (size_t)(strstr(h1->text, "\r\n") - h1->text);

    SIM_MUST(world, space != NULL && (size_t)(space - h1->text) < sizeof(method),
             "a request line without a method");
    memcpy(method, h1->text, (size_t)(space - h1->text));
    SIM_MUST(world, strncmp(space, " /c/", 4) == 0, "a request for nothing of ours: %.*s",
             (int)line, h1->text);
    const uint64_t number = strtoull(space + 4, &path, 10);
    SIM_MUST(world, strncmp(path, " HTTP/1.1\r\n", 11) == 0,
             "a request line that does not end: %.*s", (int)line, h1->text);
    check_line(h1, line);
    if (h1->answering != NULL && h1->peer->socket->poisoned) {
        /* The call took octets that nobody had asked for as its answer. There is no way back from
         * that. */
        sim_peer_reset(h1->peer);
        return;
    }
    SIM_MUST(world, h1->answering == NULL, "call %llu: a request before the response to the last",
             (unsigned long long)number);
    sim_request *request = sim_peer_request(h1->peer, number, 0);
    const sim_call *call = sim_call_of(world, number);
    SIM_MUST(world, strcmp(call->method, method) == 0, "call %llu: method %s",
             (unsigned long long)number, method);
    request->is_head_method = strcmp(method, "HEAD") == 0;
    request->rows.head = h1->length;
    h1->request = request;
    h1->answering = request;
    h1->begun = false;
    h1->early = false;
    h1->idle_turn++;
    begin_body(h1);
}

/* No control octets, no bare line ends, one Host, nothing twice that must not be. */
static void check_line(h1_peer *h1, size_t line)
{
    sim_world *world = h1->peer->world;
    size_t hosts = 0;
    size_t framings = 0;

    for (size_t at = line + 2; at + 2 < h1->length;) {
        const char *field = h1->text + at;
        const char *end = strstr(field, "\r\n");
        const char *colon = memchr(field, ':', (size_t)(end - field));
        SIM_MUST(world, colon != NULL && colon > field && colon[-1] != ' ',
                 "a field without a name");
        hosts += strncasecmp(field, "host:", 5) == 0;
        framings += strncasecmp(field, "content-length:", 15) == 0 ||
                    strncasecmp(field, "transfer-encoding:", 18) == 0;
        for (const char *octet = field; octet < end; octet++) {
            SIM_MUST(world, (unsigned char)*octet >= ' ', "a control octet in a field");
        }
        at = (size_t)(end - h1->text) + 2;
    }
    SIM_MUST(world, hosts == 1 && framings <= 1, "%zu Host fields, %zu framings", hosts, framings);
}

/* The value of a field, NULL: it is not there. Valid as a number, or for its first octets. */
static const char *field_of(const h1_peer *h1, const char *name)
{
    const size_t length = strlen(name);

    for (const char *at = strstr(h1->text, "\r\n"); at != NULL; at = strstr(at + 2, "\r\n")) {
        if (strncasecmp(at + 2, name, length) == 0 && at[2 + length] == ':') {
            at += 3 + length;
            return at + strspn(at, " ");
        }
    }
    return NULL;
}

static void begin_body(h1_peer *h1)
{
    sim_world *world = h1->peer->world;
    const char *length = field_of(h1, "content-length");
    const char *coding = field_of(h1, "transfer-encoding");
    const char *expect = field_of(h1, "expect");

    h1->body_at = 0;
    h1->left = length != NULL ? strtoull(length, NULL, 10) : 0;
    SIM_MUST(world, coding == NULL || strncmp(coding, "chunked\r\n", 9) == 0,
             "a coding that is not chunked");
    h1->request->expects_continue = expect != NULL;
    h1->reading = coding != NULL ? READING_CHUNK_LINE : READING_COUNTED;
    if (coding == NULL && h1->left == 0) {
        request_complete(h1);
        return;
    }
    h1->early = sim_fault(world, SIM_FAULT_PEER_EARLY, &world->for_peers);
    h1->request->answered_early = h1->early;
    if (expect != NULL && !h1->early && sim_below(&world->for_peers, 3) != 0) {
        sim_script hundred = {0};
        sim_script_continue(h1->peer, h1->request, &hundred);
        sim_peer_send(h1->peer, (weir_span){hundred.octets, hundred.length});
    }
    if (h1->early) {
        begin_answer(h1);
    }
}

static void chunk_line_complete(h1_peer *h1)
{
    sim_world *world = h1->peer->world;
    char *end = NULL;

    h1->left = strtoull(h1->text, &end, 16);
    SIM_MUST(world, end > h1->text && strcmp(end, "\r\n") == 0, "a chunk line that is none");
    h1->request->rows.framing += h1->length;
    h1->reading = h1->left > 0 ? READING_CHUNK : READING_TRAILERS;
}

static void request_complete(h1_peer *h1)
{
    sim_world *world = h1->peer->world;
    sim_request *request = h1->request;
    const sim_call *call = sim_call_of(world, request->call);

    SIM_MUST(world,
             call->body_kind == WEIR_BODY_NONE ? h1->body_at == 0
                                               : h1->body_at == call->body_octets,
             "call %llu: the request has %llu octets of content instead of %llu",
             (unsigned long long)request->call, (unsigned long long)h1->body_at,
             (unsigned long long)call->body_octets);
    request->complete = true;
    h1->request = NULL;
    h1->reading = READING_HEAD;
    if (!h1->early && h1->answering == request) {
        begin_answer(h1);
    } else if (is_at_rest(h1)) {
        sim_peer_rests(h1->peer);
    }
}

/* -- answering -- */

static void begin_answer(h1_peer *h1)
{
    sim_world *world = h1->peer->world;

    if (h1->silent || sim_fault(world, SIM_FAULT_PEER_SILENT, &world->for_peers)) {
        h1->silent = true;
        return;
    }
    sim_peer_plan_response(h1->peer, h1->answering);
    sim_at(world, world->now_ns + sim_peer_pause(h1->peer), answer, h1, 0);
}

static void answer(sim_world *world, void *what, uint64_t unused)
{
    h1_peer *h1 = what;

    (void)unused;
    if (h1->peer->over) {
        return;
    }
    memset(&h1->script, 0, sizeof(h1->script));
    sim_script_write(h1->peer, h1->answering, &h1->script);
    h1->sent = 0;
    h1->begun = true;
    send_piece(world, h1, 0);
}

static void send_piece(sim_world *world, void *what, uint64_t unused)
{
    h1_peer *h1 = what;
    sim_script *script = &h1->script;
    size_t step = script->cut - h1->sent;
    const bool drips = step > 1 && sim_fault(world, SIM_FAULT_PEER_DRIPS, &world->for_peers);

    (void)unused;
    if (h1->peer->over) {
        return;
    }
    if (drips) {
        step = 1 + weir_min(step - 2, sim_spread(&world->for_peers, step - 1));
    }
    if (h1->sent + step >= script->valid_end && !script->closes) {
        h1->answering->response.complete = true;
    }
    sim_peer_send(h1->peer, (weir_span){script->octets + h1->sent, step});
    h1->sent += step;
    if (h1->answering->response.code == SIM_MISDIRECTED && script->head_end > 0 &&
        h1->sent >= script->head_end && h1->answering->misdirected_ns == 0) {
        h1->answering->misdirected_ns = world->now_ns;
    }
    if (h1->sent < script->cut) {
        sim_at(world, world->now_ns + sim_spread(&world->for_peers, 10 * WEIR_NS_PER_SECOND),
               send_piece, h1, 0);
        return;
    }
    script_sent(h1);
}

static void script_sent(h1_peer *h1)
{
    sim_world *world = h1->peer->world;
    const sim_script *script = &h1->script;
    sim_request *request = h1->answering;

    h1->answering = NULL;
    const bool whole = script->cut >= script->valid_end;
    request->response.complete = whole && !script->closes_content;
    if (script->resets) {
        sim_peer_reset(h1->peer);
        return;
    }
    if (script->closes) {
        h1->peer->over = !script->half_closes;
        const bool orderly = sim_peer_end(h1->peer, !script->half_closes);
        request->response.complete = whole && (orderly || !script->closes_content);
        h1->silent = true;
        return;
    }
    if (is_at_rest(h1)) {
        sim_peer_rests(h1->peer);
    }
    if (script->keeps_ns > 0) {
        sim_at(world, world->now_ns + script->keeps_ns, idle_time_out, h1, h1->idle_turn);
    }
    if (sim_fault(world, SIM_FAULT_IDLE_CLOSE, &world->for_peers)) {
        sim_at(world, world->now_ns + sim_spread(&world->for_peers, 30 * WEIR_NS_PER_SECOND),
               idle_time_out, h1, h1->idle_turn);
    }
    if (sim_fault(world, SIM_FAULT_H1_UNASKED, &world->for_peers)) {
        sim_at(world, world->now_ns + sim_spread(&world->for_peers, 30 * WEIR_NS_PER_SECOND),
               unasked, h1, h1->idle_turn);
    }
}

static void idle_time_out(sim_world *world, void *what, uint64_t turn)
{
    h1_peer *h1 = what;

    (void)world;
    if (h1->idle_turn == turn && !h1->peer->over) {
        h1->peer->over = true;
        (void)sim_peer_end(h1->peer, true);
    }
}

/* A response that nobody asked for: response queue poisoning. */
static void unasked(sim_world *world, void *what, uint64_t turn)
{
    static const char poison[] = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-serial: 0\r\n\r\n";
    h1_peer *h1 = what;

    (void)world;
    if (h1->idle_turn == turn && !h1->peer->over) {
        h1->peer->socket->poisoned = true;
        sim_peer_send(h1->peer, WEIR_SPAN(poison));
    }
}
