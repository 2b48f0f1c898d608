/* SPDX-License-Identifier: MIT */
/*
 * Why the second shortest: servers close connections for other reasons than age (a restart, a
 * limit), and one close that was early for such a reason must not end reuse. A close at an idle
 * time that was survived before contradicts it and is set aside, until it happens so often in a row
 * that the server must have changed.
 *
 * Connections that were idle together and are closed together say one thing once: only a
 * connection that became idle after the last close that counted is news.
 *
 * Nothing is ever tried beyond the horizon with a request. What would be learned from it is what a
 * request is lost for; instead the second evidence is forgotten after a while, a connection lives
 * until it is closed, and that is seen without a request on it.
 */
#include "pool/horizon.h"

#include "proto/base.h"

static void relax(weir_horizon *h, weir_time now_ns);
static void drop_survived(weir_horizon *h);
static bool is_contradiction(weir_horizon *h, weir_time idle_ns);
static bool is_stale(const weir_horizon *h, weir_time now_ns);

weir_time weir_horizon_margin(weir_time span_ns)
{
    return span_ns / 2 < WEIR_NS_PER_SECOND ? span_ns / 2 : WEIR_NS_PER_SECOND;
}

weir_time weir_horizon_span(const weir_horizon *h, weir_time now_ns)
{
    if (h->second_ns == 0 || is_stale(h, now_ns)) {
        return WEIR_NEVER;
    }
    const weir_time span_ns = h->second_ns - weir_horizon_margin(h->second_ns);
    return span_ns > h->survived_ns ? span_ns : h->survived_ns;
}

void weir_horizon_closed(weir_horizon *h, weir_time idle_ns, weir_time now_ns)
{
    if (idle_ns < WEIR_HORIZON_LEAST_NS) {
        return;
    }
    const bool was_idle_then = weir_time_since(now_ns, idle_ns) < h->seen_at_ns;
    if (was_idle_then && h->first_ns > 0) {
        return;
    }
    relax(h, now_ns);
    if (is_contradiction(h, idle_ns)) {
        h->seen_at_ns = now_ns;
        return;
    }
    h->seen_at_ns = now_ns;
    if (h->first_ns == 0 || idle_ns < h->first_ns) {
        h->second_ns = h->first_ns;
        h->first_ns = idle_ns;
    } else if (h->second_ns == 0 || idle_ns < h->second_ns) {
        h->second_ns = idle_ns;
    }
    WEIR_ASSERT(h->second_ns == 0 || h->second_ns >= h->first_ns);
    WEIR_ASSERT(h->first_ns > h->survived_ns);
}

void weir_horizon_survived(weir_horizon *h, weir_time idle_ns)
{
    if (h->doubts > 0 && idle_ns >= h->doubted_ns) {
        h->doubts = 0;
    }
    if (idle_ns <= h->survived_ns) {
        return;
    }
    h->survived_ns = idle_ns;
    drop_survived(h);
}

/* A close at an idle time that was survived since had another cause. */
static void drop_survived(weir_horizon *h)
{
    if (h->second_ns > 0 && h->second_ns <= h->survived_ns) {
        h->first_ns = 0;
        h->second_ns = 0;
    } else if (h->first_ns > 0 && h->first_ns <= h->survived_ns) {
        h->first_ns = h->second_ns; /* what is left stands for both */
    }
}

/* Old evidence is half of what is needed to believe it again. */
static void relax(weir_horizon *h, weir_time now_ns)
{
    if (h->second_ns > 0 && is_stale(h, now_ns)) {
        h->first_ns = h->second_ns;
        h->second_ns = 0;
    }
}

static bool is_contradiction(weir_horizon *h, weir_time idle_ns)
{
    if (idle_ns > h->survived_ns) {
        return false;
    }
    h->doubted_ns = h->doubts > 0 && h->doubted_ns < idle_ns ? h->doubted_ns : idle_ns;
    if (++h->doubts < WEIR_HORIZON_DOUBTS) {
        return true;
    }
    *h = (weir_horizon){0};
    return false;
}

static bool is_stale(const weir_horizon *h, weir_time now_ns)
{
    return weir_time_since(now_ns, h->seen_at_ns) >= WEIR_HORIZON_FORGET_NS;
}
