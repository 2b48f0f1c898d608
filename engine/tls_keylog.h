/* SPDX-License-Identifier: MIT */
/*
 * The secrets of connections, appended to a file in the format that packet analysers read (NSS key
 * log). For debugging.
 *
 * Needs a wolfSSL that tells its secrets (HAVE_SECRET_CALLBACK); distributions build without.
 */
#ifndef WEIR_ENGINE_TLS_KEYLOG_H
#define WEIR_ENGINE_TLS_KEYLOG_H

#include "proto/base.h"

struct WOLFSSL;

bool weir_tls_keylog_is_available(void);

/* From now on the secrets of that connection are appended to the file. `path` is *kept*. */
void weir_tls_keylog_attach(struct WOLFSSL *ssl, const char *path);

#endif
