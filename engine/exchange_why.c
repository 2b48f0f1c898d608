/* SPDX-License-Identifier: MIT */
/* Why a call waited and which connections it was not given: what the pool says of it, kept by the
 * exchange. */
#include "engine/core.h"

#include "engine/os.h"
#include "engine/record.h"
#include "engine/text.h"

void weir_exchange_waits(const weir_exchange *ex, weir_waits *waits)
{
    weir_waits all;

    weir_exchange_waited(ex, &all);
    (void)weir_record_write(waits, &all, sizeof(all));
}

void weir_exchange_waited(const weir_exchange *ex, weir_waits *waits)
{
    if (ex->pool_lock != NULL) {
        weir_mutex_lock(ex->pool_lock);
    }
    weir_pool_waited(&ex->ticket, 0, waits);
    if (ex->pool_lock != NULL) {
        weir_mutex_unlock(ex->pool_lock);
    }
}

size_t weir_exchange_candidate_count(const weir_exchange *ex)
{
    return weir_min(ex->candidate_count, WEIR_CANDIDATES_LIMIT);
}

bool weir_exchange_candidate_at(const weir_exchange *ex, size_t i, weir_candidate *candidate)
{
    if (i >= weir_exchange_candidate_count(ex)) {
        return false;
    }
    return weir_record_write(candidate, &ex->candidates[i], sizeof(ex->candidates[i]));
}

size_t weir_exchange_candidates_left_out(const weir_exchange *ex)
{
    return ex->candidate_count - weir_exchange_candidate_count(ex);
}

void weir_core_explain(weir_core *core, weir_exchange *ex, weir_time now_ns)
{
    const weir_origin_key key = weir_exchange_key(ex);

    const weir_asker asker = {&key, &ex->ticket};

    ex->candidate_count =
        weir_pool_explain(core->pool, &asker, now_ns, ex->candidates, WEIR_CANDIDATES_LIMIT);
}

void weir_core_explain_bounce(weir_core *core, weir_exchange *ex, uint64_t conn, weir_time now_ns)
{
    const weir_origin_key key = weir_exchange_key(ex);

    for (size_t i = 0; i < weir_exchange_candidate_count(ex); i++) {
        if (ex->candidates[i].conn == conn && !ex->candidates[i].closed) {
            weir_pool_explain_bounce(core->pool, &key, conn, now_ns, &ex->candidates[i]);
        }
    }
}

size_t weir_candidate_text(const weir_candidate *given, char *to, size_t room)
{
    weir_text text = weir_text_begin(to, room);
    weir_candidate c;

    if (!weir_record_read(&c, sizeof(c), given)) {
        return 0;
    }
    weir_text_add(&text, "connection ");
    weir_text_add_number(&text, c.conn);
    weir_text_add(&text, ": ");
    weir_text_add(&text, weir_reason_name(c.reason));
    if (c.limit > 0) {
        weir_text_add(&text, " ");
        weir_text_add_number(&text, c.used);
        weir_text_add(&text, "/");
        weir_text_add_number(&text, c.limit);
    }
    if (c.protocol != WEIR_PROTOCOL_ANY) {
        weir_text_add(&text, ", ");
        weir_text_add(&text, weir_protocol_name(c.protocol));
    }
    weir_text_add(&text, ", ");
    weir_text_add_time(&text, c.age_ns);
    weir_text_add(&text, " old");
    if (c.idle_ns > 0) {
        weir_text_add(&text, ", idle for ");
        weir_text_add_time(&text, c.idle_ns);
    }
    if (c.closed) {
        weir_text_add(&text, ", closed ");
        weir_text_add_time(&text, c.closed_ns);
        weir_text_add(&text, " ago");
    }
    return text.length;
}
