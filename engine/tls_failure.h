/* SPDX-License-Identifier: MIT */
/*
 * What an error of wolfSSL means in the words of weir/status.h.
 */
#ifndef WEIR_ENGINE_TLS_FAILURE_H
#define WEIR_ENGINE_TLS_FAILURE_H

#include "weir/failure.h"

/* `error` as wolfSSL_get_error() tells it; `alert` the fatal alert that the peer sent, -1: none.
 * Never WEIR_OK. */
weir_failure weir_tls_failure_from(int error, int alert);

#endif
