/* SPDX-License-Identifier: MIT */
/*
 * Which requests are sent again (docs/replay.md): only what is provably unprocessed, or idempotent
 * on a connection that was reused and may have died of old age (RFC 9110 s9.2.2, RFC 9112 s9.3.1,
 * RFC 9113 s8.7). The proof is the ledger's, not a guess. A 421 on a connection that served others
 * before is the server's own word that it did nothing (RFC 9110 s15.5.20).
 */
#include "engine/exchange.h"

#define MISDIRECTED          421
#define MAYBE_PROCESSED_MOST 3

static bool has_attempts_left(const weir_exchange *ex);
static bool body_can_go_again(const weir_exchange *ex);

bool weir_exchange_may_replay(const weir_exchange *ex)
{
    const weir_failure *failure = &ex->failure;
    bool safe = failure->processed == WEIR_NOT_SENT || failure->processed == WEIR_REFUSED_BY_PEER;

    if (!ex->attempted || !has_attempts_left(ex) || ex->head != NULL) {
        return false;
    }
    if (ex->call.replay == WEIR_REPLAY_NEVER ||
        weir_status_retry(failure->status) == WEIR_RETRY_NO) {
        return false;
    }
    if (!safe) {
        /* An old connection that broke before any octet of the answer: it probably died of age. Or
         * we left it, because what came on it was no answer to anybody. */
        safe = ex->call.replay == WEIR_REPLAY_DEFAULT && ex->request.idempotent &&
               ex->attempt_reused && ex->first_octet_ns == 0 &&
               (failure->status == WEIR_E_RESET || failure->status == WEIR_E_CLOSED_EARLY ||
                failure->status == WEIR_E_NETWORK || failure->status == WEIR_E_H2_GOAWAY ||
                failure->status == WEIR_E_H2_PING || failure->status == WEIR_E_LIMIT_FLOOD);
    }
    return safe && body_can_go_again(ex);
}

/* The last thing that failed may have sent nothing; what an attempt before it sent was sent all the
 * same. */
bool weir_exchange_was_maybe_processed(const weir_exchange *ex)
{
    for (size_t i = 0; i < ex->attempt_count; i++) {
        const weir_failure *failure = &ex->attempts[i].failure;
        if (failure->status != WEIR_OK && failure->processed == WEIR_MAYBE_PROCESSED) {
            return true;
        }
    }
    return false;
}

bool weir_exchange_is_misdirected(const weir_exchange *ex, int code)
{
    if (code != MISDIRECTED || ex->misdirected || !ex->attempt_reused ||
        ex->informational_count > 0) {
        return false;
    }
    if (ex->call.replay == WEIR_REPLAY_NEVER || !has_attempts_left(ex)) {
        return false;
    }
    /* No lock may be held around a rewind, so that it can be done is all that is known here. */
    const bool is_source = ex->body.kind == WEIR_BODY_SOURCE;
    return is_source ? ex->source_octets == 0 || ex->source.rewind != NULL : body_can_go_again(ex);
}

/*
 * A server that ends connections often can end the one of every attempt, and have processed
 * nothing: such an attempt costs the call nothing but time, and only the room that there is for
 * accounts bounds them.
 */
static bool has_attempts_left(const weir_exchange *ex)
{
    size_t maybe = 0;

    if (ex->call.attempts > 0) {
        return ex->attempt_count < ex->call.attempts;
    }
    for (size_t i = 0; i < ex->attempt_count; i++) {
        maybe += ex->attempts[i].failure.processed == WEIR_MAYBE_PROCESSED ? 1 : 0;
    }
    return ex->attempt_count < WEIR_ATTEMPTS_LIMIT && maybe < MAYBE_PROCESSED_MOST;
}

static bool body_can_go_again(const weir_exchange *ex)
{
    switch (ex->body.kind) {
    case WEIR_BODY_NONE:
    case WEIR_BODY_SPAN:
        return true;
    case WEIR_BODY_SOURCE:
        return ex->source_octets == 0 ||
               (ex->source.rewind != NULL && ex->source.rewind(ex->source.user));
    case WEIR_BODY_STREAM:
        return !ex->body_was_taken;
    }
    return false;
}
