/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic of a receiving window. All sums stay below 2^32 because a limit is at most 2^31-1 and
 * remaining + held never exceeds it.
 */
#include "proto/window.h"

void weir_window_init(weir_window *window, uint32_t limit_octets)
{
    WEIR_ASSERT(limit_octets <= WEIR_WINDOW_MAX_OCTETS);
    *window = (weir_window){.limit_octets = limit_octets, .remaining_octets = limit_octets};
}

bool weir_window_take(weir_window *window, uint32_t octets)
{
    if (octets > window->remaining_octets) {
        return false;
    }
    window->remaining_octets -= octets;
    window->held_octets += octets;
    return true;
}

void weir_window_release(weir_window *window, uint32_t octets)
{
    WEIR_ASSERT(octets <= window->held_octets);
    window->held_octets -= octets;
}

uint32_t weir_window_credit(weir_window *window, uint32_t target_octets)
{
    uint32_t target = target_octets > window->limit_octets ? target_octets : window->limit_octets;
    uint32_t half = window->limit_octets / 2;
    uint32_t possible = target - window->remaining_octets - window->held_octets;
    if (window->remaining_octets > half || possible < half) {
        return 0;
    }
    return weir_window_raise(window, target);
}

uint32_t weir_window_raise(weir_window *window, uint32_t target_octets)
{
    WEIR_ASSERT(target_octets <= WEIR_WINDOW_MAX_OCTETS);
    if (target_octets > window->limit_octets) {
        window->limit_octets = target_octets;
    }
    uint32_t given = window->limit_octets - window->remaining_octets - window->held_octets;
    window->remaining_octets += given;
    return given;
}

void weir_window_check(const weir_window *window)
{
    WEIR_CHECK_ASSERT(window->limit_octets <= WEIR_WINDOW_MAX_OCTETS);
    WEIR_CHECK_ASSERT(window->remaining_octets <= window->limit_octets);
    WEIR_CHECK_ASSERT(window->held_octets <= window->limit_octets - window->remaining_octets);
    (void)window;
}
