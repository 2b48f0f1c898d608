/* SPDX-License-Identifier: MIT */
/* The command line: see options.h. */
#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    LONG_DATA_BINARY = 256,
    LONG_CACERT,
    LONG_HTTP1,
    LONG_HTTP2,
    LONG_PRIOR,
    LONG_CONNECT_TO,
    LONG_RESOLVE,
    LONG_MAX_TIME,
    LONG_CONNECT_TIMEOUT,
    LONG_ASYNC,
    LONG_PARALLEL,
    LONG_JSON,
    LONG_CONNECTIONS,
    LONG_SNAPSHOT,
    LONG_HELP
};

static const struct option long_options[] = {
    {"request", required_argument, NULL, 'X'},
    {"header", required_argument, NULL, 'H'},
    {"data", required_argument, NULL, 'd'},
    {"data-binary", required_argument, NULL, LONG_DATA_BINARY},
    {"head", no_argument, NULL, 'I'},
    {"cacert", required_argument, NULL, LONG_CACERT},
    {"insecure", no_argument, NULL, 'k'},
    {"http1.1", no_argument, NULL, LONG_HTTP1},
    {"http2", no_argument, NULL, LONG_HTTP2},
    {"http2-prior-knowledge", no_argument, NULL, LONG_PRIOR},
    {"connect-to", required_argument, NULL, LONG_CONNECT_TO},
    {"resolve", required_argument, NULL, LONG_RESOLVE},
    {"max-time", required_argument, NULL, LONG_MAX_TIME},
    {"connect-timeout", required_argument, NULL, LONG_CONNECT_TIMEOUT},
    {"write-out", required_argument, NULL, 'w'},
    {"async", no_argument, NULL, LONG_ASYNC},
    {"parallel", no_argument, NULL, LONG_PARALLEL},
    {"json", no_argument, NULL, LONG_JSON},
    {"connections", required_argument, NULL, LONG_CONNECTIONS},
    {"snapshot", no_argument, NULL, LONG_SNAPSHOT},
    {"help", no_argument, NULL, LONG_HELP},
    {NULL, 0, NULL, 0},
};

static const char *take(explain_options *to, int option, const char *value);
static const char *take_count(const char *text, uint32_t *count);
static const char *take_field(explain_options *to, const char *text);
static const char *take_data(explain_options *to, const char *text, bool binary);
static const char *append_file(explain_options *to, const char *name, bool binary);
static bool append(explain_options *to, const void *octets, size_t length);
static void add_type(explain_options *to);
static const char *take_route(explain_options *to, const char *text, bool resolve);
static const char *take_seconds(const char *text, weir_time *ns);
static bool next_part(const char **rest, weir_span *part);
static bool is_port(weir_span text, uint16_t *port);
static bool is_address(weir_span text);
static const char *name_of(int option);

options_outcome options_read(explain_options *to, int argc, char **argv)
{
    int option = 0;

    memset(to, 0, sizeof(*to));
    while ((option = getopt_long(argc, argv, "X:H:d:Ikw:Z", long_options, NULL)) != -1) {
        if (option == LONG_HELP) {
            return OPTIONS_HELP;
        }
        if (option == '?') {
            (void)fputs("weir-explain: --help lists the options\n", stderr);
            return OPTIONS_WRONG;
        }
        const char *wrong = take(to, option, optarg);
        if (wrong != NULL) {
            (void)fprintf(stderr, "weir-explain: --%s %s: %s\n", name_of(option), optarg, wrong);
            return OPTIONS_WRONG;
        }
    }
    for (; optind < argc; optind++) {
        if (to->url_count == EXPLAIN_URLS) {
            (void)fprintf(stderr, "weir-explain: %s: too many URLs\n", argv[optind]);
            return OPTIONS_WRONG;
        }
        to->urls[to->url_count++] = argv[optind];
    }
    if (to->url_count == 0) {
        (void)fputs("weir-explain: no URL was given: see --help\n", stderr);
        return OPTIONS_WRONG;
    }
    add_type(to);
    return OPTIONS_OK;
}

void options_clear(explain_options *to)
{
    free(to->body);
}

void options_help(void)
{
    (void)fputs(
        "usage: weir-explain [option...] URL...\n"
        "\n"
        "Requests each URL and explains it on standard error: a time line, and a ledger of where "
        "every\n"
        "octet went. The body goes to standard output. Exit status 0 only if every response was "
        "complete,\n"
        "whatever its code; 1 if one was not, 2 if an option is wrong.\n"
        "\n"
        "  -X, --request METHOD       the method (GET; POST with a body)\n"
        "  -I, --head                 HEAD\n"
        "  -H, --header 'NAME: VALUE' a request field other than Host; may be repeated; 'NAME;' "
        "has "
        "no value\n"
        "  -d, --data TEXT|@FILE      a body of application/x-www-form-urlencoded; line ends and "
        "NUL "
        "of a file\n"
        "                             are dropped; what is given again is joined by &\n"
        "      --data-binary TEXT|@FILE  the same, as it is; @- is standard input\n"
        "      --cacert FILE          trust the roots in FILE (PEM) and no others\n"
        "  -k, --insecure             accept every certificate (dangerous)\n"
        "      --http1.1              only HTTP/1.1\n"
        "      --http2                HTTP/2 if the server takes it (the default over TLS)\n"
        "      --http2-prior-knowledge  only HTTP/2, also without TLS\n"
        "      --connect-to HOST1:PORT1:HOST2:PORT2  dial HOST2:PORT2 for HOST1:PORT1; empty "
        "parts: any, the same\n"
        "      --resolve HOST:PORT:ADDRESS  dial ADDRESS for HOST:PORT; HOST may be *\n"
        "      --max-time SECONDS     for each request as a whole; 0: no limit\n"
        "      --connect-timeout SECONDS  for DNS, TCP and TLS, each (10); with 0 too\n"
        "  -w, --write-out FORMAT     afterwards, to standard output: %{http_code} "
        "%{http_version}\n"
        "                             %{size_download} %{size_upload} %{time_total} "
        "%{num_connects} %{url}\n"
        "                             %{errormsg} %{exitcode} %% \\n \\t\n"
        "      --async                use the asynchronous front end\n"
        "  -Z, --parallel             all URLs at once\n"
        "      --connections N        at most so many to an origin (6)\n"
        "      --snapshot             everything that the pool holds when the first response has "
        "begun\n"
        "      --json                 the explanation as JSON on standard error\n",
        stdout);
}

static const char *take(explain_options *to, int option, const char *value)
{
    switch (option) {
    case 'X':
        to->method = value;
        return NULL;
    case LONG_CONNECTIONS:
        return take_count(value, &to->connections);
    case LONG_SNAPSHOT:
        to->snapshot = true;
        return NULL;
    case 'I':
        to->head = true;
        return NULL;
    case 'H':
        return take_field(to, value);
    case 'd':
        return take_data(to, value, false);
    case LONG_DATA_BINARY:
        return take_data(to, value, true);
    case LONG_CACERT:
        to->ca_file = value;
        return NULL;
    case 'k':
        to->insecure = true;
        return NULL;
    case LONG_HTTP1:
        to->pin = WEIR_H1;
        return NULL;
    case LONG_HTTP2:
        to->pin = WEIR_PROTOCOL_ANY;
        return NULL;
    case LONG_PRIOR:
        to->pin = WEIR_H2;
        return NULL;
    case LONG_CONNECT_TO:
        return take_route(to, value, false);
    case LONG_RESOLVE:
        return take_route(to, value, true);
    case LONG_MAX_TIME:
        return take_seconds(value, &to->max_time_ns);
    case LONG_CONNECT_TIMEOUT:
        return take_seconds(value, &to->connect_timeout_ns);
    case 'w':
        to->write_out = value;
        return NULL;
    case LONG_ASYNC:
        to->async = true;
        return NULL;
    case 'Z':
    case LONG_PARALLEL:
        to->parallel = true;
        return NULL;
    case LONG_JSON:
        to->json = true;
        return NULL;
    default:
        return "is not an option";
    }
}

static const char *take_count(const char *text, uint32_t *count)
{
    char *end = NULL;
    const unsigned long number = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || number == 0 || number > UINT32_MAX) {
        return "is not a number from 1 to 4294967295";
    }
    *count = (uint32_t)number;
    return NULL;
}

/* As curl has it: `NAME:` without a value takes back what would be sent by itself, `NAME;` sends
 * the name without a value. */
static const char *take_field(explain_options *to, const char *text)
{
    static const char type[] = "content-type";
    const char *colon = strchr(text, ':');
    const size_t whole = strlen(text);
    weir_field field = {weir_span_of(text), {(const uint8_t *)"", 0}, 0};

    if (to->field_count == EXPLAIN_FIELDS - 1) { /* the last may be needed for the type */
        return "is one field too many";
    }
    if (colon != NULL) {
        const char *value = colon + 1 + strspn(colon + 1, " \t");
        field.name.length = (size_t)(colon - text);
        field.value = weir_span_of(value);
    } else if (whole > 1 && text[whole - 1] == ';') {
        field.name.length = whole - 1;
    } else {
        return "is not a field, NAME: VALUE";
    }
    if (field.name.length == sizeof(type) - 1 && strncasecmp(text, type, sizeof(type) - 1) == 0) {
        to->has_type = true;
    }
    if (colon == NULL || field.value.length > 0) {
        to->fields[to->field_count++] = field;
    }
    return NULL;
}

static const char *take_data(explain_options *to, const char *text, bool binary)
{
    if (to->has_body && !append(to, "&", 1)) {
        return "out of memory";
    }
    to->has_body = true;
    if (text[0] == '@') {
        return append_file(to, text + 1, binary);
    }
    return append(to, text, strlen(text)) ? NULL : "out of memory";
}

static const char *append_file(explain_options *to, const char *name, bool binary)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
    char part[4096];
    bool kept = true;

    if (file == NULL) {
        return strerror(errno);
    }
    for (size_t got = fread(part, 1, sizeof(part), file); got > 0 && kept;
         got = fread(part, 1, sizeof(part), file)) {
        size_t length = 0;
        for (size_t i = 0; i < got; i++) {
            if (binary || (part[i] != '\r' && part[i] != '\n' && part[i] != '\0')) {
                part[length++] = part[i];
            }
        }
        kept = append(to, part, length);
    }
    const bool whole = ferror(file) == 0;
    if (file != stdin) {
        (void)fclose(file);
    }
    return !kept ? "out of memory" : whole ? NULL : "cannot be read";
}

static bool append(explain_options *to, const void *octets, size_t length)
{
    const size_t wanted = to->body_octets + length;

    if (wanted > to->body_room) {
        const size_t room = wanted * 2;
        uint8_t *grown = realloc(to->body, room);
        if (grown == NULL) {
            return false;
        }
        to->body = grown;
        to->body_room = room;
    }
    if (length > 0) {
        memcpy(to->body + to->body_octets, octets, length);
    }
    to->body_octets = wanted;
    return true;
}

/* A body is a form's unless a field says what it is, before or after it. */
static void add_type(explain_options *to)
{
    if (to->has_body && !to->has_type) {
        to->fields[to->field_count++] = (weir_field){
            weir_span_of("content-type"), weir_span_of("application/x-www-form-urlencoded"), 0};
    }
}

/* HOST1:PORT1:HOST2:PORT2, or with `resolve` HOST:PORT:ADDRESS. IPv6 addresses stand in
 * brackets, as the only address also without. */
static const char *take_route(explain_options *to, const char *text, bool resolve)
{
    explain_route *entry = &to->routes[to->route_count];
    const char *rest = text;
    weir_span port;
    weir_span to_port = {NULL, 0};

    if (to->route_count == EXPLAIN_ROUTES) {
        return "is one route too many";
    }
    if (!next_part(&rest, &entry->host) || !next_part(&rest, &port) || rest == NULL ||
        !is_port(port, &entry->port)) {
        return resolve ? "is not HOST:PORT:ADDRESS" : "is not HOST1:PORT1:HOST2:PORT2";
    }
    if (!resolve) {
        const bool whole = next_part(&rest, &entry->to_host) && next_part(&rest, &to_port) &&
                           rest == NULL && is_port(to_port, &entry->to_port);
        to->route_count++;
        return whole ? NULL : "is not HOST1:PORT1:HOST2:PORT2";
    }
    entry->to_host = (weir_span){(const uint8_t *)rest, strcspn(rest, ",")}; /* curl's first */
    if (entry->to_host.length > 2 && rest[0] == '[' && rest[entry->to_host.length - 1] == ']') {
        entry->to_host = (weir_span){entry->to_host.at + 1, entry->to_host.length - 2};
    }
    if (entry->host.length == 1 && entry->host.at[0] == '*') {
        entry->host.length = 0;
    }
    to->route_count++;
    return entry->port != 0 && is_address(entry->to_host) ? NULL : "is not HOST:PORT:ADDRESS";
}

/* The next part before a colon, without its brackets; the rest is NULL when no colon follows. */
static bool next_part(const char **rest, weir_span *part)
{
    const char *at = *rest;
    const bool quoted = at != NULL && at[0] == '[';

    if (at == NULL) {
        return false;
    }
    at += quoted ? 1 : 0;
    *part = (weir_span){(const uint8_t *)at, strcspn(at, quoted ? "]" : ":")};
    at += part->length;
    if (quoted && *at++ == '\0') {
        return false;
    }
    *rest = *at == ':' ? at + 1 : NULL;
    return *at == ':' || *at == '\0';
}

/* Empty is 0, which is any. */
static bool is_port(weir_span text, uint16_t *port)
{
    uint32_t number = 0;

    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || number > UINT16_MAX) {
            return false;
        }
        number = number * 10 + (uint32_t)(text.at[i] - '0');
    }
    *port = (uint16_t)number;
    return number <= UINT16_MAX && (number > 0 || text.length == 0);
}

static bool is_address(weir_span text)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr octets;

    if (text.length >= sizeof(address)) {
        return false;
    }
    memcpy(address, text.at, text.length);
    address[text.length] = '\0';
    return inet_pton(AF_INET, address, &octets) == 1 || inet_pton(AF_INET6, address, &octets) == 1;
}

static const char *take_seconds(const char *text, weir_time *ns)
{
    char *end = NULL;

    errno = 0;
    const double seconds = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || !(seconds >= 0 && seconds <= 1e9)) {
        return "is not a number of seconds";
    }
    *ns = (weir_time)(seconds * 1e9);
    return NULL;
}

static const char *name_of(int option)
{
    for (const struct option *at = long_options; at->name != NULL; at++) {
        if (at->val == option) {
            return at->name;
        }
    }
    return "?";
}
