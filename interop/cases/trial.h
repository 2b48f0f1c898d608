/* SPDX-License-Identifier: MIT */
/*
 * A trial is one case on one way to one server: a row of the report. A case asks, runs and checks;
 * what does not hold is written down as a problem in words, and a row with a problem has failed.
 * Each trial has a front end of its own, so that the connections of a row are exactly those between
 * its beginning and its end.
 */
#ifndef INTEROP_TRIAL_H
#define INTEROP_TRIAL_H

#include "face.h"
#include "notes.h"
#include "server.h"

enum { PROBLEMS = 8, PROBLEM_OCTETS = 320 };

typedef struct trial_tls {
    weir_tls_config *trusting; /* the suite's CA and nothing else */
    weir_tls_config *doubting; /* another CA and nothing else */
} trial_tls;

typedef struct trial {
    const server *server;
    way way;
    const char *name; /* the case's */
    const trial_tls *tls;
    notes notes;
    face *face;
    bool may_other; /* rows of kind `other` are expected (docs/ledger.md) */
    char problems[PROBLEMS][PROBLEM_OCTETS];
    size_t problem_count; /* also of those that found no room */
} trial;

void trial_open(trial *t);
/* Closes the front end, so that every connection has its account. */
void trial_close(trial *t);
/* Opens the front end again with other settings: what was, is over. */
void trial_reopen(trial *t, weir_tls_config *tls, const weir_pool_limits *limits);
/* The same settings and a front end of its own again, which shares what the one before has learnt.
 */
void trial_renew(trial *t);

/* A GET of what answers `kind` with n octets; {n} and {id} of the path are filled in. */
void trial_ask(trial *t, transfer *x, const char *kind, uint64_t n);
/* A GET of a path of the embedded origin. */
void trial_ask_path(trial *t, transfer *x, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same from another port and host. */
void trial_ask_at(trial *t, transfer *x, const char *host, uint16_t port, const char *path);
/* A path of capabilities.tsv; NULL: the server cannot. */
const char *trial_path(const trial *t, const char *kind);

/* capabilities.tsv says that the server cannot do this. */
bool trial_cannot(const trial *t, const char *kind);

/* Runs one, or several at once. */
void trial_run(trial *t, transfer *x);
void trial_run_all(trial *t, transfer *xs, size_t count);
/* Runs one whose answer is text, and expects that with this code. */
bool trial_run_text(trial *t, transfer *x, int code);

/* Writes a problem down unless the fact holds; answers the fact. */
bool trial_check(trial *t, bool fact, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The whole answer came, with this code and this many octets of the pattern. */
bool trial_expect(trial *t, const transfer *x, int code, uint64_t octets);
/* The same for an answer whose content is text of any length. */
bool trial_expect_text(trial *t, const transfer *x, int code);
bool trial_expect_status(trial *t, const transfer *x, weir_status status);
/* A plain small GET works now, on a connection that was used before or not. */
void trial_expect_alive(trial *t);
/* ... and says which it was. */
bool trial_expect_reused(trial *t, const transfer *x, bool reused);

#endif
