/* SPDX-License-Identifier: MIT */
/*
 * One request with the plan of its answer. The protocols fill in the request, a case turns it into
 * a plan (plain facts, no code that writes), and the protocols carry the plan out.
 *
 *     HEAD --head complete: a case is chosen--> WAITING --due--> ANSWERING --all handed on--> SENT
 *
 * What "due" means is the plan's: at the head, at the request's end, or never, and then perhaps
 * after a delay and some 103 responses. The request's body is taken all the while.
 */
#ifndef ORIGIN_EXCHANGE_H
#define ORIGIN_EXCHANGE_H

#include "conn.h"
#include "loop.h"
#include "queue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNDECLARED UINT64_MAX

enum {
    FIELDS_LIMIT = 1024, /* of a request */
    FIELDS_OCTETS_LIMIT = 128 * 1024,
    ECHO_LIMIT = 64 * 1024,  /* octets an echo may owe before HTTP/1.1 stops reading */
    KEPT_LIMIT = 256 * 1024, /* of a request body that a case keeps whole */
};

typedef struct field {
    char *name;
    char *value;
    size_t value_octets;
} field;

typedef struct fields {
    field *at;
    size_t count;
    size_t room;
    size_t octets;
} fields;

typedef enum when { WHEN_ENDED, WHEN_HEAD, WHEN_NEVER } when;
typedef enum body_kind { BODY_NONE, BODY_PATTERN, BODY_TEXT, BODY_ECHO } body_kind;
typedef enum framing { FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE, FRAMING_NONE } framing;
typedef enum expectation { EXPECT_AUTO, EXPECT_IGNORE } expectation;
typedef enum phase { PHASE_HEAD, PHASE_WAITING, PHASE_ANSWERING, PHASE_SENT } phase;
typedef enum wait_for { PAUSE_NONE, PAUSE_CONTINUE, PAUSE_DELAY, PAUSE_HINTS, PAUSE_DRIP } wait_for;

typedef struct plan {
    when when;
    expectation expectation;
    uint64_t continue_ms; /* before the 100 */
    uint64_t delay_ms;    /* before anything else */
    unsigned hints;       /* 103 responses */
    uint64_t hints_ms;    /* between them and the final one */
    int status;
    fields fields;
    framing framing;
    body_kind body;
    queue text;
    uint64_t declared; /* Content-Length, or UNDECLARED */
    uint64_t octets;   /* what is really sent of a pattern */
    uint64_t piece;    /* of a chunk or DATA frame, 0: as it comes */
    uint64_t ext;      /* octets of each chunk extension */
    uint64_t pad;      /* HTTP/2 padding of each frame */
    uint64_t drip_ms;  /* one octet each so many */
    fields trailers;
    bool say_close;    /* Connection: close, or GOAWAY after the answer */
    bool keep;         /* an early answer that reads the rest and goes on */
    bool tunnel;       /* after a 101: octets back as they come */
    bool keep_body;    /* of the request, in `kept` */
    bool refused;      /* this request is to count as never processed */
    ending ending;     /* of the connection, after the answer */
    bool reset_stream; /* HTTP/2: RST_STREAM with `code` after the octets */
    uint32_t code;
    void (*at_end)(exchange *x); /* the request has ended: finish the plan */
    void (*before)(exchange *x); /* the answer is due */
    void (*after)(exchange *x);  /* the answer has been handed on */
} plan;

struct exchange {
    conn *conn;
    exchange *next; /* HTTP/2: the connection's open exchanges */
    exchange *previous;
    int32_t stream; /* 0: HTTP/1.1 */
    phase phase;
    wait_for pause;
    timer timer;
    char *method;
    char *target;
    char *authority; /* HTTP/2's, else NULL */
    char *scheme;
    fields request;
    fields trailers;
    bool expects;   /* Expect: 100-continue */
    bool continued; /* the 100 was sent */
    bool ended;     /* the request's body and trailers are complete */
    bool keep_alive;
    bool http10;
    bool upgrade_asked; /* HTTP/1.1, and the head allows it */
    uint64_t received_octets;
    uint64_t received_sum;
    queue echo;
    queue kept;
    plan plan;
    uint64_t body_at;
    uint64_t drip_due;
};

/* What a body gave: `count` octets, and whether that was all there will ever be. */
typedef struct body_piece {
    size_t count;
    bool last;
} body_piece;

exchange *exchange_new(conn *c, int32_t stream);
void exchange_free(exchange *x);
void exchange_head_complete(exchange *x);
void exchange_body(exchange *x, const uint8_t *octets, size_t count);
void exchange_ended(exchange *x);
/* Reads up to `room` octets of the answer's body. {0, false}: later; protocol->resume tells when.
 */
body_piece exchange_read(exchange *x, uint8_t *out, size_t room);
/* The answer has been handed on. May end the connection, never frees `x`. */
void exchange_sent(exchange *x);
bool exchange_has_body(const exchange *x);

/* false: the list is now over the limits of a request. */
bool fields_add(fields *f, const char *name, const char *value);
bool fields_add_octets(fields *f, const void *name, size_t name_octets, const void *value,
                       size_t value_octets);
void fields_format(fields *f, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *fields_find(const fields *f, const char *name);
void fields_clear(fields *f);

#endif
