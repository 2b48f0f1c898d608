/* SPDX-License-Identifier: MIT */
/* What a caller gives: see given.h. */
#include "engine/given.h"

#include <string.h>

#include "engine/options.h"
#include "engine/record.h"
#include "proto/host.h"
#include "proto/span.h"

#define ZONE_LIMIT_OCTETS 15 /* of the name of an interface (IFNAMSIZ, with a NUL) */

static const char *body_flaw(const weir_body *body);
static const char *choices_flaw(const weir_call *call);
static const char *connect_to_flaw(weir_span host);
static bool is_zone(weir_span zone);

const char *weir_preconnect_flaw(const weir_request *request, const weir_call *call,
                                 uint32_t exchanges)
{
    const weir_given given = {request, call, true};
    weir_request request_copy;
    weir_call call_copy;

    if (exchanges == 0) {
        return "exchanges is 0: there is nothing to connect for";
    }
    return weir_given_read(&given, &request_copy, &call_copy);
}

const char *weir_given_read(const weir_given *given, weir_request *request, weir_call *call)
{
    const bool has_request = weir_record_read(request, sizeof(*request), given->request);
    const bool has_call = weir_record_read(call, sizeof(*call), given->call);

    if (given->warms) {
        request->method = WEIR_SPAN("GET"); /* it is never sent */
        request->body.kind = WEIR_BODY_NONE;
    }
    if (given->request == NULL) {
        return "there is no weir_request";
    }
    if (!has_request) {
        return "the weir_request has no size: WEIR_REQUEST_INIT sets it";
    }
    if (!has_call) {
        return "the weir_call has no size: WEIR_CALL_INIT sets it";
    }
    const char *flaw = weir_observer_flaw(call->observer);
    if (flaw != NULL) {
        call->observer = NULL;
        return flaw;
    }
    flaw = choices_flaw(call);
    if (flaw == NULL && call->connect_to.length > 0) {
        flaw = connect_to_flaw(call->connect_to);
    } else if (flaw == NULL && call->connect_port != 0) {
        flaw = "call.connect_port is given without connect_to, the host that it is of";
    }
    return flaw != NULL ? flaw : body_flaw(&request->body);
}

bool weir_request_is_https(const weir_request *given)
{
    weir_request request;

    if (given == NULL || !weir_record_read(&request, sizeof(request), given)) {
        return false;
    }
    if (request.url.length > 0) {
        return request.url.length > 5 &&
               weir_span_equal_nocase(weir_span_head(request.url, 5), WEIR_SPAN("https"));
    }
    return weir_span_equal_nocase(request.scheme, WEIR_SPAN("https"));
}

bool weir_call_brings_tls(const weir_call *given)
{
    weir_call call;

    return weir_record_read(&call, sizeof(call), given) && call.tls != NULL;
}

static const char *body_flaw(const weir_body *body)
{
    weir_source source;

    if ((unsigned)body->kind > WEIR_BODY_STREAM) {
        return "body.kind is none of weir_body_kind";
    }
    if (body->kind != WEIR_BODY_SOURCE) {
        return NULL;
    }
    if (!weir_record_read(&source, sizeof(source), body->source)) {
        return "the weir_source has no size: WEIR_SOURCE_INIT sets it";
    }
    return source.read == NULL ? "the body has no source, or the source no read" : NULL;
}

/* A number that is none of what can be chosen. As unsigned: the type may hold a negative one. */
static const char *choices_flaw(const weir_call *call)
{
    if ((unsigned)call->pin > WEIR_H2) {
        return "call.pin is none of weir_protocol";
    }
    if ((unsigned)call->hint > WEIR_HINT_DUPLEX) {
        return "call.hint is none of weir_hint";
    }
    return (unsigned)call->replay > WEIR_REPLAY_NEVER ? "call.replay is none of weir_replay_policy"
                                                      : NULL;
}

/*
 * As strict as the host of a URL (proto/target.h), for the same reason, and because a look-up for
 * what can be none only wastes the caller's time. Written as a host is for the system: an IPv6
 * address without brackets, its zone as it is.
 */
static const char *connect_to_flaw(weir_span host)
{
    const uint8_t *percent = memchr(host.at, '%', host.length);
    const size_t length = percent != NULL ? (size_t)(percent - host.at) : host.length;
    const weir_span address = weir_span_head(host, length);
    const uint8_t *colon = memchr(address.at, ':', length);
    weir_host read;
    size_t bad = 0;

    if (host.at[0] == '[') {
        return "call.connect_to has brackets: an IPv6 address stands without them there";
    }
    if (colon != NULL &&
        memchr(colon + 1, ':', length - (size_t)(colon + 1 - address.at)) != NULL) {
        if (weir_host_read_ipv6(&read, address, &bad) != WEIR_OK) {
            return "call.connect_to is no IPv6 address";
        }
        return percent == NULL || is_zone(weir_span_from(host, length + 1))
                   ? NULL
                   : "call.connect_to has a zone that is none";
    }
    if (colon != NULL) {
        return "call.connect_to has a colon: the port goes into connect_port";
    }
    const weir_status status = weir_host_read_name(&read, host, &bad);
    if (status == WEIR_E_URL_IPV4) {
        return "call.connect_to is no IPv4 address: that is four decimal numbers";
    }
    return status == WEIR_OK ? NULL : "call.connect_to is no host: neither a name nor an address";
}

/* What may be the name or the number of an interface. */
static bool is_zone(weir_span zone)
{
    for (size_t i = 0; i < zone.length; i++) {
        const uint8_t octet = zone.at[i];
        if (octet <= ' ' || octet >= 0x7f || octet == '/' || octet == '%') {
            return false;
        }
    }
    return zone.length > 0 && zone.length <= ZONE_LIMIT_OCTETS;
}
