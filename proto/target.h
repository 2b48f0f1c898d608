/* SPDX-License-Identifier: MIT */
/*
 * The one URL parser (RFC 3986, RFC 9110 s4.2, RFC 9112 s3.2): from it come the address to connect, SNI, Host,
 * :authority, :path and the pool's key, and from nowhere else, so they cannot contradict each other.
 *
 * Strict: what is odd is refused with a status and an offset of its own, never repaired. No path normalisation. Percent
 * triplets and case of the path are kept as given; the host is lowered; an empty path becomes "/"; a fragment is
 * dropped (it is never sent). IDNA is the caller's: A-labels are ordinary host names. An IPv6 zone (RFC 6874 "%25eth0")
 * is kept for dialling and never sent.
 *
 * Ownership: all spans of the result point into `storage`, which the caller gives and which holds the parsed copy.
 */
#ifndef WEIR_PROTO_TARGET_H
#define WEIR_PROTO_TARGET_H

#include "proto/base.h"
#include "weir/failure.h"

#define WEIR_URL_LIMIT_OCTETS 65536

typedef enum weir_host_kind {
    WEIR_HOST_NAME = 0, /* a registered name: resolve it, SNI and certificate by name */
    WEIR_HOST_IPV4,
    WEIR_HOST_IPV6
} weir_host_kind;

typedef struct weir_target {
    bool https;
    weir_host_kind kind;
    weir_span host;      /* lowered, without brackets, zone, or final dot removed? no: as in the URL, lowered */
    weir_span zone;      /* IPv6 zone, decoded; empty: none */
    uint16_t port;       /* the default of the scheme when absent */
    weir_span authority; /* host[:port] as Host and :authority send it; the port is left out when default */
    weir_span path;      /* path and query: "/", "/a?b", or "*" for OPTIONS */
    uint8_t address[16]; /* the numeric address in network order, for the two IP kinds */
} weir_target;

/*
 * Parses an absolute http or https URL. `storage` must have room for url.length + 32 octets. Returns WEIR_OK or one of
 * the WEIR_E_URL_* statuses with failure->offset at the offending octet.
 */
weir_status weir_target_parse(weir_target *target, weir_span url, uint8_t *storage, size_t room,
                              weir_failure *failure);

/* The same from parts: scheme, host (an IPv6 address with or without brackets), port (0: default), path with query. */
typedef struct weir_target_parts {
    weir_span scheme;
    weir_span host;
    uint16_t port;
    weir_span path; /* empty: "/" */
} weir_target_parts;
weir_status weir_target_compose(weir_target *target, const weir_target_parts *parts, uint8_t *storage,
                                size_t room, weir_failure *failure);

#endif
