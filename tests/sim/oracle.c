/* SPDX-License-Identifier: MIT */
/*
 * The tape of each HTTP/2 conn, and its play: see oracle.h.
 *
 * The tape has what the conn received and which requests were opened between. The player reads and
 * sends at once and writes no content, so what is compared is how the frames of the server are
 * taken, not when our own went out: an opening that the player's conn does not accept, or with
 * another id, ends the play.
 */
#include "oracle.h"

#include <stdio.h>
#include <string.h>

#include "driver.h"
#include "proto/h2_session.h"
#include "support/failalloc.h"
#include "support/h2_oracle.h"
#include "support/h2_wire.h"

typedef struct step {
    struct step *next;
    weir_time now_ns;
    uint32_t id; /* 0: octets came */
    weir_body_framing body;
    char method[16];
    size_t length;
    uint8_t octets[];
} step;

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
size_t __wrap_weir_conn_feed(weir_conn *conn, weir_span octets, weir_time now_ns);
size_t __real_weir_conn_feed(weir_conn *conn, weir_span octets, weir_time now_ns);
void __wrap_weir_conn_free(weir_conn *conn);
void __real_weir_conn_free(weir_conn *conn);

static tape **find(const weir_conn *conn);
static step *add(tape *to, size_t length, weir_time now_ns);
static void play(const tape *whole);
static bool play_open(weir_h2_player *player, const step *at);
static void play_octets(weir_h2_player *player, weir_text *torn, const step *at);

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
        step *made = add(*at, 0, now_ns);
        made->id = (*stream)->owner.id;
        made->body = head->body;
        (void)snprintf(made->method, sizeof(made->method), "%.*s", (int)head->method.length,
                       (const char *)head->method.at);
    }
    return status;
}

size_t __wrap_weir_conn_feed(weir_conn *conn, weir_span octets, weir_time now_ns)
{
    const size_t taken = __real_weir_conn_feed(conn, octets, now_ns);
    tape **at = find(conn);

    if (*at != NULL && taken > 0) {
        memcpy(add(*at, taken, now_ns)->octets, octets.at, taken);
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

static step *add(tape *to, size_t length, weir_time now_ns)
{
    step *made = sim_room(sim_current, sizeof(*made) + length);

    *made = (step){.now_ns = now_ns, .length = length};
    *to->end = made;
    to->end = &made->next;
    return made;
}

static void play(const tape *whole)
{
    static weir_h2_player player;
    char report[400];
    weir_failalloc memory;
    weir_text torn = {.at = NULL};
    weir_h2_oracle *oracle = weir_h2_oracle_new(&whole->limits);
    const weir_h2_watch watch = weir_h2_oracle_watch(oracle);
    const bool recorded = records;

    records = false; /* the player's conn is nobody's link */
    plays = true;
    weir_failalloc_init(&memory, 0);
    if (weir_h2_player_init(&player, &memory.allocator, &whole->limits, &watch)) {
        player.stows = true; /* as often as may be, whatever the conn itself did */
        weir_h2_player_settle(&player);
        for (const step *at = whole->first; at != NULL; at = at->next) {
            player.now_ns = at->now_ns;
            if (at->id == 0) {
                play_octets(&player, &torn, at);
            } else if (!play_open(&player, at)) {
                break;
            }
        }
    }
    (void)snprintf(report, sizeof(report), "%s", weir_h2_oracle_report(oracle));
    weir_h2_player_free(&player);
    weir_h2_oracle_free(oracle);
    weir_text_clear(&torn);
    records = recorded;
    plays = false;
    SIM_MUST(sim_current, report[0] == '\0', "the oracle of HTTP/2 differs %s", report);
}

static bool play_open(weir_h2_player *player, const step *at)
{
    const weir_h2_request request = {.method = at->method, .body = at->body};

    return player->count < WEIR_H2_PLAYED_MOST &&
           weir_h2_player_open(player, &request) == WEIR_OK &&
           player->played[player->count - 1].id == at->id;
}

/* The oracle is told of whole frames only. */
static void play_octets(weir_h2_player *player, weir_text *torn, const step *at)
{
    weir_text_append(torn, (weir_span){at->octets, at->length});
    weir_span rest = weir_text_span(torn);
    while (rest.length >= WEIR_H2_FRAME_HEAD_OCTETS) {
        const size_t length = WEIR_H2_FRAME_HEAD_OCTETS +
                              ((size_t)rest.at[0] << 16 | (size_t)rest.at[1] << 8 | rest.at[2]);
        if (rest.length < length) {
            break;
        }
        weir_h2_player_feed(player, weir_span_head(rest, length));
        rest = weir_span_from(rest, length);
    }
    weir_text left = {.at = NULL};
    weir_text_append(&left, rest);
    weir_text_clear(torn);
    *torn = left;
}
