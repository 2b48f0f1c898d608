/* SPDX-License-Identifier: MIT */
/* The command line: see options.h. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool take(explain_options *to, int option, char *value);
static bool take_field(explain_options *to, char *text);
static bool take_data(explain_options *to, const char *text, bool binary);
static bool read_file(explain_options *to, const char *name);
static bool take_route(explain_options *to, char *text, bool resolve);
static bool take_seconds(const char *text, weir_time *ns);
static char *next_part(char **rest);
static bool wrong(const char *what, const char *value);

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
        if (!take(to, option, optarg)) {
            return OPTIONS_WRONG;
        }
    }
    for (; optind < argc; optind++) {
        if (to->url_count == EXPLAIN_URLS) {
            (void)wrong("too many URLs", argv[optind]);
            return OPTIONS_WRONG;
        }
        to->urls[to->url_count++] = argv[optind];
    }
    if (to->url_count == 0) {
        (void)wrong("no URL was given", "see --help");
        return OPTIONS_WRONG;
    }
    return OPTIONS_OK;
}

void options_clear(explain_options *to)
{
    free(to->body_memory);
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
        "  -H, --header 'NAME: VALUE' a request field; may be repeated\n"
        "  -d, --data TEXT|@FILE      a body of application/x-www-form-urlencoded; line ends of a "
        "file are dropped\n"
        "      --data-binary TEXT|@FILE  the same, as it is; @- is standard input\n"
        "      --cacert FILE          trust the roots in FILE (PEM) and no others\n"
        "  -k, --insecure             accept every certificate (dangerous)\n"
        "      --http1.1              only HTTP/1.1\n"
        "      --http2                HTTP/2 if the server takes it (the default over TLS)\n"
        "      --http2-prior-knowledge  only HTTP/2, also without TLS\n"
        "      --connect-to HOST1:PORT1:HOST2:PORT2  dial HOST2:PORT2 for HOST1:PORT1; empty "
        "parts: any, the same\n"
        "      --resolve HOST:PORT:ADDRESS  dial ADDRESS for HOST:PORT\n"
        "      --max-time SECONDS     for each request as a whole\n"
        "      --connect-timeout SECONDS  for DNS, TCP and TLS, each\n"
        "  -w, --write-out FORMAT     afterwards, to standard output: %{http_code} "
        "%{http_version}\n"
        "                             %{size_download} %{size_upload} %{time_total} "
        "%{num_connects} %{url}\n"
        "                             %{errormsg} %{exitcode} \\n \\t\n"
        "      --async                use the asynchronous front end\n"
        "  -Z, --parallel             all URLs at once\n"
        "      --connections N        at most so many to an origin (6)\n"
        "      --snapshot             everything that the pool holds when the first response has "
        "begun\n"
        "      --json                 the explanation as JSON on standard error\n",
        stdout);
}

static bool take(explain_options *to, int option, char *value)
{
    switch (option) {
    case 'X':
        to->method = value;
        return true;
    case LONG_CONNECTIONS: {
        char *end = NULL;
        const unsigned long count = strtoul(value, &end, 10);
        to->connections = (uint32_t)count;
        return count > 0 && count < UINT32_MAX && *end == '\0' ? true
                                                               : wrong("--connections", value);
    }
    case LONG_SNAPSHOT:
        to->snapshot = true;
        return true;
    case 'I':
        to->head = true;
        return true;
    case 'H':
        return take_field(to, value);
    case 'd':
        return take_data(to, value, false);
    case LONG_DATA_BINARY:
        return take_data(to, value, true);
    case LONG_CACERT:
        to->ca_file = value;
        return true;
    case 'k':
        to->insecure = true;
        return true;
    case LONG_HTTP1:
        to->pin = WEIR_H1;
        return true;
    case LONG_HTTP2:
        to->pin = WEIR_PROTOCOL_ANY;
        return true;
    case LONG_PRIOR:
        to->pin = WEIR_H2;
        return true;
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
        return true;
    case LONG_ASYNC:
        to->async = true;
        return true;
    case 'Z':
    case LONG_PARALLEL:
        to->parallel = true;
        return true;
    case LONG_JSON:
        to->json = true;
        return true;
    default:
        return false;
    }
}

static bool take_field(explain_options *to, char *text)
{
    char *colon = strchr(text, ':');

    if (colon == NULL || to->field_count == EXPLAIN_FIELDS) {
        return wrong("not a field, or one too many", text);
    }
    *colon = '\0';
    to->fields[to->field_count++] = (weir_field){weir_span_of(text), weir_span_of(colon + 1), 0};
    return true;
}

static bool take_data(explain_options *to, const char *text, bool binary)
{
    static const char type[] = "application/x-www-form-urlencoded";
    bool has_type = false;

    for (size_t i = 0; i < to->field_count; i++) {
        const weir_span name = to->fields[i].name;
        has_type = has_type || (name.length == 12 &&
                                strncasecmp((const char *)name.at, "content-type", 12) == 0);
    }
    if (!has_type && to->field_count < EXPLAIN_FIELDS) {
        to->fields[to->field_count++] =
            (weir_field){weir_span_of("content-type"), weir_span_of(type), 0};
    }
    to->has_body = true;
    if (text[0] != '@') {
        to->body = weir_span_of(text);
        return true;
    }
    if (!read_file(to, text + 1)) {
        return wrong("cannot read", text + 1);
    }
    if (!binary) {
        uint8_t *at = to->body_memory;
        size_t kept = 0;
        for (size_t i = 0; i < to->body.length; i++) {
            if (at[i] != '\r' && at[i] != '\n') {
                at[kept++] = at[i];
            }
        }
        to->body.length = kept;
    }
    return true;
}

static bool read_file(explain_options *to, const char *name)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
    size_t room = 65536;
    size_t length = 0;
    uint8_t *octets = malloc(room);

    if (file == NULL || octets == NULL) {
        free(octets);
        return false;
    }
    for (size_t got = fread(octets, 1, room, file); got > 0;
         got = fread(octets + length, 1, room - length, file)) {
        length += got;
        if (length == room) {
            uint8_t *grown = realloc(octets, room * 2);
            if (grown == NULL) {
                break;
            }
            octets = grown;
            room *= 2;
        }
    }
    const bool whole = feof(file) != 0;
    if (file != stdin) {
        (void)fclose(file);
    }
    free(to->body_memory);
    to->body_memory = octets;
    to->body = (weir_span){octets, length};
    return whole;
}

/* HOST1:PORT1:HOST2:PORT2, or with `resolve` HOST:PORT:ADDRESS. IPv6 addresses stand in brackets.
 */
static bool take_route(explain_options *to, char *text, bool resolve)
{
    char *rest = text;

    if (to->route_count == EXPLAIN_ROUTES) {
        return wrong("too many routes", text);
    }
    explain_route *entry = &to->routes[to->route_count];
    char *host = next_part(&rest);
    char *port = next_part(&rest);
    char *to_host = resolve ? rest : next_part(&rest);
    char *to_port = resolve ? NULL : rest;
    if (host == NULL || port == NULL || to_host == NULL || (!resolve && to_port == NULL)) {
        return wrong("not a route", text);
    }
    char *comma = resolve ? strchr(to_host, ',') : NULL;
    if (comma != NULL) {
        *comma = '\0'; /* curl takes several; the first is dialled */
    }
    entry->host = weir_span_of(host);
    entry->port = (uint16_t)strtoul(port, NULL, 10);
    entry->to_host = weir_span_of(to_host);
    entry->to_port = to_port != NULL ? (uint16_t)strtoul(to_port, NULL, 10) : 0;
    to->route_count++;
    return true;
}

/* The next part before a colon; brackets are taken off. */
static char *next_part(char **rest)
{
    char *part = *rest;
    char *end = NULL;

    if (part == NULL) {
        return NULL;
    }
    if (part[0] == '[') {
        part++;
        end = strchr(part, ']');
        if (end == NULL) {
            return NULL;
        }
        *end++ = '\0';
    } else {
        end = strchr(part, ':');
    }
    *rest = end != NULL && *end == ':' ? end + 1 : NULL;
    if (end != NULL) {
        *end = '\0';
    }
    return part;
}

static bool take_seconds(const char *text, weir_time *ns)
{
    char *end = NULL;

    errno = 0;
    const double seconds = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || seconds <= 0 || seconds > 1e9) {
        return wrong("not a number of seconds", text);
    }
    *ns = (weir_time)(seconds * 1e9);
    return true;
}

static bool wrong(const char *what, const char *value)
{
    (void)fprintf(stderr, "weir-explain: %s: %s\n", what, value);
    return false;
}
