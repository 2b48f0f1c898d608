/* SPDX-License-Identifier: MIT */
/*
 * A stream's news: bits, and the messages that belong to some of them.
 *
 * Invariants: the stream is in its connection's ready list exactly while news is not 0; the bit of
 * a kind that carries a message is set exactly while such a message is held; bits are pulled from
 * the lowest up, which is the order in which the kinds are declared.
 */
#include "proto/stream.h"

#include "proto/failure.h"

#include <string.h>

_Static_assert(WEIR_CONN_INFORMATIONAL < WEIR_CONN_HEAD, "1xx come before the head");
_Static_assert(WEIR_CONN_HEAD < WEIR_CONN_BODY, "the head comes before the body");
_Static_assert(WEIR_CONN_BODY < WEIR_CONN_TRAILERS, "the body comes before the trailers");
_Static_assert(WEIR_CONN_TRAILERS < WEIR_CONN_END, "trailers come before the end");
_Static_assert(WEIR_CONN_END < WEIR_CONN_FAILED, "a failure comes after all that was received");
_Static_assert(WEIR_CONN_WRITABLE < WEIR_CONN_FAILED, "nothing comes after a failure");
_Static_assert(WEIR_CONN_STOP < WEIR_CONN_FAILED, "nothing comes after a failure");

static void add_news(weir_stream *stream, weir_list *ready, weir_conn_event_kind kind);
static weir_conn_event_kind lowest(unsigned news);
static weir_message *pull_message(weir_stream *stream, weir_conn_event_kind kind);
static weir_message *pull_informational(weir_stream *stream);
static bool is_message(weir_conn_event_kind kind);

weir_message *weir_message_new(const weir_allocator *allocator)
{
    weir_message *message = weir_alloc_zeroed(allocator, sizeof(*message));
    if (message) {
        weir_fields_init(&message->fields, allocator);
        message->length_octets = WEIR_UNKNOWN;
    }
    return message;
}

void weir_message_free(weir_message *message)
{
    if (!message) {
        return;
    }
    const weir_allocator *allocator = message->fields.allocator;
    weir_fields_clear(&message->fields);
    weir_release(allocator, message);
}

void weir_stream_init(weir_stream *stream, void *user, weir_bin *bin, size_t inbox_limit_octets)
{
    memset(stream, 0, sizeof(*stream));
    stream->user = user;
    stream->failure = weir_failure_of(WEIR_OK, NULL);
    weir_list_init(&stream->ready);
    weir_buf_init(&stream->inbox, bin, inbox_limit_octets);
}

void weir_stream_clear(weir_stream *stream)
{
    weir_stream_hush(stream);
    weir_buf_clear(&stream->inbox);
}

void weir_stream_hush(weir_stream *stream)
{
    while (stream->informational_first) {
        weir_message_free(pull_informational(stream));
    }
    weir_message_free(stream->head);
    weir_message_free(stream->trailers);
    stream->head = NULL;
    stream->trailers = NULL;
    stream->news = 0;
    stream->silent = true;
    weir_list_remove(&stream->ready);
}

void weir_stream_tell(weir_stream *stream, weir_list *ready, weir_conn_event_kind kind)
{
    WEIR_ASSERT(kind > WEIR_CONN_NOTHING);
    WEIR_ASSERT(kind < WEIR_CONN_FAILED);
    WEIR_ASSERT(!is_message(kind));
    if (!stream->silent) {
        add_news(stream, ready, kind);
    }
}

void weir_stream_tell_message(weir_stream *stream, weir_list *ready, weir_conn_event_kind kind,
                              weir_message *message)
{
    WEIR_ASSERT(is_message(kind));
    WEIR_ASSERT(message != NULL);
    if (stream->silent) {
        weir_message_free(message);
        return;
    }
    message->next = NULL;
    if (kind == WEIR_CONN_HEAD) {
        WEIR_ASSERT(!stream->head);
        stream->head = message;
    } else if (kind == WEIR_CONN_TRAILERS) {
        WEIR_ASSERT(!stream->trailers);
        stream->trailers = message;
    } else {
        if (stream->informational_last) {
            stream->informational_last->next = message;
        } else {
            stream->informational_first = message;
        }
        stream->informational_last = message;
    }
    add_news(stream, ready, kind);
}

void weir_stream_tell_failed(weir_stream *stream, weir_list *ready, const weir_failure *failure)
{
    WEIR_ASSERT(failure->status != WEIR_OK);
    if (stream->silent) {
        return;
    }
    stream->failure = *failure;
    stream->silent = true;
    /* Who could still write could not any more: only what was received stays worth telling. */
    stream->news &= ~(1u << WEIR_CONN_WRITABLE | 1u << WEIR_CONN_STOP);
    add_news(stream, ready, WEIR_CONN_FAILED);
}

bool weir_news_next(weir_list *ready, weir_conn_event *event)
{
    *event = (weir_conn_event){.kind = WEIR_CONN_NOTHING};
    if (weir_list_is_empty(ready)) {
        return false;
    }
    return weir_stream_next_event(WEIR_CONTAINER_OF(ready->next, weir_stream, ready), ready, event);
}

bool weir_stream_next_event(weir_stream *stream, weir_list *ready, weir_conn_event *event)
{
    *event = (weir_conn_event){.kind = WEIR_CONN_NOTHING};
    if (stream->news == 0) {
        return false;
    }
    event->kind = lowest(stream->news);
    event->stream = stream;
    event->message = pull_message(stream, event->kind);
    if (event->kind == WEIR_CONN_FAILED || event->kind == WEIR_CONN_STOP) {
        event->failure = stream->failure;
    }

    if (event->kind != WEIR_CONN_INFORMATIONAL || !stream->informational_first) {
        stream->news &= ~(1u << event->kind);
    }
    weir_list_remove(&stream->ready);
    if (stream->news != 0) {
        weir_list_push_back(ready, &stream->ready);
    }
    return true;
}

static void add_news(weir_stream *stream, weir_list *ready, weir_conn_event_kind kind)
{
    stream->news |= 1u << kind;
    if (weir_list_is_empty(&stream->ready)) {
        weir_list_push_back(ready, &stream->ready);
    }
}

static weir_conn_event_kind lowest(unsigned news)
{
    unsigned kind = WEIR_CONN_INFORMATIONAL;
    while (!(news & 1u << kind)) {
        kind++;
    }
    WEIR_ASSERT(kind <= WEIR_CONN_FAILED);
    return (weir_conn_event_kind)kind;
}

/* The message of the event, which from now on is its puller's; NULL for kinds that have none. */
static weir_message *pull_message(weir_stream *stream, weir_conn_event_kind kind)
{
    weir_message *message = NULL;
    if (kind == WEIR_CONN_INFORMATIONAL) {
        message = pull_informational(stream);
    } else if (kind == WEIR_CONN_HEAD) {
        message = stream->head;
        stream->head = NULL;
    } else if (kind == WEIR_CONN_TRAILERS) {
        message = stream->trailers;
        stream->trailers = NULL;
    }
    WEIR_ASSERT((message != NULL) == is_message(kind));
    return message;
}

static weir_message *pull_informational(weir_stream *stream)
{
    weir_message *message = stream->informational_first;
    stream->informational_first = message->next;
    if (!stream->informational_first) {
        stream->informational_last = NULL;
    }
    message->next = NULL;
    return message;
}

static bool is_message(weir_conn_event_kind kind)
{
    return kind == WEIR_CONN_INFORMATIONAL || kind == WEIR_CONN_HEAD || kind == WEIR_CONN_TRAILERS;
}
