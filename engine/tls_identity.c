/* SPDX-License-Identifier: MIT */
/*
 * Host check and name constraints.
 *
 * The host check follows RFC 9525: subjectAltName only (s2), the wildcard is the whole first label
 * and stands for one label (s6.3), addresses by octets (s6.4: and never an address in a dNSName).
 * One rule is added that the RFC leaves to the application: a wildcard must be followed by at least
 * two labels, so "*.test" names nobody; browsers and other clients agree on that.
 *
 * Name constraints are evaluated here because wolfSSL passes over those on addresses and on other
 * names. Doubt is decided against the certificate: a wildcard that could stand for an excluded name
 * is excluded. So the host that was asked for is allowed whenever the name that covers it is.
 */
#include "engine/tls_identity.h"

#include "proto/span.h"

#include <string.h>

/* Tags of GeneralName (RFC 5280 s4.2.1.6). */
enum {
    NAME_DNS = WEIR_DER_CONTEXT + 2,
    NAME_DIRECTORY = WEIR_DER_CONTEXT_INSIDE + 4,
    NAME_IP = WEIR_DER_CONTEXT + 7,
    NAME_LAST = 8,
    NAME_NUMBER = 0x1f
};

/* What became of comparing a name with the bases of one list. */
typedef struct comparison {
    bool any_of_form; /* there is a base of the name's form */
    bool matched;
    bool doubtful; /* something could not be compared */
} comparison;

typedef struct general_name {
    uint8_t tag;
    weir_span value;
} general_name;

static bool is_dns_name(weir_span name, bool wildcard);
static bool is_label_octet(uint8_t octet);
static bool matches_dns(weir_span pattern, weir_span host);
static weir_span after_first_label(weir_span name);
static bool next_base(weir_der *list, general_name *base);
static bool allows(weir_span constraints, const general_name *name);
static comparison compare(weir_span list, const general_name *name, bool excluded);
static bool is_within(const general_name *name, const general_name *base, bool excluded,
                      bool *doubtful);
static bool is_within_dns(weir_span name, weir_span base, bool excluded);
static bool is_subdomain(weir_span name, weir_span base);
static bool is_within_ip(weir_span address, weir_span base, bool *doubtful);
static bool is_within_directory(weir_span name, weir_span base, bool *doubtful);
static general_name name_of(const weir_tls_identity *identity);

bool weir_tls_identity_is_named(const weir_tls_identity *identity, const weir_x509 *certificate)
{
    weir_der names = weir_der_of(certificate->alternative_names);
    general_name wanted = name_of(identity);
    weir_der_element name;
    bool named = false;

    while (!weir_der_is_done(&names)) {
        if (!weir_der_next(&names, &name)) {
            return false; /* malformed: none of it counts */
        }
        if (name.tag != wanted.tag) {
            continue;
        }
        if (wanted.tag == NAME_DNS ? matches_dns(name.value, wanted.value)
                                   : weir_span_equal(name.value, wanted.value)) {
            named = true;
        }
    }
    return named;
}

bool weir_tls_identity_is_allowed(weir_span constraints, const weir_x509 *certificate)
{
    weir_der names = weir_der_of(certificate->alternative_names);
    weir_der subject = weir_der_of(certificate->subject);
    weir_der_element element;

    if (!weir_der_expect(&subject, WEIR_DER_SEQUENCE, &element)) {
        return false;
    }
    general_name name = {NAME_DIRECTORY, certificate->subject};
    if (element.value.length > 0 && !allows(constraints, &name)) {
        return false;
    }
    while (!weir_der_is_done(&names)) {
        if (!weir_der_next(&names, &element)) {
            return false;
        }
        name = (general_name){element.tag, element.value};
        if (!allows(constraints, &name)) {
            return false;
        }
    }
    return true;
}

static general_name name_of(const weir_tls_identity *identity)
{
    switch (identity->kind) {
    case WEIR_HOST_IPV4:
        return (general_name){NAME_IP, {identity->address, 4}};
    case WEIR_HOST_IPV6:
        return (general_name){NAME_IP, {identity->address, 16}};
    case WEIR_HOST_NAME:
    default:
        return (general_name){NAME_DNS, identity->host};
    }
}

static bool is_label_octet(uint8_t octet)
{
    return (octet >= 'a' && octet <= 'z') || (octet >= 'A' && octet <= 'Z') ||
           (octet >= '0' && octet <= '9') || octet == '-' || octet == '_';
}

/* Labels that are not empty, of letters, digits, hyphens and underscores; the first may be "*"
 * alone. */
static bool is_dns_name(weir_span name, bool wildcard)
{
    size_t label = 0;

    for (size_t i = 0; i < name.length; ++i) {
        if (name.at[i] == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
        } else if (is_label_octet(name.at[i])) {
            label++;
        } else if (wildcard && i == 0 && name.at[i] == '*' && name.length > 1 &&
                   name.at[1] == '.') {
            label++;
        } else {
            return false;
        }
    }
    return label > 0;
}

static bool matches_dns(weir_span pattern, weir_span host)
{
    if (!is_dns_name(pattern, true) || !is_dns_name(host, false)) {
        return false;
    }
    if (pattern.at[0] != '*') {
        return weir_span_equal_nocase(pattern, host);
    }
    weir_span suffix = after_first_label(pattern);
    return after_first_label(suffix).length > 0 &&
           weir_span_equal_nocase(suffix, after_first_label(host));
}

/* What follows the first dot; empty if there is none. */
static weir_span after_first_label(weir_span name)
{
    const uint8_t *dot = name.length > 0 ? memchr(name.at, '.', name.length) : NULL;
    return dot ? weir_span_from(name, (size_t)(dot - name.at) + 1) : (weir_span){NULL, 0};
}

/* NameConstraints ::= SEQUENCE { permittedSubtrees [0], excludedSubtrees [1] }, here its contents.
 */
static bool allows(weir_span constraints, const general_name *name)
{
    weir_der der = weir_der_of(constraints);
    weir_der_element permitted;
    weir_der_element excluded;
    bool has_permitted;
    bool has_excluded;
    comparison result;

    if (!weir_der_optional(&der, WEIR_DER_CONTEXT_INSIDE + 0, &permitted, &has_permitted) ||
        !weir_der_optional(&der, WEIR_DER_CONTEXT_INSIDE + 1, &excluded, &has_excluded) ||
        !weir_der_is_done(&der)) {
        return false;
    }
    if (has_permitted) {
        result = compare(permitted.value, name, false);
        if (result.doubtful || (result.any_of_form && !result.matched)) {
            return false;
        }
    }
    if (has_excluded) {
        result = compare(excluded.value, name, true);
        if (result.doubtful || result.matched) {
            return false;
        }
    }
    return true;
}

static comparison compare(weir_span list, const general_name *name, bool excluded)
{
    weir_der der = weir_der_of(list);
    comparison result = {false, false, false};

    while (!weir_der_is_done(&der)) {
        general_name base;
        if (!next_base(&der, &base)) {
            result.doubtful = true;
            return result;
        }
        if (base.tag == name->tag) {
            result.any_of_form = true;
            result.matched = is_within(name, &base, excluded, &result.doubtful) || result.matched;
        }
    }
    return result;
}

/* GeneralSubtree: minimum is 0 and maximum absent (RFC 5280 s4.2.1.10), so in DER neither is there.
 */
static bool next_base(weir_der *list, general_name *base)
{
    weir_der subtree;
    weir_der_element element;

    if (!weir_der_enter(list, WEIR_DER_SEQUENCE, &subtree) || !weir_der_next(&subtree, &element) ||
        !weir_der_is_done(&subtree) || (element.tag & NAME_NUMBER) > NAME_LAST ||
        element.tag < WEIR_DER_CONTEXT) {
        return false;
    }
    *base = (general_name){element.tag, element.value};
    return true;
}

static bool is_within(const general_name *name, const general_name *base, bool excluded,
                      bool *doubtful)
{
    switch (base->tag) {
    case NAME_DNS:
        return is_within_dns(name->value, base->value, excluded);
    case NAME_IP:
        return is_within_ip(name->value, base->value, doubtful);
    case NAME_DIRECTORY:
        return is_within_directory(name->value, base->value, doubtful);
    default:
        *doubtful = true;
        return false;
    }
}

/* "example.test" holds itself and what is below it; ".example.test", what is below it; "",
 * everything. */
static bool is_within_dns(weir_span name, weir_span base, bool excluded)
{
    bool wildcard = name.length > 1 && name.at[0] == '*';

    if (is_subdomain(name, base)) {
        return true;
    }
    /* "*.example.test" could stand for the excluded "a.example.test". */
    return excluded && wildcard &&
           weir_span_equal_nocase(after_first_label(name), after_first_label(base));
}

static bool is_subdomain(weir_span name, weir_span base)
{
    if (base.length == 0) {
        return true;
    }
    if (name.length < base.length ||
        !weir_span_equal_nocase(weir_span_from(name, name.length - base.length), base)) {
        return false;
    }
    if (name.length == base.length) {
        return base.at[0] != '.';
    }
    return base.at[0] == '.' || name.at[name.length - base.length - 1] == '.';
}

/* An address and its mask, of either family; the other family lies outside. */
static bool is_within_ip(weir_span address, weir_span base, bool *doubtful)
{
    if (base.length != 8 && base.length != 32) {
        *doubtful = true;
        return false;
    }
    if (base.length != 2 * address.length) {
        return false;
    }
    for (size_t i = 0; i < address.length; ++i) {
        if ((address.at[i] ^ base.at[i]) & base.at[address.length + i]) {
            return false;
        }
    }
    return true;
}

/* The base's RDNs are the first of the name's, in the same octets. */
static bool is_within_directory(weir_span name, weir_span base, bool *doubtful)
{
    weir_der name_der = weir_der_of(name);
    weir_der base_der = weir_der_of(base);
    weir_der_element whole;
    weir_der_element start;

    /* In a GeneralName the Name is tagged explicitly; a subject is the Name itself. */
    if (!weir_der_expect(&name_der, WEIR_DER_SEQUENCE, &whole) ||
        !weir_der_expect(&base_der, WEIR_DER_SEQUENCE, &start)) {
        *doubtful = true;
        return false;
    }
    return whole.value.length >= start.value.length &&
           weir_span_equal(weir_span_head(whole.value, start.value.length), start.value);
}
