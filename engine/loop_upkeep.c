/* SPDX-License-Identifier: MIT */
/* What a user does to a whole loop: decided at once, carried out by the turns that follow. */
#include "engine/loop.h"
#include "engine/upkeep.h"

static void moved(weir_loop *loop);

weir_status weir_loop_drain(weir_loop *loop, weir_span url)
{
    weir_whereabouts where;
    weir_status status = weir_loop_enter(loop);

    if (status == WEIR_OK) {
        status = weir_whereabouts_init(&where, url, loop->allocator);
    }
    if (status != WEIR_OK) {
        return status;
    }
    weir_pool_drain(loop->turn.core.pool, &where.drain, weir_now());
    weir_whereabouts_clear(&where);
    moved(loop);
    return WEIR_OK;
}

uint64_t weir_loop_draining(const weir_loop *loop)
{
    const weir_drain all = {0};

    (void)weir_loop_enter(
        (weir_loop *)(uintptr_t)loop); /* those of the parent are not the child's */
    return weir_pool_left(loop->turn.core.pool, &all);
}

void weir_loop_network_changed(weir_loop *loop)
{
    if (weir_loop_enter(loop) != WEIR_OK) {
        return;
    }
    weir_core_network_changed(&loop->turn.core, weir_now());
    moved(loop);
}

/* The pool has actions: for this turn, or for one that begins soon. */
static void moved(weir_loop *loop)
{
    loop->turn.pool_moved = true;
    if (!loop->in_turn) {
        weir_os_poller_signal(loop->poller);
    }
}
