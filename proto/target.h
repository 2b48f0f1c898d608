/* SPDX-License-Identifier: MIT */
/*
 * The one URL parser (RFC 3986, RFC 9110 s4.2, RFC 9112 s3.2): from it come the address to connect,
 * SNI, Host, :authority, :path and the pool's key, and from nowhere else, so they cannot contradict
 * each other.
 *
 * Strict: what is odd is refused with a status and an offset of its own, never repaired. No path
 * normalisation. Percent triplets and case of the path are kept as given; the host is lowered; an
 * empty path becomes "/"; a fragment is checked and dropped (it is never sent). IDNA is the
 * caller's: A-labels are ordinary host names. An IPv6 zone (RFC 6874 "%25eth0") is kept for
 * dialling and never sent.
 *
 * Two readings of one URL are how requests end up at the wrong server, so where parsers in the
 * field disagree this one refuses, and where the field agrees beyond the letter it follows:
 *   - a host whose last label is a number (digits, or 0x and hex digits) is an IPv4 address and
 *     must be four plain decimal octets: `127.1`, `0x7f.1`, `1.2.3.4.` and `256.1.1.1` are refused;
 *   - an underscore, and a hyphen at the end of a label, are allowed in names: RFC 1123 s2.1 does
 *     not know them, DNS does (RFC 2181 s11), and names of services and containers hold them;
 *   - percent triplets and sub-delims in names (RFC 3986 s3.2.2) are refused: no resolver agrees on
 *     them;
 *   - an empty port (`http://a:/`) is the default one (RFC 9110 s4.2.1); a port that begins with 0
 *     is refused, `:080` too.
 *
 * Ownership: all spans of the result point into `storage`, which the caller gives and which holds
 * the parsed copy.
 */
#ifndef WEIR_PROTO_TARGET_H
#define WEIR_PROTO_TARGET_H

#include "proto/host.h"
#include "weir/failure.h"

#define WEIR_URL_LIMIT_OCTETS 65536

typedef struct weir_target {
    bool https;
    weir_host_kind kind;
    weir_span host;      /* lowered, without brackets and zone; a final dot is kept */
    weir_span zone;      /* IPv6 zone, decoded; empty: none */
    uint16_t port;       /* the default of the scheme when absent */
    weir_span authority; /* host[:port] as Host and :authority send it; without a default port */
    weir_span path;      /* path and query: "/", "/a?b", or "*" for OPTIONS */
    uint8_t address[16]; /* the numeric address in network order, for the two IP kinds */
} weir_target;

/* What the storage needs more than the URL, or the host and path, it is given. */
#define WEIR_TARGET_SLACK_OCTETS 32

/*
 * Parses an absolute http or https URL. `storage` must have room for url.length + 32 octets.
 * Returns WEIR_OK or one of the WEIR_E_URL_* statuses with failure->offset at the offending octet,
 * or at the first octet of the host or port when it is wrong as a whole. On failure the target is
 * zeroed; on success *failure is not touched.
 */
weir_status weir_target_parse(weir_target *target, weir_span url, uint8_t *storage, size_t room,
                              weir_failure *failure);

/*
 * The same from parts: scheme, host (an IPv6 address with or without brackets, its zone as in a
 * URL), port (0: default), path with query ("*" only here). `storage` must have room for
 * host.length + path.length
 * + 32 octets. failure->offset counts from the start of the part that failure->what names.
 */
typedef struct weir_target_parts {
    weir_span scheme;
    weir_span host;
    uint16_t port;
    weir_span path; /* empty: "/" */
} weir_target_parts;
weir_status weir_target_compose(weir_target *target, const weir_target_parts *parts,
                                uint8_t *storage, size_t room, weir_failure *failure);

/* The host without its final dot, for SNI (RFC 6066 s3) and the certificate's names (RFC 9525 s6).
 */
weir_span weir_target_name(const weir_target *target);

/* Writes host:port, the port always (RFC 9112 s3.2.3), to at least host.length + 8 octets; the
 * length. */
size_t weir_target_write_host_port(const weir_target *target, uint8_t *to);

#endif
