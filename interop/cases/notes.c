/* SPDX-License-Identifier: MIT */
/* The observer of a row; notes.h says what it keeps. */
#include "notes.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

static void tell(const weir_event *event, void *user);
static void note_acquired(notes *n, const weir_event *event);
static void note_closed(notes *n, const weir_event *event);
static void add(weir_octets *to, weir_octets from);

void notes_init(notes *n)
{
    *n = (notes){.observer = {.size = sizeof n->observer, .user = n, .tell = tell}};
    pthread_mutex_init(&n->lock, NULL);
}

void notes_clear(notes *n)
{
    pthread_mutex_destroy(&n->lock);
    free(n->acquired);
    free(n->closed);
}

weir_octets account_sum(const weir_account *account)
{
    weir_octets sum = weir_tally_wire(&account->exchanges);
    for (size_t i = 0; i < WEIR_CONN_ROWS; i++) {
        add(&sum, account->rows[i]);
    }
    add(&sum, account->undecided);
    add(&sum, account->torn);
    return sum;
}

static void tell(const weir_event *event, void *user)
{
    notes *n = user;
    pthread_mutex_lock(&n->lock);
    if (event->kind < WEIR_EVENT_COUNT) {
        n->told[event->kind]++;
    }
    if (event->kind == WEIR_EVENT_CONNECTION_ACQUIRED) {
        note_acquired(n, event);
    }
    if (event->kind == WEIR_EVENT_CONNECTION_CLOSED) {
        note_closed(n, event);
    }
    pthread_mutex_unlock(&n->lock);
}

static void note_acquired(notes *n, const weir_event *event)
{
    acquired *a = NULL;
    acquired new = {.port = event->port, .protocol = event->protocol};
    size_t length = event->host.length < sizeof new.host ? event->host.length : sizeof new.host - 1;
    memcpy(new.host, event->host.at, length);
    for (size_t i = 0; i < n->acquired_count && a == NULL; i++) {
        acquired *known = &n->acquired[i];
        if (known->port == new.port &&
            known->protocol == new.protocol &&strcmp(known->host, new.host) == 0) {
            a = known;
        }
    }
    if (a == NULL) {
        n->acquired = must_grow(n->acquired, n->acquired_count, &n->acquired_room, sizeof *a);
        a = &n->acquired[n->acquired_count++];
        *a = new;
    }
    *(event->reused ? &a->reused : &a->fresh) += 1;
}

static void note_closed(notes *n, const weir_event *event)
{
    const weir_account *account = event->account;
    n->closed = must_grow(n->closed, n->closed_count, &n->closed_room, sizeof n->closed[0]);
    n->closed[n->closed_count++] = (closed){
        .conn = event->conn,
        .local_port = account->local_port,
        .protocol = event->protocol,
        .rows = account_sum(account),
        .wire = account->wire,
        .other = account->rows[WEIR_ROW_OTHER],
        .unread = account->rows[WEIR_ROW_UNREAD],
        .handshake = account->rows[WEIR_ROW_TLS_HANDSHAKE],
        .verdict = account->verdict,
    };
}

static void add(weir_octets *to, weir_octets from)
{
    to->sent += from.sent;
    to->received += from.received;
}
