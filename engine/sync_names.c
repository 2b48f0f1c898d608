/* SPDX-License-Identifier: MIT */
/*
 * Look-ups of the names that a client's connections came from, when their answers have run out. The
 * client has no thread that could wait for an answer: weir_client_maintain() begins a look-up, and
 * a later one takes what has come; none of them waits. What a dial learns meanwhile is applied
 * without it.
 *
 * One thread at a time does this; another that comes goes on without. It holds no lock while it is
 * in the resolver: a name that is being looked up stays.
 */
#include "engine/sync.h"

#define POLLS_LIMIT   32
/* Nobody tells the program that an answer has come: it is told to look. */
#define LOOK_AGAIN_NS (20 * WEIR_NS_PER_MS)

/* What is said of both families when no look-up could be begun. */
static const weir_answer no_memory[] = {{.family = 4, .status = WEIR_E_NOMEM},
                                        {.family = 6, .status = WEIR_E_NOMEM}};

static bool enter(weir_client *client);
static void begin_lookups(weir_client *client, weir_time now_ns);
static bool begin_lookup(weir_client *client, weir_name *name, weir_time now_ns);
static void take_answers(weir_client *client, weir_time now_ns);

weir_time weir_client_look_names_up(weir_client *client, weir_time now_ns)
{
    if (!enter(client)) {
        return WEIR_NEVER;
    }
    begin_lookups(client, now_ns);
    if (client->names_channel != NULL) {
        take_answers(client, now_ns);
    }
    if (client->name_lookups == 0) {
        weir_channel_free(
            client->names_channel); /* the next one reads the system's configuration anew */
        client->names_channel = NULL;
    }
    weir_mutex_lock(&client->core_lock);
    const weir_time next_ns = weir_time_earlier(
        weir_names_deadline(&client->core.names),
        client->name_lookups > 0 ? weir_time_add(now_ns, LOOK_AGAIN_NS) : WEIR_NEVER);
    client->looks_names_up = false;
    weir_client_settle(client);
    weir_client_unlock(client);
    return next_ns;
}

static bool enter(weir_client *client)
{
    weir_mutex_lock(&client->core_lock);
    const bool enters = !client->looks_names_up;
    client->looks_names_up = true;
    weir_mutex_unlock(&client->core_lock);
    return enters;
}

static void begin_lookups(weir_client *client, weir_time now_ns)
{
    for (;;) {
        weir_mutex_lock(&client->core_lock);
        weir_name *name = weir_names_next(&client->core.names, now_ns);
        weir_mutex_unlock(&client->core_lock);
        if (name == NULL) {
            return;
        }
        if (begin_lookup(client, name, now_ns)) {
            client->name_lookups++;
            continue;
        }
        weir_mutex_lock(&client->core_lock);
        for (size_t i = 0; i < WEIR_COUNT_OF(no_memory); i++) {
            (void)weir_names_answer(&client->core.names, name, &no_memory[i], now_ns);
        }
        weir_mutex_unlock(&client->core_lock);
    }
}

static bool begin_lookup(weir_client *client, weir_name *name, weir_time now_ns)
{
    const weir_channel_options options = {
        .allocator = client->allocator, .resolver = client->resolver, .held = &client->held};
    weir_status ignored = WEIR_OK;

    if (client->names_channel == NULL) {
        client->names_channel = weir_channel_new(&options, &ignored);
    }
    if (client->names_channel != NULL) {
        name->lookup = weir_channel_start(client->names_channel,
                                          (weir_span){name->host, name->host_length}, name, now_ns);
    }
    return name->lookup != NULL;
}

static void take_answers(weir_client *client, weir_time now_ns)
{
    weir_channel *channel = client->names_channel;
    weir_poll polls[POLLS_LIMIT];
    weir_lookup_answer came;
    const size_t count = weir_min(weir_channel_polls(channel, polls, POLLS_LIMIT), POLLS_LIMIT);

    (void)weir_os_poll(polls, count, 0);
    for (size_t i = 0; i < count; i++) {
        if (polls[i].revents != 0) {
            weir_channel_ready(channel, polls[i].fd, (polls[i].revents & WEIR_POLL_IN) != 0,
                               (polls[i].revents & WEIR_POLL_OUT) != 0, now_ns);
        }
    }
    weir_channel_ready(channel, -1, false, false, now_ns);
    while (weir_channel_next_answer(channel, &came)) {
        weir_mutex_lock(&client->core_lock);
        const bool over = weir_names_answer(&client->core.names, came.user, &came.answer, now_ns);
        weir_mutex_unlock(&client->core_lock);
        if (over) {
            weir_channel_end(channel, came.lookup);
            client->name_lookups--;
        }
    }
}
