/* SPDX-License-Identifier: MIT */
/*
 * The table of cases. A case has a name, what a server must be able to do for it, and a function
 * that plays it; which rows there are follows from the table and from capabilities.tsv, and
 * interop/expected.tsv has them all once more, written down.
 */
#ifndef INTEROP_CASES_H
#define INTEROP_CASES_H

#include "trial.h"

/* Bits of needs: what a row must have for the case to mean anything. */
enum {
    NEEDS_ORIGIN = 1, /* a server that misbehaves when asked to */
    NEEDS_TLS = 2,
    NEEDS_CLEAR = 4,
    NEEDS_H1 = 8,
    NEEDS_H2 = 16,
    ONCE = 32, /* has nothing to do with the server: one server is enough */
};

typedef struct interop_case {
    const char *name;
    const char *kind;  /* of capabilities.tsv; NULL: none */
    const char *other; /* a kind that does as well */
    unsigned needs;
    const char *why_not; /* where NEEDS_H1, NEEDS_H2 or NEEDS_CLEAR is not met */
    void (*run)(trial *t);
} interop_case;

/* NULL past the end. */
const interop_case *case_at(size_t i);

/* NULL: the row is to run. Otherwise why the server cannot, as expected.tsv says it after "cannot:
 * ". */
const char *case_refusal(const interop_case *c, const capabilities *can, const char *who, way w);

/* cases_get.c */
void case_get(trial *t);

#endif
