/* SPDX-License-Identifier: MIT */
/* Cases that go wrong on purpose: cut short, early, refused, reset, malformed. */
#include "cases.h"

#include "h2.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { H2_NO_ERROR = 0, H2_INTERNAL_ERROR = 2, SURPLUS_LIMIT = 16384 };

static void reset_quietly(exchange *x);
static void raw_at_end(exchange *x);
static void surplus_after(exchange *x);
static ending ending_word(const ask *a);
static void take_base64(queue *out, const char *at, size_t count);
static int base64_digit(char c);
static void set_stream(queue *frames, int32_t stream);
static void put_u32(uint8_t *out, uint32_t value);
static uint32_t get_u32(const uint8_t *at);

void case_half(exchange *x, const ask *a)
{
    plan_pattern(x, a->number);
    x->plan.octets = a->number / 2;
    if (ask_flag(a, "chunked")) {
        x->plan.framing = FRAMING_CHUNKED;
    }
    if (!is_h2(x)) {
        x->plan.ending = ask_flag(a, "truncate") ? ENDING_ABRUPT : ENDING_FIN;
    }
    if (is_h2(x) && ask_flag(a, "rst")) {
        x->plan.reset_stream = true;
        x->plan.code = (uint32_t)ask_number(a, "code", H2_INTERNAL_ERROR);
    }
    if (ask_flag(a, "tcp")) {
        x->plan.ending = ENDING_RESET;
    }
}

void case_early(exchange *x, const ask *a)
{
    int status = a->number >= 200 && a->number <= 999 ? (int)a->number : 413;
    plan_text(x, status, "text/plain");
    queue_format(&x->plan.text, "early %d\n", status);
    x->plan.when = WHEN_HEAD;
    x->plan.delay_ms = ask_number(a, "ms", 0);
    x->plan.say_close = !is_h2(x) && !ask_flag(a, "keep");
    if (!is_h2(x) && ask_number(a, "linger", 1) == 0) {
        x->plan.ending = ENDING_CLOSE;
    }
    if (is_h2(x) && ask_flag(a, "rst")) {
        x->plan.after = reset_quietly;
    }
}

void case_expect(exchange *x, const ask *a)
{
    const char *word;
    size_t count;
    uint64_t ms = ask_number(a, "ms", 0);
    if (!ask_word(a, "answer", &word, &count)) {
        word = "100";
        count = 3;
    }
    if (count == 3 && (memcmp(word, "417", 3) == 0 || memcmp(word, "200", 3) == 0)) {
        plan_text(x, atoi(word), "text/plain");
        queue_text(&x->plan.text, "final\n");
        x->plan.when = WHEN_HEAD;
        x->plan.delay_ms = ms;
        x->plan.say_close = !is_h2(x) && !ask_flag(a, "keep");
        return;
    }
    case_sink(x, a);
    x->plan.continue_ms = ms;
    if (count == 4 && memcmp(word, "none", 4) == 0) {
        x->plan.expectation = EXPECT_IGNORE;
    }
}

void case_reset(exchange *x, const ask *a)
{
    uint64_t after = ask_number(a, "after", 0);
    plan_pattern(x, ask_number(a, "of", after + 1000));
    x->plan.octets = after;
    if (is_h2(x) && !ask_flag(a, "tcp")) {
        x->plan.reset_stream = true;
        x->plan.code = (uint32_t)ask_number(a, "code", H2_INTERNAL_ERROR);
    } else {
        x->plan.ending = ENDING_RESET;
        x->plan.reset_stream = is_h2(x);
    }
}

void case_refuse(exchange *x, const ask *a)
{
    const tally *t = tally_of(a);
    uint64_t times = ask_number(a, "times", 1);
    if (t == NULL || t->reached > times) {
        plan_text(x, 200, "text/plain");
        queue_text(&x->plan.text, "accepted\n");
        return;
    }
    x->plan.when = WHEN_NEVER;
    x->plan.refused = true;
    x->conn->protocol->drop(x);
}

void case_misdirect(exchange *x, const ask *a)
{
    const tally *t = tally_of(a);
    bool is_ours = t == NULL || t->reached > ask_number(a, "times", 1);
    x->plan.refused = !is_ours;
    plan_text(x, is_ours ? 200 : 421, "text/plain");
    queue_text(&x->plan.text, is_ours ? "accepted\n" : "misdirected\n");
}

void case_count(exchange *x, const ask *a)
{
    const tally *t = tally_of(a);
    if (t == NULL) {
        plan_cannot(x, "an id of 1 to 31 octets is needed");
        return;
    }
    plan_text(x, 200, "application/json");
    queue_format(&x->plan.text, "{\"reached\":%" PRIu64 ",\"processed\":%" PRIu64 "}\n", t->reached,
                 t->processed);
}

void case_processed(exchange *x, const ask *a)
{
    const tally *t = tally_of(a);
    if (t == NULL) {
        plan_cannot(x, "an id of 1 to 31 octets is needed");
        return;
    }
    plan_text(x, 200, "text/plain");
    queue_format(&x->plan.text, "%" PRIu64 "\n", t->processed + 1);
}

void case_raw(exchange *x, const ask *a)
{
    (void)a;
    x->plan.when = WHEN_NEVER;
    x->plan.keep_body = true;
    x->plan.at_end = raw_at_end;
}

void case_surplus(exchange *x, const ask *a)
{
    (void)a;
    plan_text(x, 200, "text/plain");
    queue_text(&x->plan.text, "complete\n");
    x->plan.after = surplus_after;
}

void case_alert(exchange *x, const ask *a)
{
    x->plan.when = WHEN_NEVER;
    if (!conn_alert(x->conn, (unsigned)ask_number(a, "code", 20))) {
        x->plan.when = WHEN_ENDED;
        plan_cannot(x, "only over TLS 1.3, and only 10, 20 or 22");
    }
}

static void reset_quietly(exchange *x)
{
    (void)h2_reset(x, H2_NO_ERROR);
}

/*
 * On HTTP/1.1 the octets are the answer in its place. On HTTP/2 they follow what the session still
 * has to send, and the session never learns of them: the stream stays open in it.
 */
static void raw_at_end(exchange *x)
{
    ask a = ask_of(x);
    const char *at;
    size_t count;
    queue octets = {0};
    queue_append(&octets, queue_head(&x->kept), queue_length(&x->kept));
    if (ask_word(&a, "b64", &at, &count)) {
        take_base64(&octets, at, count);
    }
    if (is_h2(x)) {
        if (ask_flag(&a, "stream")) {
            set_stream(&octets, x->stream);
        }
        conn_raw(x->conn, queue_head(&octets), queue_length(&octets), ending_word(&a));
    } else {
        conn_write(x->conn, queue_head(&octets), queue_length(&octets));
        x->plan.ending = ending_word(&a);
        x->phase = PHASE_SENT;
    }
    queue_clear(&octets);
}

static void surplus_after(exchange *x)
{
    ask a = ask_of(x);
    uint64_t wanted = ask_number(&a, "octets", 1);
    size_t count = wanted < SURPLUS_LIMIT ? (size_t)wanted : SURPLUS_LIMIT;
    queue octets = {0};
    if (is_h2(x)) { /* a DATA frame on the stream that has just ended */
        uint8_t head[9] = {0, (uint8_t)(count >> 8), (uint8_t)count, 0, 0};
        put_u32(head + 5, (uint32_t)x->stream);
        queue_append(&octets, head, sizeof head);
    }
    memset(queue_reserve(&octets, count), 'S', count);
    queue_commit(&octets, count);
    uint64_t ms = ask_number(&a, "ms", 0);
    if (ms > 0) {
        conn_raw_later(x->conn, queue_head(&octets), queue_length(&octets), ms);
    } else {
        conn_raw(x->conn, queue_head(&octets), queue_length(&octets), ENDING_NONE);
    }
    queue_clear(&octets);
}

static ending ending_word(const ask *a)
{
    static const struct {
        const char *word;
        ending how;
    } words[] = {{"keep", ENDING_NONE},
                 {"fin", ENDING_FIN},
                 {"abrupt", ENDING_ABRUPT},
                 {"reset", ENDING_RESET},
                 {"close", ENDING_CLOSE}};
    const char *at;
    size_t count;
    if (ask_word(a, "then", &at, &count)) {
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            if (strlen(words[i].word) == count && memcmp(words[i].word, at, count) == 0) {
                return words[i].how;
            }
        }
    }
    return ENDING_NONE;
}

/* Both alphabets of RFC 4648; what is in neither is skipped. */
static void take_base64(queue *out, const char *at, size_t count)
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < count; i++) {
        int digit = base64_digit(at[i]);
        if (digit < 0) {
            continue;
        }
        bits = (bits << 6) | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            uint8_t octet = (uint8_t)(bits >> held);
            queue_append(out, &octet, 1);
        }
    }
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const char *found = c == '\0' ? NULL : strchr(digits, c);
    if (found != NULL) {
        return (int)(found - digits);
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}

/* Walks whole frames and puts our stream where one names 2^31-1. */
static void set_stream(queue *frames, int32_t stream)
{
    size_t length = queue_length(frames);
    queue out = {0};
    queue_append(&out, queue_head(frames), length);
    for (size_t at = 0; at + 9 <= length;) {
        uint8_t *head = out.block + out.start + at;
        if ((get_u32(head + 5) & 0x7fffffff) == 0x7fffffff) {
            put_u32(head + 5, (uint32_t)stream);
        }
        at += 9 + ((size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2]);
    }
    queue_clear(frames);
    *frames = out;
}

static void put_u32(uint8_t *out, uint32_t value)
{
    out[0] = (uint8_t)(value >> 24);
    out[1] = (uint8_t)(value >> 16);
    out[2] = (uint8_t)(value >> 8);
    out[3] = (uint8_t)value;
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}
