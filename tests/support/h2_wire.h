/* SPDX-License-Identifier: MIT */
/*
 * The server's side of an HTTP/2 connection as octets: frames that a test or a document asks for,
 * right or wrong. It judges nothing; the lengths and flags are those that it is told.
 *
 * The steps of a document that are frames (a word with spaces in it is written with \x20):
 *
 *   settings NAME=VALUE...            NAME as in RFC 9113 without SETTINGS_, or a number
 *   settings_ack
 *   hello NAME=VALUE...               both: how every server begins
 *   headers STREAM FLAGS FIELD...     FLAGS: names joined by "|", or "-"; FIELD: name=value
 *   block FIELD...                    encodes a block, of which frames then take pieces:
 *   headers STREAM FLAGS +take=N      the first N octets of it; +rest: what is left
 *   continuation STREAM FLAGS +take=N
 *   data STREAM FLAGS [CONTENT]
 *   rst STREAM CODE       ping [OCTETS]   ping_ack [OCTETS]   goaway LAST CODE [DEBUG]
 *   window STREAM INCREMENT    priority STREAM    push STREAM
 *   frame TYPE FLAGS STREAM [PAYLOAD]     numbers, for what has no word
 *   octets OCTETS                         no frame at all
 *   repeat COUNT STEP...                  the step so many times
 *
 * Anywhere after the flags: +pad=N (sets PADDED; N octets of padding), +padlength=N (says so,
 * brings none), +priority (5 octets, sets PRIORITY), +hex=... (octets of a block as they are),
 * +never (the fields are encoded never-indexed), +plain (without indexing).
 */
#ifndef WEIR_TESTS_H2_WIRE_H
#define WEIR_TESTS_H2_WIRE_H

#include "proto/h2_frame.h"
#include "support/corpus.h"
#include "support/text.h"

typedef struct weir_h2_wire {
    struct nghttp2_hd_deflater *deflater;
    weir_text octets; /* what was put together and not yet taken away */
    weir_text block;
    size_t block_taken;
} weir_h2_wire;

void weir_h2_wire_init(weir_h2_wire *wire);
void weir_h2_wire_clear(weir_h2_wire *wire);

/* A frame with that payload. */
void weir_h2_wire_frame(weir_h2_wire *wire, weir_h2_frame_head head, weir_span payload);
/* HPACK octets of the fields, appended to the block. */
void weir_h2_wire_encode(weir_h2_wire *wire, const weir_field *fields, size_t count);

/* False: the key is not one of a frame. What is wrong in one fails the test. */
bool weir_h2_wire_step(weir_h2_wire *wire, const weir_corpus_document *document,
                       const weir_corpus_step *step);

/* "PROTOCOL_ERROR", or the number. */
const char *weir_h2_code_name(uint32_t code);
/* "END_STREAM|END_HEADERS", "-". Static storage of the caller's: 64 octets. */
void weir_h2_flags_text(uint8_t type, uint8_t flags, char *text, size_t room);
const char *weir_h2_type_name(uint8_t type);

#endif
