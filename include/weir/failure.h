/* SPDX-License-Identifier: MIT */
/*
 * Why something failed, in full: what the user is told, and the cause behind it.
 *
 * A value: copied freely, owns nothing. `what` points to a static sentence.
 */
#ifndef WEIR_FAILURE_H
#define WEIR_FAILURE_H

#include "weir/base.h"
#include "weir/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What can be said about processing, read off the ledger and the protocol, never guessed. */
typedef enum weir_processed {
    WEIR_MAYBE_PROCESSED = 0, /* octets of the exchange left this socket: the peer may have acted */
    WEIR_NOT_SENT,       /* the kernel took no octet of any record that holds one of its octets */
    WEIR_REFUSED_BY_PEER /* REFUSED_STREAM, or GOAWAY below its stream (RFC 9113 s6.8, s8.7) */
} weir_processed;

/*
 * Of an exchange that is done, `processed` covers all of its attempts, and everything else here is of
 * the last one: WEIR_E_DNS_NOT_FOUND with WEIR_MAYBE_PROCESSED is a request that was sent, whose
 * connection died, and for which no other could be made. Who repeats it goes by `processed`. Each
 * attempt by itself: weir_exchange_attempt_at().
 */
typedef struct weir_failure {
    weir_status status;       /* WEIR_OK: no failure */
    weir_phase phase;         /* where the exchange was */
    weir_processed processed; /* may it be sent again? */
    int sys_errno;            /* errno of the system call, 0: none */
    uint32_t h2_code;         /* RFC 9113 s7 code, received or sent; valid if has_h2_code */
    bool has_h2_code;
    bool local_h2_code; /* the code is what we told the peer, not what the peer told us */
    int tls_alert;      /* RFC 8446 s6 description, -1: none; `what` has its name */
    int tls_error;      /* the TLS library's own code, 0: none */
    uint64_t offset;    /* octets into the URL or the response head; of a refused field its index in
                           the array; WEIR_UNKNOWN: none */
    const char *what;   /* more than the status says: a static sentence, for a person; or NULL */
} weir_failure;

#ifdef __cplusplus
}
#endif

#endif
