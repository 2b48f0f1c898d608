/* SPDX-License-Identifier: MIT */
/*
 * The telling half of a turn, and the user's side of an exchange in a single-threaded front end.
 *
 * READABLE and WRITABLE are told once, and again only after the call that they promise answered
 * AGAIN: edge-triggered for the user, without a way to miss one. DONE is told exactly once and
 * last.
 */
#include "engine/turn_common.h"

static bool tell_one(weir_turn *turn, weir_exchange *ex, weir_loop_event *event);
static bool take(weir_exchange *ex, unsigned bit);
static void touch_link(weir_turn *turn, weir_exchange *ex);
static bool is_readable(const weir_exchange *ex);

bool weir_turn_next_told(weir_turn *turn, weir_loop_event *event)
{
    while (!weir_list_is_empty(&turn->telling)) {
        weir_turn_seat *seat = WEIR_CONTAINER_OF(turn->telling.next, weir_turn_seat, telling);
        weir_exchange *ex = seat->exchange;
        *event = (weir_loop_event){.exchange = ex, .id = ex->id, .user = ex->user};
        if (tell_one(turn, ex, event)) {
            return true;
        }
        weir_list_remove(&seat->telling);
    }
    return false;
}

bool weir_turn_has_told(const weir_turn *turn)
{
    return !weir_list_is_empty(&turn->telling);
}

weir_status weir_turn_response(weir_turn *turn, weir_exchange *ex)
{
    (void)turn;
    if (ex->head != NULL) {
        return WEIR_OK;
    }
    if (ex->state == WEIR_EXCHANGE_DONE) {
        return ex->failure.status;
    }
    return WEIR_AGAIN;
}

weir_status weir_turn_read(weir_turn *turn, weir_exchange *ex, uint8_t *to, size_t room,
                           size_t *octets)
{
    weir_turn_seat *seat = ex->seat;
    const weir_status status = weir_exchange_read(ex, to, room, turn->now_ns, octets);

    if (status == WEIR_AGAIN) {
        seat->read_armed = true;
    }
    if (*octets > 0) {
        touch_link(turn, ex);
    }
    return status;
}

weir_status weir_turn_write(weir_turn *turn, weir_exchange *ex, weir_span octets, size_t *taken)
{
    weir_turn_seat *seat = ex->seat;
    const weir_status status = weir_exchange_write(ex, octets, turn->now_ns, taken);

    if (status == WEIR_AGAIN) {
        seat->write_armed = true;
    }
    touch_link(turn, ex);
    return status;
}

weir_status weir_turn_finish(weir_turn *turn, weir_exchange *ex, const weir_fields *trailers)
{
    weir_turn_seat *seat = ex->seat;
    const weir_status status = weir_exchange_finish(ex, trailers, turn->now_ns);

    if (status == WEIR_AGAIN) {
        seat->write_armed = true;
    }
    touch_link(turn, ex);
    return status;
}

/* The next thing to tell of an exchange, in the order in which it can happen. */
static bool tell_one(weir_turn *turn, weir_exchange *ex, weir_loop_event *event)
{
    weir_turn_seat *seat = ex->seat;

    (void)turn;
    if (take(ex, WEIR_NEWS_INFORMATIONAL)) {
        event->told = WEIR_TOLD_INFORMATIONAL;
        return true;
    }
    if (take(ex, WEIR_NEWS_HEAD)) {
        event->told = WEIR_TOLD_HEAD;
        return true;
    }
    if (take(ex, WEIR_NEWS_READABLE) && seat->read_armed && is_readable(ex)) {
        seat->read_armed = false;
        event->told = WEIR_TOLD_READABLE;
        return true;
    }
    if (take(ex, WEIR_NEWS_WRITABLE) && seat->write_armed && ex->body.kind == WEIR_BODY_STREAM &&
        ex->state == WEIR_EXCHANGE_ATTACHED) {
        seat->write_armed = false;
        event->told = WEIR_TOLD_WRITABLE;
        return true;
    }
    if (ex->state == WEIR_EXCHANGE_DONE && !seat->done_told) {
        seat->done_told = true;
        ex->news = 0;
        event->told = WEIR_TOLD_DONE;
        event->status = ex->failure.status;
        return true;
    }
    return false;
}

static bool take(weir_exchange *ex, unsigned bit)
{
    const bool has = (ex->news & bit) != 0;

    ex->news &= ~bit;
    return has;
}

static void touch_link(weir_turn *turn, weir_exchange *ex)
{
    if (ex->state == WEIR_EXCHANGE_ATTACHED) {
        /* Reading may have let plaintext on that was held back: its events are due. */
        weir_turn_delivered(turn, weir_turn_port_of(ex->link->slot));
        /* What the user did decides which deadline runs: to be looked at, whatever it was. */
        weir_turn_touch_exchange(turn, ex);
    }
}

static bool is_readable(const weir_exchange *ex)
{
    if (ex->state == WEIR_EXCHANGE_ATTACHED) {
        return ex->head != NULL && weir_conn_readable(ex->link->conn, ex->stream) > 0;
    }
    return ex->rest.octets > 0;
}
