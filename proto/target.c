/* SPDX-License-Identifier: MIT */
/*
 * The one URL parser.
 *
 * One pass refuses what no URL may hold anywhere (octets above 0x7f, controls, space, backslash). A
 * second walks the structure from left to right, so that the first thing wrong is the one that is
 * told:
 *
 *   scheme "://" host [":" port] [path] ["?" query] ["#" fragment]
 *   \____/       \___________/   \_______________________________/
 *   read_scheme  read_authority  read_path
 *
 * A composed target is read by the same functions, part by part.
 *
 * Reading only checks and remembers where things are; writing, at the end and only if all was well,
 * copies them to the storage: authority (the host is a part of it), zone, path. So the authority
 * never holds anything but octets of labels, ".", ":", "[" and "]", and the path nothing but octets
 * of a path or query, which is why both encoders can write them without looking.
 */
#include "proto/target.h"

#include "proto/failure.h"
#include "proto/octet.h"
#include "proto/span.h"

#include <string.h>

enum { HTTP_PORT = 80, HTTPS_PORT = 443, PORT_LIMIT = 65535, PORT_LIMIT_DIGITS = 5 };

/* What the writer adds to what it was given: brackets, ":65535" and "/". */
_Static_assert(2 + 1 + PORT_LIMIT_DIGITS + 1 <= WEIR_TARGET_SLACK_OCTETS, "the storage suffices");

/* Where a part begins and ends in the text that is read. */
typedef struct stretch {
    size_t at;
    size_t end;
} stretch;

typedef struct reader {
    weir_target *target; /* scheme and port are set while reading */
    weir_span text;
    weir_host host;   /* as it was given */
    weir_span path;   /* with its query, without fragment, as it was given */
    const char *part; /* the name of a composed target's part, NULL for a URL */
    weir_failure *failure;
} reader;

static weir_status read_url(reader *r, weir_span url);
static weir_status read_parts(reader *r, const weir_target_parts *parts);
static weir_status read_host_part(reader *r, stretch host);
static weir_status read_path_part(reader *r, stretch path, size_t host_octets);
static weir_status check_octets(const reader *r);
static weir_status read_scheme(reader *r, size_t *at);
static weir_status set_scheme(reader *r, weir_span scheme);
static weir_status read_authority(reader *r, stretch authority);
static weir_status read_bracketed(reader *r, stretch authority, size_t *host_end);
static weir_status read_name(reader *r, stretch host);
static weir_status read_ipv6(reader *r, stretch host);
static weir_status read_port(reader *r, stretch port);
static weir_status read_path(reader *r, stretch path);
static weir_span part_of(const reader *r, stretch part);
static size_t find_octet(const reader *r, stretch part, uint8_t octet);
static uint16_t default_port(const weir_target *target);
static weir_status refuse(const reader *r, weir_status status, size_t offset);
static size_t write_target(const reader *r, uint8_t *storage);
static size_t write_host(weir_span host, weir_host_kind kind, uint8_t *to);
static size_t write_port(uint8_t *to, uint16_t port);
static size_t write_zone(weir_span zone, uint8_t *to);
static size_t write_path(weir_span path, uint8_t *to);

weir_status weir_target_parse(weir_target *target, weir_span url, uint8_t *storage, size_t room,
                              weir_failure *failure)
{
    reader r = {.target = target, .failure = failure};
    weir_status status = read_url(&r, url);
    if (status != WEIR_OK) {
        *target = (weir_target){.kind = WEIR_HOST_NAME};
        return status;
    }
    WEIR_ASSERT(room >= url.length + WEIR_TARGET_SLACK_OCTETS);
    size_t used = write_target(&r, storage);
    WEIR_ASSERT(used <= room);
    return WEIR_OK;
}

weir_status weir_target_compose(weir_target *target, const weir_target_parts *parts,
                                uint8_t *storage, size_t room, weir_failure *failure)
{
    reader r = {.target = target, .failure = failure};
    weir_status status = read_parts(&r, parts);
    if (status != WEIR_OK) {
        *target = (weir_target){.kind = WEIR_HOST_NAME};
        return status;
    }
    WEIR_ASSERT(room >= parts->host.length + parts->path.length + WEIR_TARGET_SLACK_OCTETS);
    size_t used = write_target(&r, storage);
    WEIR_ASSERT(used <= room);
    return WEIR_OK;
}

weir_span weir_target_name(const weir_target *target)
{
    weir_span name = target->host;
    if (name.length > 0 && name.at[name.length - 1] == '.') {
        name.length--;
    }
    return name;
}

size_t weir_target_write_host_port(const weir_target *target, uint8_t *to)
{
    size_t length = write_host(target->host, target->kind, to);
    return length + write_port(to + length, target->port);
}

static weir_status read_url(reader *r, weir_span url)
{
    size_t at = 0;
    r->text = url;
    if (url.length > WEIR_URL_LIMIT_OCTETS) {
        return refuse(r, WEIR_E_URL_TOO_LONG, WEIR_URL_LIMIT_OCTETS);
    }
    weir_status status = check_octets(r);
    if (status != WEIR_OK) {
        return status;
    }
    status = read_scheme(r, &at);
    if (status != WEIR_OK) {
        return status;
    }
    stretch authority = {at, at};
    while (authority.end < url.length && url.at[authority.end] != '/' &&
           url.at[authority.end] != '?' && url.at[authority.end] != '#') {
        authority.end++;
    }
    status = read_authority(r, authority);
    if (status != WEIR_OK) {
        return status;
    }
    return read_path(r, (stretch){authority.end, url.length});
}

static weir_status read_parts(reader *r, const weir_target_parts *parts)
{
    r->part = "scheme";
    r->text = parts->scheme;
    weir_status status = set_scheme(r, parts->scheme);
    if (status != WEIR_OK) {
        return status;
    }
    r->part = "host";
    r->text = parts->host;
    status = read_host_part(r, (stretch){0, parts->host.length});
    if (status != WEIR_OK) {
        return status;
    }
    r->target->port = parts->port ? parts->port : default_port(r->target);
    r->part = "path";
    r->text = parts->path;
    return read_path_part(r, (stretch){0, parts->path.length}, parts->host.length);
}

static weir_status read_host_part(reader *r, stretch host)
{
    if (host.end > WEIR_URL_LIMIT_OCTETS) {
        return refuse(r, WEIR_E_URL_TOO_LONG, WEIR_URL_LIMIT_OCTETS);
    }
    weir_status status = check_octets(r);
    if (status != WEIR_OK) {
        return status;
    }
    if (host.end > 0 && r->text.at[0] == '[') {
        size_t end = 0;
        status = read_bracketed(r, host, &end);
        return status == WEIR_OK && end != host.end ? refuse(r, WEIR_E_URL_IPV6, end) : status;
    }
    /* An IPv6 address without brackets: each has two colons, and no name has any. */
    size_t colon = find_octet(r, host, ':');
    if (colon < host.end && find_octet(r, (stretch){colon + 1, host.end}, ':') < host.end) {
        return read_ipv6(r, host);
    }
    return read_name(r, host);
}

static weir_status read_path_part(reader *r, stretch path, size_t host_octets)
{
    if (path.end > WEIR_URL_LIMIT_OCTETS - host_octets) {
        return refuse(r, WEIR_E_URL_TOO_LONG, WEIR_URL_LIMIT_OCTETS - host_octets);
    }
    weir_status status = check_octets(r);
    if (status != WEIR_OK) {
        return status;
    }
    if (path.end == 1 && r->text.at[0] == '*') {
        r->path = r->text;
        return WEIR_OK;
    }
    if (path.end > 0 && r->text.at[0] != '/' && r->text.at[0] != '?' && r->text.at[0] != '#') {
        return refuse(r, WEIR_E_URL_SYNTAX, 0);
    }
    return read_path(r, path);
}

/* What no part of a URL may hold. */
static weir_status check_octets(const reader *r)
{
    for (size_t i = 0; i < r->text.length; i++) {
        uint8_t octet = r->text.at[i];
        if (octet > 0x7f) {
            return refuse(r, WEIR_E_URL_NON_ASCII, i);
        }
        if (octet <= ' ' || octet == 0x7f) {
            return refuse(r, WEIR_E_URL_CONTROL, i);
        }
        if (octet == '\\') {
            return refuse(r, WEIR_E_URL_BACKSLASH, i);
        }
    }
    return WEIR_OK;
}

/* Reads the scheme and "://"; *at is behind them. */
static weir_status read_scheme(reader *r, size_t *at)
{
    size_t length = weir_octet_run(r->text, WEIR_OCTET_SCHEME);
    uint8_t first = length > 0 ? weir_octet_lower(r->text.at[0]) : 0;
    if (first < 'a' || first > 'z') {
        return refuse(r, WEIR_E_URL_SYNTAX, 0);
    }
    if (length == r->text.length || r->text.at[length] != ':') {
        return refuse(r, WEIR_E_URL_SYNTAX, length);
    }
    weir_status status = set_scheme(r, weir_span_head(r->text, length));
    if (status != WEIR_OK) {
        return status;
    }
    for (size_t i = length + 1; i < length + 3; i++) {
        if (i >= r->text.length || r->text.at[i] != '/') {
            return refuse(r, WEIR_E_URL_SYNTAX, i);
        }
    }
    *at = length + 3;
    return WEIR_OK;
}

static weir_status set_scheme(reader *r, weir_span scheme)
{
    r->target->https = weir_span_equal_nocase(scheme, WEIR_SPAN("https"));
    if (!r->target->https && !weir_span_equal_nocase(scheme, WEIR_SPAN("http"))) {
        return refuse(r, WEIR_E_URL_SCHEME, 0);
    }
    return WEIR_OK;
}

static weir_status read_authority(reader *r, stretch authority)
{
    size_t userinfo_end = find_octet(r, authority, '@');
    if (userinfo_end < authority.end) {
        return refuse(r, WEIR_E_URL_USERINFO, userinfo_end);
    }
    size_t host_end = find_octet(r, authority, ':');
    weir_status status = WEIR_OK;
    if (authority.at < authority.end && r->text.at[authority.at] == '[') {
        status = read_bracketed(r, authority, &host_end);
    } else {
        status = read_name(r, (stretch){authority.at, host_end});
    }
    if (status != WEIR_OK) {
        return status;
    }
    return read_port(r, (stretch){host_end, authority.end});
}

/* An IPv6 address in brackets; *host_end is behind them. IPvFuture (RFC 3986 s3.2.2) is refused. */
static weir_status read_bracketed(reader *r, stretch authority, size_t *host_end)
{
    size_t close = find_octet(r, authority, ']');
    if (close == authority.end) {
        return refuse(r, WEIR_E_URL_IPV6, authority.at);
    }
    *host_end = close + 1;
    return read_ipv6(r, (stretch){authority.at + 1, close});
}

static weir_status read_name(reader *r, stretch host)
{
    size_t bad = 0;
    weir_status status = weir_host_read_name(&r->host, part_of(r, host), &bad);
    return status == WEIR_OK ? WEIR_OK : refuse(r, status, host.at + bad);
}

static weir_status read_ipv6(reader *r, stretch host)
{
    size_t bad = 0;
    weir_status status = weir_host_read_ipv6(&r->host, part_of(r, host), &bad);
    return status == WEIR_OK ? WEIR_OK : refuse(r, status, host.at + bad);
}

/* The port with its colon, or nothing. */
static weir_status read_port(reader *r, stretch port)
{
    r->target->port = default_port(r->target);
    if (port.at == port.end) {
        return WEIR_OK;
    }
    if (r->text.at[port.at] != ':') {
        /* Only behind the bracket of an IPv6 address: a name ends at its colon. */
        return refuse(r, WEIR_E_URL_IPV6, port.at);
    }
    weir_span digits = part_of(r, (stretch){port.at + 1, port.end});
    if (digits.length == 0) {
        return WEIR_OK;
    }
    size_t run = weir_octet_run(digits, WEIR_OCTET_DIGIT);
    if (run < digits.length) {
        return refuse(r, WEIR_E_URL_PORT, port.at + 1 + run);
    }
    uint32_t value = 0;
    for (size_t i = 0; i < weir_min(digits.length, PORT_LIMIT_DIGITS); i++) {
        value = value * 10 + weir_octet_hex(digits.at[i]);
    }
    if (digits.at[0] == '0' || digits.length > PORT_LIMIT_DIGITS || value > PORT_LIMIT) {
        return refuse(r, WEIR_E_URL_PORT, port.at + 1);
    }
    r->target->port = (uint16_t)value;
    return WEIR_OK;
}

/* Path, query and fragment: each begins with an octet that the one before cannot hold. */
static weir_status read_path(reader *r, stretch path)
{
    size_t fragment = path.end;
    for (size_t i = path.at; i < path.end; i++) {
        uint8_t octet = r->text.at[i];
        if (octet == '%') {
            if (!weir_octet_is_triplet(r->text, i)) {
                return refuse(r, WEIR_E_URL_PERCENT, i);
            }
            i += 2;
        } else if (octet == '#' && fragment == path.end) {
            fragment = i;
        } else if (octet != '?' && !weir_octet_is(octet, WEIR_OCTET_PATH)) {
            return refuse(r, WEIR_E_URL_CHARACTER, i);
        }
    }
    r->path = part_of(r, (stretch){path.at, fragment});
    return WEIR_OK;
}

static weir_span part_of(const reader *r, stretch part)
{
    WEIR_ASSERT(part.at <= part.end);
    WEIR_ASSERT(part.end <= r->text.length);
    return weir_span_from(weir_span_head(r->text, part.end), part.at);
}

/* The end of the part when it is not in there. */
static size_t find_octet(const reader *r, stretch part, uint8_t octet)
{
    size_t at = part.at;
    while (at < part.end && r->text.at[at] != octet) {
        at++;
    }
    return at;
}

static uint16_t default_port(const weir_target *target)
{
    return target->https ? HTTPS_PORT : HTTP_PORT;
}

static weir_status refuse(const reader *r, weir_status status, size_t offset)
{
    *r->failure = weir_failure_of(status, r->part);
    r->failure->processed = WEIR_NOT_SENT;
    r->failure->offset = offset;
    return status;
}

static size_t write_target(const reader *r, uint8_t *storage)
{
    weir_target *target = r->target;
    bool brackets = r->host.kind == WEIR_HOST_IPV6;
    size_t length = write_host(r->host.text, r->host.kind, storage);
    if (target->port != default_port(target)) {
        length += write_port(storage + length, target->port);
    }
    target->kind = r->host.kind;
    memcpy(target->address, r->host.address, sizeof(target->address));
    target->authority = (weir_span){storage, length};
    target->host = (weir_span){storage + (brackets ? 1 : 0), r->host.text.length};

    size_t zone = write_zone(r->host.zone, storage + length);
    target->zone = (weir_span){storage + length, zone};
    length += zone;

    size_t path = write_path(r->path, storage + length);
    target->path = (weir_span){storage + length, path};
    return length + path;
}

static size_t write_host(weir_span host, weir_host_kind kind, uint8_t *to)
{
    size_t length = 0;
    WEIR_ASSERT(host.length > 0);
    if (kind == WEIR_HOST_IPV6) {
        to[length++] = '[';
    }
    for (size_t i = 0; i < host.length; i++) {
        to[length++] = weir_octet_lower(host.at[i]);
    }
    if (kind == WEIR_HOST_IPV6) {
        to[length++] = ']';
    }
    return length;
}

/* A colon and the number. */
static size_t write_port(uint8_t *to, uint16_t port)
{
    uint8_t digits[PORT_LIMIT_DIGITS];
    size_t count = 0;
    WEIR_ASSERT(port > 0);
    for (unsigned rest = port; rest > 0; rest /= 10) {
        digits[count++] = (uint8_t)('0' + rest % 10);
    }
    to[0] = ':';
    for (size_t i = 0; i < count; i++) {
        to[1 + i] = digits[count - 1 - i];
    }
    return 1 + count;
}

static size_t write_zone(weir_span zone, uint8_t *to)
{
    size_t length = 0;
    for (size_t i = 0; i < zone.length; i++) {
        bool encoded = zone.at[i] == '%';
        to[length++] = encoded ? weir_octet_of_triplet(zone, i) : zone.at[i];
        i += encoded ? 2 : 0;
    }
    return length;
}

static size_t write_path(weir_span path, uint8_t *to)
{
    size_t length = 0;
    if (path.length == 0 || path.at[0] == '?') {
        to[length++] = '/';
    }
    if (path.length > 0) {
        memcpy(to + length, path.at, path.length);
    }
    return length + path.length;
}
