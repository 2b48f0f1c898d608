/* SPDX-License-Identifier: MIT */
/*
 * The message rules of RFC 9113 that can be judged field by field.
 *
 * What depends on the stream (where in the message the section stands, END_STREAM, whether the
 * request was HEAD) is judged in h2_stream.c.
 */
#include "proto/h2_message.h"

#include "proto/head_rules.h"
#include "proto/octet.h"
#include "proto/span.h"

#include <string.h>

#define FIELD_OVERHEAD_OCTETS 32 /* RFC 9113 s6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE */
#define STATUS_DIGITS         3

static void violate(weir_h2_section *section, weir_status status, const char *what);
static bool count(weir_h2_section *section, const weir_field *field);
static bool over(const weir_h2_section *section);
static void pseudo(weir_h2_section *section, const weir_field *field);
static void regular(weir_h2_section *section, const weir_field *field);
static bool says_length(const weir_h2_section *section, const weir_field *field);
static void content_length(weir_h2_section *section, weir_span value);
static bool decimal(weir_span digits, uint64_t *value);
static const char *fault_of_name(weir_span name);
static const char *fault_of_value(weir_span value);
static bool is_forbidden(const weir_field *field);
static bool is_blank(uint8_t octet);

void weir_h2_section_begin_unwanted(weir_h2_section *section)
{
    *section = (weir_h2_section){.message = NULL};
}

void weir_h2_section_begin(weir_h2_section *section, const weir_allocator *allocator,
                           const weir_h2_section_options *options)
{
    *section = (weir_h2_section){.options = *options};
    section->message = weir_message_new(allocator);
    if (!section->message) {
        violate(section, WEIR_E_NOMEM, NULL);
    }
}

void weir_h2_section_field(weir_h2_section *section, const weir_field *field)
{
    if (!section->message || section->status != WEIR_OK || !count(section, field)) {
        return;
    }
    if (field->name.length > 0 && field->name.at[0] == ':') {
        pseudo(section, field);
    } else {
        regular(section, field);
    }
}

weir_status weir_h2_section_end(weir_h2_section *section)
{
    if (section->message && section->status == WEIR_OK && !section->options.is_trailers &&
        section->message->code == 0) {
        violate(section, WEIR_E_H2_MESSAGE, "the response has no :status");
    }
    return section->status;
}

weir_message *weir_h2_section_take(weir_h2_section *section)
{
    WEIR_ASSERT(section->status == WEIR_OK);
    weir_message *message = section->message;
    section->message = NULL;
    return message;
}

void weir_h2_section_drop(weir_h2_section *section)
{
    weir_message_free(section->message);
    section->message = NULL;
}

static void violate(weir_h2_section *section, weir_status status, const char *what)
{
    if (section->status == WEIR_OK) {
        section->status = status;
        section->what = what;
    }
}

/* Counts a field towards the limits before any of it is stored. */
static bool count(weir_h2_section *section, const weir_field *field)
{
    section->fields++;
    section->octets += (uint64_t)field->name.length + field->value.length + FIELD_OVERHEAD_OCTETS;
    if (section->fields > section->options.fields) {
        violate(section, WEIR_E_LIMIT_FIELDS, NULL);
    } else if (over(section)) {
        violate(section, WEIR_E_LIMIT_HEAD, NULL);
    }
    return section->status == WEIR_OK;
}

static bool over(const weir_h2_section *section)
{
    int code = section->message->code;
    bool is_informational = code >= 100 && code <= 199;
    return section->octets >
           (is_informational ? section->options.informational_octets : section->options.octets);
}

/* RFC 9113 s8.3, s8.3.2: only :status, first, once; s8.6: 101 does not exist. */
static void pseudo(weir_h2_section *section, const weir_field *field)
{
    weir_span value = field->value;
    weir_message *message = section->message;
    if (section->options.is_trailers) {
        violate(section, WEIR_E_H2_MESSAGE, "a pseudo-header field in trailers");
    } else if (section->regular_seen) {
        violate(section, WEIR_E_H2_MESSAGE, "a pseudo-header field after a regular one");
    } else if (!weir_span_equal(field->name, WEIR_SPAN(":status"))) {
        violate(section, WEIR_E_H2_MESSAGE, "a pseudo-header field that no response has");
    } else if (message->code != 0) {
        violate(section, WEIR_E_H2_MESSAGE, ":status is there twice");
    } else if (value.length != STATUS_DIGITS ||
               weir_octet_run(value, WEIR_OCTET_DIGIT) != STATUS_DIGITS || value.at[0] == '0') {
        violate(section, WEIR_E_H2_MESSAGE, ":status is no status code");
    } else {
        message->code = (value.at[0] - '0') * 100 + (value.at[1] - '0') * 10 + (value.at[2] - '0');
        if (message->code == 101) {
            violate(section, WEIR_E_H2_MESSAGE, "101 does not exist in HTTP/2");
        } else if (over(section)) {
            violate(section, WEIR_E_LIMIT_HEAD, NULL);
        }
    }
}

static void regular(weir_h2_section *section, const weir_field *field)
{
    section->regular_seen = true;
    const char *fault = fault_of_name(field->name);
    if (!fault) {
        fault = fault_of_value(field->value);
    }
    if (!fault && is_forbidden(field)) {
        fault = "a field that belongs to a connection";
    }
    if (fault) {
        violate(section, WEIR_E_H2_MESSAGE, fault);
        return;
    }
    if (section->options.is_trailers && !weir_field_fits_trailers(field->name)) {
        /* RFC 9110 s6.5.1: of no meaning here, and a danger where somebody merges them. */
        return;
    }
    if (says_length(section, field)) {
        content_length(section, field->value);
    }
    if (section->status == WEIR_OK && !weir_fields_add(&section->message->fields, *field)) {
        violate(section, WEIR_E_NOMEM, NULL);
    }
}

/* A length of content, and not a field of that name where it means nothing. */
static bool says_length(const weir_h2_section *section, const weir_field *field)
{
    bool is_tunnel = section->options.is_connect && section->message->code / 100 == 2;
    return !section->options.is_trailers && !is_tunnel &&
           weir_span_equal(field->name, WEIR_SPAN("content-length"));
}

/* RFC 9110 s8.6: one number; said again, alone or in a list, it must be the same. */
static void content_length(weir_h2_section *section, weir_span value)
{
    uint64_t *length = &section->message->length_octets;
    bool more = true;
    while (more) {
        const uint8_t *comma = value.length > 0 ? memchr(value.at, ',', value.length) : NULL;
        size_t item = comma ? (size_t)(comma - value.at) : value.length;
        uint64_t octets = 0;
        if (!decimal(weir_span_trim(weir_span_head(value, item)), &octets)) {
            violate(section, WEIR_E_H2_MESSAGE, "content-length is not a number");
            return;
        }
        if (*length != WEIR_UNKNOWN && *length != octets) {
            violate(section, WEIR_E_H2_MESSAGE, "content-length says two numbers");
            return;
        }
        *length = octets;
        more = comma != NULL;
        value = weir_span_from(value, more ? item + 1 : item);
    }
}

/* Digits only, and below 2^63. */
static bool decimal(weir_span digits, uint64_t *value)
{
    if (digits.length == 0 || weir_octet_run(digits, WEIR_OCTET_DIGIT) != digits.length) {
        return false;
    }
    for (size_t i = 0; i < digits.length; i++) {
        uint64_t digit = (uint64_t)(digits.at[i] - '0');
        if (*value > ((uint64_t)INT64_MAX - digit) / 10) {
            return false;
        }
        *value = *value * 10 + digit;
    }
    return true;
}

/* RFC 9113 s8.2.1, and a token as RFC 9110 s5.1 has it. */
static const char *fault_of_name(weir_span name)
{
    if (name.length == 0) {
        return "a field name is empty";
    }
    for (size_t i = 0; i < name.length; i++) {
        if (weir_octet_is_upper(name.at[i])) {
            return "a field name has an upper-case letter";
        }
        if (!weir_octet_is(name.at[i], WEIR_OCTET_TOKEN)) {
            return "a field name is no token";
        }
    }
    return NULL;
}

/* RFC 9113 s8.2.1; of the other control octets RFC 9110 s5.5 says that they are not valid. */
static const char *fault_of_value(weir_span value)
{
    if (weir_octet_run(value, WEIR_OCTET_VALUE) != value.length) {
        return "a field value holds a control octet";
    }
    if (value.length > 0 && (is_blank(value.at[0]) || is_blank(value.at[value.length - 1]))) {
        return "a field value begins or ends with white space";
    }
    return NULL;
}

/* RFC 9113 s8.2.2 */
static bool is_forbidden(const weir_field *field)
{
    static const weir_span names[] = {
        {(const uint8_t *)"connection", 10},
        {(const uint8_t *)"keep-alive", 10},
        {(const uint8_t *)"upgrade", 7},
        {(const uint8_t *)"proxy-connection", 16},
        {(const uint8_t *)"transfer-encoding", 17},
    };
    for (size_t i = 0; i < WEIR_COUNT_OF(names); i++) {
        if (weir_span_equal(field->name, names[i])) {
            return true;
        }
    }
    return weir_span_equal(field->name, WEIR_SPAN("te")) &&
           !weir_span_equal_nocase(field->value, WEIR_SPAN("trailers"));
}

static bool is_blank(uint8_t octet)
{
    return octet == ' ' || octet == '\t';
}
