/* SPDX-License-Identifier: MIT */
/*
 * What happened, kept to be told: a story for each URL (its events, its attempts, its body) and one
 * for each connection (its account).
 */
#ifndef EXPLAIN_STORY_H
#define EXPLAIN_STORY_H

#include <pthread.h>
#include <weir/weir.h>

typedef struct explain_moment {
    weir_event event;
    char host[256];
    char address[64];
} explain_moment;

typedef struct explain_story {
    const char *url;
    weir_time began_ns;
    explain_moment *moments;
    size_t moment_count;
    size_t moment_room;
    int code;
    weir_protocol protocol;
    weir_status status; /* of the whole: WEIR_OK only for a complete response */
    weir_failure failure;
    weir_attempt attempts[8];
    size_t attempt_count;
    weir_waits waits;
    weir_candidate candidates[WEIR_CANDIDATES_LIMIT];
    size_t candidate_count;
    size_t candidates_left_out;
    weir_connect_attempt connects[WEIR_CONNECT_ATTEMPTS_LIMIT];
    size_t connect_count;
    size_t connects_left_out;
    weir_stalls stalls;
    weir_time ended_ns;
    uint8_t *body;
    size_t body_length;
    size_t body_room;
} explain_story;

typedef struct explain_connection {
    uint64_t number;
    weir_protocol protocol;
    char why[128];
    weir_account account;
} explain_connection;

typedef struct explain_book {
    pthread_mutex_t lock;
    explain_connection *connections;
    size_t connection_count;
    size_t connection_room;
    char *snapshot; /* text, when the first response had begun; NULL: none */
} explain_book;

/* Observers: `user` is a story, or the book. */
void story_observe(const weir_event *event, void *user);
void book_observe(const weir_event *event, void *user);

/* Keeps the text of the first snapshot that it is given, and frees it. */
void book_snapshot(explain_book *book, weir_snapshot *snapshot);
/* Takes the outcome off the exchange. */
void story_end(explain_story *story, const weir_exchange *exchange, weir_status status);
void story_keep_body(explain_story *story, const uint8_t *octets, size_t length);
void story_clear(explain_story *story);
void book_clear(explain_book *book);

#endif
