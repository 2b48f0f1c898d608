/* SPDX-License-Identifier: MIT */
/* The suite's CAs as a TLS configuration. */
#ifndef INTEROP_TRUST_H
#define INTEROP_TRUST_H

#include <weir/weir.h>

/* Trusts that CA and nothing else; ends the program if it cannot be read. */
weir_tls_config *must_trust(const char *ca);

#endif
