/* SPDX-License-Identifier: MIT */
/*
 * Heads and trailers: a scanner that decides and llhttp that tokenises.
 *
 * Why both. llhttp is a sound tokeniser, but what it lets pass depends on its version, on a macro
 * of its build (LLHTTP_STRICT_MODE before 9.0) and on flags, and some of it must not pass: status
 * 000, HTTP/2.0, control octets in a reason phrase, folded lines, empty lines without end. So the
 * scanner goes over each octet first and holds the rules of this client in one place, the same
 * with every llhttp; it also knows where in the line each octet is, which makes the end of the
 * section, the limits and the octet of a failure exact however the input was split. llhttp then
 * finds names and values in what has passed. Should it refuse any of that, the section fails too:
 * two readers must agree.
 *
 * llhttp is kept from acting on fields: it would refuse "Content-Length: 5, 5", which is valid (RFC
 * 9110 s8.6), and go on into the body by itself. header_state says which known field it is in and
 * is set to 0, a general one, before the value begins; h1_framing.c reads the fields instead. It
 * never sees a body, and starts anew with each section. Trailers are handed to it behind a status
 * line of our own.
 *
 * Bare LF. With limits.bare_lf a head's line may end in LF alone: llhttp is given the CR that was
 * missing, so no lenient flag of it is needed, whatever its version calls them. A bare CR is always
 * refused, and in trailers a bare LF is too: the limit speaks of heads.
 */
#include "proto/h1_section.h"

#include "proto/octet.h"

#include <string.h>

#define STATUS_FIXED   "HTTP/1.x "
#define MINOR_AT       7
#define CODE_AT        9
#define STATUS_OCTETS  12
#define GENERAL_FIELD  0 /* llhttp's HEADER_STATE.GENERAL */
#define CALLBACK_ERROR (-1)

_Static_assert(sizeof(STATUS_FIXED) - 1 == CODE_AT, "the code follows the fixed text");

static size_t scan(weir_h1_section *section, weir_span lines);
static bool is_end_of_trailers(const weir_h1_section *section, uint8_t octet);
static void supply_cr(weir_h1_section *section);
static weir_octet_class run_class(weir_h1_line at);
static bool is_bare_lf(weir_h1_line at, uint8_t octet);
static void edge(weir_h1_section *section, uint8_t octet);
static void edge_start(weir_h1_section *section, uint8_t octet);
static void edge_status(weir_h1_section *section, uint8_t octet);
static void edge_name_start(weir_h1_section *section, uint8_t octet);
static void expect_lf(weir_h1_section *section, uint8_t octet, weir_h1_line next);
static bool fits_status(size_t i, uint8_t octet);
static void begin_message(weir_h1_section *section);
static void tokenise(weir_h1_section *section, weir_span octets);
static void disagree(weir_h1_section *section);
static void restart(weir_h1_section *section, weir_h1_line at);
static void malformed(weir_h1_section *section, const char *what);
static void fail(weir_h1_section *section, weir_status status, const char *what);
static bool has_failed(const weir_h1_section *section);

static int on_status(llhttp_t *llhttp, const char *at, size_t length);
static int on_header_field(llhttp_t *llhttp, const char *at, size_t length);
static int on_header_field_complete(llhttp_t *llhttp);
static int on_header_value(llhttp_t *llhttp, const char *at, size_t length);
static int on_header_value_complete(llhttp_t *llhttp);
static int on_headers_complete(llhttp_t *llhttp);
static bool add_reason(weir_h1_section *section, weir_span piece);
static int stored(weir_h1_section *section, bool has_memory);
static weir_span span_of_text(const char *at, size_t length);

static const llhttp_settings_t settings = {
    .on_status = on_status,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
};

static const char *const line_names[] = {
    [WEIR_H1_LINE_START] = "start",           [WEIR_H1_LINE_BLANK_LF] = "blank-lf",
    [WEIR_H1_LINE_STATUS] = "status",         [WEIR_H1_LINE_REASON] = "reason",
    [WEIR_H1_LINE_NAME_START] = "name-start", [WEIR_H1_LINE_NAME] = "name",
    [WEIR_H1_LINE_VALUE] = "value",           [WEIR_H1_LINE_LF] = "lf",
    [WEIR_H1_LINE_SECTION_LF] = "section-lf", [WEIR_H1_LINE_OVER] = "over",
};
_Static_assert(WEIR_COUNT_OF(line_names) == WEIR_H1_LINE_COUNT, "every place has a name");

const char *weir_h1_line_name(weir_h1_line at)
{
    return (size_t)at < WEIR_COUNT_OF(line_names) ? line_names[at] : "unknown";
}

void weir_h1_section_init(weir_h1_section *section, const weir_allocator *allocator,
                          const weir_conn_limits *limits)
{
    memset(section, 0, sizeof(*section));
    section->allocator = allocator;
    section->limits = limits;
    llhttp_init(&section->llhttp, HTTP_RESPONSE, &settings);
    section->llhttp.data = section;
}

void weir_h1_section_clear(weir_h1_section *section)
{
    weir_message_free(section->message);
    section->message = NULL;
}

void weir_h1_section_next_head(weir_h1_section *section)
{
    WEIR_ASSERT(!section->is_trailers);
    restart(section, WEIR_H1_LINE_START);
}

void weir_h1_section_trailers(weir_h1_section *section)
{
    restart(section, WEIR_H1_LINE_NAME_START);
    section->is_trailers = true;
}

size_t weir_h1_section_feed(weir_h1_section *section, weir_span octets)
{
    WEIR_ASSERT(octets.length > 0);
    WEIR_ASSERT(!has_failed(section));
    WEIR_ASSERT(!weir_h1_section_is_over(section));
    size_t room = section->limits->head_octets - section->octets;
    size_t taken = scan(section, weir_span_head(octets, room));
    if (taken == room && octets.length > room && !has_failed(section) &&
        !weir_h1_section_is_over(section)) {
        fail(section, WEIR_E_LIMIT_HEAD, NULL);
        taken++;
    }
    section->octets += (uint32_t)taken;
    if (!has_failed(section) && weir_h1_section_is_over(section) && section->message &&
        !section->is_complete) {
        disagree(section);
    }
    return taken;
}

bool weir_h1_section_is_last_line(const weir_h1_section *section, uint8_t octet)
{
    return section->at == WEIR_H1_LINE_SECTION_LF ||
           (section->at == WEIR_H1_LINE_NAME_START && octet == '\r');
}

bool weir_h1_section_is_over(const weir_h1_section *section)
{
    return section->at == WEIR_H1_LINE_OVER;
}

weir_message *weir_h1_section_take(weir_h1_section *section)
{
    WEIR_ASSERT(weir_h1_section_is_over(section));
    weir_message *message = section->message;
    section->message = NULL;
    return message;
}

unsigned weir_h1_section_minor(const weir_h1_section *section)
{
    return section->llhttp.http_minor;
}

/* Goes over the lines and hands to llhttp what has passed; how many octets it went over. */
static size_t scan(weir_h1_section *section, weir_span lines)
{
    size_t given = 0; /* to llhttp */
    size_t i = 0;
    while (!has_failed(section) && !weir_h1_section_is_over(section)) {
        i += weir_octet_run(weir_span_from(lines, i), run_class(section->at));
        if (i == lines.length || (i > 0 && is_end_of_trailers(section, lines.at[i]))) {
            break;
        }
        if (is_bare_lf(section->at, lines.at[i])) {
            tokenise(section, (weir_span){lines.at + given, i - given});
            given = i;
            supply_cr(section);
        }
        edge(section, lines.at[i]);
        i++;
    }
    tokenise(section, (weir_span){lines.at + given, i - given});
    return i;
}

/* Before the line of the same section that is charged to another row. */
static bool is_end_of_trailers(const weir_h1_section *section, uint8_t octet)
{
    return section->is_trailers && section->at == WEIR_H1_LINE_NAME_START && octet == '\r';
}

static void supply_cr(weir_h1_section *section)
{
    if (!section->limits->bare_lf || section->is_trailers) {
        malformed(section, "a line ends in LF without CR");
        return;
    }
    edge(section, '\r');
    tokenise(section, WEIR_SPAN("\r"));
}

/* Octets that leave the place as it is. */
static weir_octet_class run_class(weir_h1_line at)
{
    switch (at) {
    case WEIR_H1_LINE_REASON:
    case WEIR_H1_LINE_VALUE:
        return WEIR_OCTET_VALUE;
    case WEIR_H1_LINE_NAME:
        return WEIR_OCTET_TOKEN;
    case WEIR_H1_LINE_START:
    case WEIR_H1_LINE_BLANK_LF:
    case WEIR_H1_LINE_STATUS:
    case WEIR_H1_LINE_NAME_START:
    case WEIR_H1_LINE_LF:
    case WEIR_H1_LINE_SECTION_LF:
    case WEIR_H1_LINE_OVER:
    case WEIR_H1_LINE_COUNT:
        break;
    }
    return (weir_octet_class)0;
}

static bool is_bare_lf(weir_h1_line at, uint8_t octet)
{
    return octet == '\n' && at != WEIR_H1_LINE_BLANK_LF && at != WEIR_H1_LINE_LF &&
           at != WEIR_H1_LINE_SECTION_LF;
}

/* One octet that may change the place. What is named nowhere is refused. */
static void edge(weir_h1_section *section, uint8_t octet)
{
    if (has_failed(section)) {
        return;
    }
    switch (section->at) {
    case WEIR_H1_LINE_START:
        edge_start(section, octet);
        return;
    case WEIR_H1_LINE_BLANK_LF:
        expect_lf(section, octet, WEIR_H1_LINE_START);
        return;
    case WEIR_H1_LINE_STATUS:
        edge_status(section, octet);
        return;
    case WEIR_H1_LINE_NAME_START:
        edge_name_start(section, octet);
        return;
    case WEIR_H1_LINE_NAME:
        if (octet == ':') {
            section->at = WEIR_H1_LINE_VALUE;
        } else {
            malformed(section, "a field name is not a token that a colon follows");
        }
        return;
    case WEIR_H1_LINE_REASON:
    case WEIR_H1_LINE_VALUE:
        if (octet == '\r') {
            section->at = WEIR_H1_LINE_LF;
        } else {
            malformed(section, "a control octet in the status line or a field value");
        }
        return;
    case WEIR_H1_LINE_LF:
        expect_lf(section, octet, WEIR_H1_LINE_NAME_START);
        return;
    case WEIR_H1_LINE_SECTION_LF:
        expect_lf(section, octet, WEIR_H1_LINE_OVER);
        return;
    case WEIR_H1_LINE_OVER:
    case WEIR_H1_LINE_COUNT:
        break;
    }
    WEIR_ASSERT(false);
}

/*
 * RFC 9112 s2.2 lets a server ignore an empty line before a request; servers that send one after a
 * body are why a client forgives one too. One, or they would never end.
 */
static void edge_start(weir_h1_section *section, uint8_t octet)
{
    if (octet == '\r') {
        if (section->had_blank) {
            malformed(section, "more than one empty line before the status line");
            return;
        }
        section->had_blank = true;
        section->at = WEIR_H1_LINE_BLANK_LF;
        return;
    }
    section->at = WEIR_H1_LINE_STATUS;
    section->status_octets = 0;
    edge_status(section, octet);
    if (!has_failed(section)) {
        begin_message(section);
    }
}

static void edge_status(weir_h1_section *section, uint8_t octet)
{
    size_t i = section->status_octets;
    if (i == STATUS_OCTETS) {
        /* The space behind the code belongs to the grammar even without a reason, but many servers
         * leave it out and nothing else can be meant. */
        if (octet == ' ') {
            section->at = WEIR_H1_LINE_REASON;
        } else if (octet == '\r') {
            section->at = WEIR_H1_LINE_LF;
        } else {
            malformed(section, "the status code is not three digits");
        }
        return;
    }
    section->status_octets++;
    if (fits_status(i, octet)) {
        return;
    }
    if (i < sizeof("HTTP/") - 1) {
        malformed(section, "the response does not begin with HTTP/");
    } else if (i < CODE_AT) {
        fail(section, WEIR_E_H1_VERSION, "the version is not 1.0 or 1.1");
    } else {
        malformed(section, "the status code is not three digits from 100 on");
    }
}

static void edge_name_start(weir_h1_section *section, uint8_t octet)
{
    if (octet == '\r') {
        section->at = WEIR_H1_LINE_SECTION_LF;
        return;
    }
    if (octet == ' ' || octet == '\t') {
        malformed(section, "a line is folded (RFC 9112 s5.2)");
        return;
    }
    if (!weir_octet_is(octet, WEIR_OCTET_TOKEN)) {
        malformed(section, "a field line does not begin with a name");
        return;
    }
    section->fields++;
    if (section->fields > section->limits->fields) {
        fail(section, WEIR_E_LIMIT_FIELDS, NULL);
        return;
    }
    section->at = WEIR_H1_LINE_NAME;
    if (!section->message) {
        begin_message(section);
        tokenise(section, WEIR_SPAN("HTTP/1.1 200\r\n"));
    }
}

static void expect_lf(weir_h1_section *section, uint8_t octet, weir_h1_line next)
{
    if (octet == '\n') {
        section->at = next;
    } else {
        malformed(section, "a CR without LF");
    }
}

/* RFC 9110 s15: three digits; those from 600 on are invalid, but to be taken as a final response.
 */
static bool fits_status(size_t i, uint8_t octet)
{
    if (i == MINOR_AT) {
        return octet == '0' || octet == '1';
    }
    if (i == CODE_AT) {
        return octet >= '1' && octet <= '9';
    }
    if (i > CODE_AT) {
        return weir_octet_is(octet, WEIR_OCTET_DIGIT);
    }
    return octet == (uint8_t)STATUS_FIXED[i];
}

static void begin_message(weir_h1_section *section)
{
    WEIR_ASSERT(!section->message);
    section->message = weir_message_new(section->allocator);
    section->reason_room = 0;
    section->is_complete = false;
    llhttp_reset(&section->llhttp);
    if (!section->message) {
        fail(section, WEIR_E_NOMEM, NULL);
    }
}

/* An empty trailer section has no message and is not tokenised. */
static void tokenise(weir_h1_section *section, weir_span octets)
{
    if (has_failed(section) || !section->message || octets.length == 0) {
        return;
    }
    llhttp_errno_t error = llhttp_execute(&section->llhttp, (const char *)octets.at, octets.length);
    /* Behind the end of the section it may pause for an upgrade: from 9.0 on, at any 101. */
    if (error != HPE_OK && !section->is_complete && !has_failed(section)) {
        disagree(section);
    }
}

static void disagree(weir_h1_section *section)
{
    section->has_disagreed = true;
    malformed(section, "llhttp refuses the section");
}

static void restart(weir_h1_section *section, weir_h1_line at)
{
    WEIR_ASSERT(weir_h1_section_is_over(section));
    WEIR_ASSERT(!section->message);
    section->octets = 0;
    section->fields = 0;
    section->at = at;
}

static void malformed(weir_h1_section *section, const char *what)
{
    fail(section, section->is_trailers ? WEIR_E_H1_CHUNK : WEIR_E_H1_SYNTAX, what);
}

/* The first one stays. */
static void fail(weir_h1_section *section, weir_status status, const char *what)
{
    if (!has_failed(section)) {
        section->status = status;
        section->what = what;
    }
}

static bool has_failed(const weir_h1_section *section)
{
    return section->status != WEIR_OK;
}

static int on_status(llhttp_t *llhttp, const char *at, size_t length)
{
    weir_h1_section *section = llhttp->data;
    return stored(section, add_reason(section, span_of_text(at, length)));
}

static int on_header_field(llhttp_t *llhttp, const char *at, size_t length)
{
    weir_h1_section *section = llhttp->data;
    weir_fields *fields = &section->message->fields;
    return stored(section, weir_fields_append_name(fields, span_of_text(at, length)));
}

static int on_header_field_complete(llhttp_t *llhttp)
{
    llhttp->header_state = GENERAL_FIELD;
    return HPE_OK;
}

static int on_header_value(llhttp_t *llhttp, const char *at, size_t length)
{
    weir_h1_section *section = llhttp->data;
    weir_fields *fields = &section->message->fields;
    return stored(section, weir_fields_append_value(fields, span_of_text(at, length)));
}

static int on_header_value_complete(llhttp_t *llhttp)
{
    weir_h1_section *section = llhttp->data;
    weir_fields_end(&section->message->fields);
    return HPE_OK;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    weir_h1_section *section = llhttp->data;
    section->is_complete = true;
    if (!section->is_trailers) {
        section->message->code = llhttp->status_code;
    }
    return HPE_OK;
}

/* It has to lie in one piece: what is held for it doubles, so that octet by octet costs no more. */
static bool add_reason(weir_h1_section *section, weir_span piece)
{
    weir_span *reason = &section->message->reason;
    size_t length = reason->length + piece.length;
    if (length > section->reason_room) {
        size_t room = section->reason_room > 0 ? 2 * length : length;
        uint8_t *at = weir_fields_hold(&section->message->fields, room);
        if (!at) {
            return false;
        }
        if (reason->length > 0) {
            memcpy(at, reason->at, reason->length);
        }
        section->reason = at;
        section->reason_room = room;
    }
    if (piece.length > 0) {
        memcpy(section->reason + reason->length, piece.at, piece.length);
    }
    *reason = (weir_span){section->reason, length};
    return true;
}

static int stored(weir_h1_section *section, bool has_memory)
{
    if (has_memory) {
        return HPE_OK;
    }
    fail(section, WEIR_E_NOMEM, NULL);
    return CALLBACK_ERROR;
}

static weir_span span_of_text(const char *at, size_t length)
{
    return (weir_span){(const uint8_t *)at, length};
}
