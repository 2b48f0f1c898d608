/* SPDX-License-Identifier: MIT */
/* What happened, kept to be told: see story.h. A tool that explains one request may stop when
 * memory ends. */
#include "story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *grow(void *at, size_t count, size_t *room, size_t each)
{
    if (count < *room) {
        return at;
    }
    *room = *room == 0 ? 32 : *room * 2;
    void *grown = realloc(at, *room * each);
    if (grown == NULL) {
        (void)fputs("weir-explain: out of memory\n", stderr);
        exit(2);
    }
    return grown;
}

void story_observe(const weir_event *event, void *user)
{
    explain_story *to = user;

    to->moments = grow(to->moments, to->moment_count, &to->moment_room, sizeof(*to->moments));
    explain_moment *next = &to->moments[to->moment_count++];
    memset(next, 0, sizeof(*next));
    next->event = *event;
    (void)snprintf(next->host, sizeof(next->host), "%.*s", (int)event->host.length,
                   event->host.at != NULL ? (const char *)event->host.at : "");
    (void)snprintf(next->address, sizeof(next->address), "%s",
                   event->address != NULL ? event->address : "");
    next->event.account = NULL;
    next->event.address = NULL;
    if (event->protocol != WEIR_PROTOCOL_ANY) {
        to->protocol = event->protocol;
    }
}

void book_observe(const weir_event *event, void *user)
{
    explain_book *to = user;

    if (event->kind != WEIR_EVENT_CONNECTION_CLOSED || event->account == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&to->lock);
    to->connections =
        grow(to->connections, to->connection_count, &to->connection_room, sizeof(*to->connections));
    explain_connection *next = &to->connections[to->connection_count++];
    next->number = event->conn;
    next->protocol = event->protocol;
    next->account = *event->account;
    (void)snprintf(next->why, sizeof(next->why), "%s", event->why != NULL ? event->why : "");
    (void)pthread_mutex_unlock(&to->lock);
}

void story_end(explain_story *to, const weir_exchange *exchange, weir_status status)
{
    to->status = status;
    to->ended_ns = weir_now();
    if (exchange == NULL) {
        to->failure.status = status;
        return;
    }
    to->code = weir_exchange_code(exchange);
    to->failure = weir_exchange_failure(exchange);
    to->stalls.size = sizeof(to->stalls);
    weir_exchange_stalls(exchange, &to->stalls);
    for (size_t i = 0; i < sizeof(to->attempts) / sizeof(to->attempts[0]); i++) {
        to->attempts[i].size = sizeof(to->attempts[i]);
        if (!weir_exchange_attempt_at(exchange, i, &to->attempts[i])) {
            break;
        }
        to->attempt_count++;
    }
    to->waits.size = sizeof(to->waits);
    weir_exchange_waits(exchange, &to->waits);
    to->candidate_count = weir_exchange_candidate_count(exchange);
    to->candidates_left_out = weir_exchange_candidates_left_out(exchange);
    for (size_t i = 0; i < to->candidate_count; i++) {
        to->candidates[i].size = sizeof(to->candidates[i]);
        (void)weir_exchange_candidate_at(exchange, i, &to->candidates[i]);
    }
    to->connect_count = weir_exchange_connect_attempt_count(exchange);
    to->connects_left_out = weir_exchange_connect_attempts_left_out(exchange);
    for (size_t i = 0; i < to->connect_count; i++) {
        to->connects[i].size = sizeof(to->connects[i]);
        (void)weir_exchange_connect_attempt_at(exchange, i, &to->connects[i]);
    }
}

void book_snapshot(explain_book *book, weir_snapshot *snapshot)
{
    if (snapshot == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&book->lock);
    if (book->snapshot == NULL) {
        const size_t room = weir_snapshot_text(snapshot, NULL, 0) + 1;
        book->snapshot = malloc(room);
        if (book->snapshot != NULL) {
            (void)weir_snapshot_text(snapshot, book->snapshot, room);
        }
    }
    (void)pthread_mutex_unlock(&book->lock);
    weir_snapshot_free(snapshot);
}

void story_keep_body(explain_story *to, const uint8_t *octets, size_t length)
{
    while (to->body_length + length > to->body_room) {
        to->body = grow(to->body, to->body_room, &to->body_room, 1);
    }
    memcpy(to->body + to->body_length, octets, length);
    to->body_length += length;
}

void story_clear(explain_story *to)
{
    free(to->moments);
    free(to->body);
}

void book_clear(explain_book *to)
{
    free(to->snapshot);
    free(to->connections);
    (void)pthread_mutex_destroy(&to->lock);
}
