/* SPDX-License-Identifier: MIT */
/*
 * The host of a URL: a name, an IPv4 or an IPv6 address. What is allowed, and why, is told in
 * target.h.
 *
 * Ownership: the spans of a host point into the text that was read, case and percent triplets as
 * they stand there.
 */
#ifndef WEIR_PROTO_HOST_H
#define WEIR_PROTO_HOST_H

#include "proto/base.h"
#include "weir/status.h"

typedef enum weir_host_kind {
    WEIR_HOST_NAME = 0, /* a registered name: resolve it, SNI and certificate by name */
    WEIR_HOST_IPV4,
    WEIR_HOST_IPV6
} weir_host_kind;

typedef struct weir_host {
    weir_host_kind kind;
    weir_span text;      /* without brackets and zone */
    weir_span zone;      /* not decoded; empty: none */
    uint8_t address[16]; /* in network order, for the two IP kinds */
} weir_host;

/*
 * Reads a name or an IPv4 address. WEIR_OK, WEIR_E_URL_HOST, WEIR_E_URL_IPV4 or WEIR_E_URL_USERINFO
 * (an "@"); then *bad is the offset of the offending octet, 0 when the host is wrong as a whole,
 * and the host is not touched.
 */
weir_status weir_host_read_name(weir_host *host, weir_span text, size_t *bad);

/* Reads an IPv6 address with or without "%25" zone, without brackets. WEIR_OK, WEIR_E_URL_IPV6,
 * WEIR_E_URL_PERCENT. */
weir_status weir_host_read_ipv6(weir_host *host, weir_span text, size_t *bad);

#endif
