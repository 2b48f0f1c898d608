/* SPDX-License-Identifier: MIT */
/*
 * One dial of the blocking front end, as far as it goes without waiting: the look-up, the attempts,
 * the TLS handshake. The thread that runs it waits for all of its dials at once (sync_dialer.c).
 */
#include "engine/sync.h"

#include "proto/span.h"

/* Descriptors of one look-up. */
#define RESOLVER_POLLS   (WEIR_LINE_DIAL_POLLS - WEIR_DIAL_ATTEMPTS)
/* A peer that sends as fast as it is read holds up no other dial of the thread, nor a deadline. */
#define HANDSHAKE_ROUNDS 16

static weir_status ask(weir_line *line, weir_time now_ns);
static bool another_asks(const weir_line_dial *dial);
static bool go_to_one_name(const weir_line_dial *one, const weir_line_dial *other);
static void take_answers(weir_line *line, weir_time now_ns);
static void start_attempts(weir_line *line, weir_time now_ns);
static void attempts_ready(weir_line *line, const weir_poll *polls, size_t count, weir_time now_ns);
static void shake_hands(weir_line *line, uint8_t *room, weir_time now_ns);
static void close_attempt(weir_line *line, size_t index, int sys_errno);

bool weir_line_begin_dial(weir_line *line, weir_exchange *ex, weir_time now_ns)
{
    if (line->dial->dialing != NULL) {
        weir_dialing_adopt(line->dial->dialing, ex, now_ns); /* another thread began it */
        return true;
    }
    line->dial->dialing = weir_dialing_new(&line->client->core, line->link, ex, now_ns);
    return line->dial->dialing != NULL;
}

weir_dialing_outcome weir_line_move_dial(weir_line *line, uint8_t *room, weir_time now_ns)
{
    weir_dialing *dialing = line->dial->dialing;
    weir_why why = WEIR_WHY_NONE;

    if (weir_dialing_deadline(dialing, &why) <= now_ns) {
        weir_dialing_expire(dialing, now_ns);
    }
    const weir_status asked = ask(line, now_ns);
    if (asked != WEIR_OK) {
        weir_dialing_answer(dialing, &(weir_answer){.family = 4, .status = asked}, now_ns);
        weir_dialing_answer(dialing, &(weir_answer){.family = 6, .status = asked}, now_ns);
    }
    take_answers(line, now_ns);
    start_attempts(line, now_ns);
    if (line->fd >= 0) {
        shake_hands(line, room, now_ns);
        now_ns = weir_now(); /* verifying a chain takes its time */
    }
    return weir_dialing_outcome_of(dialing, now_ns);
}

size_t weir_line_poll_dial(weir_line *line, weir_poll *polls, weir_time now_ns,
                           weir_time *deadline_ns)
{
    weir_line_dial *dial = line->dial;
    const weir_dial *addresses = &dial->dialing->dial;
    weir_want want;
    weir_why why = WEIR_WHY_NONE;
    size_t count = 0;

    *deadline_ns = weir_time_earlier(*deadline_ns, weir_dialing_deadline(dial->dialing, &why));
    if (dial->channel != NULL) {
        count = weir_min(weir_channel_polls(dial->channel, polls, RESOLVER_POLLS), RESOLVER_POLLS);
        *deadline_ns =
            weir_time_earlier(*deadline_ns, weir_channel_deadline(dial->channel, now_ns));
    }
    dial->resolver_polls = count;
    if (line->fd >= 0) {
        weir_link_want(line->link, &want);
        polls[count++] = (weir_poll){
            .fd = line->fd,
            .events = (short)(WEIR_POLL_IN | (want.out[0].length > 0 ? WEIR_POLL_OUT : 0)),
        };
    }
    for (size_t i = 0; i < addresses->count; i++) {
        if (addresses->addresses[i].fd >= 0) {
            polls[count++] = (weir_poll){.fd = addresses->addresses[i].fd, .events = WEIR_POLL_OUT};
        }
    }
    WEIR_ASSERT(count <= WEIR_LINE_DIAL_POLLS);
    dial->polls = count;
    return count;
}

void weir_line_dial_polled(weir_line *line, const weir_poll *polls, weir_time now_ns)
{
    const size_t resolver = line->dial->resolver_polls;

    for (size_t i = 0; i < resolver; i++) {
        if (polls[i].revents != 0) {
            weir_channel_ready(line->dial->channel, polls[i].fd,
                               (polls[i].revents & WEIR_POLL_IN) != 0,
                               (polls[i].revents & WEIR_POLL_OUT) != 0, now_ns);
        }
    }
    if (line->fd < 0) {
        attempts_ready(line, polls + resolver, line->dial->polls - resolver, now_ns);
    }
}

void weir_line_stop_dial(weir_line *line)
{
    if (line->dial == NULL || line->dial->dialing == NULL) {
        return;
    }
    weir_dial *dial = &line->dial->dialing->dial;
    for (size_t i = 0; i < dial->count; i++) {
        if (dial->addresses[i].fd >= 0) {
            close_attempt(line, i, 0);
        }
    }
    weir_channel_free(line->dial->channel); /* its look-up, if it has one, ends with it */
    line->dial->channel = NULL;
    line->dial->lookup = NULL;
}

/* The name is asked for once, however many dials of this thread go there: who asks takes the
 * answers for all. */
static weir_status ask(weir_line *line, weir_time now_ns)
{
    weir_client *client = line->client;
    weir_line_dial *dial = line->dial;
    const weir_channel_options channel = {
        .allocator = client->allocator, .resolver = client->resolver, .held = &client->held};
    weir_status status = WEIR_OK;

    /* Connected, it needs no answer more, though one be outstanding. */
    if (line->fd >= 0 || dial->lookup != NULL || !weir_dialing_needs_lookup(dial->dialing) ||
        another_asks(dial) || !weir_dialing_still_needs_lookup(dial->dialing, now_ns)) {
        return WEIR_OK;
    }
    if (dial->channel == NULL) {
        dial->channel = weir_channel_new(&channel, &status);
        if (dial->channel == NULL) {
            return status;
        }
    }
    dial->lookup =
        weir_channel_start(dial->channel, weir_dialing_host(dial->dialing), line, now_ns);
    return dial->lookup != NULL ? WEIR_OK : WEIR_E_NOMEM;
}

static bool another_asks(const weir_line_dial *dial)
{
    weir_list *dials = &dial->dialer->dialing;

    for (weir_list *at = dials->next; at != dials; at = at->next) {
        const weir_line_dial *other = WEIR_CONTAINER_OF(at, weir_line_dial, place);
        if (other->lookup != NULL && go_to_one_name(dial, other)) {
            return true;
        }
    }
    return false;
}

static bool go_to_one_name(const weir_line_dial *one, const weir_line_dial *other)
{
    return one->dialing != NULL && other->dialing != NULL &&
           weir_span_equal(weir_dialing_host(one->dialing), weir_dialing_host(other->dialing));
}

static void take_answers(weir_line *line, weir_time now_ns)
{
    weir_line_dial *dial = line->dial;
    weir_list *dials = &dial->dialer->dialing;
    weir_lookup_answer came;

    if (dial->channel == NULL) {
        return;
    }
    weir_channel_ready(dial->channel, -1, false, false, now_ns);
    while (weir_channel_next_answer(dial->channel, &came)) {
        for (weir_list *at = dials->next; at != dials; at = at->next) {
            weir_line_dial *other = WEIR_CONTAINER_OF(at, weir_line_dial, place);
            if (other == dial || go_to_one_name(dial, other)) {
                weir_dialing_answer(other->dialing, &came.answer, now_ns);
            }
        }
    }
}

static void start_attempts(weir_line *line, weir_time now_ns)
{
    size_t index = 0;

    while (line->fd < 0 && weir_dialing_next(line->dial->dialing, now_ns, &index)) {
        weir_dial_address *attempt = &line->dial->dialing->dial.addresses[index];
        const weir_io io =
            weir_os_connect(&attempt->address, line->dial->dialing->port, &attempt->fd);
        weir_held_note(&line->client->held, attempt->fd);
        if (io.kind == WEIR_IO_FAILED) {
            weir_dialing_attempt_ended(line->dial->dialing, index, io.sys_errno, now_ns);
        }
    }
}

static void attempts_ready(weir_line *line, const weir_poll *polls, size_t count, weir_time now_ns)
{
    weir_dial *dial = &line->dial->dialing->dial;

    for (size_t i = 0; i < count; i++) {
        size_t index = 0;
        while (index < dial->count && dial->addresses[index].fd != polls[i].fd) {
            index++;
        }
        if (polls[i].revents == 0 || index == dial->count || line->fd >= 0) {
            continue;
        }
        const int fd = dial->addresses[index].fd;
        const weir_io io = weir_os_connect_result(fd);
        if (io.kind == WEIR_IO_OK) {
            dial->addresses[index].fd = -1;
            line->fd = fd;
            weir_line_stop_dial(line);
        } else {
            close_attempt(line, index, io.sys_errno);
        }
        weir_dialing_attempt_ended(line->dial->dialing, index, io.sys_errno, now_ns);
    }
}

/* The TLS handshake: what the link wants, without waiting. */
static void shake_hands(weir_line *line, uint8_t *room, weir_time now_ns)
{
    weir_want want;
    bool moved = true;

    for (size_t i = 0; i < HANDSHAKE_ROUNDS && moved && line->link->state == WEIR_LINK_HANDSHAKE;
         i++) {
        moved = false;
        weir_link_want(line->link, &want);
        if (want.out[0].length > 0) {
            const weir_io sent =
                weir_os_send(line->fd, want.out, want.out[1].length > 0 ? 2 : 1, true);
            if (sent.kind == WEIR_IO_OK) {
                weir_link_sent(line->link, sent.octets, now_ns);
                moved = true;
            } else if (sent.kind == WEIR_IO_FAILED) {
                weir_link_failed(line->link, sent.sys_errno, now_ns);
                return;
            }
        }
        const weir_io got =
            weir_os_recv(line->fd, room, weir_min(want.in_octets, WEIR_SEAT_RECEIVE_OCTETS), true);
        if (got.kind == WEIR_IO_OK) {
            (void)weir_link_received(line->link, (weir_span){room, got.octets}, now_ns);
            moved = true;
        } else if (got.kind == WEIR_IO_END) {
            (void)weir_link_received(line->link, (weir_span){NULL, 0}, now_ns);
        } else if (got.kind == WEIR_IO_FAILED) {
            weir_link_failed(line->link, got.sys_errno, now_ns);
        }
    }
}

/* It may have been connected by the time it is closed: then it was a connection, with an account of
 * its own. */
static void close_attempt(weir_line *line, size_t index, int sys_errno)
{
    weir_client *client = line->client;
    weir_dial_address *attempt = &line->dial->dialing->dial.addresses[index];
    weir_octets kernel;

    const bool connected = weir_os_attempt_octets(attempt->fd, sys_errno, &kernel);
    const uint16_t local_port = connected ? weir_os_local_port(attempt->fd) : 0;
    weir_held_strike(&client->held, attempt->fd);
    weir_os_close(attempt->fd);
    attempt->fd = -1;
    if (connected) {
        weir_mutex_lock(&client->core_lock);
        weir_core_attempt_closed(&client->core, &kernel, local_port, weir_now());
        weir_mutex_unlock(&client->core_lock);
    }
}
