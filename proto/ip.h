/* SPDX-License-Identifier: MIT */
/*
 * The two textual forms of IP addresses, as URLs allow them (RFC 3986 s3.2.2), and no other form.
 *
 * Values in, values out; nothing is kept.
 */
#ifndef WEIR_PROTO_IP_H
#define WEIR_PROTO_IP_H

#include "proto/base.h"

/* Four decimal octets, no leading zeros, nothing before or after. Octets in network order. */
bool weir_ip_parse_v4(weir_span text, uint8_t address[4]);

/*
 * The form of RFC 4291 s2.2, without brackets and zone; the last 32 bits may be in IPv4 form. On
 * failure *bad is the offset of the first octet that no address can have there (the length, when
 * the text is too short), and address is not touched.
 */
bool weir_ip_parse_v6(weir_span text, uint8_t address[16], size_t *bad);

#endif
