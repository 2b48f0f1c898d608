/* SPDX-License-Identifier: MIT */
/*
 * The URL parser against the documents of tests/corpus/target, and the promises that hold for every
 * URL.
 *
 * Each text is given in a block of exactly its own length and the storage has exactly the room that
 * the header demands, so that AddressSanitizer sees an octet too many in either.
 */
#include "proto/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/octet.h"
#include "proto/span.h"

#define TEXT_LIMIT ((size_t)70000)

/* A text that was unescaped, in a block of its own. */
typedef struct text {
    uint8_t *at;
    size_t length;
} text;

/* A line of a document: what is given, and the words of what is expected. */
typedef struct document_case {
    text given[4];
    char *words[10];
    size_t word_count;
    const char *line;
} document_case;

typedef void run_case(const document_case *c);

static weir_span span(text t)
{
    return (weir_span){t.at, t.length};
}

/* Undoes \xNN, \t, \r, \n, \\ and \{TEXT*N}. */
static text unescape(const char *from)
{
    uint8_t *to = malloc(TEXT_LIMIT);
    size_t length = 0;
    assert_non_null(to);
    for (; *from; from++) {
        size_t times = 1;
        text piece = {NULL, 0};
        if (*from != '\\') {
            to[length++] = (uint8_t)*from;
            continue;
        }
        from++;
        switch (*from) {
        case 'x':
            to[length++] =
                (uint8_t)(weir_octet_hex((uint8_t)from[1]) << 4 | weir_octet_hex((uint8_t)from[2]));
            from += 2;
            break;
        case 't':
            to[length++] = '\t';
            break;
        case 'r':
            to[length++] = '\r';
            break;
        case 'n':
            to[length++] = '\n';
            break;
        case '\\':
            to[length++] = '\\';
            break;
        case '{': {
            char inner[64] = "";
            size_t used = strcspn(from + 1, "*");
            assert_true(used < sizeof(inner));
            memcpy(inner, from + 1, used);
            piece = unescape(inner);
            times = (size_t)strtoul(from + 2 + used, NULL, 10);
            from = strchr(from, '}');
            assert_non_null(from);
            assert_true(length + times * piece.length < TEXT_LIMIT);
            for (size_t i = 0; i < times; i++) {
                memcpy(to + length, piece.at, piece.length);
                length += piece.length;
            }
            free(piece.at);
            break;
        }
        default:
            fail_msg("unknown escape \\%c", *from);
        }
    }
    /* A block of exactly this length; nothing at all is at no address. */
    uint8_t *exact = length > 0 ? malloc(length) : NULL;
    if (length > 0) {
        assert_non_null(exact);
        memcpy(exact, to, length);
    }
    free(to);
    return (text){exact, length};
}

static size_t split(char *line, const char *by, char **parts, size_t limit)
{
    size_t count = 0;
    for (char *at = line; at; count++) {
        assert_true(count < limit);
        parts[count] = at;
        at = strstr(at, by);
        if (at) {
            *at = '\0';
            at += strlen(by);
        }
    }
    return count;
}

/* Runs every case of a document; how many there were. */
static size_t run_document(const char *name, size_t given_count, run_case *run)
{
    char path[512];
    static char line[4096];
    static char copy[4096];
    size_t cases = 0;
    snprintf(path, sizeof(path), WEIR_TESTS_DIR "/corpus/target/%s", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        document_case c = {.line = line};
        char *given[4];
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || (line[0] == '#' && (line[1] == ' ' || line[1] == '\0'))) {
            continue;
        }
        strcpy(copy, line);
        char *arrow = strstr(copy, " => ");
        assert_non_null(arrow);
        *arrow = '\0';
        c.word_count = split(arrow + 4, " ", c.words, WEIR_COUNT_OF(c.words));
        if (given_count == 1) {
            given[0] = copy;
        } else {
            /* An empty last part leaves "| " without its blank. */
            strcat(copy, copy[strlen(copy) - 1] == '|' ? " " : "");
            assert_int_equal(split(copy, " | ", given, 4), given_count);
        }
        for (size_t i = 0; i < given_count; i++) {
            c.given[i] = unescape(given[i]);
        }
        run(&c);
        for (size_t i = 0; i < given_count; i++) {
            free(c.given[i].at);
        }
        cases++;
    }
    fclose(file);
    return cases;
}

static void assert_text(const char *line, const char *what, weir_span found, const char *escaped)
{
    text expected = unescape(escaped);
    if (!weir_span_equal(found, span(expected))) {
        fail_msg("%s\n  %s is \"%.*s\", expected \"%.60s\"", line, what,
                 (int)weir_min(found.length, 60), (const char *)found.at, escaped);
    }
    free(expected.at);
}

static void assert_words(const document_case *c, size_t i, const char *what, const char *found)
{
    assert_true(i < c->word_count);
    if (strcmp(found, c->words[i]) != 0) {
        fail_msg("%s\n  %s is %s, expected %s", c->line, what, found, c->words[i]);
    }
}

/* The octets that may stand where an encoder writes them unseen. */
static void assert_safe(const weir_target *target)
{
    for (size_t i = 0; i < target->authority.length; i++) {
        uint8_t octet = target->authority.at[i];
        assert_true(weir_octet_is(octet, WEIR_OCTET_LABEL) || strchr(".:[]", octet));
        assert_false(weir_octet_is_upper(octet));
    }
    for (size_t i = 0; i < target->path.length; i++) {
        uint8_t octet = target->path.at[i];
        assert_true(weir_octet_is(octet, WEIR_OCTET_PATH) || octet == '?' ||
                    weir_octet_is_triplet(target->path, i));
    }
    assert_true(target->path.length > 0);
    assert_true(target->path.at[0] == '/' || weir_span_equal(target->path, WEIR_SPAN("*")));
    assert_true(target->port > 0);
}

static void assert_expected(const document_case *c, const weir_target *target)
{
    static const char *const kinds[] = {"name", "ipv4", "ipv6"};
    char text_of[64];
    const char *zone = "";
    assert_words(c, 1, "scheme", target->https ? "https" : "http");
    assert_words(c, 2, "kind", kinds[target->kind]);
    assert_text(c->line, "host", target->host, c->words[3]);
    snprintf(text_of, sizeof(text_of), "%u", target->port);
    assert_words(c, 4, "port", text_of);
    assert_text(c->line, "authority", target->authority, c->words[5]);
    assert_text(c->line, "path", target->path, c->words[6]);
    snprintf(text_of, sizeof(text_of), "address=");
    size_t octets = target->kind == WEIR_HOST_NAME ? 0 : target->kind == WEIR_HOST_IPV4 ? 4 : 16;
    for (size_t i = 0; i < octets; i++) {
        sprintf(text_of + strlen(text_of), "%02x", target->address[i]);
    }
    size_t next = 7;
    if (next < c->word_count && strncmp(c->words[next], "zone=", 5) == 0) {
        zone = c->words[next++] + 5;
    }
    assert_text(c->line, "zone", target->zone, zone);
    if (octets > 0) {
        assert_words(c, next++, "address", text_of);
    }
    assert_int_equal(next, c->word_count);
    assert_safe(target);
}

static void assert_refused(const document_case *c, weir_status status, const weir_failure *failure,
                           const weir_target *target)
{
    char found[64];
    assert_int_equal(strncmp(weir_status_name(status), "WEIR_E_URL_", 11), 0);
    assert_words(c, 0, "status", weir_status_name(status) + 11);
    snprintf(found, sizeof(found), "@%llu", (unsigned long long)failure->offset);
    assert_words(c, 1, "offset", found);
    assert_int_equal(failure->status, status);
    assert_int_equal(failure->phase, WEIR_PHASE_SUBMIT);
    assert_int_equal(failure->processed, WEIR_NOT_SENT);
    assert_int_equal(failure->tls_alert, -1);
    assert_null(target->host.at);
    assert_null(target->authority.at);
    assert_null(target->path.at);
    assert_null(target->zone.at);
    assert_int_equal(target->port, 0);
    assert_false(target->https);
}

static bool targets_equal(const weir_target *a, const weir_target *b)
{
    return a->https == b->https && a->kind == b->kind && a->port == b->port &&
           weir_span_equal(a->host, b->host) && weir_span_equal(a->zone, b->zone) &&
           weir_span_equal(a->authority, b->authority) && weir_span_equal(a->path, b->path) &&
           memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

static void check_url(const document_case *c)
{
    weir_target target;
    weir_failure failure = {.status = WEIR_E_NOMEM};
    size_t room = c->given[0].length + WEIR_TARGET_SLACK_OCTETS;
    uint8_t *storage = malloc(room);
    memset(&target, 0xff, sizeof(target));
    weir_status status = weir_target_parse(&target, span(c->given[0]), storage, room, &failure);
    if (status == WEIR_OK) {
        assert_words(c, 0, "status", "ok");
        assert_expected(c, &target);
        assert_int_equal(failure.status, WEIR_E_NOMEM);
    } else {
        assert_refused(c, status, &failure, &target);
        assert_null(failure.what);
    }
    free(storage);
}

static void check_parts(const document_case *c)
{
    weir_target target;
    weir_failure failure = {.status = WEIR_E_NOMEM};
    weir_target_parts parts = {
        .scheme = span(c->given[0]),
        .host = span(c->given[1]),
        .path = span(c->given[3]),
    };
    for (size_t i = 0; i < c->given[2].length; i++) {
        parts.port = (uint16_t)(parts.port * 10 + (c->given[2].at[i] - '0'));
    }
    size_t room = parts.host.length + parts.path.length + WEIR_TARGET_SLACK_OCTETS;
    uint8_t *storage = malloc(room);
    weir_status status = weir_target_compose(&target, &parts, storage, room, &failure);
    if (status == WEIR_OK) {
        assert_words(c, 0, "status", "ok");
        assert_expected(c, &target);
    } else {
        assert_refused(c, status, &failure, &target);
        assert_words(c, 2, "part", failure.what);
    }
    free(storage);
}

/* What was parsed is composed again from its parts and must come out the same. */
static void check_round_trip(const document_case *c)
{
    weir_target target;
    weir_target again;
    weir_failure failure;
    static uint8_t storage[TEXT_LIMIT];
    static uint8_t other[TEXT_LIMIT];
    static char host[600];
    weir_span url = span(c->given[0]);
    if (weir_target_parse(&target, url, storage, sizeof(storage), &failure) != WEIR_OK) {
        return;
    }
    /* The zone as a URL has it, every octet as a triplet. */
    int used = snprintf(host, sizeof(host), "%.*s%s", (int)target.host.length,
                        (const char *)target.host.at, target.zone.length > 0 ? "%25" : "");
    for (size_t i = 0; i < target.zone.length; i++) {
        used += snprintf(host + used, sizeof(host) - (size_t)used, "%%%02X", target.zone.at[i]);
    }
    weir_target_parts parts = {
        .scheme = target.https ? WEIR_SPAN("https") : WEIR_SPAN("http"),
        .host = weir_span_of(host),
        .port = target.port,
        .path = target.path,
    };
    assert_int_equal(weir_target_compose(&again, &parts, other, sizeof(other), &failure), WEIR_OK);
    assert_true(targets_equal(&target, &again));
}

static void target__every_url_of_the_corpus_is_read_as_it_says(void **state)
{
    (void)state;
    assert_true(run_document("urls.txt", 1, check_url) > 250);
}

static void target__every_set_of_parts_of_the_corpus_is_read_as_it_says(void **state)
{
    (void)state;
    assert_true(run_document("parts.txt", 4, check_parts) > 40);
}

static void target__what_is_parsed_composes_to_the_same(void **state)
{
    (void)state;
    assert_true(run_document("urls.txt", 1, check_round_trip) > 250);
}

/* Each octet value at each place of a URL: no status but those of URLs, and what passes is safe. */
static void target__any_octet_anywhere_is_refused_or_harmless(void **state)
{
    (void)state;
    static const char *const urls[] = {"https://u.ex-a_m.ple.:443/p/%41?q#f",
                                       "http://[fe80::1:2%25e%30]:80/?", "http://1.2.3.4:5/"};
    size_t taken = 0;
    for (size_t u = 0; u < WEIR_COUNT_OF(urls); u++) {
        size_t length = strlen(urls[u]);
        for (size_t i = 0; i < length * 256; i++) {
            weir_target target;
            weir_failure failure = {.offset = 0};
            uint8_t url[64];
            uint8_t storage[64 + WEIR_TARGET_SLACK_OCTETS];
            memcpy(url, urls[u], length);
            url[i / 256] = (uint8_t)(i % 256);
            weir_status status = weir_target_parse(&target, (weir_span){url, length}, storage,
                                                   sizeof(storage), &failure);
            if (status == WEIR_OK) {
                assert_safe(&target);
                taken++;
            } else {
                assert_true(failure.offset <= length);
                assert_int_equal(strncmp(weir_status_name(status), "WEIR_E_URL_", 11), 0);
            }
        }
    }
    assert_true(taken > 1000);
}

/* What a shorter and shorter URL is taken for: never anything outside its octets. */
static void target__every_prefix_is_read_or_refused(void **state)
{
    (void)state;
    weir_span url = WEIR_SPAN("https://[2001:db8::1.2.3.4%25eth%30]:8443/a%20b?c=%64#%65");
    for (size_t length = 0; length <= url.length; length++) {
        weir_target target;
        weir_failure failure = {.offset = 0};
        uint8_t *exact = malloc(length);
        uint8_t *storage = malloc(length + WEIR_TARGET_SLACK_OCTETS);
        if (length > 0) {
            memcpy(exact, url.at, length);
        }
        weir_status status = weir_target_parse(&target, (weir_span){exact, length}, storage,
                                               length + WEIR_TARGET_SLACK_OCTETS, &failure);
        assert_true(status == WEIR_OK || failure.offset <= length);
        free(exact);
        free(storage);
    }
}

static void target__name_is_the_host_without_its_final_dot(void **state)
{
    (void)state;
    weir_target target;
    weir_failure failure;
    uint8_t storage[128];
    assert_int_equal(weir_target_parse(&target, WEIR_SPAN("https://Example.com./"), storage,
                                       sizeof(storage), &failure),
                     WEIR_OK);
    assert_true(weir_span_equal(weir_target_name(&target), WEIR_SPAN("example.com")));
    assert_int_equal(weir_target_parse(&target, WEIR_SPAN("https://example.com/"), storage,
                                       sizeof(storage), &failure),
                     WEIR_OK);
    assert_true(weir_span_equal(weir_target_name(&target), WEIR_SPAN("example.com")));
    assert_int_equal(weir_target_name(&(weir_target){.port = 0}).length, 0);
}

static void target__host_port_has_the_port_always(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *host_port;
    } cases[] = {
        {"https://A.example/", "a.example:443"},
        {"http://a.example./", "a.example.:80"},
        {"http://[::1%25lo]/x", "[::1]:80"},
        {"http://1.2.3.4:9/", "1.2.3.4:9"},
        {"https://[FE80::1]:10000", "[fe80::1]:10000"},
    };
    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        weir_target target;
        weir_failure failure;
        uint8_t storage[128];
        weir_span url = weir_span_of(cases[i].url);
        assert_int_equal(weir_target_parse(&target, url, storage, sizeof(storage), &failure),
                         WEIR_OK);
        uint8_t *to = malloc(target.host.length + 8);
        size_t length = weir_target_write_host_port(&target, to);
        assert_true(weir_span_equal((weir_span){to, length}, weir_span_of(cases[i].host_port)));
        free(to);
    }
}

static void target__too_little_storage_is_a_defect(void **state)
{
    (void)state;
    weir_target target;
    weir_failure failure;
    uint8_t storage[64];
    weir_target_parts parts = {WEIR_SPAN("http"), WEIR_SPAN("a"), 0, WEIR_SPAN("/")};
    expect_assert_failure(
        weir_target_parse(&target, WEIR_SPAN("http://a/"), storage, 9 + 31, &failure));
    expect_assert_failure(weir_target_compose(&target, &parts, storage, 2 + 31, &failure));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(target__every_url_of_the_corpus_is_read_as_it_says),
        cmocka_unit_test(target__every_set_of_parts_of_the_corpus_is_read_as_it_says),
        cmocka_unit_test(target__what_is_parsed_composes_to_the_same),
        cmocka_unit_test(target__any_octet_anywhere_is_refused_or_harmless),
        cmocka_unit_test(target__every_prefix_is_read_or_refused),
        cmocka_unit_test(target__name_is_the_host_without_its_final_dot),
        cmocka_unit_test(target__host_port_has_the_port_always),
        cmocka_unit_test(target__too_little_storage_is_a_defect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
