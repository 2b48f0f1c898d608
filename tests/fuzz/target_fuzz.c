/* SPDX-License-Identifier: MIT */
/*
 * Any octets as a URL, and as the parts of one.
 *
 * The first octet chooses: even, the rest is a URL; odd, the rest is scheme, host and path with a
 * NUL between them. What passes must hold nothing that an encoder may not write, and must come out
 * the same when it is composed from its parts, and when the URL that is made of those is parsed
 * again. What is refused must say so with a status of URLs and an offset inside. Texts lie in
 * blocks of exactly their length.
 */
#include "proto/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/octet.h"
#include "proto/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length);

/* A target with its storage. */
typedef struct held {
    weir_target target;
    uint8_t *storage;
    size_t room;
} held;

static void fuzz_url(weir_span url);
static void fuzz_parts(weir_span input);
static weir_span take_part(weir_span *rest);
static bool parse(held *h, weir_span url);
static bool compose(held *h, const weir_target_parts *parts);
static void check_refusal(weir_status status, const weir_failure *failure, size_t length);
static void check_safe(const weir_target *target);
static void check_round_trips(const weir_target *target);
static weir_span write_host(const weir_target *target, uint8_t *to, bool in_url);
static void check_same(const weir_target *a, const weir_target *b);
static weir_span copy_of(weir_span span);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
    if (length == 0) {
        return 0;
    }
    weir_span rest = {input + 1, length - 1};
    if (input[0] % 2 == 0) {
        fuzz_url(rest);
    } else {
        fuzz_parts(rest);
    }
    return 0;
}

static void fuzz_url(weir_span url)
{
    held h;
    if (parse(&h, url)) {
        check_safe(&h.target);
        check_round_trips(&h.target);
        WEIR_ASSERT(!weir_span_equal(h.target.path, WEIR_SPAN("*")));
    }
    free(h.storage);
}

static void fuzz_parts(weir_span input)
{
    held h;
    weir_target_parts parts = {.port = (uint16_t)(input.length * 31)};
    parts.scheme = take_part(&input);
    parts.host = take_part(&input);
    parts.path = input;
    if (compose(&h, &parts)) {
        check_safe(&h.target);
        check_round_trips(&h.target);
    }
    free(h.storage);
}

/* What stands before the next NUL. */
static weir_span take_part(weir_span *rest)
{
    size_t length = 0;
    while (length < rest->length && rest->at[length] != 0) {
        length++;
    }
    weir_span part = weir_span_head(*rest, length);
    *rest = weir_span_from(*rest, weir_min(length + 1, rest->length));
    return part;
}

static bool parse(held *h, weir_span url)
{
    weir_failure failure = {.status = WEIR_OK};
    weir_span exact = copy_of(url);
    h->room = url.length + WEIR_TARGET_SLACK_OCTETS;
    h->storage = malloc(h->room);
    weir_status status = weir_target_parse(&h->target, exact, h->storage, h->room, &failure);
    free((void *)(uintptr_t)exact.at);
    check_refusal(status, &failure, url.length);
    return status == WEIR_OK;
}

static bool compose(held *h, const weir_target_parts *parts)
{
    weir_failure failure = {.status = WEIR_OK};
    weir_target_parts exact = *parts;
    exact.host = copy_of(parts->host);
    exact.path = copy_of(parts->path);
    h->room = parts->host.length + parts->path.length + WEIR_TARGET_SLACK_OCTETS;
    h->storage = malloc(h->room);
    weir_status status = weir_target_compose(&h->target, &exact, h->storage, h->room, &failure);
    free((void *)(uintptr_t)exact.host.at);
    free((void *)(uintptr_t)exact.path.at);
    check_refusal(status, &failure, parts->host.length + parts->path.length);
    return status == WEIR_OK;
}

static void check_refusal(weir_status status, const weir_failure *failure, size_t length)
{
    WEIR_ASSERT(failure->status == status);
    if (status != WEIR_OK) {
        WEIR_ASSERT(strncmp(weir_status_name(status), "WEIR_E_URL_", 11) == 0);
        WEIR_ASSERT(failure->offset <= length);
    }
}

static void check_safe(const weir_target *target)
{
    for (size_t i = 0; i < target->authority.length; i++) {
        uint8_t octet = target->authority.at[i];
        WEIR_ASSERT(weir_octet_is(octet, WEIR_OCTET_LABEL) || octet == '.' || octet == ':' ||
                    octet == '[' || octet == ']');
        WEIR_ASSERT(!weir_octet_is_upper(octet));
    }
    for (size_t i = 0; i < target->path.length; i++) {
        uint8_t octet = target->path.at[i];
        WEIR_ASSERT(weir_octet_is(octet, WEIR_OCTET_PATH) || octet == '?' ||
                    weir_octet_is_triplet(target->path, i));
    }
    WEIR_ASSERT(target->port > 0);
    WEIR_ASSERT(target->host.length > 0);
    WEIR_ASSERT(target->path.length > 0);
    WEIR_ASSERT(target->path.at[0] == '/' || weir_span_equal(target->path, WEIR_SPAN("*")));
    WEIR_ASSERT(target->zone.length == 0 || target->kind == WEIR_HOST_IPV6);
}

static void check_round_trips(const weir_target *target)
{
    held again;
    uint8_t *text =
        malloc(target->host.length + 3 * target->zone.length + target->path.length + 64);
    weir_target_parts parts = {
        .scheme = target->https ? WEIR_SPAN("HTTPS") : WEIR_SPAN("http"),
        .host = write_host(target, text, false),
        .port = target->port,
        .path = target->path,
    };
    WEIR_ASSERT(compose(&again, &parts));
    check_same(target, &again.target);
    free(again.storage);

    if (!weir_span_equal(target->path, WEIR_SPAN("*"))) {
        size_t length = (size_t)sprintf((char *)text, "%s://", target->https ? "https" : "HTTP");
        length += write_host(target, text + length, true).length;
        length += (size_t)sprintf((char *)text + length, ":%u", target->port);
        memcpy(text + length, target->path.at, target->path.length);
        WEIR_ASSERT(parse(&again, (weir_span){text, length + target->path.length}));
        check_same(target, &again.target);
        free(again.storage);
    }
    free(text);
}

/* The host as a URL has it, every octet of the zone as a triplet. */
static weir_span write_host(const weir_target *target, uint8_t *to, bool in_url)
{
    size_t length = 0;
    bool brackets = in_url && target->kind == WEIR_HOST_IPV6;
    if (brackets) {
        to[length++] = '[';
    }
    memcpy(to + length, target->host.at, target->host.length);
    length += target->host.length;
    if (target->zone.length > 0) {
        length += (size_t)sprintf((char *)to + length, "%%25");
    }
    for (size_t i = 0; i < target->zone.length; i++) {
        length += (size_t)sprintf((char *)to + length, "%%%02x", target->zone.at[i]);
    }
    if (brackets) {
        to[length++] = ']';
    }
    return (weir_span){to, length};
}

static void check_same(const weir_target *a, const weir_target *b)
{
    WEIR_ASSERT(a->https == b->https);
    WEIR_ASSERT(a->kind == b->kind);
    WEIR_ASSERT(a->port == b->port);
    WEIR_ASSERT(weir_span_equal(a->host, b->host));
    WEIR_ASSERT(weir_span_equal(a->zone, b->zone));
    WEIR_ASSERT(weir_span_equal(a->authority, b->authority));
    WEIR_ASSERT(weir_span_equal(a->path, b->path));
    WEIR_ASSERT(memcmp(a->address, b->address, sizeof(a->address)) == 0);
}

static weir_span copy_of(weir_span span)
{
    uint8_t *copy = malloc(span.length);
    if (span.length > 0) {
        memcpy(copy, span.at, span.length);
    }
    return (weir_span){copy, span.length};
}
