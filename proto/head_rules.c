/* SPDX-License-Identifier: MIT */
/*
 * The tables of methods and field names.
 *
 * They are short and looked up once for each field of a request; the length, compared first, ends
 * nearly every comparison, so a search is as good as a hash.
 */
#include "proto/head_rules.h"

#include "proto/span.h"

/* For static initialisers: a string literal with its length. */
#define TEXT(literal) (literal), sizeof(literal) - 1

typedef struct known_name {
    const char *name;
    size_t length;
    weir_field_rule rule;
} known_name;

/* None of these may be in a trailer section: each has its effect before the content is taken. */
static const known_name names[] = {
    /* framing, and what holds for one connection only */
    {TEXT("connection"), WEIR_RULE_FORBIDDEN},
    {TEXT("keep-alive"), WEIR_RULE_FORBIDDEN},
    {TEXT("proxy-connection"), WEIR_RULE_FORBIDDEN},
    {TEXT("transfer-encoding"), WEIR_RULE_FORBIDDEN},
    {TEXT("upgrade"), WEIR_RULE_FORBIDDEN},
    {TEXT("http2-settings"), WEIR_RULE_FORBIDDEN},
    {TEXT("te"), WEIR_RULE_TE},
    {TEXT("content-length"), WEIR_RULE_LENGTH},
    {TEXT("trailer"), WEIR_RULE_PASS},
    /* routing */
    {TEXT("host"), WEIR_RULE_HOST},
    {TEXT("max-forwards"), WEIR_RULE_PASS},
    /* how the request is to be taken */
    {TEXT("expect"), WEIR_RULE_EXPECT},
    {TEXT("cache-control"), WEIR_RULE_PASS},
    {TEXT("pragma"), WEIR_RULE_PASS},
    {TEXT("range"), WEIR_RULE_PASS},
    {TEXT("if-match"), WEIR_RULE_PASS},
    {TEXT("if-none-match"), WEIR_RULE_PASS},
    {TEXT("if-modified-since"), WEIR_RULE_PASS},
    {TEXT("if-unmodified-since"), WEIR_RULE_PASS},
    {TEXT("if-range"), WEIR_RULE_PASS},
    /* credentials */
    {TEXT("authorization"), WEIR_RULE_SECRET},
    {TEXT("proxy-authorization"), WEIR_RULE_SECRET},
    {TEXT("cookie"), WEIR_RULE_COOKIE},
    {TEXT("set-cookie"), WEIR_RULE_PASS},
    {TEXT("www-authenticate"), WEIR_RULE_PASS},
    {TEXT("proxy-authenticate"), WEIR_RULE_PASS},
    /* how the content is to be taken */
    {TEXT("content-encoding"), WEIR_RULE_PASS},
    {TEXT("content-type"), WEIR_RULE_PASS},
    {TEXT("content-range"), WEIR_RULE_PASS},
};

typedef struct known_method {
    const char *name;
    size_t length;
    weir_method_facts facts;
} known_method;

static const known_method methods[] = {
    {TEXT("GET"), {.idempotent = true}},
    {TEXT("HEAD"), {.idempotent = true}},
    {TEXT("POST"), {.expects_content = true}},
    {TEXT("PUT"), {.idempotent = true, .expects_content = true}},
    {TEXT("PATCH"), {.expects_content = true}},
    {TEXT("DELETE"), {.idempotent = true}},
    {TEXT("OPTIONS"), {.idempotent = true}},
    {TEXT("TRACE"), {.idempotent = true, .takes_no_content = true}},
    {TEXT("CONNECT"), {.takes_no_content = true}},
};

static const known_name *find_name(weir_span name);
static weir_span span_of(const char *text, size_t length);

weir_method_facts weir_method_facts_of(weir_span method)
{
    for (size_t i = 0; i < WEIR_COUNT_OF(methods); i++) {
        if (weir_span_equal(span_of(methods[i].name, methods[i].length), method)) {
            return methods[i].facts;
        }
    }
    return (weir_method_facts){.idempotent = false};
}

weir_field_rule weir_field_rule_of(weir_span name)
{
    const known_name *known = find_name(name);
    return known ? known->rule : WEIR_RULE_PASS;
}

bool weir_field_fits_trailers(weir_span name)
{
    return find_name(name) == NULL;
}

static const known_name *find_name(weir_span name)
{
    for (size_t i = 0; i < WEIR_COUNT_OF(names); i++) {
        if (weir_span_equal_nocase(span_of(names[i].name, names[i].length), name)) {
            return &names[i];
        }
    }
    return NULL;
}

static weir_span span_of(const char *text, size_t length)
{
    return (weir_span){(const uint8_t *)text, length};
}
