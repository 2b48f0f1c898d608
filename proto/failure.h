/* SPDX-License-Identifier: MIT */
/*
 * Failure records in which all that is not known says so.
 */
#ifndef WEIR_PROTO_FAILURE_H
#define WEIR_PROTO_FAILURE_H

#include "proto/base.h"
#include "weir/failure.h"

/* Nothing is known beyond the status, which may be WEIR_OK: no failure. */
static inline weir_failure weir_failure_bare(weir_status status)
{
    return (weir_failure){.status = status, .tls_alert = -1, .offset = WEIR_UNKNOWN};
}

/* The phase is the one that the status table names; `what` may be NULL. */
static inline weir_failure weir_failure_of(weir_status status, const char *what)
{
    weir_failure failure = weir_failure_bare(status);

    failure.phase = weir_status_phase(status);
    failure.what = what;
    return failure;
}

#endif
