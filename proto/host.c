/* SPDX-License-Identifier: MIT */
/*
 * Hosts.
 *
 * The one danger here is a text that we take for a name and somebody else (the system's resolver, a
 * proxy, the peer) for an address: `127.1` or `0x7f000001` would pass every list of forbidden
 * addresses. So what could be taken for an IPv4 address has to be one in the plain form.
 */
#include "proto/host.h"

#include "proto/ip.h"
#include "proto/octet.h"

enum {
    LABEL_LIMIT_OCTETS = 63, /* RFC 1035 s2.3.4 */
    NAME_LIMIT_OCTETS = 253  /* the 255 of RFC 1035 s2.3.4 count the length octets of labels */
};

static weir_status check_labels(weir_span name, size_t *bad);
static bool ends_in_number(weir_span name);
static weir_span without_final_dot(weir_span name);
static weir_status check_zone(weir_span zone, size_t *bad);
static weir_status refuse(weir_status status, size_t offset, size_t *bad);

weir_status weir_host_read_name(weir_host *host, weir_span text, size_t *bad)
{
    weir_host read = {.kind = WEIR_HOST_NAME, .text = text};
    weir_status status = check_labels(text, bad);
    if (status != WEIR_OK) {
        return status;
    }
    if (ends_in_number(text)) {
        read.kind = WEIR_HOST_IPV4;
        if (!weir_ip_parse_v4(text, read.address)) {
            return refuse(WEIR_E_URL_IPV4, 0, bad);
        }
    }
    *host = read;
    return WEIR_OK;
}

weir_status weir_host_read_ipv6(weir_host *host, weir_span text, size_t *bad)
{
    weir_host read = {.kind = WEIR_HOST_IPV6, .text = text};
    size_t zone = 0;
    while (zone < text.length && text.at[zone] != '%') {
        zone++;
    }
    read.text = weir_span_head(text, zone);
    if (!weir_ip_parse_v6(read.text, read.address, bad)) {
        return WEIR_E_URL_IPV6;
    }
    if (zone < text.length) {
        weir_status status = check_zone(weir_span_from(text, zone), bad);
        if (status != WEIR_OK) {
            *bad += zone;
            return status;
        }
        read.zone = weir_span_from(text, zone + 3);
    }
    *host = read;
    return WEIR_OK;
}

static weir_status check_labels(weir_span name, size_t *bad)
{
    size_t label = 0;
    for (size_t i = 0; i < name.length; i++) {
        uint8_t octet = name.at[i];
        if (octet == '.') {
            if (i == label) {
                return refuse(WEIR_E_URL_HOST, i, bad);
            }
            label = i + 1;
        } else if (!weir_octet_is(octet, WEIR_OCTET_LABEL)) {
            return refuse(octet == '@' ? WEIR_E_URL_USERINFO : WEIR_E_URL_HOST, i, bad);
        } else if (i - label == LABEL_LIMIT_OCTETS) {
            return refuse(WEIR_E_URL_HOST, label, bad);
        }
    }
    size_t octets = without_final_dot(name).length;
    if (octets == 0 || octets > NAME_LIMIT_OCTETS) {
        return refuse(WEIR_E_URL_HOST, 0, bad);
    }
    return WEIR_OK;
}

/* Is the last label a number, so that the whole may be taken for an IPv4 address? (WHATWG URL s3.5)
 */
static bool ends_in_number(weir_span name)
{
    name = without_final_dot(name);
    size_t label = name.length;
    while (label > 0 && name.at[label - 1] != '.') {
        label--;
    }
    weir_span last = weir_span_from(name, label);
    if (last.length >= 2 && last.at[0] == '0' && weir_octet_lower(last.at[1]) == 'x') {
        weir_span digits = weir_span_from(last, 2);
        return weir_octet_run(digits, WEIR_OCTET_HEX) == digits.length;
    }
    return weir_octet_run(last, WEIR_OCTET_DIGIT) == last.length;
}

static weir_span without_final_dot(weir_span name)
{
    bool has_dot = name.length > 0 && name.at[name.length - 1] == '.';
    return weir_span_head(name, name.length - (has_dot ? 1 : 0));
}

/*
 * "%25" ZoneID (RFC 6874 s2). A zone names an interface, so what it stands for has to be printable
 * and must not mean anything else to the system: no slash, no second percent sign.
 */
static weir_status check_zone(weir_span zone, size_t *bad)
{
    if (zone.length <= 3 || zone.at[1] != '2' || zone.at[2] != '5') {
        return refuse(WEIR_E_URL_IPV6, 0, bad);
    }
    for (size_t i = 3; i < zone.length; i++) {
        size_t at = i;
        uint8_t octet = zone.at[i];
        if (octet == '%') {
            if (!weir_octet_is_triplet(zone, i)) {
                return refuse(WEIR_E_URL_PERCENT, i, bad);
            }
            octet = weir_octet_of_triplet(zone, i);
            i += 2;
        } else if (!weir_octet_is(octet, WEIR_OCTET_UNRESERVED)) {
            return refuse(WEIR_E_URL_IPV6, i, bad);
        }
        if (octet <= ' ' || octet >= 0x7f || octet == '/' || octet == '%') {
            return refuse(WEIR_E_URL_IPV6, at, bad);
        }
    }
    return WEIR_OK;
}

static weir_status refuse(weir_status status, size_t offset, size_t *bad)
{
    *bad = offset;
    return status;
}
