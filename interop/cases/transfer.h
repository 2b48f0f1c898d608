/* SPDX-License-Identifier: MIT */
/*
 * One exchange as a case plays it: what is asked, what is done while it runs, and what came of it.
 *
 * It is written once for both front ends. A step goes on as far as weir lets it: in the blocking
 * front end that is to the end, in the asynchronous one until a call answers WEIR_AGAIN, and the
 * next event of the exchange brings the next step.
 *
 *   WRITING --all is written, or answered early--> READING --end or failure--> READ
 *   READ --told DONE--> OVER
 */
#ifndef INTEROP_TRANSFER_H
#define INTEROP_TRANSFER_H

#include <stdbool.h>
#include <weir/weir.h>

enum {
    TRANSFER_FIELDS = 8,
    TRANSFER_TEXT = 4096, /* octets of the answer that are kept to be looked at */
    TRANSFER_BLOCK = 10000000,
};

typedef enum upload {
    UPLOAD_NONE,
    UPLOAD_SPAN,   /* from memory */
    UPLOAD_SOURCE, /* pulled by weir */
    UPLOAD_STREAM  /* pushed with weir_write() */
} upload;

typedef enum transfer_stage {
    TRANSFER_WRITING,
    TRANSFER_READING,
    TRANSFER_READ,
    TRANSFER_OVER
} transfer_stage;

typedef struct transfer_field {
    char name[64];
    char value[192];
} transfer_field;

typedef struct transfer {
    /* Asked. */
    char url[512];
    const char *method; /* NULL: GET */
    upload upload;
    uint64_t upload_octets; /* of the pattern */
    bool upload_uncounted;  /* its length is not declared */
    const weir_field *trailers;
    size_t trailer_count;
    weir_call call; /* without a deadline it gets one, so that nothing waits for ever */
    bool is_text;   /* the answer is not the pattern */

    /* Done while it runs. */
    uint64_t cancel_after_octets; /* of the answer; WEIR_UNKNOWN: never */
    weir_time cancel_after_ns;    /* from another thread; 0: never */
    bool held;                    /* is not read until this is taken away */
    bool dropped;                 /* freed as soon as the head is there */

    /* What came of it. */
    weir_status status; /* WEIR_OK: the whole answer was read */
    weir_failure failure;
    int code;
    uint64_t octets;   /* of content */
    uint64_t wrong_at; /* where it is not the pattern; WEIR_UNKNOWN: nowhere */
    uint64_t declared;
    uint64_t written;    /* that weir_write() took */
    bool answered_early; /* weir_write() or weir_finish() said so */
    char text[TRANSFER_TEXT + 1];
    size_t text_octets;
    int informational[TRANSFER_FIELDS];
    size_t informational_count;
    transfer_field received_trailers[TRANSFER_FIELDS];
    size_t received_trailer_count;
    weir_tally tally;
    size_t attempts;
    /* attempt, of which failure and connection are of interest if it was not the last */
    weir_attempt first;
    weir_attempt last;
    weir_time took_ns;
    bool stuck; /* it never ended by itself: a defect */

    /* Under way. */
    transfer_stage stage;
    weir_exchange *exchange;
    weir_request request;
    weir_source source;
    weir_time began_ns;
    bool told_done;
} transfer;

/* A GET of the URL that `url` will hold. */
void transfer_init(transfer *t);
/* Fills the request and the call from what is asked; both are borrowed by the front end. */
void transfer_prepare(transfer *t);
/* Goes on as far as possible; `waits`: calls of weir wait instead of answering WEIR_AGAIN. */
void transfer_step(transfer *t, bool waits);
/* Writes down what came of it and frees the exchange. */
void transfer_end(transfer *t, weir_status status);

/* TRANSFER_BLOCK octets of the pattern. */
const uint8_t *pattern_block(void);

#endif
