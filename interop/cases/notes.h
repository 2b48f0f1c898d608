/* SPDX-License-Identifier: MIT */
/*
 * What an observer wrote down during one row: which connections were acquired, as `host, port,
 * protocol`, and the account of each when it closed.
 *
 * Thread rule: locked, because a client tells on the threads of its calls.
 */
#ifndef INTEROP_NOTES_H
#define INTEROP_NOTES_H

#include <pthread.h>
#include <weir/weir.h>

typedef struct acquired {
    char host[256];
    uint16_t port;
    weir_protocol protocol;
    uint64_t fresh; /* acquired for the first time */
    uint64_t reused;
} acquired;

typedef struct closed {
    uint64_t conn;
    uint16_t local_port;
    weir_protocol protocol;
    weir_octets rows; /* the sum of every row of the account */
    weir_octets wire; /* what the account itself says was on the wire */
    weir_octets other;
    weir_octets unread;
    weir_octets handshake;
    weir_verdict verdict;
} closed;

typedef struct notes {
    pthread_mutex_t lock;
    weir_observer observer;
    acquired *acquired;
    size_t acquired_count;
    size_t acquired_room;
    closed *closed;
    size_t closed_count;
    size_t closed_room;
    uint64_t told[WEIR_EVENT_COUNT]; /* how often each event came */
} notes;

void notes_init(notes *n);
void notes_clear(notes *n);

/* The sum of every row: exchanges, the connection's, and the two pending figures. */
weir_octets account_sum(const weir_account *account);

#endif
