/* SPDX-License-Identifier: MIT */
/*
 * The bench of the HTTP/1.1 connection: its steps. Its log is in h1_rig_log.c.
 */
#include "h1_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "h1_rig_log.h"
#include "proto/failure.h"

#define WORD_ROOM ((size_t)256)

typedef void step_function(weir_h1_rig *rig, const char *value);

static void step_limit(weir_h1_rig *rig, const char *value);
static void step_tls(weir_h1_rig *rig, const char *value);
static void step_show_out(weir_h1_rig *rig, const char *value);
static void step_hold(weir_h1_rig *rig, const char *value);
static void step_sent(weir_h1_rig *rig, const char *value);
static void step_request(weir_h1_rig *rig, const char *value);
static void step_write(weir_h1_rig *rig, const char *value);
static void step_finish(weir_h1_rig *rig, const char *value);
static void step_trailers(weir_h1_rig *rig, const char *value);
static void step_in(weir_h1_rig *rig, const char *value);
static void step_stop_reading(weir_h1_rig *rig, const char *value);
static void step_read(weir_h1_rig *rig, const char *value);
static void step_end(weir_h1_rig *rig, const char *value);
static void step_cancel(weir_h1_rig *rig, const char *value);
static void step_close(weir_h1_rig *rig, const char *value);
static void step_shutdown(weir_h1_rig *rig, const char *value);

static const struct {
    const char *key;
    step_function *carry_out;
} steps[] = {
    {"limit", step_limit},       {"tls", step_tls},           {"hold", step_hold},
    {"sent", step_sent},         {"request", step_request},   {"write", step_write},
    {"finish", step_finish},     {"trailers", step_trailers}, {"in", step_in},
    {"end", step_end},           {"cancel", step_cancel},     {"close", step_close},
    {"read", step_read},         {"shutdown", step_shutdown}, {"stop-reading", step_stop_reading},
    {"show-out", step_show_out},
};

static const struct {
    const char *name;
    size_t at;
} limits[] = {
    {"head_octets", offsetof(weir_conn_limits, head_octets)},
    {"fields", offsetof(weir_conn_limits, fields)},
    {"informational", offsetof(weir_conn_limits, informational)},
    {"chunk_octets", offsetof(weir_conn_limits, chunk_octets)},
    {"out_octets", offsetof(weir_conn_limits, out_octets)},
    {"inbox_octets", offsetof(weir_conn_limits, inbox_octets)},
};

static const weir_allocator *plain_allocator(void);
static bool ensure_conn(weir_h1_rig *rig);
static weir_body_framing framing_of(const char *words);
static void write_octets(weir_h1_rig *rig, const char *value, bool end);
static void log_answer(weir_h1_rig *rig, weir_status status, size_t taken);
static void send_all(weir_h1_rig *rig);
static void check_laws(const weir_h1_rig *rig);

void weir_h1_rig_init(weir_h1_rig *rig, weir_allocator *allocator)
{
    memset(rig, 0, sizeof(*rig));
    rig->allocator = allocator;
    weir_bin_init(&rig->bin, allocator, 0);
    rig->options = (weir_conn_options){
        .protocol = WEIR_H1,
        .allocator = allocator,
        .bin = &rig->bin,
    };
}

void weir_h1_rig_finish(weir_h1_rig *rig)
{
    if (rig->conn) {
        step_close(rig, "");
        check_laws(rig);
        weir_conn_free(rig->conn);
    }
    weir_bin_clear(&rig->bin);
    weir_text_clear(&rig->body);
    weir_text_clear(&rig->log);
}

size_t weir_h1_rig_input_octets(const weir_corpus_document *document)
{
    weir_text octets = {.at = NULL};
    for (size_t i = 0; i < document->step_count; i++) {
        if (strcmp(document->steps[i].key, "in") == 0) {
            weir_corpus_value(document, &document->steps[i], &octets);
        }
    }
    size_t length = octets.length;
    weir_text_clear(&octets);
    return length;
}

void weir_h1_rig_run(weir_h1_rig *rig, const weir_corpus_document *document,
                     const weir_split *split)
{
    rig->split = split;
    weir_text input = {.at = NULL};
    for (size_t i = 0; i < document->step_count; i++) {
        const weir_corpus_step *step = &document->steps[i];
        if (strcmp(step->key, "in") == 0) {
            weir_corpus_value(document, step, &input);
            bool goes_on =
                i + 1 < document->step_count && strcmp(document->steps[i + 1].key, "in") == 0;
            if (!goes_on) {
                weir_h1_rig_feed(rig, weir_text_span(&input));
                weir_text_reset(&input);
            }
        } else {
            weir_h1_rig_step(rig, step->key, step->value);
        }
    }
    weir_text_clear(&input);
    if (!ensure_conn(rig)) {
        return;
    }
    weir_h1_rig_flush_body(rig);
    if (rig->stream && !rig->has_outcome) {
        weir_text_printf(&rig->log, "open\n");
    }
    step_close(rig, "");
    uint64_t unread = weir_conn_ledger(rig->conn)->unread.received;
    if (unread > 0) {
        weir_text_printf(&rig->log, "unread %llu\n", (unsigned long long)unread);
    }
    if (rig->dropped > 0) {
        weir_text_printf(&rig->log, "dropped %u\n", (unsigned)rig->dropped);
    }
    weir_facts facts = weir_conn_facts(rig->conn);
    weir_text_printf(&rig->log, "facts %s",
                     facts.unfit == WEIR_FIT ? "fit"
                                             : weir_reason_name(weir_unfit_reason(facts.unfit)));
    if (facts.keep_alive_ns > 0) {
        weir_text_printf(&rig->log, " keep-alive=%g",
                         (double)facts.keep_alive_ns / (double)WEIR_NS_PER_SECOND);
    }
    weir_text_printf(&rig->log, "\n");
    assert_int_equal(facts.accepting, facts.unfit == WEIR_FIT);
    check_laws(rig);
}

void weir_h1_rig_step(weir_h1_rig *rig, const char *key, const char *value)
{
    for (size_t i = 0; i < WEIR_COUNT_OF(steps); i++) {
        if (strcmp(steps[i].key, key) == 0) {
            steps[i].carry_out(rig, value);
            return;
        }
    }
    fail_msg("there is no step \"%s\"", key);
}

/* Offers what is not taken again as long as that helps, as a driver does. */
void weir_h1_rig_feed(weir_h1_rig *rig, weir_span octets)
{
    if (!ensure_conn(rig)) {
        return;
    }
    while (octets.length > 0) {
        size_t piece = octets.length;
        if (rig->split) {
            piece = weir_min(piece, weir_split_piece(rig->split, rig->split_at));
        }
        /* A block of its own, so that AddressSanitizer sees a read past its end. */
        uint8_t *borrowed = malloc(piece);
        assert_non_null(borrowed);
        memcpy(borrowed, octets.at, piece);
        size_t taken = weir_conn_feed(rig->conn, (weir_span){borrowed, piece}, 0);
        free(borrowed);
        weir_ledger_wire(weir_conn_ledger(rig->conn), WEIR_RECEIVED, taken);
        rig->fed_octets += taken;
        rig->split_at += taken;
        octets = weir_span_from(octets, taken);
        weir_h1_rig_pull(rig);
        check_laws(rig);
        if (taken == 0) {
            weir_text_printf(&rig->log, "left %zu\n", octets.length);
            return;
        }
    }
}

void weir_h1_rig_pull(weir_h1_rig *rig)
{
    weir_conn_event event;
    while (weir_conn_next_event(rig->conn, &event)) {
        assert_ptr_equal(event.stream, rig->stream);
        weir_h1_rig_log_event(rig, &event);
    }
}

static void step_limit(weir_h1_rig *rig, const char *value)
{
    char name[WORD_ROOM];
    char number[WORD_ROOM];
    bool read = weir_corpus_word(&value, name, sizeof(name)) &&
                weir_corpus_word(&value, number, sizeof(number));
    assert_true(read);
    assert_null(rig->conn);
    if (strcmp(name, "bare_lf") == 0) {
        rig->limits.bare_lf = atoi(number) != 0;
        return;
    }
    for (size_t i = 0; i < WEIR_COUNT_OF(limits); i++) {
        if (strcmp(limits[i].name, name) == 0) {
            uint32_t limit = (uint32_t)strtoul(number, NULL, 10);
            memcpy((char *)&rig->limits + limits[i].at, &limit, sizeof(limit));
            return;
        }
    }
    fail_msg("there is no limit \"%s\"", name);
}

static void step_tls(weir_h1_rig *rig, const char *value)
{
    (void)value;
    assert_null(rig->conn);
    rig->options.over_tls = true;
}

static void step_show_out(weir_h1_rig *rig, const char *value)
{
    (void)value;
    rig->shows_out = true;
}

static void step_hold(weir_h1_rig *rig, const char *value)
{
    (void)value;
    rig->is_held = true;
}

static void step_sent(weir_h1_rig *rig, const char *value)
{
    (void)value;
    rig->is_held = false;
    if (ensure_conn(rig)) {
        send_all(rig);
        weir_h1_rig_pull(rig);
    }
}

static void step_request(weir_h1_rig *rig, const char *value)
{
    char method[WORD_ROOM];
    char url[WORD_ROOM];
    uint8_t storage[WORD_ROOM + 32];
    weir_target target;
    weir_failure failure;
    bool read = weir_corpus_word(&value, method, sizeof(method)) &&
                weir_corpus_word(&value, url, sizeof(url));
    assert_true(read);
    if (!ensure_conn(rig)) {
        return;
    }
    step_close(rig, "");
    assert_int_equal(
        weir_target_parse(&target, weir_span_of(url), storage, sizeof(storage), &failure), WEIR_OK);
    weir_head_parts parts = {
        .method = weir_span_of(method),
        .target = &target,
        .body = framing_of(value),
        .hint = rig->hint,
    };
    weir_head head;
    assert_int_equal(weir_head_build(&head, &parts, plain_allocator(), &failure), WEIR_OK);
    weir_status status = weir_conn_open(rig->conn, &head, rig, 0, &rig->stream);
    weir_head_clear(&head);
    rig->has_outcome = false;
    if (status != WEIR_OK) {
        rig->stream = NULL;
        rig->out_of_memory |= status == WEIR_E_NOMEM;
        weir_text_printf(&rig->log, "refused %s\n", weir_status_name(status) + strlen("WEIR_"));
        return;
    }
    if (!rig->is_held) {
        send_all(rig);
    }
}

static void step_write(weir_h1_rig *rig, const char *value)
{
    write_octets(rig, value, false);
}

static void step_finish(weir_h1_rig *rig, const char *value)
{
    write_octets(rig, value, true);
}

static void step_trailers(weir_h1_rig *rig, const char *value)
{
    (void)value;
    if (!rig->stream) {
        return;
    }
    weir_field field = {.name = WEIR_SPAN("X-Sum"), .value = WEIR_SPAN("1")};
    weir_fields trailers;
    weir_failure failure;
    assert_int_equal(weir_trailers_build(&trailers, &field, 1, plain_allocator(), &failure),
                     WEIR_OK);
    weir_status status = weir_conn_write_trailers(rig->conn, rig->stream, &trailers, 0);
    weir_fields_clear(&trailers);
    log_answer(rig, status, 0);
}

static void step_in(weir_h1_rig *rig, const char *value)
{
    weir_text octets = {.at = NULL};
    const char *what;
    assert_true(weir_text_unescape(&octets, value, &what));
    weir_h1_rig_feed(rig, weir_text_span(&octets));
    weir_text_clear(&octets);
}

static void step_stop_reading(weir_h1_rig *rig, const char *value)
{
    (void)value;
    rig->reads_not = true;
}

static void step_read(weir_h1_rig *rig, const char *value)
{
    (void)value;
    rig->reads_not = false;
    if (rig->stream) {
        weir_h1_rig_read_inbox(rig);
    }
}

static void step_end(weir_h1_rig *rig, const char *value)
{
    if (!ensure_conn(rig)) {
        return;
    }
    weir_failure failure = weir_failure_of(WEIR_OK, NULL);
    if (strcmp(value, "unframed") == 0) {
        failure.status = WEIR_E_UNFRAMED;
    } else if (strcmp(value, "reset") == 0) {
        failure.status = WEIR_E_RESET;
        failure.sys_errno = 104;
    } else {
        assert_string_equal(value, "ok");
    }
    weir_conn_end(rig->conn, &failure, 0);
    weir_h1_rig_pull(rig);
}

static void step_cancel(weir_h1_rig *rig, const char *value)
{
    (void)value;
    if (rig->stream) {
        weir_conn_cancel(rig->conn, rig->stream, 0, 0);
        rig->has_outcome = true;
        weir_h1_rig_pull(rig);
    }
}

static void step_close(weir_h1_rig *rig, const char *value)
{
    (void)value;
    if (!rig->stream) {
        return;
    }
    if (!rig->reads_not) {
        weir_h1_rig_read_inbox(rig);
    }
    weir_h1_rig_flush_body(rig);
    weir_h1 *h1 = WEIR_CONTAINER_OF(rig->conn, weir_h1, conn);
    rig->dropped += h1->open->decode.dropped_trailers;
    assert_false(h1->open->decode.section.has_disagreed);
    weir_tally tally;
    weir_conn_close(rig->conn, rig->stream, 0, &tally);
    rig->stream = NULL;
    weir_text_printf(&rig->log, "tally");
    weir_h1_rig_log_row(rig, "head", tally.head.received);
    weir_h1_rig_log_row(rig, "body", tally.body.received);
    weir_h1_rig_log_row(rig, "trailers", tally.trailers.received);
    weir_h1_rig_log_row(rig, "framing", tally.framing.received);
    weir_text_printf(&rig->log, "\n");
    weir_tally_add(&rig->tally, &tally);
}

static void step_shutdown(weir_h1_rig *rig, const char *value)
{
    (void)value;
    if (ensure_conn(rig)) {
        weir_conn_shutdown(rig->conn, 0);
    }
}

static void *plain_alloc(size_t octets, void *user)
{
    (void)user;
    return malloc(octets);
}

static void *plain_resize(void *at, size_t octets, void *user)
{
    (void)user;
    return realloc(at, octets);
}

static void plain_release(void *at, void *user)
{
    (void)user;
    free(at);
}

/* For what is no part of the test: heads of requests, trailers to send. */
static const weir_allocator *plain_allocator(void)
{
    static const weir_allocator allocator = {
        .size = sizeof(weir_allocator),
        .alloc = plain_alloc,
        .resize = plain_resize,
        .release = plain_release,
    };
    return &allocator;
}

/* The connection is made when the limits are known. False: there was no memory for it. */
static bool ensure_conn(weir_h1_rig *rig)
{
    if (!rig->conn && !rig->out_of_memory) {
        weir_status status;
        rig->limits = weir_conn_limits_fill(&rig->limits, WEIR_H1);
        rig->options.limits = &rig->limits;
        rig->conn = weir_conn_new(&rig->options, 0, &status);
        assert_int_equal(status, rig->conn ? WEIR_OK : WEIR_E_NOMEM);
        rig->out_of_memory = !rig->conn;
    }
    return rig->conn != NULL;
}

static weir_body_framing framing_of(const char *words)
{
    char word[WORD_ROOM];
    if (!weir_corpus_word(&words, word, sizeof(word))) {
        return (weir_body_framing){.framing = WEIR_FRAMING_NONE};
    }
    if (strcmp(word, "chunked") == 0) {
        return (weir_body_framing){.framing = WEIR_FRAMING_CHUNKED};
    }
    assert_string_equal(word, "length");
    return (weir_body_framing){WEIR_FRAMING_LENGTH, strtoull(words, NULL, 10)};
}

static void write_octets(weir_h1_rig *rig, const char *value, bool end)
{
    if (!rig->stream) {
        return;
    }
    weir_text octets = {.at = NULL};
    const char *what;
    assert_true(weir_text_unescape(&octets, value, &what));
    size_t taken;
    weir_status status = weir_conn_write(rig->conn, rig->stream,
                                         (weir_body_part){weir_text_span(&octets), end}, 0, &taken);
    weir_text_clear(&octets);
    log_answer(rig, status, taken);
}

static void log_answer(weir_h1_rig *rig, weir_status status, size_t taken)
{
    rig->out_of_memory |= status == WEIR_E_NOMEM;
    weir_text_printf(&rig->log, "answer %s %zu\n", weir_status_name(status) + strlen("WEIR_"),
                     taken);
    if (!rig->is_held) {
        send_all(rig);
    }
    weir_h1_rig_pull(rig);
}

static void send_all(weir_h1_rig *rig)
{
    weir_text sent = {.at = NULL};
    for (;;) {
        weir_span pending = weir_conn_pending(rig->conn, 0);
        if (pending.length == 0) {
            break;
        }
        weir_text_append(&sent, pending);
        weir_conn_sent(rig->conn, pending.length, 0);
        weir_ledger_wire(weir_conn_ledger(rig->conn), WEIR_SENT, pending.length);
    }
    if (sent.length > 0 && rig->shows_out) {
        weir_text_printf(&rig->log, "out ");
        weir_text_escape(&rig->log, weir_text_span(&sent));
        weir_text_printf(&rig->log, "\n");
    }
    weir_text_clear(&sent);
}

/* Every octet that went in is in exactly one row: counted here, apart from the ledger's own laws.
 */
static void check_laws(const weir_h1_rig *rig)
{
    const weir_ledger *ledger = weir_conn_ledger(rig->conn);
    weir_account account;
    weir_ledger_account(ledger, &account);
    uint64_t received =
        weir_tally_plain(&account.exchanges).received + account.rows[WEIR_ROW_UNREAD].received;
    assert_int_equal(received, rig->fed_octets);
    assert_true(weir_ledger_plain_holds(ledger));
    if (ledger->tls == NULL) {
        assert_true(weir_ledger_wire_holds(ledger));
    }
}
