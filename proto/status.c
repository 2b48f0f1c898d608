/* SPDX-License-Identifier: MIT */
/*
 * The table of statuses, and the names of what its columns hold.
 *
 * Everything here is made from WEIR_STATUS_MAP, so that a status has its row by being declared. The
 * place of a row is found by a switch and not by a search, because two statuses with one number
 * then do not compile.
 */
#include "weir/status.h"

#include "proto/base.h"

typedef struct row {
    weir_status status;
    weir_blame blame;
    weir_retry retry;
    weir_phase phase;
    const char *name;
    const char *sentence;
} row;

static const row rows[] = {
#define ROW(id, number, whose, again, when, text)                                                  \
    {.status = WEIR_##id,                                                                          \
     .blame = WEIR_BLAME_##whose,                                                                  \
     .retry = WEIR_RETRY_##again,                                                                  \
     .phase = WEIR_PHASE_##when,                                                                   \
     .name = "WEIR_" #id,                                                                          \
     .sentence = text},
    WEIR_STATUS_MAP(ROW)
#undef ROW
};

enum {
#define PLACE(name, number, blame, retry, phase, sentence) PLACE_##name,
    WEIR_STATUS_MAP(PLACE)
#undef PLACE
        PLACES
};

_Static_assert(WEIR_COUNT_OF(rows) == PLACES, "each status has a row");

/* A number that is in no table is a mistake of this process, not of the request or the peer. */
static const row unknown = {
    .status = WEIR_OK,
    .blame = WEIR_BLAME_LOCAL,
    .retry = WEIR_RETRY_NO,
    .phase = WEIR_PHASE_ANY,
    .name = "unknown",
    .sentence = "a number that is no status",
};

static const row *find(weir_status status);

const char *weir_status_name(weir_status status)
{
    return find(status)->name;
}

const char *weir_status_sentence(weir_status status)
{
    return find(status)->sentence;
}

weir_blame weir_status_blame(weir_status status)
{
    return find(status)->blame;
}

const char *weir_blame_name(weir_blame blame)
{
    switch (blame) {
    case WEIR_BLAME_NONE:
        return "none";
    case WEIR_BLAME_CALLER:
        return "caller";
    case WEIR_BLAME_LOCAL:
        return "local";
    case WEIR_BLAME_PEER:
        return "peer";
    case WEIR_BLAME_NETWORK:
        return "network";
    case WEIR_BLAME_RESOURCE:
        return "resource";
    }
    return "unknown";
}

weir_retry weir_status_retry(weir_status status)
{
    return find(status)->retry;
}

weir_phase weir_status_phase(weir_status status)
{
    return find(status)->phase;
}

const char *weir_phase_name(weir_phase phase)
{
    static const char *const names[] = {
        [WEIR_PHASE_ANY] = "any",   [WEIR_PHASE_SUBMIT] = "submit",   [WEIR_PHASE_QUEUE] = "queue",
        [WEIR_PHASE_DNS] = "dns",   [WEIR_PHASE_CONNECT] = "connect", [WEIR_PHASE_TLS] = "tls",
        [WEIR_PHASE_SEND] = "send", [WEIR_PHASE_HEAD] = "head",       [WEIR_PHASE_BODY] = "body",
        [WEIR_PHASE_DONE] = "done",
    };
    _Static_assert(WEIR_COUNT_OF(names) == WEIR_PHASE_COUNT, "each phase has a name");
    return (size_t)phase < WEIR_PHASE_COUNT ? names[phase] : "unknown";
}

bool weir_status_at(size_t i, weir_status *status)
{
    if (i >= WEIR_COUNT_OF(rows)) {
        return false;
    }
    *status = rows[i].status;
    return true;
}

static const row *find(weir_status status)
{
    switch (status) {
#define CASE(name, number, blame, retry, phase, sentence)                                          \
    case WEIR_##name:                                                                              \
        return &rows[PLACE_##name];
        WEIR_STATUS_MAP(CASE)
#undef CASE
    }
    return &unknown;
}
