/* SPDX-License-Identifier: MIT */
/*
 * The decision. Its order is the policy: reuse before dialling, one probe while the protocol is not
 * known, no more dials than tickets can use, the origin's limit, then the whole pool's, where
 * origins take turns.
 */
#include "pool/decide.h"

typedef struct plan {
    uint32_t dials;
    weir_reason why_none; /* if no dial is worth while */
} plan;

static weir_decision decide_waiting(const weir_situation *s);
static weir_decision decide_warm(const weir_situation *s, weir_decision waiting);
static weir_reason why_not_warm(const weir_situation *s);
static uint32_t streams_each(const weir_situation *s);
static plan plan_dials(const weir_situation *s);
static uint32_t dial_room(const weir_situation *s);
static weir_reason why_no_room(const weir_situation *s);

weir_decision weir_decide(const weir_situation *s)
{
    weir_decision at_once;
    if (weir_decide_at_once(s->waiting, s->available, s->warm > 0, &at_once)) {
        return at_once;
    }
    const weir_decision decision = decide_waiting(s);
    return decision.kind == WEIR_DECIDE_WAIT && s->warm > 0 ? decide_warm(s, decision) : decision;
}

/* Those who wait come first. None of them can be served at once. */
static weir_decision decide_waiting(const weir_situation *s)
{
    if (s->waiting == 0) {
        return (weir_decision){WEIR_DECIDE_WAIT, WEIR_REASON_NONE};
    }
    const plan wish = plan_dials(s);
    if (wish.dials == 0) {
        return (weir_decision){WEIR_DECIDE_WAIT, wish.why_none};
    }
    if (s->total < s->total_limit) {
        if (s->others_first) {
            return (weir_decision){WEIR_DECIDE_WAIT, WEIR_REASON_BEHIND_OTHERS};
        }
        return (weir_decision){WEIR_DECIDE_DIAL, WEIR_REASON_DIALING};
    }
    if (s->idle > 0 && s->coming < s->wanted_by_others + wish.dials) {
        return (weir_decision){WEIR_DECIDE_EVICT, WEIR_REASON_TOTAL_LIMIT};
    }
    return (weir_decision){WEIR_DECIDE_WAIT, WEIR_REASON_TOTAL_LIMIT};
}

/* Nothing is closed for a wish, and where a limit is in the way it has what it can have. */
static weir_decision decide_warm(const weir_situation *s, weir_decision waiting)
{
    const uint64_t each = streams_each(s);
    if (s->ready * each >= s->warm) {
        return (weir_decision){WEIR_DECIDE_WARMED, WEIR_REASON_NONE};
    }
    const bool probes = s->protocol == WEIR_PROTOCOL_ANY && s->dialing > 0;
    if (probes || ((uint64_t)s->ready + s->dialing) * each >= s->warm) {
        return waiting;
    }
    /* With nobody waiting there is no pause: the wish is somebody's own decision. */
    const bool pauses = s->backing_off && s->waiting > 0;
    const weir_reason why_not = why_not_warm(s);
    if (why_not == WEIR_REASON_NONE && !pauses) {
        return (weir_decision){WEIR_DECIDE_WARM, WEIR_REASON_DIALING};
    }
    /* What closes gives its place up: then the wish is looked at again. */
    const bool is_freed = s->closing > 0 && s->warm_dials > 0;
    return s->dialing > 0 || pauses || is_freed ? waiting
                                                : (weir_decision){WEIR_DECIDE_WARMED, why_not};
}

static weir_reason why_not_warm(const weir_situation *s)
{
    if (dial_room(s) == 0) {
        return why_no_room(s);
    }
    if (s->total >= s->total_limit) {
        return WEIR_REASON_TOTAL_LIMIT;
    }
    if (s->others_first) {
        return WEIR_REASON_BEHIND_OTHERS;
    }
    return s->warm_dials == 0 ? WEIR_REASON_FAILED : WEIR_REASON_NONE;
}

uint32_t weir_decide_dials(const weir_situation *s)
{
    return s->waiting > 0 && s->available == 0 ? plan_dials(s).dials : 0;
}

uint64_t weir_decide_expected(const weir_situation *s)
{
    return (uint64_t)s->dialing * streams_each(s);
}

static uint32_t streams_each(const weir_situation *s)
{
    return s->protocol == WEIR_H2 && s->streams > 0 ? s->streams : 1;
}

static plan plan_dials(const weir_situation *s)
{
    if (s->protocol == WEIR_PROTOCOL_ANY && s->dialing > 0) {
        return (plan){0, WEIR_REASON_ALPN_UNKNOWN};
    }
    const uint64_t each = streams_each(s);
    const uint64_t expected = weir_decide_expected(s);
    if (expected >= s->waiting) {
        return (plan){0, WEIR_REASON_DIALING};
    }
    if (s->backing_off) {
        return (plan){0, WEIR_REASON_BACK_OFF};
    }
    const uint32_t room = dial_room(s);
    if (room == 0) {
        return (plan){0, why_no_room(s)};
    }
    const uint64_t useful =
        s->protocol == WEIR_PROTOCOL_ANY ? 1 : (s->waiting - expected + each - 1) / each;
    return (plan){(uint32_t)(useful < room ? useful : room), WEIR_REASON_NONE};
}

/* How many more connections the origin's own limits allow. What drains counts for the first and not
 * for the second: RFC 9113 s9.1 lets a client replace a connection that is going away. */
static uint32_t dial_room(const weir_situation *s)
{
    const uint32_t all =
        s->connections_limit > s->connections ? s->connections_limit - s->connections : 0;
    if (s->protocol != WEIR_H2) {
        return all;
    }
    const uint32_t live = s->dialing + s->ready;
    const uint32_t h2 = s->h2_limit > live ? s->h2_limit - live : 0;
    return h2 < all ? h2 : all;
}

static weir_reason why_no_room(const weir_situation *s)
{
    if (s->ready > 0) {
        return s->protocol == WEIR_H2 ? WEIR_REASON_AT_MAX_STREAMS : WEIR_REASON_BUSY;
    }
    return s->dialing > 0 ? WEIR_REASON_ORIGIN_LIMIT : WEIR_REASON_CLOSING;
}
