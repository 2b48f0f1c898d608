/* SPDX-License-Identifier: MIT */
/*
 * The tape of each HTTP/2 conn, and its play: see oracle.h.
 *
 * The tape has what was done with the conn: octets came, a request was opened, given up, closed, so
 * many octets of its content were queued, so many of the response's read. The player does the same in
 * the same order, with whole frames only and sending at once, and so may have less to read, or less
 * window to write into, than the conn had at that step: what is left is caught up when there is
 * more. An opening that the player's conn does not accept, or with another id, ends the play.
 */
#include "oracle.h"

#include <stdio.h>
#include <string.h>

#include "driver.h"
#include "proto/h2_session.h"
#include "support/failalloc.h"
#include "support/h2_oracle.h"
#include "support/h2_wire.h"

typedef enum deed { FEED = 0, OPEN, WRITE, READ, CANCEL, CLOSE } deed;

typedef struct step {
    struct step *next;
    deed deed;
    weir_time now_ns;
    uint32_t id;   /* of the stream */
    uint32_t code; /* CANCEL */
    bool ends;     /* WRITE: the request */
    weir_body_framing body;
    char method[16];
    size_t length; /* of the octets, that follow where they were FED */
    uint8_t octets[];
} step;

/* What the player could not do yet of its i-th request. */
typedef struct arrear {
    size_t to_write;
    size_t to_read;
    bool ends;
} arrear;

typedef struct stage {
    weir_h2_player player;
    arrear arrears[WEIR_H2_PLAYED_MOST];
    weir_text torn; /* of a frame that is not whole yet */
} stage;

typedef struct tape {
    struct tape *next;
    const weir_conn *conn;
    weir_conn_limits limits;
    step *first;
    step **end;
} tape;

weir_conn *__wrap_weir_conn_new(const weir_conn_options *options, weir_time now_ns,
                                weir_status *status);
weir_conn *__real_weir_conn_new(const weir_conn_options *options, weir_time now_ns,
                                weir_status *status);
weir_status __wrap_weir_conn_open(weir_conn *conn, const weir_head *head, void *user,
                                  weir_time now_ns, weir_stream **stream);
weir_status __real_weir_conn_open(weir_conn *conn, const weir_head *head, void *user,
                                  weir_time now_ns, weir_stream **stream);
weir_status __wrap_weir_conn_write(weir_conn *conn, weir_stream *stream, weir_body_part part,
                                   weir_time now_ns, size_t *taken);
weir_status __real_weir_conn_write(weir_conn *conn, weir_stream *stream, weir_body_part part,
                                   weir_time now_ns, size_t *taken);
weir_status __wrap_weir_conn_write_trailers(weir_conn *conn, weir_stream *stream,
                                            const weir_fields *trailers, weir_time now_ns);
weir_status __real_weir_conn_write_trailers(weir_conn *conn, weir_stream *stream,
                                            const weir_fields *trailers, weir_time now_ns);
size_t __wrap_weir_conn_read(weir_conn *conn, weir_stream *stream, uint8_t *to, size_t room,
                             weir_time now_ns);
size_t __real_weir_conn_read(weir_conn *conn, weir_stream *stream, uint8_t *to, size_t room,
                             weir_time now_ns);
void __wrap_weir_conn_cancel(weir_conn *conn, weir_stream *stream, uint32_t h2_code,
                             weir_time now_ns);
void __real_weir_conn_cancel(weir_conn *conn, weir_stream *stream, uint32_t h2_code,
                             weir_time now_ns);
void __wrap_weir_conn_close(weir_conn *conn, weir_stream *stream, weir_time now_ns,
                            weir_tally *tally);
void __real_weir_conn_close(weir_conn *conn, weir_stream *stream, weir_time now_ns,
                            weir_tally *tally);
size_t __wrap_weir_conn_feed(weir_conn *conn, weir_span octets, weir_time now_ns);
size_t __real_weir_conn_feed(weir_conn *conn, weir_span octets, weir_time now_ns);
void __wrap_weir_conn_free(weir_conn *conn);
void __real_weir_conn_free(weir_conn *conn);

static tape **find(const weir_conn *conn);
static step *add(tape *to, deed what, size_t length, weir_time now_ns);
static void note(const weir_conn *conn, const weir_stream *stream, step what);
static void play(const tape *whole);
static bool play_step(stage *on, const step *at);
static void give_up(stage *on, const step *at);
static bool play_open(weir_h2_player *player, const step *at);
static void play_octets(stage *on, const step *at);
static void catch_up(stage *on);
static arrear *arrear_of(stage *on, uint32_t id);

static tape *tapes;
static bool records;
static bool plays; /* the conn is the player's */

void sim_oracle_open(sim_world *world)
{
    tapes = NULL;
    records = world->seed % SIM_ORACLE_SHARE == 0 && world->plant == 0;
}

weir_conn *__wrap_weir_conn_new(const weir_conn_options *options, weir_time now_ns,
                                weir_status *status)
{
    weir_conn *conn = __real_weir_conn_new(options, now_ns, status);

    if (records && conn != NULL && options->protocol == WEIR_H2) {
        tape *made = sim_room(sim_current, sizeof(*made));
        *made = (tape){.next = tapes, .conn = conn, .limits = *options->limits};
        made->end = &made->first;
        tapes = made;
    }
    return conn;
}

weir_status __wrap_weir_conn_open(weir_conn *conn, const weir_head *head, void *user,
                                  weir_time now_ns, weir_stream **stream)
{
    const bool is_put_away = weir_conn_facts(conn).protocol == WEIR_H2 &&
                             !weir_h2_hpack_has_encoder(weir_h2_session_of(conn)->hpack);
    const weir_status status = __real_weir_conn_open(conn, head, user, now_ns, stream);
    tape **at = find(conn);

    if (status == WEIR_OK && is_put_away && !plays) {
        sim_current->driver->unstowed++;
    }

    if (status == WEIR_OK && *at != NULL) {
        step *made = add(*at, OPEN, 0, now_ns);
        made->id = (*stream)->owner.id;
        made->body = head->body;
        (void)snprintf(made->method, sizeof(made->method), "%.*s", (int)head->method.length,
                       (const char *)head->method.at);
    }
    return status;
}

weir_status __wrap_weir_conn_write(weir_conn *conn, weir_stream *stream, weir_body_part part,
                                   weir_time now_ns, size_t *taken)
{
    const weir_status status = __real_weir_conn_write(conn, stream, part, now_ns, taken);

    if (status == WEIR_OK || *taken > 0) {
        note(conn, stream,
             (step){.deed = WRITE,
                    .now_ns = now_ns,
                    .length = *taken,
                    .ends = part.end && status == WEIR_OK && *taken == part.octets.length});
    }
    return status;
}

/* To the oracle trailers are an end like any other. */
weir_status __wrap_weir_conn_write_trailers(weir_conn *conn, weir_stream *stream,
                                            const weir_fields *trailers, weir_time now_ns)
{
    const weir_status status = __real_weir_conn_write_trailers(conn, stream, trailers, now_ns);

    if (status == WEIR_OK) {
        note(conn, stream, (step){.deed = WRITE, .now_ns = now_ns, .ends = true});
    }
    return status;
}

size_t __wrap_weir_conn_read(weir_conn *conn, weir_stream *stream, uint8_t *to, size_t room,
                             weir_time now_ns)
{
    const size_t octets = __real_weir_conn_read(conn, stream, to, room, now_ns);

    if (octets > 0) {
        note(conn, stream, (step){.deed = READ, .now_ns = now_ns, .length = octets});
    }
    return octets;
}

void __wrap_weir_conn_cancel(weir_conn *conn, weir_stream *stream, uint32_t h2_code,
                             weir_time now_ns)
{
    __real_weir_conn_cancel(conn, stream, h2_code, now_ns);
    note(conn, stream, (step){.deed = CANCEL, .now_ns = now_ns, .code = h2_code});
}

void __wrap_weir_conn_close(weir_conn *conn, weir_stream *stream, weir_time now_ns,
                            weir_tally *tally)
{
    note(conn, stream, (step){.deed = CLOSE, .now_ns = now_ns});
    __real_weir_conn_close(conn, stream, now_ns, tally);
}

size_t __wrap_weir_conn_feed(weir_conn *conn, weir_span octets, weir_time now_ns)
{
    const size_t taken = __real_weir_conn_feed(conn, octets, now_ns);
    tape **at = find(conn);

    if (*at != NULL && taken > 0) {
        memcpy(add(*at, FEED, taken, now_ns)->octets, octets.at, taken);
    }
    return taken;
}

void __wrap_weir_conn_free(weir_conn *conn)
{
    tape **at = find(conn);
    const tape *whole = *at;

    __real_weir_conn_free(conn);
    if (whole != NULL) {
        *at = whole->next;
        play(whole);
    }
}

static tape **find(const weir_conn *conn)
{
    tape **at = &tapes;

    while (*at != NULL && (*at)->conn != conn) {
        at = &(*at)->next;
    }
    return at;
}

static step *add(tape *to, deed what, size_t length, weir_time now_ns)
{
    step *made = sim_room(sim_current, sizeof(*made) + (what == FEED ? length : 0));

    *made = (step){.deed = what, .now_ns = now_ns, .length = length};
    *to->end = made;
    to->end = &made->next;
    return made;
}

/* What was done with a stream, if there is a tape. */
static void note(const weir_conn *conn, const weir_stream *stream, step what)
{
    tape **at = find(conn);

    if (*at != NULL) {
        step *made = add(*at, what.deed, what.length, what.now_ns);
        made->id = stream->owner.id;
        made->code = what.code;
        made->ends = what.ends;
    }
}

static void play(const tape *whole)
{
    static stage on;
    char report[400];
    weir_failalloc memory;
    weir_h2_oracle *oracle = weir_h2_oracle_new(&whole->limits);
    const weir_h2_watch watch = weir_h2_oracle_watch(oracle);
    const bool recorded = records;
    sim_oracle_sums *sums = &sim_current->oracle;

    records = false; /* the player's conn is nobody's link */
    plays = true;
    weir_failalloc_init(&memory, 0);
    memset(&on, 0, sizeof(on));
    sums->conns++;
    if (weir_h2_player_init(&on.player, &memory.allocator, &whole->limits, &watch)) {
        on.player.stows = true; /* as often as may be, whatever the conn itself did */
        weir_h2_player_settle(&on.player);
        for (const step *at = whole->first; at != NULL && play_step(&on, at); at = at->next) {
        }
    }
    sums->compared += weir_h2_oracle_compared(oracle);
    (void)snprintf(report, sizeof(report), "%s", weir_h2_oracle_report(oracle));
    weir_h2_player_free(&on.player);
    weir_h2_oracle_free(oracle);
    weir_text_clear(&on.torn);
    records = recorded;
    plays = false;
    SIM_MUST(sim_current, report[0] == '\0', "the oracle of HTTP/2 differs %s", report);
}

static bool play_step(stage *on, const step *at)
{
    arrear *late = arrear_of(on, at->id);

    on->player.now_ns = at->now_ns;
    switch (at->deed) {
    case FEED:
        play_octets(on, at);
        break;
    case OPEN:
        return play_open(&on->player, at);
    case WRITE:
        late->to_write += at->length;
        late->ends = at->ends;
        break;
    case READ:
        late->to_read += at->length;
        break;
    case CANCEL:
        give_up(on, at);
        weir_h2_player_cancel(&on->player, at->id, at->code);
        break;
    case CLOSE:
        give_up(on, at);
        weir_h2_player_close(&on->player, at->id);
        break;
    }
    catch_up(on);
    return true;
}

/* What comes behind it is not caught up. */
static void give_up(stage *on, const step *at)
{
    const weir_h2_played *played = weir_h2_player_find(&on->player, at->id);

    *arrear_of(on, at->id) = (arrear){.to_write = 0};
    sim_current->oracle.cancels +=
        played != NULL && !played->ended && !played->failed && !played->cancelled;
}

static bool play_open(weir_h2_player *player, const step *at)
{
    const weir_h2_request request = {.method = at->method, .body = at->body};

    if (player->count == WEIR_H2_PLAYED_MOST || weir_h2_player_open(player, &request) != WEIR_OK) {
        return false;
    }
    weir_h2_played *played = &player->played[player->count - 1];
    played->held = true;
    return played->id == at->id;
}

/* The oracle is told of whole frames only. */
static void play_octets(stage *on, const step *at)
{
    weir_text_append(&on->torn, (weir_span){at->octets, at->length});
    weir_span rest = weir_text_span(&on->torn);
    while (rest.length >= WEIR_H2_FRAME_HEAD_OCTETS) {
        const size_t length = WEIR_H2_FRAME_HEAD_OCTETS +
                              ((size_t)rest.at[0] << 16 | (size_t)rest.at[1] << 8 | rest.at[2]);
        if (rest.length < length) {
            break;
        }
        sim_current->oracle.frames++;
        weir_h2_player_feed(&on->player, weir_span_head(rest, length));
        catch_up(on);
        rest = weir_span_from(rest, length);
    }
    weir_text left = {.at = NULL};
    weir_text_append(&left, rest);
    weir_text_clear(&on->torn);
    on->torn = left;
}

static void catch_up(stage *on)
{
    static const uint8_t content[16384];

    for (size_t i = 0; i < on->player.count; i++) {
        weir_h2_played *played = &on->player.played[i];
        arrear *late = &on->arrears[i];
        size_t taken = 1;
        if (late->to_read > 0) {
            const size_t before = played->body.length;
            weir_h2_player_read(&on->player, played->id, late->to_read);
            late->to_read -= played->body.length - before;
        }
        while (taken > 0 && (late->to_write > 0 || late->ends)) {
            const weir_span piece = {content, weir_min(late->to_write, sizeof(content))};
            const bool end = late->ends && piece.length == late->to_write;
            const weir_status status =
                weir_h2_player_write(&on->player, played->id, piece, end, &taken);
            late->to_write -= taken;
            late->ends = late->ends && !(end && status == WEIR_OK && taken == piece.length);
        }
    }
}

/* One of nobody, if the play is over. */
static arrear *arrear_of(stage *on, uint32_t id)
{
    static arrear nobodys;

    for (size_t i = 0; i < on->player.count; i++) {
        if (on->player.played[i].id == id) {
            return &on->arrears[i];
        }
    }
    return &nobodys;
}
