/* SPDX-License-Identifier: MIT */
/*
 * The names of the timers, as logs and tests print them.
 */
#include "proto/clock.h"

#include "proto/base.h"

static const char *const why_names[] = {
    [WEIR_WHY_NONE] = "none",
    [WEIR_WHY_NOW] = "now",
    [WEIR_WHY_QUEUE] = "queue",
    [WEIR_WHY_DNS] = "dns",
    [WEIR_WHY_RESOLUTION_DELAY] = "resolution-delay",
    [WEIR_WHY_ATTEMPT_DELAY] = "attempt-delay",
    [WEIR_WHY_CONNECT] = "connect",
    [WEIR_WHY_TLS] = "tls",
    [WEIR_WHY_WRITE] = "write",
    [WEIR_WHY_CONTINUE] = "continue",
    [WEIR_WHY_FIRST_OCTET] = "first-octet",
    [WEIR_WHY_IDLE] = "idle",
    [WEIR_WHY_TOTAL] = "total",
    [WEIR_WHY_SETTINGS] = "settings",
    [WEIR_WHY_PING] = "ping",
    [WEIR_WHY_CLOSING] = "closing",
    [WEIR_WHY_IDLE_CONNECTION] = "idle-connection",
    [WEIR_WHY_LIFETIME] = "lifetime",
    [WEIR_WHY_PAUSE] = "pause",
    [WEIR_WHY_STOW] = "stow",
    [WEIR_WHY_REST] = "rest",
};
_Static_assert(WEIR_COUNT_OF(why_names) == WEIR_WHY_COUNT, "every timer has a name");

const char *weir_why_name(weir_why why)
{
    if ((unsigned)why >= WEIR_WHY_COUNT) {
        return "unknown";
    }
    return why_names[why];
}
