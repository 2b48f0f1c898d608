/* SPDX-License-Identifier: MIT */
/*
 * One response, the 1xx heads before it included, from octets to messages and content
 * (RFC 9112 s4 to s8). A decoder lives as long as one exchange.
 *
 * Pulled, never calling out: weir_h1_decode_next() takes a leading stretch of octets that all
 * belong to one row of the ledger, does with them what they ask for, and says what they were.
 * Content goes to the inbox, as much as it has room for; a message waits until it is taken.
 *
 *   HEAD -+-> HEAD                                  a 1xx
 *         +-> COUNTED -------------------+-> OVER
 *         +-> UNTIL_CLOSE --end()--------+
 *         +-> CHUNK_LINE <-> CHUNK       |
 *         |    +-----> TRAILERS ---------+
 *         +------------------------------+          no content
 *
 * A failure is sticky: the decoder is not asked again.
 *
 * Ownership: allocator, limits and inbox are *kept*.
 */
#ifndef WEIR_PROTO_H1_DECODE_H
#define WEIR_PROTO_H1_DECODE_H

#include "proto/h1_framing.h"
#include "proto/h1_section.h"

/* Which part of the response the next octet belongs to. */
typedef enum weir_h1_part {
    WEIR_H1_PART_HEAD = 0,
    WEIR_H1_PART_COUNTED,     /* content of declared length */
    WEIR_H1_PART_UNTIL_CLOSE, /* content that ends with the connection */
    WEIR_H1_PART_CHUNK_LINE,  /* a chunk line, and the CRLF before it */
    WEIR_H1_PART_CHUNK,       /* content of a chunk */
    WEIR_H1_PART_TRAILERS,
    WEIR_H1_PART_OVER,
    WEIR_H1_PART_COUNT
} weir_h1_part;

/* Where the next octet lies in the framing between two chunks (RFC 9112 s7.1). */
typedef enum weir_h1_chunk_line {
    WEIR_H1_CHUNK_FIRST_DIGIT = 0, /* the first digit */
    WEIR_H1_CHUNK_DIGITS,          /* those after it */
    WEIR_H1_CHUNK_SPACE,           /* white space behind them */
    WEIR_H1_CHUNK_EXTENSION,       /* up to the end of the line */
    WEIR_H1_CHUNK_LF,              /* after its CR */
    WEIR_H1_CHUNK_DATA_CR,         /* behind the content */
    WEIR_H1_CHUNK_DATA_LF
} weir_h1_chunk_line;

typedef struct weir_h1_decode {
    weir_h1_section section; /* the head or trailers under way; holds the message */
    weir_h1_framing framing; /* what the last head said */
    weir_buf *inbox;
    /* of the counted content or of the chunk; what a chunk line says so far */
    uint64_t left_octets;
    weir_status status;     /* the failure, or WEIR_OK */
    const char *what;       /* about it */
    uint32_t informational; /* 1xx heads so far */
    uint32_t informational_octets;
    uint32_t chunk_octets;     /* extensions and padding of all chunk lines so far */
    uint32_t dropped_trailers; /* that RFC 9110 s6.5.1 forbids */
    weir_h1_asked asked;
    weir_h1_part part;
    weir_h1_chunk_line line;
    bool touched; /* an octet was taken */
} weir_h1_decode;

typedef struct weir_h1_step {
    size_t octets;             /* taken; 0: the inbox is full */
    weir_row row;              /* what they were */
    weir_conn_event_kind kind; /* INFORMATIONAL or HEAD: take the message; BODY; or NOTHING */
} weir_h1_step;

const char *weir_h1_part_name(weir_h1_part part);

void weir_h1_decode_init(weir_h1_decode *decode, const weir_conn_limits *limits, weir_buf *inbox,
                         weir_h1_asked asked);
void weir_h1_decode_clear(weir_h1_decode *decode);

/*
 * `octets` is not empty, the response is not over and has not failed. Sets decode->status: WEIR_OK,
 * those of weir_h1_section_feed() and weir_h1_framing_decide(), WEIR_E_H1_UPGRADE (101),
 * WEIR_E_H1_CHUNK, WEIR_E_LIMIT_CHUNK, WEIR_E_LIMIT_INFORMATIONAL, WEIR_E_NOMEM. The octet that
 * made it fail is the last one taken.
 */
weir_h1_step weir_h1_decode_next(weir_h1_decode *decode, weir_span octets);

/* The message of the step; at the end the trailers or NULL. It is the caller's. */
weir_message *weir_h1_decode_take(weir_h1_decode *decode);

/* The input ended in an orderly way: does that complete the response? Then it is over. */
bool weir_h1_decode_end(weir_h1_decode *decode);

bool weir_h1_decode_is_over(const weir_h1_decode *decode);
/* Octets into the head or trailer section of the one that made it fail; else WEIR_UNKNOWN. */
uint64_t weir_h1_decode_offset(const weir_h1_decode *decode);

void weir_h1_decode_check(const weir_h1_decode *decode);

#endif
