/* SPDX-License-Identifier: MIT */
/*
 * Plays the user of an HTTP/2 conn, and the wire that takes everything.
 *
 * Frames sent are logged without those that every exchange has: the head, content, SETTINGS; and
 * without window updates, whose moment depends on when the user reads, and so on the split.
 */
#include "support/h2_player.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/h2_session.h"
#include "support/h2_wire.h"

#define PREFACE_OCTETS 24

static void pull(weir_h2_player *player);
static void take_event(weir_h2_player *player, const weir_conn_event *event);
static void log_message(weir_h2_played *played, const char *kind, const weir_message *message);
static void log_failure(weir_h2_played *played, const char *kind, const weir_failure *failure);
static void show_body(weir_h2_played *played);
static void read_body(weir_h2_player *player, weir_h2_played *played, size_t octets);
static void take_pending(weir_h2_player *player);
static void sum(weir_h2_player *player, weir_span octets);
static void take_frames(weir_h2_player *player);
static void log_sent(weir_h2_player *player, weir_h2_frame_head head, const uint8_t *payload);
static void collapse(const weir_text *lines, weir_text *log);
static void log_rows(const weir_account *account, weir_text *log);
static void log_row(weir_text *log, const char *name, weir_octets octets);
static void log_tally(weir_text *log, const weir_tally *tally);
static const char *short_name(weir_status status);
static void check(weir_h2_player *player);
static weir_octets rows_sum(weir_h2_player *player);

bool weir_h2_player_init(weir_h2_player *player, const weir_allocator *allocator,
                         const weir_conn_limits *limits, const weir_h2_watch *watch)
{
    memset(player, 0, sizeof(*player));
    player->allocator = allocator;
    player->preface_left = true;
    player->sent_sum = UINT64_C(0xcbf29ce484222325);
    if (watch) {
        player->watch = *watch;
    }
    weir_bin_init(&player->bin, allocator, 1);
    weir_conn_options options = {.protocol = WEIR_H2, .allocator = allocator, .bin = &player->bin};
    if (limits) {
        player->limits = weir_conn_limits_fill(limits, WEIR_H2);
        options.limits = &player->limits;
    }
    weir_status status;
    player->conn = weir_conn_new(&options, player->now_ns, &status);
    assert_true((player->conn != NULL) == (status == WEIR_OK));
    return player->conn != NULL;
}

void weir_h2_player_free(weir_h2_player *player)
{
    for (size_t i = 0; i < player->count; i++) {
        weir_h2_player_close(player, player->played[i].id);
        weir_text_clear(&player->played[i].log);
        weir_text_clear(&player->played[i].fields);
        weir_text_clear(&player->played[i].body);
    }
    weir_conn_free(player->conn);
    weir_bin_clear(&player->bin);
    weir_text_clear(&player->out);
    weir_text_clear(&player->sent_log);
}

weir_status weir_h2_player_open(weir_h2_player *player, const weir_h2_request *request)
{
    uint8_t storage[64];
    weir_target target;
    weir_failure failure;
    assert_int_equal(weir_target_parse(&target, weir_span_of("http://a.test/"), storage,
                                       sizeof(storage), &failure),
                     WEIR_OK);
    weir_head_parts parts = {.method = weir_span_of(request->method),
                             .target = &target,
                             .fields = request->fields,
                             .field_count = request->field_count,
                             .body = request->body,
                             .hint = request->hint};
    weir_head head;
    weir_status status = weir_head_build(&head, &parts, player->allocator, &failure);
    if (status != WEIR_OK) {
        return status;
    }
    weir_stream *stream = NULL;
    assert_true(player->count < WEIR_H2_PLAYED_MOST);
    weir_h2_played *played = &player->played[player->count];
    status = weir_conn_open(player->conn, &head, played, player->now_ns, &stream);
    if (status == WEIR_OK) {
        player->count++;
        *played = (weir_h2_played){.id = stream->owner.id, .stream = stream};
        if (player->watch.opened) {
            player->watch.opened(&head, played->id, player->watch.user);
        }
    }
    weir_head_clear(&head);
    weir_h2_player_settle(player);
    return status;
}

weir_status weir_h2_player_write(weir_h2_player *player, uint32_t id, weir_span octets, bool end,
                                 size_t *taken)
{
    weir_h2_played *played = weir_h2_player_find(player, id);
    *taken = 0;
    if (!played || !played->stream) {
        return WEIR_E_STATE;
    }
    weir_status status = weir_conn_write(player->conn, played->stream,
                                         (weir_body_part){octets, end}, player->now_ns, taken);
    weir_h2_player_settle(player);
    return status;
}

weir_status weir_h2_player_trailers(weir_h2_player *player, uint32_t id, const weir_field *fields,
                                    size_t count)
{
    weir_h2_played *played = weir_h2_player_find(player, id);
    weir_fields trailers;
    weir_failure failure;
    if (!played || !played->stream) {
        return WEIR_E_STATE;
    }
    weir_status status = weir_trailers_build(&trailers, fields, count, player->allocator, &failure);
    if (status == WEIR_OK) {
        status = weir_conn_write_trailers(player->conn, played->stream, &trailers, player->now_ns);
    }
    weir_fields_clear(&trailers);
    weir_h2_player_settle(player);
    return status;
}

void weir_h2_player_read(weir_h2_player *player, uint32_t id, size_t octets)
{
    weir_h2_played *played = weir_h2_player_find(player, id);
    if (played && played->stream) {
        read_body(player, played, octets);
    }
    weir_h2_player_settle(player);
}

void weir_h2_player_cancel(weir_h2_player *player, uint32_t id, uint32_t code)
{
    weir_h2_played *played = weir_h2_player_find(player, id);
    if (!played || !played->stream) {
        return;
    }
    weir_conn_cancel(player->conn, played->stream, code, player->now_ns);
    if (!played->cancelled && player->watch.cancelled) {
        player->watch.cancelled(id, code, player->watch.user);
    }
    played->cancelled = true;
    weir_h2_player_settle(player);
}

void weir_h2_player_close(weir_h2_player *player, uint32_t id)
{
    weir_h2_played *played = weir_h2_player_find(player, id);
    if (!played || !played->stream) {
        return;
    }
    weir_conn_close(player->conn, played->stream, player->now_ns, &played->tally);
    played->stream = NULL;
    if (!played->cancelled && !played->failed && player->watch.cancelled) {
        player->watch.cancelled(id, WEIR_H2_CANCEL, player->watch.user);
    }
    played->cancelled = true;
    weir_h2_player_settle(player);
}

void weir_h2_player_feed(weir_h2_player *player, weir_span octets)
{
    size_t taken = weir_conn_feed(player->conn, octets, player->now_ns);
    assert_int_equal(taken, octets.length);
    player->fed_octets += taken;
    weir_h2_player_settle(player);
    if (player->watch.fed) {
        player->watch.fed(player, octets, player->watch.user);
    }
}

void weir_h2_player_send(weir_h2_player *player, size_t octets)
{
    while (octets > 0) {
        weir_span run = weir_span_head(weir_conn_pending(player->conn, 0), octets);
        if (run.length == 0) {
            break;
        }
        weir_text_append(&player->out, run);
        sum(player, run);
        player->sent_octets += run.length;
        octets -= run.length;
        weir_conn_sent(player->conn, run.length, player->now_ns);
        take_frames(player);
    }
    pull(player);
    check(player);
}

void weir_h2_player_tick(weir_h2_player *player, weir_time now_ns)
{
    player->now_ns = now_ns;
    weir_conn_tick(player->conn, now_ns);
    weir_h2_player_settle(player);
}

void weir_h2_player_end(weir_h2_player *player, weir_status status)
{
    weir_failure failure = {.status = status, .tls_alert = -1, .offset = WEIR_UNKNOWN};
    weir_conn_end(player->conn, &failure, player->now_ns);
    weir_h2_player_settle(player);
}

void weir_h2_player_shutdown(weir_h2_player *player)
{
    weir_conn_shutdown(player->conn, player->now_ns);
    weir_h2_player_settle(player);
}

weir_h2_played *weir_h2_player_find(weir_h2_player *player, uint32_t id)
{
    for (size_t i = 0; i < player->count; i++) {
        if (player->played[i].id == id) {
            return &player->played[i];
        }
    }
    return NULL;
}

void weir_h2_player_settle(weir_h2_player *player)
{
    pull(player);
    take_pending(player);
    if (player->stows) {
        /* The conn itself does so when it is idle; any moment between two blocks is as good. */
        weir_h2_hpack_stow(weir_h2_session_of(player->conn)->hpack);
    }
    check(player);
}

void weir_h2_player_log(weir_h2_player *player, weir_text *log)
{
    for (size_t i = 0; i < player->count; i++) {
        show_body(&player->played[i]);
        weir_text_append(log, weir_text_span(&player->played[i].log));
    }
    collapse(&player->sent_log, log);
    weir_failure failure = weir_conn_failure(player->conn);
    if (failure.status != WEIR_OK) {
        weir_text_printf(log, "conn failed %s", short_name(failure.status));
        if (failure.has_h2_code) {
            weir_text_printf(log, " %s%s", failure.local_h2_code ? "" : "peer ",
                             weir_h2_code_name(failure.h2_code));
        }
        weir_text_append(log, WEIR_SPAN("\n"));
    }
    weir_facts facts = weir_conn_facts(player->conn);
    if (facts.unfit != WEIR_FIT || !facts.accepting) {
        weir_text_printf(log, "conn is unfit: %s\n",
                         weir_reason_name(weir_unfit_reason(facts.unfit)));
    }
    for (size_t i = 0; i < player->count; i++) {
        weir_h2_played *played = &player->played[i];
        const weir_tally *tally = played->stream ? &played->stream->owner.tally : &played->tally;
        weir_text_printf(log, "rows %u", played->id);
        log_tally(log, tally);
    }
    weir_account account;
    weir_ledger_account(weir_conn_ledger(player->conn), &account);
    log_rows(&account, log);
}

static void pull(weir_h2_player *player)
{
    weir_conn_event event;
    while (weir_conn_next_event(player->conn, &event)) {
        take_event(player, &event);
    }
}

static void take_event(weir_h2_player *player, const weir_conn_event *event)
{
    weir_h2_played *played = event->stream->user;
    assert_false(played->failed);
    assert_false(played->cancelled);
    if (event->kind != WEIR_CONN_BODY) {
        show_body(played);
    }
    switch (event->kind) {
    case WEIR_CONN_INFORMATIONAL:
        log_message(played, "informational", event->message);
        break;
    case WEIR_CONN_HEAD:
        log_message(played, "head", event->message);
        break;
    case WEIR_CONN_TRAILERS:
        log_message(played, "trailers", event->message);
        break;
    case WEIR_CONN_BODY:
        if (!played->held) {
            read_body(player, played, SIZE_MAX);
        }
        break;
    case WEIR_CONN_END:
        assert_false(played->ended);
        played->ended = true;
        weir_text_printf(&played->log, "%u end\n", played->id);
        break;
    case WEIR_CONN_WRITABLE:
        weir_text_printf(&played->log, "%u writable\n", played->id);
        break;
    case WEIR_CONN_STOP:
        played->stopped = true;
        played->failure = event->failure;
        log_failure(played, "stop", &event->failure);
        break;
    case WEIR_CONN_FAILED:
        played->failed = true;
        played->failure = event->failure;
        log_failure(played, "failed", &event->failure);
        break;
    case WEIR_CONN_NOTHING:
        fail_msg("an event of nothing");
    }
    weir_message_free(event->message);
}

static void log_message(weir_h2_played *played, const char *kind, const weir_message *message)
{
    size_t from = played->log.length;
    weir_text_printf(&played->log, "%u %s", played->id, kind);
    if (message->code) {
        weir_text_printf(&played->log, " %d", message->code);
    }
    weir_field field;
    for (size_t i = 0; weir_fields_at(&message->fields, i, &field); i++) {
        weir_text_append(&played->log, WEIR_SPAN(" "));
        weir_text_escape(&played->log, field.name);
        weir_text_append(&played->log, WEIR_SPAN("="));
        weir_text_escape(&played->log, field.value);
        if (field.flags & (uint32_t)WEIR_FIELD_SENSITIVE) {
            weir_text_append(&played->log, WEIR_SPAN("(never)"));
        }
    }
    weir_text_append(&played->log, WEIR_SPAN("\n"));
    weir_text_append(&played->fields, weir_span_from(weir_text_span(&played->log), from));
    if (message->code >= 200) {
        weir_text_printf(&played->log, "%u content %s", played->id,
                         message->has_content ? "yes" : "no");
        if (message->length_octets != WEIR_UNKNOWN) {
            weir_text_printf(&played->log, " of %llu", (unsigned long long)message->length_octets);
        }
        weir_text_append(&played->log, WEIR_SPAN("\n"));
    }
}

static void log_failure(weir_h2_played *played, const char *kind, const weir_failure *failure)
{
    static const char *const processed[] = {"maybe processed", "not sent", "refused"};
    weir_text_printf(&played->log, "%u %s %s", played->id, kind, short_name(failure->status));
    if (failure->has_h2_code) {
        weir_text_printf(&played->log, " %s%s", failure->local_h2_code ? "" : "peer ",
                         weir_h2_code_name(failure->h2_code));
    }
    weir_text_printf(&played->log, ", %s, %s", weir_phase_name(failure->phase),
                     processed[failure->processed]);
    if (failure->what) {
        weir_text_printf(&played->log, ": %s", failure->what);
    }
    weir_text_append(&played->log, WEIR_SPAN("\n"));
}

/* What was read since the last line, as one line, however many pieces it came in. */
static void show_body(weir_h2_played *played)
{
    weir_span fresh = weir_span_from(weir_text_span(&played->body), played->body_shown);
    if (fresh.length == 0) {
        return;
    }
    weir_text_printf(&played->log, "%u body %zu ", played->id, fresh.length);
    weir_text_escape(&played->log, weir_span_head(fresh, 40));
    weir_text_printf(&played->log, "%s\n", fresh.length > 40 ? "..." : "");
    played->body_shown = played->body.length;
}

static void read_body(weir_h2_player *player, weir_h2_played *played, size_t octets)
{
    uint8_t piece[4096];
    while (octets > 0) {
        size_t length = weir_conn_read(player->conn, played->stream, piece,
                                       weir_min(octets, sizeof(piece)), player->now_ns);
        weir_text_append(&played->body, (weir_span){piece, length});
        octets -= length;
        if (length == 0) {
            break;
        }
    }
}

static void take_pending(weir_h2_player *player)
{
    if (!player->stalled) {
        weir_h2_player_send(player, SIZE_MAX);
    }
}

static void sum(weir_h2_player *player, weir_span octets)
{
    for (size_t i = 0; i < octets.length; i++) {
        player->sent_sum = (player->sent_sum ^ octets.at[i]) * UINT64_C(0x100000001b3);
    }
}

/* Cuts what left into frames. */
static void take_frames(weir_h2_player *player)
{
    weir_span rest = weir_text_span(&player->out);
    if (player->preface_left && rest.length >= PREFACE_OCTETS) {
        assert_memory_equal(rest.at, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PREFACE_OCTETS);
        player->preface_left = false;
        rest = weir_span_from(rest, PREFACE_OCTETS);
    }
    while (!player->preface_left && rest.length >= WEIR_H2_FRAME_HEAD_OCTETS) {
        weir_h2_frame_head head = {.length = (uint32_t)rest.at[0] << 16 |
                                             (uint32_t)rest.at[1] << 8 | rest.at[2],
                                   .type = rest.at[3],
                                   .flags = rest.at[4],
                                   .stream = weir_h2_get32(rest.at + 5)};
        size_t whole = WEIR_H2_FRAME_HEAD_OCTETS + (size_t)head.length;
        if (rest.length < whole) {
            break;
        }
        log_sent(player, head, rest.at + WEIR_H2_FRAME_HEAD_OCTETS);
        if (player->watch.sent) {
            player->watch.sent(player, weir_span_head(rest, whole), player->watch.user);
        }
        rest = weir_span_from(rest, whole);
    }
    memmove(player->out.at, rest.at, rest.length);
    player->out.length = rest.length;
}

static void log_sent(weir_h2_player *player, weir_h2_frame_head head, const uint8_t *payload)
{
    weir_text *log = &player->sent_log;
    char flags[64];
    bool is_head = head.type == WEIR_H2_HEADERS && head.stream > player->last_head;
    bool is_content = head.type == WEIR_H2_DATA && !(head.flags & WEIR_H2_FLAG_END_STREAM);
    if (is_head) {
        player->last_head = head.stream;
    }
    if (is_head || is_content || head.type == WEIR_H2_WINDOW_UPDATE ||
        head.type == WEIR_H2_SETTINGS || head.type == WEIR_H2_CONTINUATION) {
        return;
    }
    weir_h2_flags_text(head.type, head.flags, flags, sizeof(flags));
    weir_text_printf(log, "sent %s %u %s", weir_h2_type_name(head.type), head.stream, flags);
    if (head.type == WEIR_H2_RST_STREAM) {
        weir_text_printf(log, " %s", weir_h2_code_name(weir_h2_get32(payload)));
    } else if (head.type == WEIR_H2_GOAWAY) {
        weir_text_printf(log, " last %u %s", weir_h2_get32(payload),
                         weir_h2_code_name(weir_h2_get32(payload + 4)));
    } else if (head.type == WEIR_H2_PING) {
        weir_text_append(log, WEIR_SPAN(" "));
        weir_text_escape(log, (weir_span){payload, head.length});
    } else {
        weir_text_printf(log, " of %u", head.length);
    }
    weir_text_append(log, WEIR_SPAN("\n"));
}

/* Equal lines in a row are one, with their number. */
static void collapse(const weir_text *lines, weir_text *log)
{
    const char *at = weir_text_string(lines);
    while (*at) {
        size_t length = strcspn(at, "\n") + 1;
        size_t count = 1;
        while (strncmp(at + count * length, at, length) == 0) {
            count++;
        }
        weir_text_append(log, (weir_span){(const uint8_t *)at, length - 1});
        if (count > 1) {
            weir_text_printf(log, ", %zu times", count);
        }
        weir_text_append(log, WEIR_SPAN("\n"));
        at += count * length;
    }
}

/* What was received by the connection, and what was sent beside the preface. */
static void log_rows(const weir_account *account, weir_text *log)
{
    weir_text_append(log, WEIR_SPAN("rows"));
    for (weir_conn_row row = WEIR_ROW_PREFACE; row < WEIR_CONN_ROWS; row++) {
        weir_octets octets = account->rows[row];
        bool is_preface =
            row == WEIR_ROW_PREFACE || row == WEIR_ROW_SETTINGS || row == WEIR_ROW_WINDOW;
        if (octets.received > 0 || (octets.sent > 0 && !is_preface)) {
            if (is_preface) {
                octets.sent = 0;
            }
            log_row(log, weir_conn_row_name(row), octets);
        }
    }
    log_row(log, "undecided", account->undecided);
    weir_text_append(log, WEIR_SPAN("\n"));
}

static void log_row(weir_text *log, const char *name, weir_octets octets)
{
    if (octets.sent > 0 || octets.received > 0) {
        weir_text_printf(log, " %s %llu/%llu", name, (unsigned long long)octets.sent,
                         (unsigned long long)octets.received);
    }
}

static void log_tally(weir_text *log, const weir_tally *tally)
{
    log_row(log, "head", tally->head);
    log_row(log, "body", tally->body);
    log_row(log, "trailers", tally->trailers);
    log_row(log, "framing", tally->framing);
    weir_text_append(log, WEIR_SPAN("\n"));
}

/* Without WEIR_. */
static const char *short_name(weir_status status)
{
    return weir_status_name(status) + strlen("WEIR_");
}

/* Every octet is in one row, whatever happened. */
static void check(weir_h2_player *player)
{
    weir_octets sum = rows_sum(player);
    assert_true(sum.sent == player->sent_octets);
    assert_true(sum.received == player->fed_octets);
    assert_true(weir_ledger_plain_holds(weir_conn_ledger(player->conn)));
}

static weir_octets rows_sum(weir_h2_player *player)
{
    weir_account account;
    weir_ledger_account(weir_conn_ledger(player->conn), &account);
    weir_octets sum = weir_tally_plain(&account.exchanges);
    for (size_t i = 0; i < WEIR_CONN_ROWS; i++) {
        if (i != WEIR_ROW_TLS_HANDSHAKE && i != WEIR_ROW_TLS_CONTROL) {
            sum.sent += account.rows[i].sent;
            sum.received += account.rows[i].received;
        }
    }
    sum.sent += account.undecided.sent;
    sum.received += account.undecided.received;
    return sum;
}
