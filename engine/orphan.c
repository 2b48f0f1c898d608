/* SPDX-License-Identifier: MIT */
/* The front end of exchanges that have none any more: see orphan.h. */
#include "engine/orphan.h"

static weir_status orphan_response(weir_exchange *ex);
static weir_status orphan_read(weir_exchange *ex, uint8_t *to, size_t room, size_t *octets);
static weir_status orphan_write(weir_exchange *ex, weir_span octets, size_t *taken);
static weir_status orphan_finish(weir_exchange *ex, const weir_fields *trailers);
static void orphan_ignore(weir_exchange *ex);
static void orphan_leave(weir_exchange *ex);
static weir_status how_it_ended(const weir_exchange *ex);

static const weir_front front = {
    .response = orphan_response,
    .read = orphan_read,
    .write = orphan_write,
    .finish = orphan_finish,
    .resume = orphan_ignore,
    .kick = orphan_ignore,
    .leave = orphan_leave,
};

void weir_exchange_outlive(weir_exchange *ex)
{
    WEIR_ASSERT(ex->state == WEIR_EXCHANGE_DONE);
    WEIR_ASSERT(ex->stream == NULL);
    ex->front = &front;
    ex->owner = NULL;
    ex->seat = NULL;
    weir_events_clear(&ex->events);
    ex->events.observer = NULL;
}

static weir_status orphan_response(weir_exchange *ex)
{
    return ex->head != NULL ? WEIR_OK : ex->failure.status;
}

static weir_status orphan_read(weir_exchange *ex, uint8_t *to, size_t room, size_t *octets)
{
    return weir_exchange_read(ex, to, room, 0,
                              octets); /* it has no link whose clock it could move */
}

static weir_status orphan_write(weir_exchange *ex, weir_span octets, size_t *taken)
{
    (void)octets;
    (void)taken;
    return how_it_ended(ex);
}

static weir_status orphan_finish(weir_exchange *ex, const weir_fields *trailers)
{
    (void)trailers;
    return how_it_ended(ex);
}

static void orphan_ignore(weir_exchange *ex)
{
    (void)ex;
}

static void orphan_leave(weir_exchange *ex)
{
    if (ex->token != NULL) {
        weir_token_remove(ex->token, ex);
    }
    weir_exchange_destroy(ex);
}

static weir_status how_it_ended(const weir_exchange *ex)
{
    return ex->failure.status != WEIR_OK ? ex->failure.status : WEIR_ANSWERED;
}
