/* SPDX-License-Identifier: MIT */
/*
 * The vigil of who waits for a stream of a connection on which nobody has an exchange, because the
 * peer allows none (RFC 9113 s6.5.2). No thread reads it for an exchange's sake, so who waits does:
 * else the SETTINGS that allow a stream, or the end of the connection, would be noticed by nobody.
 *
 * One thread keeps it for each such line, the others park. It is no baton: it reads what is there,
 * as weir_client_maintain() does, and who is given the line does not wait for it. Who stops keeping
 * it wakes the others, of whom one goes on. Who cannot wait for want of a descriptor leaves with
 * that failure: to park would be to wait for what perhaps nobody reads.
 */
#include "engine/sync.h"

#define LINES 8 /* that one thread keeps */

typedef struct vigil {
    weir_line *lines[LINES];
    size_t count;
} vigil;

static void begin(weir_client *client, const weir_exchange *ex, vigil *v);
static bool look(weir_client *client, const vigil *v, weir_poll *polls, weir_time *deadline_ns);
static void end(weir_client *client, const vigil *v);

bool weir_client_keep_vigil(weir_client *client, const weir_exchange *ex, weir_seat *seat,
                            weir_time deadline_ns, weir_status *waited)
{
    weir_poll polls[LINES + 1];
    vigil v = {.count = 0};

    begin(client, ex, &v);
    if (v.count == 0) {
        return false;
    }
    /* With news the caller asks first whether it still waits. */
    if (!look(client, &v, polls, &deadline_ns)) {
        *waited = weir_seat_poll(seat, polls, v.count, deadline_ns);
    }
    end(client, &v);
    return true;
}

void weir_client_pass_vigil_on(weir_client *client)
{
    weir_mutex_lock(&client->core_lock);
    weir_client_wake_queued(client);
    weir_client_unlock(client);
}

static void begin(weir_client *client, const weir_exchange *ex, vigil *v)
{
    weir_mutex_lock(&client->core_lock);
    for (weir_slot *slot = weir_pool_next_dry(&ex->ticket, NULL); slot != NULL && v->count < LINES;
         slot = weir_pool_next_dry(&ex->ticket, slot)) {
        weir_line *line = weir_slot_user(slot);
        if (line != NULL && line->dial == NULL && !line->kept && !line->close_waits) {
            line->kept = true;
            line->pins++;
            v->lines[v->count++] = line;
        }
    }
    weir_mutex_unlock(&client->core_lock);
}

/* True: there is news. *deadline_ns: when to look again. What is not read, because what we have to
 * say is not taken, is not polled for either. */
static bool look(weir_client *client, const vigil *v, weir_poll *polls, weir_time *deadline_ns)
{
    bool any = false;

    for (size_t i = 0; i < v->count; i++) {
        weir_line *line = v->lines[i];
        weir_time wake_ns = WEIR_NEVER;
        weir_facts facts;
        polls[i] = (weir_poll){.fd = line->fd};
        if (weir_line_look_after(line, &facts, &wake_ns, &polls[i].events)) {
            weir_mutex_lock(&client->core_lock);
            if (!line->close_waits) {
                weir_pool_facts(client->core.pool, line->slot, &facts, weir_now());
            }
            weir_client_settle(client);
            weir_client_unlock(client);
            any = true;
        }
        *deadline_ns = weir_time_earlier(*deadline_ns, wake_ns);
    }
    return any;
}

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
