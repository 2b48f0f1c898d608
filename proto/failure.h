/* SPDX-License-Identifier: MIT */
/*
 * A failure record with nothing known beyond its status.
 */
#ifndef WEIR_PROTO_FAILURE_H
#define WEIR_PROTO_FAILURE_H

#include "proto/base.h"
#include "weir/failure.h"

/* The phase is the one that the status table names; `what` may be NULL. */
static inline weir_failure weir_failure_of(weir_status status, const char *what)
{
    return (weir_failure){
        .status = status,
        .phase = weir_status_phase(status),
        .tls_alert = -1,
        .offset = WEIR_UNKNOWN,
        .what = what,
    };
}

#endif
