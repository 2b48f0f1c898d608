/* SPDX-License-Identifier: MIT */
/*
 * Plays documents. The server's octets are put together step by step and fed before each step of
 * the user, in the pieces that the split says: its places count the octets of the whole document.
 */
#include "support/h2_document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/h2_wire.h"

#define WORD_ROOM   200000
#define MOST_FIELDS 512

typedef struct play {
    const weir_h2_playing *playing;
    weir_h2_player player;
    weir_h2_wire wire;
    weir_text notes; /* what calls answered */
    size_t fed;
} play;

/* Words that were cut into fields, and where their octets are. */
typedef struct words {
    weir_field fields[MOST_FIELDS];
    size_t count;
    weir_text octets[MOST_FIELDS];
} words;

static bool user_step(play *p, const weir_corpus_step *step);
static bool is_directive(const char *key);
static void flush(play *p);
static void open_step(play *p, const weir_corpus_step *step, bool expected);
static void write_step(play *p, const weir_corpus_step *step);
static void trailers_step(play *p, const weir_corpus_step *step);
static void end_step(play *p, const weir_corpus_step *step);
static void note(play *p, const char *call, weir_status status);
static uint32_t number(const char **rest, uint32_t otherwise);
static uint32_t code(const char **rest);
static void add_word(words *w, const char *text);
static void words_free(words *w);
static const weir_corpus_step *find_step(const weir_corpus_document *document, const char *key);

void weir_h2_document_play(const weir_h2_playing *playing, weir_text *log)
{
    const weir_corpus_document *document = playing->document;
    weir_conn_limits limits = weir_h2_document_limits(document);
    play *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    p->playing = playing;
    weir_h2_wire_init(&p->wire);
    bool begun = weir_h2_player_init(&p->player, playing->allocator, &limits, playing->watch);
    p->player.stows = playing->stows;
    if (begun) {
        weir_h2_player_settle(&p->player);
    }
    for (size_t i = 0; begun && i < document->step_count; i++) {
        const weir_corpus_step *step = &document->steps[i];
        if (is_directive(step->key) || weir_h2_wire_step(&p->wire, document, step)) {
            continue;
        }
        flush(p);
        if (!user_step(p, step)) {
            fail_msg("%s:%u: no step is called %s", document->file, step->line, step->key);
        }
    }
    if (begun) {
        flush(p);
        weir_text_append(log, weir_text_span(&p->notes));
        weir_h2_player_log(&p->player, log);
    }
    weir_h2_player_free(&p->player);
    weir_h2_wire_clear(&p->wire);
    weir_text_clear(&p->notes);
    free(p);
}

size_t weir_h2_document_octets(const weir_corpus_document *document)
{
    weir_h2_wire wire;
    weir_h2_wire_init(&wire);
    for (size_t i = 0; i < document->step_count; i++) {
        weir_h2_wire_step(&wire, document, &document->steps[i]);
    }
    size_t octets = wire.octets.length;
    weir_h2_wire_clear(&wire);
    return octets;
}

bool weir_h2_document_is_whole(const weir_corpus_document *document)
{
    return find_step(document, "whole") != NULL;
}

bool weir_h2_document_differs(const weir_corpus_document *document, const char *difference)
{
    const weir_corpus_step *step = find_step(document, "differs");
    const char *rest = step ? step->value : "";
    char name[64];
    while (difference && weir_corpus_word(&rest, name, sizeof(name))) {
        if (strcmp(name, difference) == 0) {
            return true;
        }
    }
    return !difference && !step;
}

weir_conn_limits weir_h2_document_limits(const weir_corpus_document *document)
{
    weir_conn_limits limits = {0};
    const struct {
        const char *name;
        uint32_t *at;
    } numbers[] = {
        {"head_octets", &limits.head_octets},
        {"fields", &limits.fields},
        {"informational", &limits.informational},
        {"out_octets", &limits.out_octets},
        {"inbox_octets", &limits.inbox_octets},
        {"conn_inbox_octets", &limits.conn_inbox_octets},
        {"streams", &limits.streams},
        {"unproductive_frames", &limits.unproductive_frames},
        {"header_table_octets", &limits.header_table_octets},
        {"first_stream", &limits.first_stream},
    };
    const weir_corpus_step *step = find_step(document, "limits");
    const char *rest = step ? step->value : "";
    char text[128];
    while (weir_corpus_word(&rest, text, sizeof(text))) {
        char *equals = strchr(text, '=');
        assert_non_null(equals);
        *equals = '\0';
        uint64_t value = strtoull(equals + 1, NULL, 0);
        bool known = false;
        for (size_t i = 0; i < WEIR_COUNT_OF(numbers); i++) {
            if (strcmp(numbers[i].name, text) == 0) {
                *numbers[i].at = (uint32_t)value;
                known = true;
            }
        }
        if (strcmp(text, "ping_ms") == 0) {
            limits.ping_ns = value * WEIR_NS_PER_MS;
            known = true;
        }
        if (strcmp(text, "ping_idle") == 0) {
            limits.ping_idle = value != 0;
            known = true;
        }
        if (!known) {
            fail_msg("%s:%u: no limit is called %s", document->file, step->line, text);
        }
    }
    return limits;
}

static bool is_directive(const char *key)
{
    return strcmp(key, "limits") == 0 || strcmp(key, "whole") == 0 || strcmp(key, "differs") == 0;
}

static bool user_step(play *p, const weir_corpus_step *step)
{
    const char *key = step->key;
    const char *rest = step->value;
    weir_h2_player *player = &p->player;
    if (strcmp(key, "open") == 0) {
        open_step(p, step, true);
    } else if (strcmp(key, "not_open") == 0) {
        open_step(p, step, false);
    } else if (strcmp(key, "write") == 0) {
        write_step(p, step);
    } else if (strcmp(key, "trailers") == 0) {
        trailers_step(p, step);
    } else if (strcmp(key, "hold") == 0) {
        weir_h2_played *played = weir_h2_player_find(player, number(&rest, 0));
        if (played) {
            played->held = true;
        }
    } else if (strcmp(key, "read") == 0) {
        uint32_t id = number(&rest, 0);
        weir_h2_player_read(player, id, number(&rest, UINT32_MAX));
    } else if (strcmp(key, "cancel") == 0) {
        uint32_t id = number(&rest, 0);
        weir_h2_player_cancel(player, id, code(&rest));
    } else if (strcmp(key, "close") == 0) {
        weir_h2_player_close(player, number(&rest, 0));
    } else if (strcmp(key, "stall") == 0) {
        player->stalled = true;
    } else if (strcmp(key, "send") == 0) {
        weir_h2_player_send(player, number(&rest, UINT32_MAX));
    } else if (strcmp(key, "tick") == 0) {
        weir_h2_player_tick(player, number(&rest, 0) * WEIR_NS_PER_MS);
    } else if (strcmp(key, "end") == 0) {
        end_step(p, step);
    } else if (strcmp(key, "shutdown") == 0) {
        weir_h2_player_shutdown(player);
    } else {
        return false;
    }
    return true;
}

/* Feeds what the server has sent so far. */
static void flush(play *p)
{
    weir_span rest = weir_text_span(&p->wire.octets);
    while (rest.length > 0) {
        size_t piece = rest.length;
        if (p->playing->by_frame) {
            piece = WEIR_H2_FRAME_HEAD_OCTETS;
            if (rest.length > piece) {
                piece += (size_t)rest.at[0] << 16 | (size_t)rest.at[1] << 8 | rest.at[2];
            }
        } else if (p->playing->split) {
            piece = weir_split_piece(p->playing->split, p->fed);
        }
        piece = weir_min(piece, rest.length);
        weir_h2_player_feed(&p->player, weir_span_head(rest, piece));
        rest = weir_span_from(rest, piece);
        p->fed += piece;
    }
    weir_text_reset(&p->wire.octets);
}

static void open_step(play *p, const weir_corpus_step *step, bool expected)
{
    const char *rest = step->value;
    char method[32] = "GET";
    static char text[WORD_ROOM];
    words *w = calloc(1, sizeof(*w));
    weir_h2_request request = {.method = method};
    while (weir_corpus_word(&rest, text, sizeof(text))) {
        if (strncmp(text, "length=", 7) == 0) {
            request.body = (weir_body_framing){WEIR_FRAMING_LENGTH, strtoull(text + 7, NULL, 0)};
        } else if (strcmp(text, "chunked") == 0) {
            request.body.framing = WEIR_FRAMING_CHUNKED;
        } else if (strchr(text, '=')) {
            add_word(w, text);
        } else {
            snprintf(method, sizeof(method), "%.31s", text);
        }
    }
    request.fields = w->fields;
    request.field_count = w->count;
    weir_status status = weir_h2_player_open(&p->player, &request);
    if ((status == WEIR_OK) != expected && status != WEIR_E_NOMEM) {
        note(p, "open", status);
    } else if (!expected && status != WEIR_E_NOMEM) {
        assert_int_equal(status, WEIR_E_NOT_ACCEPTING);
    }
    words_free(w);
}

static void write_step(play *p, const weir_corpus_step *step)
{
    const char *rest = step->value;
    uint32_t id = number(&rest, 0);
    static char text[WORD_ROOM];
    weir_text content = {.at = NULL};
    bool end = false;
    while (weir_corpus_word(&rest, text, sizeof(text))) {
        const char *what;
        if (strcmp(text, "end") == 0) {
            end = true;
        } else {
            assert_true(weir_text_unescape(&content, text, &what));
        }
    }
    size_t taken;
    weir_status status =
        weir_h2_player_write(&p->player, id, weir_text_span(&content), end, &taken);
    weir_text_printf(&p->notes, "write %u: %s, took %zu\n", id, weir_status_name(status) + 5,
                     taken);
    weir_text_clear(&content);
}

static void trailers_step(play *p, const weir_corpus_step *step)
{
    const char *rest = step->value;
    uint32_t id = number(&rest, 0);
    char text[4096];
    words *w = calloc(1, sizeof(*w));
    while (weir_corpus_word(&rest, text, sizeof(text))) {
        add_word(w, text);
    }
    note(p, "trailers", weir_h2_player_trailers(&p->player, id, w->fields, w->count));
    words_free(w);
}

static void end_step(play *p, const weir_corpus_step *step)
{
    weir_status status = WEIR_OK;
    if (strcmp(step->value, "unframed") == 0) {
        status = WEIR_E_UNFRAMED;
    } else if (strcmp(step->value, "reset") == 0) {
        status = WEIR_E_RESET;
    }
    weir_h2_player_end(&p->player, status);
}

static void note(play *p, const char *call, weir_status status)
{
    weir_text_printf(&p->notes, "%s: %s\n", call, weir_status_name(status) + strlen("WEIR_"));
}

static uint32_t number(const char **rest, uint32_t otherwise)
{
    char text[64];
    return weir_corpus_word(rest, text, sizeof(text)) ? (uint32_t)strtoul(text, NULL, 0)
                                                      : otherwise;
}

static uint32_t code(const char **rest)
{
    return number(rest, WEIR_H2_CANCEL);
}

static void add_word(words *w, const char *text)
{
    const char *equals = strchr(text, '=');
    assert_non_null(equals);
    assert_true(w->count < MOST_FIELDS);
    weir_text *octets = &w->octets[w->count];
    weir_text_append(octets, (weir_span){(const uint8_t *)text, (size_t)(equals - text)});
    size_t name = octets->length;
    const char *what;
    assert_true(weir_text_unescape(octets, equals + 1, &what));
    w->fields[w->count++] = (weir_field){.name = {octets->at, name},
                                         .value = {octets->at + name, octets->length - name}};
}

static void words_free(words *w)
{
    for (size_t i = 0; i < w->count; i++) {
        weir_text_clear(&w->octets[i]);
    }
    free(w);
}

static const weir_corpus_step *find_step(const weir_corpus_document *document, const char *key)
{
    for (size_t i = 0; i < document->step_count; i++) {
        if (strcmp(document->steps[i].key, key) == 0) {
            return &document->steps[i];
        }
    }
    return NULL;
}
