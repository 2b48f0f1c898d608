/* SPDX-License-Identifier: MIT */
/*
 * The server of surplus_test.c; see surplus.h.
 */
#include "surplus.h"

#include "engine/os.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Atomic(weir_time) weir_surplus_sent_ns[LONG_CALLS];

static bool may_send(weir_surplus *s)
{
    weir_cue_lock(&s->cue);
    while (s->lying >= s->wanted && !s->over) {
        (void)pthread_cond_wait(&s->cue.changed, &s->cue.lock);
    }
    const bool over = s->over;
    weir_cue_unlock(&s->cue);
    return !over;
}

static void await_crowd(weir_surplus *s)
{
    weir_cue_lock(&s->cue);
    const size_t mine = s->heard++;
    (void)pthread_cond_broadcast(&s->cue.changed);
    while (s->crowd > 0 && s->heard < (mine / s->crowd + 1) * s->crowd && !s->over) {
        (void)pthread_cond_wait(&s->cue.changed, &s->cue.lock);
    }
    weir_cue_unlock(&s->cue);
}

static void lies_there(weir_surplus *s)
{
    weir_cue_lock(&s->cue);
    s->lying++;
    (void)pthread_cond_broadcast(&s->cue.changed);
    weir_cue_unlock(&s->cue);
}

static void say_surplus(weir_surplus *s, weir_wire *wire)
{
    const int client = weir_wire_client(wire->fd);

    weir_wire_pack(wire, s->text);
    const size_t octets =
        s->place == TORN_BEFORE_REUSE ? wire->packed_octets / 2 : wire->packed_octets;
    if (weir_wire_send(wire, octets)) {
        weir_wire_await_octets(client, octets);
        lies_there(s);
    }
}

static void answer(weir_surplus *s, weir_wire *wire, const char *path, bool is_first)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    char both[512];

    switch (s->place) {
    case IN_ONE_SEGMENT:
        (void)snprintf(both, sizeof(both), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s%s",
                       strlen(path), path, s->text);
        weir_wire_pack(wire, both);
        (void)weir_wire_send_all(wire);
        return;
    case IN_TWO_RECORDS:
    case IN_A_TORN_RECORD: {
        weir_wire_pack_answer(wire, path);
        const size_t alone = wire->packed_octets;
        weir_wire_pack(wire, s->text);
        const size_t record = wire->packed_octets - alone;
        (void)weir_wire_send(wire,
                             s->place == IN_TWO_RECORDS ? alone + record : alone + record / 2);
        return;
    }
    case BEFORE_REUSE:
    case TORN_BEFORE_REUSE:
        weir_wire_pack_answer(wire, path);
        if (weir_wire_send_all(wire) && (is_first || !s->once) && may_send(s)) {
            say_surplus(s, wire);
        }
        return;
    case AFTER_5_MS:
        weir_wire_pack_answer(wire, path);
        (void)weir_wire_send_all(wire);
        (void)nanosleep(&pause, NULL);
        weir_wire_pack(wire, s->text);
        (void)weir_wire_send_all(wire);
        atomic_store(&weir_surplus_sent_ns[strtoul(path + strlen("/call-"), NULL, 10)], weir_now());
        return;
    }
}

weir_hostile_end weir_surplus_play(int fd, size_t number, void *user)
{
    weir_surplus *s = user;
    weir_heard heard;
    weir_wire wire;

    (void)number;
    if (weir_wire_open(&wire, fd, s->tls)) {
        for (size_t served = 0; weir_wire_hear(&wire, &heard); served++) {
            await_crowd(s);
            (void)weir_wire_send_all(
                &wire); /* the rest of a torn surplus: it lies before the answer */
            answer(s, &wire, heard.path, served == 0);
        }
    }
    weir_wire_close(&wire);
    return WEIR_HOSTILE_RESET;
}

static void tell(const weir_event *event, void *user)
{
    weir_surplus *s = user;

    if (event->kind == WEIR_EVENT_CONNECTION_CLOSED) {
        weir_cue_lock(&s->cue);
        if (strcmp(event->why, weir_reason_name(WEIR_REASON_OCTETS_LEFT_OVER)) == 0) {
            s->left_over++;
        } else {
            s->otherwise++;
            s->other_reason = event->why;
        }
        weir_cue_unlock(&s->cue);
    }
    s->told.tell(event, s->told.user);
}

void weir_surplus_open(weir_surplus *s, weir_stage *stage, weir_observer *observer)
{
    weir_cue_open(&s->cue);
    s->told = stage->observer;
    *observer = (weir_observer){.size = sizeof(*observer), .user = s, .tell = tell};
    stage->options.observer = observer;
}

void weir_surplus_close(weir_surplus *s, weir_stage *stage)
{
    weir_cue_give(&s->cue, &s->over);
    weir_stage_close(stage);
    weir_cue_close(&s->cue);
}

void weir_surplus_await(weir_surplus *s, size_t count)
{
    weir_cue_lock(&s->cue);
    s->wanted += count;
    (void)pthread_cond_broadcast(&s->cue.changed);
    while (s->lying < s->wanted) {
        (void)pthread_cond_wait(&s->cue.changed, &s->cue.lock);
    }
    weir_cue_unlock(&s->cue);
}
