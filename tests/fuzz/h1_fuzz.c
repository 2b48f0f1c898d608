/* SPDX-License-Identifier: MIT */
/*
 * Any octets from the peer, in any split, to an HTTP/1.1 connection.
 *
 * The first three octets choose the request, the limits and the split; the rest is what the peer
 * sends. Every input is run three times.
 *
 *   whole and split   give the same events, rows and facts; what a plain llhttp also takes for a
 *                     complete response has the same content for both
 *   unruly            the split run, with an exchange that writes, stops reading, cancels and gives
 *                     way to others, and with an allocation that fails
 *
 * In all of them the laws hold after each call, events come in their order and end in one outcome,
 * the inbox keeps below its limit, each octet is in one row, and llhttp refuses nothing that the
 * scanner let pass.
 */
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

#include "proto/failure.h"
#include "proto/h1.h"
#include "support/text.h"

#define CHOICES 3

typedef struct choices {
    uint8_t request;
    uint8_t limits;
    uint8_t split;
} choices;

typedef struct run {
    const choices *chosen;
    bool is_split;
    bool is_unruly;
    uint32_t random;
    size_t allocations;
    size_t fail_at;
    size_t live;
    weir_allocator allocator;
    weir_bin bin;
    weir_conn_limits limits;
    weir_conn *conn;
    weir_stream *stream;
    size_t fed_octets;
    weir_conn_event_kind last;
    bool has_outcome;
    bool reads_not;
    bool confuses_oracle; /* ask_oracle() */
    bool has_coding;
    weir_text body; /* of the first exchange */
    weir_text log;
    unsigned exchanges;
} run;

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length);

static void go(run *r, const choices *chosen, weir_span octets);
static void finish(run *r);
static void open_exchange(run *r);
static void close_exchange(run *r);
static void feed(run *r, weir_span octets);
static void end_input(run *r);
static void be_unruly(run *r);
static void send_some(run *r, size_t limit);
static void pull(run *r);
static void log_message(run *r, weir_message *message);
static void read_inbox(run *r, size_t limit);
static void check(run *r);
static uint32_t next_random(run *r);
static void require(bool fact);

static void ask_oracle(const run *r, weir_span octets);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
    if (length < CHOICES) {
        return 0;
    }
    choices chosen = {octets[0], octets[1], octets[2]};
    weir_span input = {octets + CHOICES, length - CHOICES};

    run whole = {.is_split = false};
    run split = {.is_split = true};
    run unruly = {.is_split = true, .is_unruly = true};
    go(&whole, &chosen, input);
    go(&split, &chosen, input);
    go(&unruly, &chosen, input);

    require(strcmp(weir_text_string(&whole.log), weir_text_string(&split.log)) == 0);
    require(whole.body.length == split.body.length);
    require(whole.body.length == 0 || memcmp(whole.body.at, split.body.at, whole.body.length) == 0);
    ask_oracle(&whole, input);
    finish(&whole);
    finish(&split);
    finish(&unruly);
    return 0;
}

static void *allocate(size_t octets, void *user)
{
    run *r = user;
    r->allocations++;
    if (r->allocations == r->fail_at) {
        return NULL;
    }
    r->live++;
    return malloc(octets);
}

static void release(void *at, void *user)
{
    run *r = user;
    r->live -= at != NULL;
    free(at);
}

static void *resize(void *at, size_t octets, void *user)
{
    run *r = user;
    r->allocations++;
    if (r->allocations == r->fail_at) {
        return NULL;
    }
    r->live += at == NULL;
    return realloc(at, octets);
}

static void go(run *r, const choices *chosen, weir_span octets)
{
    static const uint32_t few[] = {0, 1, 7, 40, 100};
    uint8_t limits = chosen->limits;
    weir_status status;
    r->chosen = chosen;
    r->random = chosen->split * 2654435761u + 1;
    r->fail_at = r->is_unruly && chosen->split % 4 == 0 ? 1 + next_random(r) % 24 : 0;
    r->allocator = (weir_allocator){.size = sizeof(r->allocator),
                                    .user = r,
                                    .alloc = allocate,
                                    .resize = resize,
                                    .release = release};
    weir_bin_init(&r->bin, &r->allocator, limits % 3);
    const weir_conn_limits given = {
        .bare_lf = limits & 0x80,
        .head_octets = limits & 1 ? 200 : 0,
        .fields = limits & 2 ? 3 : 0,
        .informational = limits & 4 ? 1 : 0,
        .chunk_octets = limits & 8 ? 10 : 0,
        .inbox_octets = few[(limits >> 4) % WEIR_COUNT_OF(few)],
        .out_octets = r->is_unruly ? few[(limits >> 5) % WEIR_COUNT_OF(few)] : 0,
    };
    r->limits = weir_conn_limits_fill(&given, WEIR_H1);
    weir_conn_options options = {
        .protocol = WEIR_H1,
        .over_tls = chosen->request & 0x80,
        .allocator = &r->allocator,
        .bin = &r->bin,
        .limits = &r->limits,
    };
    r->conn = weir_conn_new(&options, 0, &status);
    require((status == WEIR_OK) == (r->conn != NULL));
    if (!r->conn) {
        return;
    }
    open_exchange(r);
    feed(r, octets);
    end_input(r);
    close_exchange(r);
    weir_facts facts = weir_conn_facts(r->conn);
    weir_text_printf(&r->log, "facts %d %llu\n", (int)facts.unfit,
                     (unsigned long long)facts.keep_alive_ns);
    require(!facts.accepting);
    check(r);
    weir_conn_free(r->conn);
    r->conn = NULL;
}

static void finish(run *r)
{
    require(!r->conn);
    weir_bin_clear(&r->bin);
    require(r->live == 0);
    weir_text_clear(&r->body);
    weir_text_clear(&r->log);
}

static void open_exchange(run *r)
{
    static const struct {
        const char *method;
        weir_framing framing;
        bool is_head;
        bool is_connect;
    } requests[] = {
        {"GET", WEIR_FRAMING_NONE, false, false},     {"GET", WEIR_FRAMING_NONE, false, false},
        {"GET", WEIR_FRAMING_NONE, false, false},     {"HEAD", WEIR_FRAMING_NONE, true, false},
        {"CONNECT", WEIR_FRAMING_NONE, false, true},  {"POST", WEIR_FRAMING_LENGTH, false, false},
        {"POST", WEIR_FRAMING_CHUNKED, false, false},
    };
    size_t i = r->chosen->request % WEIR_COUNT_OF(requests);
    weir_head head = {
        .method = weir_span_of(requests[i].method),
        .authority = WEIR_SPAN("a"),
        .path = WEIR_SPAN("/"),
        .body = {requests[i].framing, 100},
        .says_length = requests[i].framing == WEIR_FRAMING_LENGTH,
        .is_head = requests[i].is_head,
        .is_connect = requests[i].is_connect,
        .hint = (weir_hint)(r->chosen->split % (WEIR_HINT_DUPLEX + 1)),
    };
    weir_fields_init(&head.fields, &r->allocator);
    weir_status status = weir_conn_open(r->conn, &head, r, 0, &r->stream);
    r->has_outcome = false;
    r->last = WEIR_CONN_NOTHING;
    if (status != WEIR_OK) {
        require(status == WEIR_E_NOMEM || status == WEIR_E_NOT_ACCEPTING);
        r->stream = NULL;
        return;
    }
    r->exchanges++;
    send_some(r, r->is_unruly && r->chosen->split % 8 == 1 ? 0 : SIZE_MAX);
    check(r);
}

static void close_exchange(run *r)
{
    weir_tally tally;
    if (!r->stream) {
        return;
    }
    read_inbox(r, SIZE_MAX);
    const weir_h1 *h1 = WEIR_CONTAINER_OF(r->conn, weir_h1, conn);
    require(!h1->open->decode.section.has_disagreed);
    weir_text_printf(&r->log, "dropped %u\n", (unsigned)h1->open->decode.dropped_trailers);
    weir_conn_close(r->conn, r->stream, 0, &tally);
    r->stream = NULL;
    weir_text_printf(
        &r->log, "tally %llu %llu %llu %llu\n", (unsigned long long)tally.head.received,
        (unsigned long long)tally.body.received, (unsigned long long)tally.trailers.received,
        (unsigned long long)tally.framing.received);
    check(r);
}

static void feed(run *r, weir_span octets)
{
    while (octets.length > 0) {
        size_t piece = octets.length;
        if (r->is_split) {
            piece = weir_min(piece, 1 + next_random(r) % (1 + r->chosen->split % 32));
        }
        uint8_t *borrowed = malloc(piece);
        require(borrowed != NULL);
        memcpy(borrowed, octets.at, piece);
        size_t room = weir_conn_room(r->conn);
        size_t taken = weir_conn_feed(r->conn, (weir_span){borrowed, piece}, 0);
        free(borrowed);
        require(taken <= piece);
        require(taken > 0 || room == 0);
        r->fed_octets += taken;
        octets = weir_span_from(octets, taken);
        check(r);
        pull(r);
        if (r->is_unruly) {
            be_unruly(r);
        }
        if (taken == 0 && r->stream) {
            read_inbox(r, SIZE_MAX);
        }
    }
}

static void end_input(run *r)
{
    static const weir_status ends[] = {WEIR_OK, WEIR_E_UNFRAMED, WEIR_E_RESET};
    weir_failure failure =
        weir_failure_of(ends[r->chosen->request / 8 % WEIR_COUNT_OF(ends)], NULL);
    weir_conn_end(r->conn, &failure, 0);
    check(r);
    pull(r);
    require(!r->stream || r->has_outcome);
}

/* Whatever an exchange may do at any time. */
static void be_unruly(run *r)
{
    uint32_t what = next_random(r);
    if (!r->stream) {
        if (r->exchanges < 5) {
            open_exchange(r);
        }
        return;
    }
    size_t taken;
    static const uint8_t content[16] = "0123456789abcde";
    switch (what >> 8 & 15) {
    case 0:
        weir_conn_cancel(r->conn, r->stream, 0, 0);
        r->has_outcome = true;
        break;
    case 1:
    case 2:
        close_exchange(r);
        break;
    case 3:
        r->reads_not = !r->reads_not;
        break;
    case 4:
    case 5:
    case 6:
        (void)weir_conn_write(r->conn, r->stream,
                              (weir_body_part){{content, what >> 16 & 15}, what >> 24 & 1}, 0,
                              &taken);
        break;
    case 7:
        send_some(r, what >> 16 & 63);
        break;
    case 8:
        read_inbox(r, what >> 16 & 63);
        break;
    case 9:
        if ((what >> 16 & 15) == 0) {
            weir_conn_shutdown(r->conn, 0);
        }
        break;
    default:
        break;
    }
    check(r);
    pull(r);
}

static void send_some(run *r, size_t limit)
{
    while (limit > 0) {
        size_t octets = weir_min(limit, weir_conn_pending(r->conn, 0).length);
        if (octets == 0) {
            return;
        }
        weir_conn_sent(r->conn, octets, 0);
        limit -= octets;
    }
}

static void pull(run *r)
{
    weir_conn_event event;
    while (weir_conn_next_event(r->conn, &event)) {
        require(event.stream == r->stream);
        require(!r->has_outcome || event.kind == WEIR_CONN_WRITABLE);
        switch (event.kind) {
        case WEIR_CONN_INFORMATIONAL:
            require(r->last == WEIR_CONN_NOTHING || r->last == WEIR_CONN_INFORMATIONAL);
            require(event.message->code / 100 == 1);
            log_message(r, event.message);
            break;
        case WEIR_CONN_HEAD:
            require(r->last == WEIR_CONN_NOTHING || r->last == WEIR_CONN_INFORMATIONAL);
            require(event.message->code >= 200);
            log_message(r, event.message);
            break;
        case WEIR_CONN_BODY:
            require(r->last == WEIR_CONN_HEAD || r->last == WEIR_CONN_BODY);
            if (!r->reads_not) {
                read_inbox(r, SIZE_MAX);
            }
            break;
        case WEIR_CONN_TRAILERS:
            require(r->last == WEIR_CONN_HEAD || r->last == WEIR_CONN_BODY);
            require(event.message->fields.count > 0);
            log_message(r, event.message);
            break;
        case WEIR_CONN_END:
            require(r->last >= WEIR_CONN_HEAD);
            r->has_outcome = true;
            weir_text_printf(&r->log, "end\n");
            break;
        case WEIR_CONN_FAILED:
            require(event.failure.status != WEIR_OK);
            r->has_outcome = true;
            weir_text_printf(&r->log, "failed %d %d %llu\n", (int)event.failure.status,
                             (int)event.failure.phase, (unsigned long long)event.failure.offset);
            break;
        case WEIR_CONN_WRITABLE:
            require(r->is_unruly);
            continue;
        case WEIR_CONN_STOP:
        case WEIR_CONN_NOTHING:
            require(false);
        }
        r->last = event.kind;
    }
}

static void log_message(run *r, weir_message *message)
{
    weir_field field;
    weir_text_printf(&r->log, "%d %llu %d ", message->code,
                     (unsigned long long)message->length_octets, message->has_content);
    weir_text_escape(&r->log, message->reason);
    for (size_t i = 0; weir_fields_at(&message->fields, i, &field); i++) {
        weir_text_printf(&r->log, "\n| ");
        weir_text_escape(&r->log, field.name);
        weir_text_printf(&r->log, ": ");
        weir_text_escape(&r->log, field.value);
        /* Neither could be written into another head as something else. */
        require(field.name.length > 0);
        require(memchr(field.name.at, '\n', field.name.length) == NULL);
        require(field.value.length == 0 ||
                (memchr(field.value.at, '\n', field.value.length) == NULL &&
                 memchr(field.value.at, '\r', field.value.length) == NULL &&
                 memchr(field.value.at, '\0', field.value.length) == NULL));
    }
    weir_text_printf(&r->log, "\n");
    bool is_empty = message->code / 100 == 1 || message->code == 204 || message->code == 304;
    weir_span coding;
    r->has_coding |= weir_fields_find(&message->fields, WEIR_SPAN("transfer-encoding"), 0, &coding);
    r->confuses_oracle |= is_empty && (message->length_octets != WEIR_UNKNOWN || r->has_coding);
    weir_message_free(message);
}

static void read_inbox(run *r, size_t limit)
{
    uint8_t piece[61];
    while (limit > 0) {
        size_t length =
            weir_conn_read(r->conn, r->stream, piece, weir_min(limit, sizeof(piece)), 0);
        if (length == 0) {
            return;
        }
        weir_text_append(&r->body, (weir_span){piece, length});
        limit -= length;
    }
}

static void check(run *r)
{
    weir_account account;
    weir_ledger_account(weir_conn_ledger(r->conn), &account);
    require(weir_tally_plain(&account.exchanges).received +
                account.rows[WEIR_ROW_UNREAD].received ==
            r->fed_octets);
    require(weir_ledger_plain_holds(weir_conn_ledger(r->conn)));
    if (r->stream) {
        require(r->stream->inbox.octets <= r->stream->inbox.limit_octets);
    }
}

static uint32_t next_random(run *r)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 17;
    r->random ^= r->random << 5;
    return r->random;
}

static void require(bool fact)
{
    if (!fact) {
        abort();
    }
}

/* --- the oracle: a plain llhttp that reads bodies too --- */

typedef struct oracle {
    weir_text body;
    bool is_complete;
} oracle;

static int oracle_body(llhttp_t *llhttp, const char *at, size_t length)
{
    oracle *o = llhttp->data;
    if (!o->is_complete) {
        weir_text_append(&o->body, (weir_span){(const uint8_t *)at, length});
    }
    return 0;
}

static int oracle_complete(llhttp_t *llhttp)
{
    oracle *o = llhttp->data;
    o->is_complete = o->is_complete || llhttp->status_code >= 200;
    return 0;
}

/*
 * Two readers that both see a complete response to GET must see the same content: where they do
 * not, one of them can be made to take a part of it for something else. Two differences are known,
 * and in both the RFC is with us: llhttp reads content of 1xx, 204 and 304 that have framing fields
 * (RFC 9112 s6.3), and takes a tab behind "chunked" for a part of the name (RFC 9110 s5.5), so that
 * it reads until the close.
 */
static void ask_oracle(const run *r, weir_span octets)
{
    static const llhttp_settings_t settings = {
        .on_body = oracle_body,
        .on_message_complete = oracle_complete,
    };
    bool is_get = r->chosen->request % 7 < 3;
    bool has_tab = octets.length > 0 && memchr(octets.at, '\t', octets.length) != NULL;
    bool is_known = r->confuses_oracle || (r->has_coding && has_tab);
    if (!is_get || is_known || !strstr(weir_text_string(&r->log), "\nend\n") ||
        octets.length == 0) {
        return;
    }
    oracle o = {.is_complete = false};
    llhttp_t llhttp;
    llhttp_init(&llhttp, HTTP_RESPONSE, &settings);
    llhttp.data = &o;
    if (llhttp_execute(&llhttp, (const char *)octets.at, octets.length) == HPE_OK) {
        (void)llhttp_finish(&llhttp);
    }
    if (o.is_complete) {
        require(o.body.length == r->body.length);
        require(o.body.length == 0 || memcmp(o.body.at, r->body.at, o.body.length) == 0);
    }
    weir_text_clear(&o.body);
}
