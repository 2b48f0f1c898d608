/* SPDX-License-Identifier: MIT */
/* Requests that are sent again: see again.h. */
#include "again.h"

#define NUMBER(call) ((unsigned long long)(call)->number)
/* The pause after the second refusal in a row, at its shortest; doubled with each further one. */
#define PAUSE_NS     (45 * WEIR_NS_PER_MS)

static size_t most_attempts(const sim_call *call);
static bool may_go_again(const sim_call *call);
static void check_elsewhere(const sim_call *call, const weir_attempt *attempts, size_t count);
static void check_served_nobody(const sim_call *call, const sim_request *misdirected,
                                const sim_request *next);
static void check_pauses(const sim_call *call, const weir_attempt *attempts, size_t count);
static void check_refused(const sim_call *call, size_t attempts);
static size_t attempts_of(const sim_call *call, weir_attempt *to);

void sim_again_shown(const sim_call *call)
{
    weir_attempt attempts[WEIR_ATTEMPTS_LIMIT];
    const size_t count = attempts_of(call, attempts);
    bool twice = false;

    for (size_t i = 0; i + 1 < count; i++) {
        twice = twice || attempts[i].failure.status == WEIR_E_MISDIRECTED;
    }
    SIM_MUST(call->world,
             call->answered->order == 1 || !attempts[count - 1].reused || twice ||
                 call->informational_told > 0 ||
                 weir_exchange_informational_count(call->exchange) > 0 ||
                 count >= most_attempts(call) || call->options.replay == WEIR_REPLAY_NEVER ||
                 !may_go_again(call),
             "call %llu is shown a 421 that should have been asked for elsewhere", NUMBER(call));
}

void sim_again_done(const sim_call *call)
{
    weir_attempt attempts[WEIR_ATTEMPTS_LIMIT];
    const size_t count = attempts_of(call, attempts);

    check_elsewhere(call, attempts, count);
    check_pauses(call, attempts, count);
    check_refused(call, count);
}

static size_t most_attempts(const sim_call *call)
{
    return call->options.attempts != 0 ? call->options.attempts : 3;
}

/* What was read of a source that does not rewind, or taken of a stream, is gone. */
static bool may_go_again(const sim_call *call)
{
    switch (call->body_kind) {
    case WEIR_BODY_NONE:
    case WEIR_BODY_SPAN:
        return true;
    case WEIR_BODY_SOURCE:
        return call->rewinds || call->written == 0;
    case WEIR_BODY_STREAM:
        return call->written == 0 && !call->finished;
    }
    return true;
}

/* 421: at most once, on a connection that was used, and then on one that had served nobody. */
static void check_elsewhere(const sim_call *call, const weir_attempt *attempts, size_t count)
{
    size_t misdirected = 0;

    for (size_t i = 0; i < count; i++) {
        if (attempts[i].failure.status != WEIR_E_MISDIRECTED) {
            continue;
        }
        misdirected++;
        SIM_MUST(call->world, attempts[i].reused,
                 "call %llu: a 421 on a fresh connection was not shown", NUMBER(call));
        SIM_MUST(call->world, call->options.replay != WEIR_REPLAY_NEVER,
                 "call %llu: a 421 was not shown, and no replay is allowed", NUMBER(call));
        const sim_request *request = call->requests;
        while (request != NULL &&
               (request->socket->link != attempts[i].conn || request->misdirected_ns == 0)) {
            request = request->next;
        }
        SIM_MUST(call->world,
                 request != NULL || call->world->faults[SIM_FAULT_H1_SURPLUS] > 0 ||
                     call->world->faults[SIM_FAULT_H1_UNASKED] > 0,
                 "call %llu: a 421 that no peer sent", NUMBER(call));
        for (size_t k = i + 1; k < count; k++) {
            SIM_MUST(call->world, attempts[k].conn != attempts[i].conn,
                     "call %llu: after a 421 it was asked on the same connection", NUMBER(call));
        }
        if (request != NULL && request->next != NULL) {
            check_served_nobody(call, request, request->next);
        }
    }
    SIM_MUST(call->world, misdirected <= 1, "call %llu: %zu 421 were not shown", NUMBER(call),
             misdirected);
    SIM_MUST(call->world, call->status != WEIR_E_MISDIRECTED || call->body_kind == WEIR_BODY_SOURCE,
             "call %llu has neither its 421 nor another answer", NUMBER(call));
}

static void check_served_nobody(const sim_call *call, const sim_request *misdirected,
                                const sim_request *next)
{
    /* What was made with another TLS configuration is of another origin, which drains nothing. */
    const bool is_of_origin = next->socket->tls == misdirected->socket->tls;

    SIM_MUST(
        call->world, !is_of_origin || next->socket->peer->asked_ns >= misdirected->misdirected_ns,
        "call %llu: after a 421 it was asked on a connection that others had used", NUMBER(call));
}

/* REFUSED_STREAM: the second attempt may be at once, each further one comes after a pause. */
static void check_pauses(const sim_call *call, const weir_attempt *attempts, size_t count)
{
    const sim_request *request = call->requests;
    const sim_request *before = NULL;
    unsigned in_a_row = 0;

    for (size_t i = 0; i < count && request != NULL; i++) {
        if (attempts[i].tally.head.sent == 0) {
            in_a_row = 0; /* no peer has it */
            continue;
        }
        if (request->socket->link != attempts[i].conn) {
            return; /* an attempt did not reach its peer: what belongs to what is not known */
        }
        SIM_MUST(call->world,
                 in_a_row < 2 ||
                     request->arrived_ns >= before->refused_ns + (PAUSE_NS << (in_a_row - 2)),
                 "call %llu was refused %u times and asked again after %llu ns", NUMBER(call),
                 in_a_row, (unsigned long long)(request->arrived_ns - before->refused_ns));
        const bool refused =
            attempts[i].failure.status == WEIR_E_REFUSED && request->refused_ns != 0;
        in_a_row = refused ? in_a_row + 1 : 0;
        before = request;
        request = request->next;
    }
}

/* It ends with REFUSED when there are no attempts left, and not before. */
static void check_refused(const sim_call *call, size_t attempts)
{
    SIM_MUST(call->world,
             call->status != WEIR_E_REFUSED || attempts >= most_attempts(call) ||
                 call->options.replay == WEIR_REPLAY_NEVER || call->body_kind == WEIR_BODY_SOURCE ||
                 !may_go_again(call),
             "call %llu was refused, and gave up after %zu attempts", NUMBER(call), attempts);
}

static size_t attempts_of(const sim_call *call, weir_attempt *to)
{
    const size_t count = weir_exchange_attempt_count(call->exchange);

    for (size_t i = 0; i < count; i++) {
        to[i] = (weir_attempt)WEIR_ATTEMPT_INIT;
        (void)weir_exchange_attempt_at(call->exchange, i, &to[i]);
    }
    return count;
}
