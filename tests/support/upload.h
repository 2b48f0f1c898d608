/* SPDX-License-Identifier: MIT */
/*
 * Requests with content, in every way in which a caller can give it: a span, a source, a stream;
 * counted or of unknown length; with trailers or without. The content is the origin's pattern, so
 * that its end can be told from its sum.
 */
#ifndef WEIR_TESTS_UPLOAD_H
#define WEIR_TESTS_UPLOAD_H

#include "support/world.h"

typedef struct weir_upload {
    weir_body_kind kind;
    uint64_t octets;
    bool counted;
    size_t piece; /* octets that the source gives, or that are written, at once; 0: 16384 */
    const weir_field *trailers;
    size_t trailer_count;
    /* What came of it. */
    uint64_t taken;    /* octets that weir_write() took, or that the source gave */
    weir_status wrote; /* of the last weir_write(); of weir_finish() if that was reached */
    unsigned rewinds;
} weir_upload;

/* The record that a source needs lives in `upload`'s owner until the exchange is dropped. */
typedef struct weir_uploading {
    weir_upload *upload;
    weir_source source;
    uint8_t *span;
    weir_exchange *exchange;
} weir_uploading;

/* Begins it (and writes all of a stream, with its trailers, unless it is answered or fails before).
 */
weir_status weir_upload_begin(weir_world *world, weir_ask *ask, weir_upload *upload,
                              weir_uploading *uploading);
/* Drops the exchange. */
void weir_upload_end(weir_world *world, weir_uploading *uploading);
/* Begin, read everything, end. */
weir_fetched weir_upload_all(weir_world *world, weir_ask *ask, weir_upload *upload);

#endif
