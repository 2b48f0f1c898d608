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
    NEEDS_LOOP = 256,
    NEEDS_NGINX = 128, /* set up for a race */
    MAY_BE_UNSAID = 64 /* its kind is in capabilities.tsv only where a server cannot */
};

typedef struct interop_case {
    const char *name;
    const char *about;
    const char *kind;  /* of capabilities.tsv; NULL: none */
    const char *other; /* a kind that does as well */
    unsigned needs;
    const char *why_not;   /* where NEEDS_H1, NEEDS_H2 or NEEDS_CLEAR is not met */
    void (*run)(trial *t); /* NULL: weir-race plays it (interop/run) */
} interop_case;

/* NULL past the end. */
const interop_case *case_at(size_t i);

/* NULL: the row is to run. Otherwise why the server cannot, as expected.tsv says it after "cannot:
 * ". */
const char *case_refusal(const interop_case *c, const capabilities *can, const char *who, way w);

/* cases_get.c: fetching */
void case_get(trial *t);
void case_get_nothing(trial *t);
void case_get_10m(trial *t);
void case_head(trial *t);
void case_chunked(trial *t);
void case_chunked_10m(trial *t);
void case_close(trial *t);
void case_close_10m(trial *t);
void case_trailers(trial *t);
void case_no_content(trial *t);
void case_not_modified(trial *t);
void case_hints(trial *t);
void case_delay(trial *t);
void case_drip(trial *t);
void case_big_head(trial *t);

/* cases_post.c: uploads */
void case_post(trial *t);
void case_post_10m(trial *t);
void case_post_uncounted(trial *t);
void case_post_written(trial *t);
void case_post_written_10m(trial *t);
void case_echo_10m(trial *t);
void case_send_trailers(trial *t);
void case_expect(trial *t);
void case_expect_refused(trial *t);
void case_expect_silence(trial *t);
void case_early(trial *t);
void case_early_written(trial *t);
void case_early_1000(trial *t);

/* cases_pool.c: several exchanges */
void case_reuse(trial *t);
void case_sequential_1000(trial *t);
void case_parallel_100(trial *t);
void case_unread_beside(trial *t);
void case_dropped(trial *t);
void case_last(trial *t);
void case_goaway(trial *t);
void case_goaway_unprocessed(trial *t);
void case_refuse(trial *t);
void case_refuse_post(trial *t);
void case_settings(trial *t);
void case_ping(trial *t);
void case_surplus(trial *t);

/* cases_end.c: an exchange that we end, or that ends badly */
void case_cancel_body(trial *t);
void case_cancel_waiting(trial *t);
void case_deadline_total(trial *t);
void case_deadline_first_octet(trial *t);
void case_deadline_idle(trial *t);
void case_deadline_tls(trial *t);
void case_deadline_queue(trial *t);
void case_reset(trial *t);
void case_truncated(trial *t);
void case_truncated_chunks(trial *t);
void case_unframed(trial *t);
void case_malformed(trial *t);
void case_head_too_large(trial *t);
void case_upgrade_unasked(trial *t);
void case_connection_refused(trial *t);
void case_no_such_name(trial *t);

/* cases_tls.c */
void case_certificates_accepted(trial *t);
void case_certificates_refused(trial *t);
void case_untrusted_ca(trial *t);
void case_wrong_name(trial *t);
void case_alpn_chosen(trial *t);
void case_alpn_fallback(trial *t);
void case_alpn_no_overlap(trial *t);
void case_resumption(trial *t);
void case_key_update(trial *t);
void case_tickets(trial *t);

#endif
