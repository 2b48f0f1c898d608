/* SPDX-License-Identifier: MIT */
/*
 * Plays a document of tests/corpus/h2. Beside the frames of h2_wire.h its steps are what the user
 * of the connection does, each after everything before it was received:
 *
 *   limits NAME=NUMBER...        of weir_conn_limits; first
 *   open [METHOD] [length=N] [chunked] [name=value...]
 *   not_open [METHOD]            the same, and it must be refused as NOT_ACCEPTING
 *   write STREAM CONTENT [end]   the answer is logged: status, taken
 *   trailers STREAM name=value...
 *   hold STREAM                  does not read its body from now on
 *   read STREAM [N]
 *   cancel STREAM [CODE]         close STREAM
 *   stall                        nothing is sent from now on; send [N] sends
 *   tick MILLISECONDS            since the beginning
 *   end ok|unframed|reset        the end of input
 *   shutdown
 *   whole                        the document is about moments: no splits
 *   differs CATEGORY...          from the oracle, in one of these ways
 *                                  (tests/corpus/h2/DIFFERENCES.md)
 */
#ifndef WEIR_TESTS_H2_DOCUMENT_H
#define WEIR_TESTS_H2_DOCUMENT_H

#include "support/corpus.h"
#include "support/h2_player.h"
#include "support/split.h"

typedef struct weir_h2_playing {
    const weir_corpus_document *document;
    const weir_allocator *allocator;
    const weir_split *split;    /* NULL: whole */
    const weir_h2_watch *watch; /* NULL: nobody */
    bool by_frame;              /* fed frame by frame instead */
    bool stows;                 /* as of the player */
} weir_h2_playing;

/* Appends the log. */
void weir_h2_document_play(const weir_h2_playing *playing, weir_text *log);
/* How many octets the server sends in it. */
size_t weir_h2_document_octets(const weir_corpus_document *document);
bool weir_h2_document_is_whole(const weir_corpus_document *document);
weir_conn_limits weir_h2_document_limits(const weir_corpus_document *document);
/* May it differ from the oracle in that way (NULL: not at all)? */
bool weir_h2_document_differs(const weir_corpus_document *document, const char *difference);

#endif
