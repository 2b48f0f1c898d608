/* SPDX-License-Identifier: MIT */
/* A line's birth, for a slot that is to be dialled, its lock and who is woken with it, and its end. */
#include "engine/sync.h"

#include "proto/alloc.h"

#define CLOSING_NS (WEIR_NS_PER_SECOND)
#define WAKES      32

static void wake_the_sent(weir_line *line);
static bool is_sent(const weir_exchange *ex);

weir_line *weir_line_new(weir_client *client, weir_slot *slot, const weir_exchange *cause,
                         weir_status *status)
{
    weir_line *line = weir_alloc_zeroed(client->allocator, sizeof(*line));
    weir_line_dial *dial = weir_alloc_zeroed(client->allocator, sizeof(*dial));

    *status = WEIR_E_NOMEM;
    if (line == NULL || dial == NULL) {
        weir_release(client->allocator, dial);
        weir_release(client->allocator, line);
        return NULL;
    }
    line->dial = dial;
    dial->line = line;
    line->client = client;
    line->slot = slot;
    line->fd = -1;
    weir_list_init(&line->place);
    weir_list_init(&dial->place);
    weir_list_init(&line->waiting);
    weir_list_init(&line->wakes);
    weir_bin_init(&line->bin, client->allocator, WEIR_SEAT_CHUNKS);
    line->link = weir_core_link(&client->core, slot, &line->bin, cause, status);
    if (line->link == NULL) {
        weir_release(client->allocator, dial);
        weir_release(client->allocator, line);
        return NULL;
    }
    weir_list_push_back(&client->lines, &line->place);
    weir_slot_set_user(slot, line);
    return line;
}

/*
 * The list is of exchanges, which are on this line, and not of seats: with the lock let go a thread
 * may leave, and another sit down in its seat and go to another line. That one's lock guards what
 * is done to it there. A seat that is woken for who sat there before looks in vain, once.
 */
void weir_line_unlock(weir_line *line)
{
    weir_seat *seats[WAKES];

    for (;;) {
        size_t count = 0;
        while (count < WAKES && !weir_list_is_empty(&line->wakes)) {
            weir_exchange *ex = WEIR_CONTAINER_OF(line->wakes.next, weir_exchange, news_place);
            weir_list_remove(&ex->news_place);
            seats[count] = atomic_load(&ex->sits);
            count += seats[count] != NULL ? 1 : 0; /* else nobody is inside, who comes looks */
        }
        const bool more = !weir_list_is_empty(&line->wakes);
        weir_lock_release(&line->lock);
        for (size_t i = 0; i < count; i++) {
            weir_seat_wake(seats[i]);
        }
        if (!more) {
            return;
        }
        weir_lock_take(&line->lock);
    }
}

void weir_line_wake_later(weir_line *line, weir_exchange *ex)
{
    if (weir_list_is_empty(&ex->news_place)) {
        weir_list_push_back(&line->wakes, &ex->news_place);
    }
}

void weir_line_deliver(weir_line *line, const weir_exchange *self)
{
    weir_conn *conn = line->link->conn;

    wake_the_sent(line);
    if (conn == NULL) {
        return;
    }
    for (weir_stream *stream = weir_conn_next_ready(conn, NULL); stream != NULL;
         stream = weir_conn_next_ready(conn, stream)) {
        weir_exchange *ex = stream->user;
        if (ex != self) {
            weir_line_wake_later(line, ex);
        }
    }
}

void weir_line_close(weir_line *line, weir_time now_ns)
{
    weir_client *client = line->client;
    weir_account account;
    weir_want want;

    weir_line_stop_dial(line);
    weir_link_close(line->link, CLOSING_NS, now_ns);
    if (line->fd >= 0) {
        /* One try at goodbye; a peer that does not read is not waited for. */
        weir_link_want(line->link, &want);
        if (want.out[0].length > 0) {
            const weir_io io =
                weir_os_send(line->fd, want.out, want.out[1].length > 0 ? 2 : 1, true);
            if (io.kind == WEIR_IO_OK) {
                weir_link_sent(line->link, io.octets, now_ns);
            } else if (io.kind == WEIR_IO_FAILED) {
                weir_link_error_taken(line->link,
                                      io.sys_errno); /* recv says 0 behind it, and that is no FIN */
            }
        }
    }
    weir_link_account(line->link, line->fd, &account);
    if (line->fd >= 0) {
        account.local_port = weir_os_local_port(line->fd);
        weir_held_strike(&client->held, line->fd);
        weir_os_close(line->fd);
    }
    weir_mutex_lock(&client->core_lock);
    weir_core_closed(&client->core, line->link, &account, line->close_reason, now_ns);
    weir_list_remove(&line->place);
    weir_mutex_unlock(&client->core_lock);
    if (line->dial != NULL) {
        weir_dialing_free(line->dial->dialing);
        weir_release(client->allocator, line->dial);
    }
    weir_link_free(line->link);
    weir_bin_clear(&line->bin);
    weir_release(client->allocator, line);
}

/* That octets were sent is no event of a stream: who waits for that alone is woken here, whoever
 * sent them. The reader may be one of them, if it came while another wrote. */
static void wake_the_sent(weir_line *line)
{
    if (line->for_sent == 0) {
        return;
    }
    if (line->reader != NULL && line->reader->for_sent && is_sent(line->reader->exchange)) {
        weir_line_wake_later(line, line->reader->exchange);
    }
    for (weir_list *at = line->waiting.next; at != &line->waiting; at = at->next) {
        weir_seat *seat = WEIR_CONTAINER_OF(at, weir_seat, place);
        if (seat->for_sent && is_sent(seat->exchange)) {
            weir_line_wake_later(line, seat->exchange);
        }
    }
}

static bool is_sent(const weir_exchange *ex)
{
    return ex->stream->owner.queued_octets == 0;
}
