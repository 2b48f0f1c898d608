/* SPDX-License-Identifier: MIT */
/*
 * The budget of frames without progress: a leaky bucket.
 *
 * It leaks its whole limit in a minute: 1000 frames make 16 a second, which a peer may go on
 * sending for ever without harm.
 */
#include "proto/h2_budget.h"

#include "proto/base.h"

#define REFILL_NS (60 * WEIR_NS_PER_SECOND)

static void refill(weir_h2_budget *budget, weir_time now_ns);

void weir_h2_budget_init(weir_h2_budget *budget, uint32_t limit, weir_time now_ns)
{
    WEIR_ASSERT(limit > 0);
    *budget = (weir_h2_budget){.limit = limit, .refilled_ns = now_ns};
}

bool weir_h2_budget_spend(weir_h2_budget *budget, weir_time now_ns)
{
    refill(budget, now_ns);
    if (budget->spent >= budget->limit) {
        return false;
    }
    budget->spent++;
    return true;
}

void weir_h2_budget_give_back(weir_h2_budget *budget, uint32_t frames)
{
    budget->spent -= budget->spent < frames ? budget->spent : frames;
}

/* Whole frames only; the rest of the time stays to be counted. */
static void refill(weir_h2_budget *budget, weir_time now_ns)
{
    weir_time frame_ns = REFILL_NS / budget->limit;
    if (frame_ns == 0) {
        frame_ns = 1;
    }
    weir_time frames = weir_time_since(now_ns, budget->refilled_ns) / frame_ns;
    if (budget->spent == 0 || frames >= budget->spent) {
        budget->spent = 0;
        budget->refilled_ns = now_ns;
        return;
    }
    budget->spent -= (uint32_t)frames;
    budget->refilled_ns += frames * frame_ns;
}
