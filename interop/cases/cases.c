/* SPDX-License-Identifier: MIT */
/* The table of cases, and which rows follow from it. */
#include "cases.h"

#include <string.h>

static const interop_case table[] = {
    {"get", "octets", NULL, 0, NULL, case_get},
};

static const char *cannot(const char *answer);

const interop_case *case_at(size_t i)
{
    return i < sizeof table / sizeof table[0] ? &table[i] : NULL;
}

const char *case_refusal(const interop_case *c, const capabilities *can, const char *who, way w)
{
    /* Every who serves octets in some way: this cell says whether it speaks the protocol at all.
     */
    const char *why = cannot(capability_of(can, who, "octets", w.protocol));
    if (why == NULL && w.tls) {
        const char *tls = capability_of(can, who, "tls", w.protocol);
        why = tls == NULL ? NULL : cannot(tls);
    }
    if (why != NULL) {
        return why;
    }
    if ((c->needs & NEEDS_TLS) != 0 && !w.tls) {
        return "there is no TLS on a clear connection";
    }
    if (((c->needs & NEEDS_CLEAR) != 0 && w.tls) ||
        ((c->needs & NEEDS_H1) != 0 && w.protocol != WEIR_H1) ||
        ((c->needs & NEEDS_H2) != 0 && w.protocol != WEIR_H2)) {
        return c->why_not;
    }
    if ((c->needs & ONCE) != 0 && strcmp(who, "origin") != 0) {
        return "it does not depend on the who, and runs once";
    }
    if ((c->needs & NEEDS_ORIGIN) != 0 && strcmp(who, "origin") != 0) {
        return "no who but the embedded origin does that when asked to";
    }
    if (c->kind != NULL) {
        why = cannot(capability_of(can, who, c->kind, w.protocol));
        if (why != NULL && c->other != NULL &&
            cannot(capability_of(can, who, c->other, w.protocol)) == NULL) {
            why = NULL;
        }
    }
    return why;
}

/* The reason in a cell of capabilities.tsv; NULL: it is a path. */
static const char *cannot(const char *answer)
{
    static const char mark[] = "cannot: ";
    if (answer == NULL) {
        return "capabilities.tsv does not know it";
    }
    return strncmp(answer, mark, sizeof mark - 1) == 0 ? answer + sizeof mark - 1 : NULL;
}
