/* SPDX-License-Identifier: MIT */
/*
 * One section of a response that is made of lines: a head (status line and fields) or the trailers
 * (fields), from octets to a message (RFC 9112 s2.2, s4, s5, s7.1.2).
 *
 *   START <-> BLANK_LF
 *     |
 *   STATUS -> REASON -> LINE_LF -> NAME_START -> NAME -> VALUE -> LINE_LF -> ...
 *                                      |
 *                                      +-> SECTION_LF -> OVER        (trailers begin at NAME_START)
 *
 * A failure is sticky. Octets are *borrowed*; allocator and limits are *kept*.
 */
#ifndef WEIR_PROTO_H1_SECTION_H
#define WEIR_PROTO_H1_SECTION_H

#include <llhttp.h>

#include "proto/conn.h"

/* Where the next octet lies. */
typedef enum weir_h1_line {
    WEIR_H1_LINE_START = 0,  /* before a status line, where one empty line may be */
    WEIR_H1_LINE_BLANK_LF,   /* after the CR of that empty line */
    WEIR_H1_LINE_STATUS,     /* HTTP/1.1 200, and what ends it */
    WEIR_H1_LINE_REASON,     /* up to the end of the status line */
    WEIR_H1_LINE_NAME_START, /* a field line, or the empty line that ends the section */
    WEIR_H1_LINE_NAME,       /* up to the colon */
    WEIR_H1_LINE_VALUE,      /* up to the end of the line */
    WEIR_H1_LINE_LF,         /* after the CR of a status or field line */
    WEIR_H1_LINE_SECTION_LF, /* after the CR of the empty line that ends the section */
    WEIR_H1_LINE_OVER,
    WEIR_H1_LINE_COUNT
} weir_h1_line;

typedef struct weir_h1_section {
    llhttp_t llhttp; /* tokenises what the scanner let pass */
    const weir_allocator *allocator;
    const weir_conn_limits *limits;
    weir_message *message; /* NULL before its first octet, and when it was taken */
    uint8_t *reason;       /* message->reason while it grows */
    size_t reason_room;
    weir_status status;     /* the failure, or WEIR_OK */
    const char *what;       /* about it */
    uint32_t octets;        /* of this section that were taken */
    uint32_t fields;        /* field lines of this section */
    uint32_t status_octets; /* of the fixed part of the status line */
    weir_h1_line at;
    bool is_trailers;
    bool had_blank;     /* the one empty line that is forgiven in an exchange */
    bool is_complete;   /* llhttp saw the end of the section too */
    bool has_disagreed; /* llhttp refused what the scanner let pass */
} weir_h1_section;

const char *weir_h1_line_name(weir_h1_line at);

/* Ready for a head. */
void weir_h1_section_init(weir_h1_section *section, const weir_allocator *allocator,
                          const weir_conn_limits *limits);
void weir_h1_section_clear(weir_h1_section *section);

/* A further section of the same response; the last one is over and its message was taken. */
void weir_h1_section_next_head(weir_h1_section *section);
void weir_h1_section_trailers(weir_h1_section *section);

/*
 * Takes octets up to the end of the section or the one that makes it fail, that one included; in
 * trailers the empty line that ends the section is not taken together with lines before it. Returns
 * how many, never 0. section->status is WEIR_OK, WEIR_E_H1_SYNTAX (in trailers WEIR_E_H1_CHUNK),
 * WEIR_E_H1_VERSION, WEIR_E_LIMIT_HEAD, WEIR_E_LIMIT_FIELDS or WEIR_E_NOMEM.
 */
size_t weir_h1_section_feed(weir_h1_section *section, weir_span octets);

/* Is that octet part of the empty line which ends the section? */
bool weir_h1_section_is_last_line(const weir_h1_section *section, uint8_t octet);
bool weir_h1_section_is_over(const weir_h1_section *section);

/* The message of a section that is over; NULL: trailers without a field. It is the caller's. */
weir_message *weir_h1_section_take(weir_h1_section *section);
/* The 1 of HTTP/1.1. */
unsigned weir_h1_section_minor(const weir_h1_section *section);

#endif
