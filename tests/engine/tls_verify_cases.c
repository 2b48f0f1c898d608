/* SPDX-License-Identifier: MIT */
/* The certificates of tls_verify_test.c, good and bad: see tls_verify_cases.h. */
#include "tls_verify_cases.h"

const host weir_server_test = {WEIR_HOST_NAME, "server.test", {0}};

#define CA(text)                                                                                   \
    {                                                                                              \
        .name = text, .authority = true, .key_usage = "critical,keyCertSign"                       \
    }
#define LEAF(names)                                                                                \
    {                                                                                              \
        .name = "leaf", .san = names                                                               \
    }
#define NAMED(text)                                                                                \
    {                                                                                              \
        WEIR_HOST_NAME, text,                                                                      \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define IP4                                                                                        \
    {                                                                                              \
        WEIR_HOST_IPV4, "127.0.0.1",                                                               \
        {                                                                                          \
            127, 0, 0, 1                                                                           \
        }                                                                                          \
    }
#define IP6                                                                                        \
    {                                                                                              \
        WEIR_HOST_IPV6, "::1",                                                                     \
        {                                                                                          \
            [15] = 1                                                                               \
        }                                                                                          \
    }
#define CASE(l, o, text, ...)                                                                      \
    {                                                                                              \
        .what = text, .live = l, .ours = o, __VA_ARGS__                                            \
    }
#define GOOD(text, ...)           CASE(WEIR_OK, WEIR_OK, text, __VA_ARGS__)
#define BAD(status, text, ...)    CASE(WEIR_E_TLS_##status, WEIR_E_TLS_##status, text, __VA_ARGS__)
/* What wolfSSL alone looks at. */
#define THEIRS(status, text, ...) CASE(WEIR_E_TLS_##status, WEIR_OK, text, __VA_ARGS__)

/* clang-format off */
const recipe_case weir_verify_cases[] = {
    /* RFC 9525: names. */
    GOOD("its name", .leaf = LEAF("DNS:server.test")),
    GOOD("its name among others", .leaf = LEAF("DNS:a.test,DNS:server.test,IP:127.0.0.1")),
    GOOD("its name in another case", .leaf = LEAF("DNS:SERVER.Test")),
    GOOD("a host with a final dot", .leaf = LEAF("DNS:server.test"), .host = NAMED("server.test.")),
    GOOD("an A-label", .leaf = LEAF("DNS:xn--bcher-kva.test"), .host = NAMED("XN--bcher-kva.test")),
    GOOD("a wildcard for one label", .leaf = LEAF("DNS:*.server.test"), .host = NAMED("a.server.test")),
    BAD(IDENTITY, "a common name only", .leaf = {.name = "server.test"}),
    BAD(IDENTITY, "a common name beside another name", .leaf = {.name = "server.test", .san = "DNS:a.test"}),
    BAD(IDENTITY, "another name", .leaf = LEAF("DNS:other.test")),
    BAD(IDENTITY, "a name that ends the same", .leaf = LEAF("DNS:xserver.test")),
    BAD(IDENTITY, "a parent", .leaf = LEAF("DNS:test")),
    BAD(IDENTITY, "a child", .leaf = LEAF("DNS:a.server.test")),
    BAD(IDENTITY, "a name with a final dot", .leaf = LEAF("DNS:server.test.")),
    BAD(IDENTITY, "a wildcard for two labels", .leaf = LEAF("DNS:*.test"), .host = NAMED("a.server.test")),
    BAD(IDENTITY, "a wildcard for no label", .leaf = LEAF("DNS:*.server.test")),
    BAD(IDENTITY, "a wildcard over one label", .leaf = LEAF("DNS:*.test")),
    BAD(IDENTITY, "a wildcard alone", .leaf = LEAF("DNS:*"), .host = NAMED("localhost")),
    BAD(IDENTITY, "a wildcard that is part of a label", .leaf = LEAF("DNS:s*.server.test"), .host = NAMED("sa.server.test")),
    BAD(IDENTITY, "a wildcard that is not the first label", .leaf = LEAF("DNS:a.*.test"), .host = NAMED("a.server.test")),
    BAD(IDENTITY, "two wildcards", .leaf = LEAF("DNS:*.*.test"), .host = NAMED("a.server.test")),
    BAD(IDENTITY, "a wildcard inside an A-label", .leaf = LEAF("DNS:xn--*.server.test"), .host = NAMED("xn--a.server.test")),
    /* [2] "server.test\0.evil.test" and [2] "server.test" behind a broken element. */
    BAD(IDENTITY, "a name with a NUL", .leaf = {.name = "leaf", .san_hex = "3017821573657276657200746573742e6576696c2e74657374"}),
    BAD(CERTIFICATE, "two lists of names", .leaf = {.name = "leaf", .san = "DNS:other.test", .san_hex = "300d820b7365727665722e74657374"}),
    BAD(IDENTITY, "a host name in a URI", .leaf = LEAF("URI:https://server.test/")),
    /* RFC 9525: addresses. */
    GOOD("an IPv4 address", .leaf = LEAF("IP:127.0.0.1"), .host = IP4),
    GOOD("an IPv6 address", .leaf = LEAF("IP:::1"), .host = IP6),
    BAD(IDENTITY, "an IPv4 address as a DNS name", .leaf = LEAF("DNS:127.0.0.1"), .host = IP4),
    BAD(IDENTITY, "an IPv6 address as a DNS name", .leaf = LEAF("DNS:\\:\\:1"), .host = IP6),
    BAD(IDENTITY, "an IPv4 address as a wildcard", .leaf = LEAF("DNS:*.0.0.1"), .host = IP4),
    BAD(IDENTITY, "another address", .leaf = LEAF("IP:127.0.0.2"), .host = IP4),
    BAD(IDENTITY, "an IPv4 address that begins an IPv6 one", .leaf = LEAF("IP:7f00:1::"), .host = IP4),
    BAD(IDENTITY, "an address as common name", .leaf = {.name = "127.0.0.1"}, .host = IP4),
    /* Chains. */
    GOOD("an intermediate", .leaf = LEAF("DNS:server.test"), .chain = {CA("i1")}),
    GOOD("two intermediates", .leaf = LEAF("DNS:server.test"), .chain = {CA("i1"), CA("i2")}),
    /* wolfSSL reads a chain from its end to its beginning, once (docs/tls.md). */
    THEIRS(UNTRUSTED, "intermediates out of order", .leaf = LEAF("DNS:server.test"), .chain = {CA("i1"), CA("i2")}, .reversed = true),
    GOOD("the root sent too", .leaf = LEAF("DNS:server.test"), .chain = {CA("i1")}, .send_root = true),
    GOOD("an RSA chain", .leaf = {.name = "leaf", .san = "DNS:server.test", .key = "RSA-2048"}, .root = ROOT_RSA),
    GOOD("a leaf on P-384", .leaf = {.name = "leaf", .san = "DNS:server.test", .key = "P-384"}),
    GOOD("a path length that holds", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .path_length = 2}, CA("i2")}),
    BAD(UNTRUSTED, "a missing intermediate", .leaf = LEAF("DNS:server.test"), .chain = {CA("gap")}, .leave_out = true),
    BAD(UNTRUSTED, "an unknown root", .leaf = LEAF("DNS:server.test"), .root = ROOT_STRANGE),
    BAD(UNTRUSTED, "an unknown root, sent", .leaf = LEAF("DNS:server.test"), .chain = {CA("i1")}, .root = ROOT_STRANGE, .send_root = true),
    BAD(CERTIFICATE, "an intermediate that is no authority", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .key_usage = "keyCertSign"}}),
    BAD(CERTIFICATE, "an intermediate without basicConstraints", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .no_basic = true, .key_usage = "keyCertSign"}}),
    BAD(CERTIFICATE, "an intermediate whose key may not sign", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,digitalSignature"}}),
    BAD(CERTIFICATE, "an intermediate for clients", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .extended_usage = "clientAuth"}}),
    GOOD("an intermediate for servers", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .extended_usage = "serverAuth"}}),
    BAD(CERTIFICATE, "a path length that does not hold", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .path_length = 1}, CA("i2")}),
    BAD(CERTIFICATE, "an unknown critical extension of an intermediate", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .extra_critical_oid = "1.2.3.4.5"}}),
    /* Time. */
    THEIRS(EXPIRED, "expired", .leaf = {.name = "leaf", .san = "DNS:server.test", .from_s = -7200, .to_s = -3600}),
    THEIRS(EXPIRED, "not valid yet", .leaf = {.name = "leaf", .san = "DNS:server.test", .from_s = 90000, .to_s = 180000}),
    THEIRS(EXPIRED, "an expired intermediate", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .from_s = -7200, .to_s = -3600}}),
    /* What it is for. */
    GOOD("for servers", .leaf = {.name = "leaf", .san = "DNS:server.test", .key_usage = "critical,digitalSignature", .extended_usage = "serverAuth,clientAuth"}),
    BAD(CERTIFICATE, "an authority's own certificate", .leaf = {.name = "leaf", .san = "DNS:server.test", .authority = true}),
    BAD(CERTIFICATE, "for clients", .leaf = {.name = "leaf", .san = "DNS:server.test", .extended_usage = "clientAuth"}),
    BAD(CERTIFICATE, "for anything", .leaf = {.name = "leaf", .san = "DNS:server.test", .extended_usage = "anyExtendedKeyUsage"}),
    BAD(CERTIFICATE, "a key that may not sign", .leaf = {.name = "leaf", .san = "DNS:server.test", .key = "RSA-2048", .key_usage = "critical,keyEncipherment"}),
    BAD(CERTIFICATE, "an unknown critical extension", .leaf = {.name = "leaf", .san = "DNS:server.test", .extra_critical_oid = "1.2.3.4.5"}),
    /* Strength. */
    BAD(WEAK, "RSA with 1024 bits", .leaf = {.name = "leaf", .san = "DNS:server.test", .key = "RSA-1024"}),
    BAD(WEAK, "an intermediate with 1024 bits", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .key = "RSA-1024"}}),
    BAD(WEAK, "signed with SHA-1", .leaf = {.name = "leaf", .san = "DNS:server.test", .digest = "SHA1"}),
    BAD(WEAK, "signed with RSA and SHA-1", .leaf = {.name = "leaf", .san = "DNS:server.test", .digest = "SHA1"}, .root = ROOT_RSA),
    BAD(WEAK, "an intermediate signed with SHA-1", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .digest = "SHA1"}}),
    BAD(WEAK, "signed with MD5", .leaf = {.name = "leaf", .san = "DNS:server.test", .digest = "MD5"}, .root = ROOT_RSA),
    /* Name constraints. */
    GOOD("a permitted name", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,permitted;DNS:server.test"}}),
    GOOD("a permitted parent", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,permitted;DNS:test"}}),
    BAD(CERTIFICATE, "no permitted name", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,permitted;DNS:other.test"}}),
    BAD(CERTIFICATE, "one name that is not permitted", .leaf = LEAF("DNS:server.test,DNS:other.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,permitted;DNS:server.test"}}),
    BAD(CERTIFICATE, "an excluded name", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,excluded;DNS:test"}}),
    BAD(CERTIFICATE, "a wildcard that holds an excluded name", .leaf = LEAF("DNS:*.server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,excluded;DNS:b.server.test"}}, .host = NAMED("a.server.test")),
    BAD(CERTIFICATE, "constraints two steps up", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,permitted;DNS:other.test"}, CA("i2")}),
    GOOD("a permitted address", .leaf = LEAF("IP:127.0.0.1"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,permitted;IP:127.0.0.0/255.0.0.0"}}, .host = IP4),
    BAD(CERTIFICATE, "an address that is not permitted", .leaf = LEAF("IP:127.0.0.1"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,permitted;IP:10.0.0.0/255.0.0.0"}}, .host = IP4),
    BAD(CERTIFICATE, "an excluded address", .leaf = LEAF("IP:127.0.0.1"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,excluded;IP:127.0.0.0/255.0.0.0"}}, .host = IP4),
    BAD(CERTIFICATE, "an excluded IPv6 address", .leaf = LEAF("IP:::1"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,excluded;IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0"}}, .host = IP6),
    GOOD("constraints on addresses, a name", .leaf = LEAF("DNS:server.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,permitted;IP:10.0.0.0/255.0.0.0"}}),
    BAD(CERTIFICATE, "constraints on other names, such a name", .leaf = LEAF("DNS:server.test,otherName:1.2.3.4;UTF8:x"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,permitted;otherName:1.2.3.4;UTF8:y"}}),
    BAD(CERTIFICATE, "a root's constraints", .leaf = LEAF("IP:127.0.0.1"), .root = ROOT_CONSTRAINED, .host = IP4),
    BAD(CERTIFICATE, "a mail address and constraints on such", .leaf = LEAF("DNS:server.test,email:a@b.test"), .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .name_constraints = "critical,permitted;email:c.test"}}),
    GOOD("within a root's constraints", .leaf = LEAF("DNS:a.allowed.test"), .root = ROOT_CONSTRAINED, .host = NAMED("a.allowed.test")),
};
/* clang-format on */

const size_t weir_verify_case_count = WEIR_COUNT_OF(weir_verify_cases);
