/* SPDX-License-Identifier: MIT */
/*
 * The send queue and its tags.
 *
 * Invariants, checked by weir_out_check(): no run is empty; the runs' octets add up to the buf's;
 * each owner's queued_octets is the sum of the runs that name it (checked for the owner at the
 * front, which over time is every one); small_octets is the sum of the marked runs.
 */
#include "proto/out.h"

#include <string.h>

_Static_assert((WEIR_OUT_FEW_RUNS & (WEIR_OUT_FEW_RUNS - 1)) == 0, "a ring is a power of two");

static weir_run *run_at(const weir_out *out, size_t i);
static weir_run *run_for(weir_out *out, const weir_run *like, size_t octets);
static size_t record_octets(const weir_out *out, size_t skip, size_t most);
static bool grow(weir_out *out);
static void forget_first(weir_out *out);
static void use_few(weir_out *out);

void weir_out_init(weir_out *out, weir_bin *bin, size_t limit_octets)
{
    memset(out, 0, sizeof(*out));
    weir_buf_init(&out->octets, bin, limit_octets);
    out->runs = out->few;
    out->runs_room = WEIR_OUT_FEW_RUNS;
}

void weir_out_clear(weir_out *out)
{
    for (size_t i = 0; i < out->runs_count; i++) {
        weir_run *run = run_at(out, i);
        if (run->owner) {
            run->owner->queued_octets -= run->octets;
        }
    }
    out->runs_count = 0;
    out->small_octets = 0;
    use_few(out);
    weir_buf_clear(&out->octets);
}

size_t weir_out_room(const weir_out *out)
{
    return weir_buf_room(&out->octets);
}

size_t weir_out_octets(const weir_out *out)
{
    return out->octets.octets;
}

bool weir_out_append(weir_out *out, weir_owner *owner, weir_row row, weir_span octets)
{
    WEIR_ASSERT((owner != NULL) == (row < WEIR_OWNER_ROWS));
    WEIR_ASSERT(octets.length <= UINT32_MAX);
    if (octets.length == 0) {
        return true;
    }
    const weir_run like = {
        .owner = owner, .row = (uint16_t)row, .is_small = owner && owner->small_octets > 0};
    /* The run first: a place that stays unused is harmless, octets without a run are not. */
    weir_run *run = run_for(out, &like, octets.length);
    if (!run || !weir_buf_append(&out->octets, octets)) {
        return false;
    }
    if (run == run_at(out, out->runs_count)) {
        *run = like;
        out->runs_count++;
    }
    run->octets += (uint32_t)octets.length;
    if (like.is_small) {
        out->small_octets += octets.length;
        owner->small_octets -= (uint32_t)weir_min(owner->small_octets, octets.length);
    }
    if (owner) {
        owner->queued_octets += octets.length;
    }
    return true;
}

bool weir_out_prepare(weir_out *out, size_t octets, size_t runs)
{
    bool ready = weir_buf_prepare(&out->octets, octets);
    while (ready && out->runs_room - out->runs_count < runs) {
        ready = grow(out);
    }
    if (!ready) {
        weir_buf_prepare(&out->octets, 0);
    }
    if (out->runs_count == 0 && (!ready || runs == 0)) {
        use_few(out);
    }
    return ready;
}

weir_span weir_out_pending(const weir_out *out, size_t skip)
{
    return weir_buf_peek(&out->octets, skip);
}

weir_span weir_out_record(const weir_out *out, size_t skip, size_t most)
{
    weir_span pending = weir_span_head(weir_out_pending(out, skip), most);
    if (out->small_octets > 0 && pending.length > 0) {
        pending = weir_span_head(pending, record_octets(out, skip, pending.length));
    }
    return pending;
}

void weir_out_sent(weir_out *out, weir_ledger *ledger, size_t octets)
{
    WEIR_ASSERT(octets <= out->octets.octets);
    weir_buf_consume(&out->octets, octets);
    while (octets > 0) {
        weir_run *run = run_at(out, 0);
        uint32_t step = (uint32_t)weir_min(octets, run->octets);
        weir_ledger_charge(ledger, run->owner, (weir_row)run->row, WEIR_SENT, step);
        if (run->owner) {
            WEIR_ASSERT(run->owner->queued_octets >= step);
            run->owner->queued_octets -= step;
        }
        run->octets -= step;
        octets -= step;
        out->small_octets -= run->is_small ? step : 0;
        if (run->octets == 0) {
            forget_first(out);
        }
    }
    WEIR_ASSERT((out->runs_count == 0) == (out->octets.octets == 0));
}

void weir_out_disown(weir_out *out, weir_owner *owner)
{
    for (size_t i = 0; i < out->runs_count && owner->queued_octets > 0; i++) {
        weir_run *run = run_at(out, i);
        if (run->owner == owner) {
            owner->queued_octets -= run->octets;
            run->owner = NULL;
            run->row = (uint16_t)weir_row_of_conn(WEIR_ROW_LATE);
        }
    }
    WEIR_ASSERT(owner->queued_octets == 0);
}

void weir_out_check(const weir_out *out)
{
    uint64_t octets = 0;
    uint64_t of_first = 0;
    uint64_t small = 0;
    const weir_owner *first = out->runs_count > 0 ? run_at(out, 0)->owner : NULL;
    for (size_t i = 0; i < out->runs_count; i++) {
        const weir_run *run = run_at(out, i);
        WEIR_CHECK_ASSERT(run->octets > 0);
        octets += run->octets;
        small += run->is_small ? run->octets : 0;
        if (run->owner == first) {
            of_first += run->octets;
        }
    }
    WEIR_CHECK_ASSERT(octets == out->octets.octets);
    WEIR_CHECK_ASSERT(small == out->small_octets);
    WEIR_CHECK_ASSERT(!first || first->queued_octets == of_first);
    WEIR_CHECK_ASSERT(out->runs_count <= out->runs_room);
    WEIR_CHECK_ASSERT(out->runs_count > 0 || out->runs == out->few);
    weir_buf_check(&out->octets);
}

static weir_run *run_at(const weir_out *out, size_t i)
{
    return &out->runs[(out->runs_first + i) & (out->runs_room - 1)];
}

/* The last run if it can take the octets too, else the free place behind it; NULL: no memory. */
static weir_run *run_for(weir_out *out, const weir_run *like, size_t octets)
{
    if (out->runs_count > 0) {
        weir_run *last = run_at(out, out->runs_count - 1);
        if (last->owner == like->owner && last->row == like->row &&
            last->is_small == like->is_small && octets <= UINT32_MAX - last->octets) {
            return last;
        }
    }
    if (out->runs_count == out->runs_room && !grow(out)) {
        return NULL;
    }
    return run_at(out, out->runs_count);
}

/*
 * From there to where the marked runs of one owner begin or end. A marked stretch may be longer
 * than a small record, an unmarked one than any.
 */
static size_t record_octets(const weir_out *out, size_t skip, size_t most)
{
    size_t i = 0;
    while (skip >= run_at(out, i)->octets) {
        skip -= run_at(out, i)->octets;
        i++;
    }
    const weir_run *first = run_at(out, i);
    size_t octets = first->octets - skip;
    for (i++; i < out->runs_count && octets < most; i++) {
        const weir_run *run = run_at(out, i);
        if (run->is_small != first->is_small || (run->is_small && run->owner != first->owner)) {
            break;
        }
        octets += run->octets;
    }
    return first->is_small ? weir_min(octets, WEIR_OUT_SMALL_RECORD_OCTETS) : octets;
}

/* Twice the room, the runs unrolled to its front. */
static bool grow(weir_out *out)
{
    size_t room = out->runs_room * 2;
    weir_run *runs = weir_alloc(out->octets.bin->allocator, room * sizeof(*runs));
    if (!runs) {
        return false;
    }
    for (size_t i = 0; i < out->runs_count; i++) {
        runs[i] = *run_at(out, i);
    }
    if (out->runs != out->few) {
        weir_release(out->octets.bin->allocator, out->runs);
    }
    out->runs = runs;
    out->runs_room = room;
    out->runs_first = 0;
    return true;
}

static void forget_first(weir_out *out)
{
    out->runs_first = (out->runs_first + 1) & (out->runs_room - 1);
    out->runs_count--;
    if (out->runs_count == 0) {
        use_few(out);
    }
}

/* An empty queue holds no memory. */
static void use_few(weir_out *out)
{
    WEIR_ASSERT(out->runs_count == 0);
    if (out->runs != out->few) {
        weir_release(out->octets.bin->allocator, out->runs);
    }
    out->runs = out->few;
    out->runs_room = WEIR_OUT_FEW_RUNS;
    out->runs_first = 0;
}
