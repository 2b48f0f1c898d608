/* SPDX-License-Identifier: MIT */
/*
 * The vigil of who waits for a stream of a connection that has none left: its peer allows no more
 * (RFC 9113 s6.5.2), and its end, or the SETTINGS that raise the limit, must be noticed.
 *
 * While somebody is inside it for an exchange's sake, that one reads it; the line is *watched*, and
 * who leaves it with nobody inside calls one of those who wait. When nobody has an exchange on it,
 * or all their callers are away, one of those who wait keeps it: he polls it beside his own wake-up.
 *
 * To keep a line is no baton: it reads what is there, as weir_client_maintain() does, and who comes
 * back to it does not wait. Who stops keeping it calls another. Who is given the last stream there
 * is while others wait leaves the line watched (`fills`): no more than that is needed as long as the
 * callers are inside, so a connection that is merely busy costs nobody a wake-up.
 *
 * Who cannot wait for want of a descriptor leaves with that failure: to park would be to wait for
 * what perhaps nobody reads.
 */
#include "engine/sync.h"

#define LINES         32 /* that one thread looks at; of more, the first */
#define CALL_EVERY_NS (10 * WEIR_NS_PER_MS)

typedef struct vigil {
    weir_line *lines[LINES];
    weir_poll polls[LINES + 1];
    bool used[LINES]; /* by others, since it looked last */
    size_t count;
    bool is_called;
    weir_time looked_ns; /* last; 0: it did not keep them */
} vigil;

static void begin(weir_client *client, const weir_exchange *ex, weir_seat *seat, vigil *v);
static bool look(weir_client *client, weir_seat *seat, vigil *v, weir_time *deadline_ns);
static void keep(weir_client *client, weir_seat *seat, vigil *v, weir_time *deadline_ns);
static void end(weir_client *client, const vigil *v);
static bool is_spared(const weir_client *client, weir_time now_ns);
static void put_off(weir_client *client, weir_line *line);
static bool may_keep(const weir_seat *seat);
static bool has_task(const weir_seat *seat);
static bool is_kept(const weir_slot *slot);

bool weir_client_keep_vigil(weir_client *client, const weir_exchange *ex, weir_seat *seat,
                            weir_time *deadline_ns, weir_status *waited)
{
    vigil v = {.count = 0};
    weir_time until_ns = *deadline_ns;

    begin(client, ex, seat, &v);
    if (v.count == 0) {
        return false;
    }
    if (look(client, seat, &v, &until_ns)) {
        end(client, &v); /* with news it asks first whether it still waits */
        return true;
    }
    keep(client, seat, &v, deadline_ns);
    if (v.count == 0) {
        return false;
    }
    until_ns = weir_time_earlier(until_ns, *deadline_ns);
    *waited = weir_seat_poll(seat, v.polls, v.count, until_ns);
    end(client, &v);
    return true;
}

void weir_client_pass_vigil_on(weir_client *client, const weir_exchange *ex, weir_seat *seat)
{
    const weir_slot *own = ex->ticket.state == WEIR_TICKET_LEASED ? ex->ticket.slot : NULL;

    if (!has_task(seat)) {
        return;
    }
    seat->keeps = false;
    seat->called = false;
    if (ex->ticket.state != WEIR_TICKET_LEASED && ex->ticket.state != WEIR_TICKET_WAITING) {
        weir_client_wake_queued(client); /* where it waited nobody knows any more */
        return;
    }
    /* One looks at all of them. Its own line it leaves watched. */
    for (weir_slot *slot = weir_pool_next_dry(&ex->ticket, NULL); slot != NULL;
         slot = weir_pool_next_dry(&ex->ticket, slot)) {
        if (slot != own && !is_kept(slot)) {
            weir_client_call_keeper(client, slot);
            return;
        }
    }
}

/* Of those who wait who will wait longest: the later it goes the fewer are called. One who keeps
 * other lines already keeps this one too, if there is nobody else. */
void weir_client_call_keeper(weir_client *client, weir_slot *slot)
{
    weir_seat *keeper = NULL;

    if (!weir_slot_is_dry(slot) || is_kept(slot)) {
        return;
    }
    for (weir_ticket *ticket = weir_pool_last_waiting(slot, NULL);
         ticket != NULL && (keeper == NULL || has_task(keeper));
         ticket = weir_pool_last_waiting(slot, ticket)) {
        weir_seat *seat = atomic_load(&WEIR_CONTAINER_OF(ticket, weir_exchange, ticket)->sits);
        if (seat != NULL && may_keep(seat)) {
            keeper = seat;
            if (seat->called) {
                return; /* it is going to look at all of them */
            }
        }
    }
    if (keeper != NULL) {
        keeper->called = true;
        client->called_ns = weir_now();
        weir_client_wake_later(client, keeper);
    }
}

bool weir_line_is_left(weir_line *line)
{
    const bool is_left =
        line->watched && !line->reading && !line->writing && weir_list_is_empty(&line->waiting);

    line->watched = line->watched && !is_left;
    return is_left;
}

void weir_line_call_keeper(weir_line *line)
{
    weir_client *client = line->client;

    weir_mutex_lock(&client->core_lock);
    if (is_spared(client, weir_now())) {
        put_off(client, line);
    } else {
        weir_client_call_keeper(client, line->slot);
    }
    weir_client_unlock(client);
}

void weir_client_call_keepers(weir_client *client, weir_time now_ns)
{
    if (client->call_ns > now_ns) {
        return;
    }
    client->call_ns = WEIR_NEVER;
    for (weir_list *at = client->lines.next; at != &client->lines; at = at->next) {
        weir_line *line = WEIR_CONTAINER_OF(at, weir_line, place);
        if (line->left && line->slot != NULL) {
            weir_client_call_keeper(client, line->slot);
        }
        line->left = false;
    }
}

/* Those that nobody keeps. */
static void begin(weir_client *client, const weir_exchange *ex, weir_seat *seat, vigil *v)
{
    weir_mutex_lock(&client->core_lock);
    for (weir_slot *slot = weir_pool_next_dry(&ex->ticket, NULL); slot != NULL && v->count < LINES;
         slot = weir_pool_next_dry(&ex->ticket, slot)) {
        weir_line *line = weir_slot_user(slot);
        if (!is_kept(slot) && !line->close_waits) {
            line->pins++;
            v->lines[v->count++] = line;
        }
    }
    v->is_called = seat->called;
    v->looked_ns = seat->keeps ? seat->looked_ns : 0;
    seat->called = false;
    /* What it looks at is not left watched: if it goes, another must look. */
    seat->keeps = v->count > 0;
    weir_mutex_unlock(&client->core_lock);
}

/* True: there is news. *deadline_ns: when to look again. What is not read, because what we have to
 * say is not taken, is not polled for either. */
static bool look(weir_client *client, weir_seat *seat, vigil *v, weir_time *deadline_ns)
{
    bool any = false;

    for (size_t i = 0; i < v->count; i++) {
        weir_line *line = v->lines[i];
        weir_sight sight;
        weir_line_keep(line, v->looked_ns, &sight);
        v->polls[i] = (weir_poll){.fd = line->fd, .events = sight.events};
        v->used[i] = sight.used;
        if (sight.newer) {
            weir_mutex_lock(&client->core_lock);
            if (!line->close_waits) {
                weir_pool_facts(client->core.pool, line->slot, &sight.facts, weir_now());
            }
            weir_client_settle(client);
            weir_client_unlock(client);
            any = true;
        }
        *deadline_ns = weir_time_earlier(*deadline_ns, sight.wake_ns);
    }
    seat->looked_ns = weir_now();
    return any;
}

/*
 * Those of them that are its own to poll; the others it lets go: they are watched, or another who
 * looked at the same time keeps them. Or others use them, and somebody was called lately: they come
 * and go, and who polls then is woken for what others read.
 */
static void keep(weir_client *client, weir_seat *seat, vigil *v, weir_time *deadline_ns)
{
    size_t count = 0;

    weir_mutex_lock(&client->core_lock);
    const weir_time now_ns = weir_now();
    const bool spares = !v->is_called && is_spared(client, now_ns);
    for (size_t i = 0; i < v->count; i++) {
        weir_line *line = v->lines[i];
        const bool is_own = v->polls[i].events != 0 && !line->kept && !line->close_waits;
        if (is_own && spares && v->used[i]) {
            put_off(client, line);
        } else if (is_own) {
            line->kept = true;
            line->left = false;
            client->called_ns = v->used[i] ? now_ns : client->called_ns;
            v->lines[count] = line;
            v->polls[count++] = v->polls[i];
            continue;
        }
        weir_line_unpin(line);
    }
    v->count = count;
    seat->keeps = count > 0;
    *deadline_ns = weir_time_earlier(*deadline_ns, client->call_ns);
    seat->looks_at_ns = *deadline_ns;
    weir_client_settle(client);
    weir_client_unlock(client);
}

/* It keeps them on, or calls another when it goes. */
static void end(weir_client *client, const vigil *v)
{
    weir_mutex_lock(&client->core_lock);
    for (size_t i = 0; i < v->count; i++) {
        v->lines[i]->kept = false;
        weir_line_unpin(v->lines[i]);
    }
    weir_client_settle(client);
    weir_client_unlock(client);
}

/* With the core's lock: one was called lately. */
static bool is_spared(const weir_client *client, weir_time now_ns)
{
    return weir_time_since(now_ns, client->called_ns) < CALL_EVERY_NS;
}

/* With the core's lock. Who looked at the pool last knows the time, or is woken to. */
static void put_off(weir_client *client, weir_line *line)
{
    line->left = true;
    client->call_ns =
        weir_time_earlier(client->call_ns, weir_time_add(client->called_ns, CALL_EVERY_NS));
}

/* It waits, and for nothing that it has to do itself. */
static bool may_keep(const weir_seat *seat)
{
    return !weir_list_is_empty(&seat->place) && weir_list_is_empty(&seat->dials) &&
           weir_list_is_empty(&seat->dialing);
}

static bool has_task(const weir_seat *seat)
{
    return seat->keeps || seat->called;
}

/* Or it is none that could be. */
static bool is_kept(const weir_slot *slot)
{
    const weir_line *line = weir_slot_user(slot);

    return line == NULL || line->dial != NULL || line->kept;
}
