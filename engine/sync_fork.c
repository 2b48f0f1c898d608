/* SPDX-License-Identifier: MIT */
/*
 * A client in the child of a fork.
 *
 * The child has the memory of its parent as it was at that moment, and one thread: the others may
 * have been anywhere, with any lock held and any list half linked. So it takes nothing apart. It
 * closes its copies of the parent's descriptors, which are known without a lock (held.h), and
 * begins with a new pool; what belonged to the parent stays where it is, in pages that the two
 * processes share as long as neither writes to them. No octet leaves: no goodbye, no close_notify,
 * no shutdown(2), which would end the connection for the parent too.
 *
 * An exchange of the thread that forked is found to be of the parent's when it is next used (its
 * generation), and is cut off.
 */
#include "engine/sync.h"

#include <string.h>

static void tell_forked(weir_client *client, weir_time now_ns);

weir_status weir_client_enter(weir_client *client)
{
    weir_status status = WEIR_OK;
    uint64_t seed = 0;

    if (weir_fork_mark_is_ours(client->mark) || !weir_fork_mark_claim(client->mark)) {
        return WEIR_OK;
    }
    weir_client_forget_parent(client);
    weir_os_random(&seed, sizeof(seed));
    status = weir_core_begin_anew(&client->core, seed);
    weir_fork_mark_settle(client->mark, status == WEIR_OK);
    if (status == WEIR_OK) {
        weir_client_tell(client);
    }
    return status;
}

void weir_client_forget_parent(weir_client *client)
{
    const bool whole =
        weir_mutex_forked(&client->core_lock); /* nobody was in the middle of the core */

    for (int fd = weir_held_next(&client->held, 0); fd >= 0;
         fd = weir_held_next(&client->held, fd + 1)) {
        weir_held_strike(&client->held, fd);
        weir_os_close(fd);
    }
    if (whole) {
        weir_names_forget(&client->core.names);
        tell_forked(client, weir_now());
    } else {
        weir_names_abandon(&client->core.names);
        weir_events_init(&client->core.events, client->allocator, client->core.events.observer);
    }
    weir_client_empty_lists(client);
    client->looks_names_up = false;
    client->names_channel = NULL; /* its look-ups are the parent's */
    client->name_lookups = 0;
    client->generation++;
    atomic_store(&client->exchanges, 0);
    weir_shared_enter(client->core.shared);
}

void weir_client_empty_lists(weir_client *client)
{
    weir_list_init(&client->free_seats);
    weir_list_init(&client->seats);
    weir_list_init(&client->queued);
    weir_list_init(&client->drainers);
    weir_list_init(&client->lines);
    weir_list_init(&client->wakes);
    client->call_ns = WEIR_NEVER;
}

void weir_client_cut_off(weir_client *client, weir_exchange *ex)
{
    const weir_time now_ns = weir_now();

    ex->generation = client->generation;
    atomic_fetch_add(&client->exchanges, 1);
    atomic_store(&ex->sits, NULL);
    if (ex->state == WEIR_EXCHANGE_DONE) {
        return;
    }
    ex->link = NULL;
    ex->stream = NULL;
    ex->metered = WEIR_METERED_ENDED;
    ex->series = NULL;
    memset(&ex->ticket, 0, sizeof(ex->ticket));
    weir_list_init(&ex->ticket.link);
    weir_list_init(&ex->ticket.granted);
    ex->state = WEIR_EXCHANGE_ENDED;
    ex->call.replay = WEIR_REPLAY_NEVER;
    ex->failure = (weir_failure){
        .status = WEIR_E_CLOSED,
        .phase = ex->phase,
        .processed = ex->attempted ? WEIR_MAYBE_PROCESSED : WEIR_NOT_SENT,
        .tls_alert = -1,
        .offset = WEIR_UNKNOWN,
        .what = WEIR_FORKED_WHAT,
    };
    weir_exchange_conclude(ex, weir_exchange_goes_again(ex), now_ns);
}

/* Its lines can be read: nobody was in the middle of them. What they moved after the fork is the
 * parent's to say. */
static void tell_forked(weir_client *client, weir_time now_ns)
{
    for (weir_list *at = client->lines.next; at != &client->lines; at = at->next) {
        const weir_line *line = WEIR_CONTAINER_OF(at, weir_line, place);
        const weir_account account = {.size = sizeof(account),
                                      .verdict.agreement = WEIR_UNAVAILABLE};
        weir_core_closed(&client->core, line->link, &account, WEIR_REASON_FORKED, now_ns);
    }
}
