/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/2 frame codec (RFC 9113 s4, s6): it walks the received octets itself, at any split, and
 * charges each of them to its row of the ledger; and it queues our frames with their rows.
 *
 * It knows the layout of frames and none of their rules: the session judges a frame when its
 * 9-octet header is complete and says to whom the frame is accounted.
 *
 *             9 octets          padded?  priority?                        padded?
 *   HEADER ------------> JUDGED ---> PAD_LENGTH -> PRIORITY -> CONTENT -> PADDING --> HEADER
 *              HEAD    account()                    BEGIN      CONTENT*      END
 *
 * The words below the line are the parts that weir_h2_reader_next() answers. Only DATA and HEADERS
 * have padding, only HEADERS have priority; in every other frame the whole payload is content.
 *
 * Ledger: the frame header, the pad length, priority and padding go to account.framing, content to
 * account.content. An incomplete frame header is `undecided`.
 */
#ifndef WEIR_PROTO_H2_FRAME_H
#define WEIR_PROTO_H2_FRAME_H

#include "proto/out.h"

#define WEIR_H2_FRAME_HEAD_OCTETS 9
#define WEIR_H2_MIN_FRAME_OCTETS  UINT32_C(16384) /* of payload; ours, which we never raise */
#define WEIR_H2_MAX_FRAME_OCTETS  UINT32_C(16777215)
#define WEIR_H2_STREAM_ID_MASK    UINT32_C(0x7fffffff)

typedef enum weir_h2_type {
    WEIR_H2_DATA = 0,
    WEIR_H2_HEADERS = 1,
    WEIR_H2_PRIORITY = 2,
    WEIR_H2_RST_STREAM = 3,
    WEIR_H2_SETTINGS = 4,
    WEIR_H2_PUSH_PROMISE = 5,
    WEIR_H2_PING = 6,
    WEIR_H2_GOAWAY = 7,
    WEIR_H2_WINDOW_UPDATE = 8,
    WEIR_H2_CONTINUATION = 9
} weir_h2_type;

enum {
    WEIR_H2_FLAG_ACK = 0x1,
    WEIR_H2_FLAG_END_STREAM = 0x1,
    WEIR_H2_FLAG_END_HEADERS = 0x4,
    WEIR_H2_FLAG_PADDED = 0x8,
    WEIR_H2_FLAG_PRIORITY = 0x20
};

/* RFC 9113 s7 */
typedef enum weir_h2_code {
    WEIR_H2_NO_ERROR = 0x0,
    WEIR_H2_PROTOCOL_ERROR = 0x1,
    WEIR_H2_INTERNAL_ERROR = 0x2,
    WEIR_H2_FLOW_CONTROL_ERROR = 0x3,
    WEIR_H2_SETTINGS_TIMEOUT = 0x4,
    WEIR_H2_STREAM_CLOSED = 0x5,
    WEIR_H2_FRAME_SIZE_ERROR = 0x6,
    WEIR_H2_REFUSED_STREAM = 0x7,
    WEIR_H2_CANCEL = 0x8,
    WEIR_H2_COMPRESSION_ERROR = 0x9,
    WEIR_H2_CONNECT_ERROR = 0xa,
    WEIR_H2_ENHANCE_YOUR_CALM = 0xb,
    WEIR_H2_INADEQUATE_SECURITY = 0xc,
    WEIR_H2_HTTP_1_1_REQUIRED = 0xd
} weir_h2_code;

typedef struct weir_h2_frame_head {
    uint32_t length; /* of the payload */
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
} weir_h2_frame_head;

/* Whom the octets of a frame belong to. Without an owner both rows are rows of the connection. */
typedef struct weir_h2_account {
    weir_owner *owner;
    weir_row content;
    weir_row framing;
} weir_h2_account;

typedef enum weir_h2_part_kind {
    WEIR_H2_PART_NONE = 0,   /* all octets are used */
    WEIR_H2_PART_HEAD,       /* reader->head is complete; weir_h2_reader_account() comes next */
    WEIR_H2_PART_BEGIN,      /* reader->content_left is known */
    WEIR_H2_PART_CONTENT,    /* some of the content, charged */
    WEIR_H2_PART_END,        /* the frame is over */
    WEIR_H2_PART_BAD_PADDING /* more padding than there is payload: RFC 9113 s6.1, s6.2 */
} weir_h2_part_kind;

typedef enum weir_h2_reader_state {
    WEIR_H2_READ_HEADER = 0,
    WEIR_H2_READ_JUDGED,
    WEIR_H2_READ_PAD_LENGTH,
    WEIR_H2_READ_PRIORITY,
    WEIR_H2_READ_CONTENT,
    WEIR_H2_READ_PADDING
} weir_h2_reader_state;

typedef struct weir_h2_reader {
    weir_ledger *ledger;
    weir_h2_reader_state state;
    weir_h2_frame_head head;
    weir_h2_account account;
    uint32_t content_left;
    uint8_t padding_left;
    uint8_t priority_left;
    uint8_t header_count; /* octets of the header so far */
    uint8_t header[WEIR_H2_FRAME_HEAD_OCTETS];
} weir_h2_reader;

void weir_h2_reader_init(weir_h2_reader *reader, weir_ledger *ledger);

/* The next part, taken off the front of *octets; `content` is set for CONTENT, *borrowed*. */
weir_h2_part_kind weir_h2_reader_next(weir_h2_reader *reader, weir_span *octets,
                                      weir_span *content);
/* Is the frame too short for the parts that its flags say it has? (RFC 9113 s4.2) */
bool weir_h2_frame_is_short(weir_h2_frame_head head);
/* After HEAD: charges the frame header, and everything that follows of the frame is theirs. */
void weir_h2_reader_account(weir_h2_reader *reader, weir_h2_account account);
/* Whatever is left of the frame under way, if it was the owner's, is LATE. */
void weir_h2_reader_disown(weir_h2_reader *reader, const weir_owner *owner);
/* The rest of the frame under way is not what it was judged to be. */
void weir_h2_reader_abandon(weir_h2_reader *reader);
/* Charges octets that nobody parses any more: the content under way to its row, the rest to OTHER.
 */
void weir_h2_reader_drain(weir_h2_reader *reader, weir_span octets);

weir_h2_account weir_h2_account_of_conn(weir_conn_row row);

uint32_t weir_h2_get32(const uint8_t *at);
void weir_h2_put32(uint8_t *at, uint32_t value);

/*
 * Our frames. False: no memory, and nothing was queued. Frames whose payload has a row of its own
 * are begun with weir_h2_put_head() after weir_out_prepare().
 */
void weir_h2_put_head(uint8_t *at, weir_h2_frame_head head);
bool weir_h2_queue_preface(weir_out *out);
bool weir_h2_queue_ping(weir_out *out, bool ack, const uint8_t opaque[8]);
bool weir_h2_queue_goaway(weir_out *out, weir_h2_code code);
/* `owner` NULL: of the connection. */
bool weir_h2_queue_window_update(weir_out *out, weir_owner *owner, uint32_t increment);
bool weir_h2_queue_rst_stream(weir_out *out, weir_owner *owner, uint32_t code);

typedef struct weir_h2_setting {
    uint16_t id;
    uint32_t value;
} weir_h2_setting;
#define WEIR_H2_SETTING_OCTETS 6
/* At most 8 of them. */
bool weir_h2_queue_settings(weir_out *out, const weir_h2_setting *settings, size_t count);
bool weir_h2_queue_settings_ack(weir_out *out);

/* One whole DATA frame. */
bool weir_h2_queue_data(weir_out *out, weir_owner *owner, weir_span content, bool end_stream);

/* How many octets a header block of `length` takes with its frame headers, and how many runs. */
size_t weir_h2_block_octets(size_t length, uint32_t max_frame_octets);
size_t weir_h2_block_runs(size_t length, uint32_t max_frame_octets);
/* Queues HEADERS and as many CONTINUATION as it takes. The room must be prepared: it cannot fail.
 */
typedef struct weir_h2_block {
    weir_owner *owner;
    weir_row row; /* of the content */
    weir_span octets;
    uint32_t max_frame_octets;
    bool end_stream;
} weir_h2_block;
void weir_h2_queue_block(weir_out *out, const weir_h2_block *block);

void weir_h2_reader_check(const weir_h2_reader *reader);

#endif
