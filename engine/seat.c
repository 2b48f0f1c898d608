/* SPDX-License-Identifier: MIT */
/* Where a thread waits and how it is woken: see seat.h. */
#include "engine/seat.h"

#include "proto/alloc.h"

static bool begin_wait(weir_seat *seat, weir_seat_state state);
static void end_wait(weir_seat *seat);
static void wake_locked(weir_seat *seat, bool *by_hook);

weir_seat *weir_seat_new(const weir_allocator *allocator, const weir_wait_hooks *hooks,
                         weir_held *held)
{
    weir_seat *seat = weir_alloc_zeroed(allocator, sizeof(*seat));

    if (seat == NULL) {
        return NULL;
    }
    seat->receive = weir_alloc(allocator, WEIR_SEAT_RECEIVE_OCTETS);
    if (seat->receive == NULL || !weir_mutex_init(&seat->lock)) {
        weir_release(allocator, seat->receive);
        weir_release(allocator, seat);
        return NULL;
    }
    if (!weir_condition_init(&seat->condition)) {
        weir_mutex_clear(&seat->lock);
        weir_release(allocator, seat->receive);
        weir_release(allocator, seat);
        return NULL;
    }
    weir_list_init(&seat->all);
    weir_list_init(&seat->place);
    weir_list_init(&seat->to_rouse);
    weir_list_init(&seat->dials);
    weir_list_init(&seat->dialing);
    weir_bin_init(&seat->bin, allocator, WEIR_SEAT_CHUNKS);
    seat->signal = -1;
    seat->fd = -1;
    seat->hooks = hooks;
    seat->held = held;
    return seat;
}

void weir_seat_free(weir_seat *seat, const weir_allocator *allocator)
{
    WEIR_ASSERT(seat->state == WEIR_SEAT_AWAY);
    while (atomic_load(&seat->rousing) > 0) {
        weir_os_yield(); /* a cancel that came late: its hook is about to return */
    }
    if (seat->signal >= 0) {
        weir_held_strike(seat->held, seat->signal);
        weir_os_close(seat->signal);
    }
    weir_condition_clear(&seat->condition);
    weir_mutex_clear(&seat->lock);
    weir_bin_clear(&seat->bin);
    weir_release(allocator, seat->polls);
    weir_release(allocator, seat->receive);
    weir_release(allocator, seat);
}

void weir_seat_take(weir_seat *seat, weir_exchange *exchange)
{
    weir_mutex_lock(&seat->lock);
    WEIR_ASSERT(seat->state == WEIR_SEAT_AWAY);
    seat->state = WEIR_SEAT_RUNNING;
    seat->exchange = exchange;
    seat->woken = false;
    seat->shut = false;
    weir_mutex_unlock(&seat->lock);
}

void weir_seat_leave(weir_seat *seat)
{
    weir_mutex_lock(&seat->lock);
    WEIR_ASSERT(seat->state == WEIR_SEAT_RUNNING);
    seat->state = WEIR_SEAT_AWAY;
    seat->exchange = NULL;
    weir_mutex_unlock(&seat->lock);
}

void weir_seat_park(weir_seat *seat, weir_time deadline_ns)
{
    if (seat->hooks != NULL) {
        if (begin_wait(seat, WEIR_SEAT_PARKED)) {
            seat->hooks->park(&seat->parked, deadline_ns, seat->hooks->user);
        }
        end_wait(seat);
        return;
    }
    weir_mutex_lock(&seat->lock);
    seat->state = WEIR_SEAT_PARKED;
    while (!seat->woken && weir_now() < deadline_ns) {
        weir_condition_wait(&seat->condition, &seat->lock, deadline_ns);
    }
    seat->woken = false;
    seat->state = WEIR_SEAT_RUNNING;
    weir_mutex_unlock(&seat->lock);
}

weir_poll *weir_seat_polls(weir_seat *seat, const weir_allocator *allocator, size_t count)
{
    if (count + 1 > seat->polls_room) {
        weir_poll *polls = weir_resize(allocator, seat->polls, (count + 1) * sizeof(*polls));
        if (polls == NULL) {
            return NULL;
        }
        seat->polls = polls;
        seat->polls_room = count + 1;
    }
    return seat->polls;
}

weir_status weir_seat_poll(weir_seat *seat, weir_poll *fds, size_t count, weir_time deadline_ns)
{
    weir_status status = WEIR_OK;

    if (seat->signal < 0) {
        const int signal = weir_os_signal_new(&status);
        if (signal < 0) {
            return status;
        }
        weir_held_note(seat->held, signal);
        weir_mutex_lock(&seat->lock);
        seat->signal = signal;
        weir_mutex_unlock(&seat->lock);
    }
    fds[count] = (weir_poll){.fd = seat->signal, .events = WEIR_POLL_IN};
    if (begin_wait(seat, WEIR_SEAT_POLLING)) {
        if (seat->hooks != NULL) {
            (void)seat->hooks->wait(fds, count + 1, deadline_ns, seat->hooks->user);
        } else if (weir_os_poll(fds, count + 1, deadline_ns) < 0) {
            status = WEIR_E_SYSTEM;
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            fds[i].revents = 0;
        }
    }
    end_wait(seat);
    if (fds[count].revents != 0) {
        weir_os_signal_clear(seat->signal);
    }
    return status;
}

weir_io weir_seat_receive(weir_seat *seat, int fd, size_t room)
{
    weir_mutex_lock(&seat->lock);
    const bool woken = seat->woken;
    seat->woken = false;
    if (!woken) {
        seat->state = WEIR_SEAT_RECEIVING;
        seat->fd = fd;
    }
    weir_mutex_unlock(&seat->lock);
    if (woken) {
        return (weir_io){WEIR_IO_AGAIN, 0, 0};
    }
    const weir_io io =
        weir_os_recv(fd, seat->receive, weir_min(room, WEIR_SEAT_RECEIVE_OCTETS), false);
    weir_mutex_lock(&seat->lock);
    seat->state = WEIR_SEAT_RUNNING;
    seat->fd = -1;
    seat->woken = false;
    weir_mutex_unlock(&seat->lock);
    return io;
}

void weir_seat_wake(weir_seat *seat)
{
    bool by_hook = false;

    weir_mutex_lock(&seat->lock);
    wake_locked(seat, &by_hook);
    weir_mutex_unlock(&seat->lock);
    if (by_hook) {
        seat->hooks->wake(&seat->parked, seat->hooks->user);
    }
}

void weir_seat_kick(weir_seat *seat, const weir_exchange *exchange)
{
    if (weir_seat_kick_quietly(seat, exchange)) {
        weir_seat_rouse(seat);
    }
}

bool weir_seat_kick_quietly(weir_seat *seat, const weir_exchange *exchange)
{
    bool by_hook = false;

    weir_mutex_lock(&seat->lock);
    if (seat->exchange == exchange) {
        wake_locked(seat, &by_hook);
        if (seat->state == WEIR_SEAT_RECEIVING) {
            seat->shut = true;
            weir_os_shutdown_read(seat->fd);
        }
    }
    if (by_hook) {
        atomic_fetch_add(&seat->rousing, 1);
    }
    weir_mutex_unlock(&seat->lock);
    return by_hook;
}

void weir_seat_rouse(weir_seat *seat)
{
    seat->hooks->wake(&seat->parked, seat->hooks->user);
    atomic_fetch_sub(&seat->rousing, 1);
}

/* False: it was woken already and need not wait. */
static bool begin_wait(weir_seat *seat, weir_seat_state state)
{
    weir_mutex_lock(&seat->lock);
    const bool wait = !seat->woken;
    seat->state = state;
    seat->parked = NULL;
    weir_mutex_unlock(&seat->lock);
    return wait;
}

static void end_wait(weir_seat *seat)
{
    weir_mutex_lock(&seat->lock);
    seat->woken = false;
    seat->state = WEIR_SEAT_RUNNING;
    weir_mutex_unlock(&seat->lock);
}

static void wake_locked(weir_seat *seat, bool *by_hook)
{
    seat->woken = true;
    if (seat->state == WEIR_SEAT_POLLING) {
        weir_os_signal_raise(seat->signal);
    } else if (seat->state == WEIR_SEAT_PARKED) {
        *by_hook = seat->hooks != NULL;
        weir_condition_signal(&seat->condition);
    }
}
