/* SPDX-License-Identifier: MIT */
/*
 * The frame codec. Reading is a small machine over what is left of each part of a frame; writing is
 * straight-line.
 *
 * Why the rows come out the same at every split: a part is charged when its octets are consumed,
 * and which row that is was decided once, when the frame header was complete.
 */
#include "proto/h2_frame.h"

#include <string.h>

#define PAD_LENGTH_OCTETS 1
#define PRIORITY_OCTETS   5
#define CODE_OCTETS       4
#define PING_OCTETS       8
#define GOAWAY_OCTETS     8
#define MOST_SETTINGS     8
#define MOST_CONTROL      (WEIR_H2_SETTING_OCTETS * MOST_SETTINGS)

_Static_assert(WEIR_H2_FRAME_HEAD_OCTETS == 3 + 1 + 1 + 4, "RFC 9113 s4.1");
_Static_assert(MOST_CONTROL >= GOAWAY_OCTETS, "the longest control frame is SETTINGS");

static bool fill_header(weir_h2_reader *reader, weir_span *octets);
static weir_h2_frame_head parse_head(const uint8_t *at);
static bool take_pad_length(weir_h2_reader *reader, weir_span *octets);
static bool take_few(weir_h2_reader *reader, weir_span *octets, uint8_t *left);
static weir_span take_content(weir_h2_reader *reader, weir_span *octets);
static void charge(const weir_h2_reader *reader, weir_row row, uint64_t octets);
static uint32_t mandatory_octets(weir_h2_frame_head head);
static bool is_padded(weir_h2_frame_head head);
static bool has_priority(weir_h2_frame_head head);
static bool queue_frame(weir_out *out, weir_owner *owner, weir_row row, weir_h2_frame_head head,
                        const uint8_t *payload);
static size_t block_frames(size_t length, uint32_t max_frame_octets);

void weir_h2_reader_init(weir_h2_reader *reader, weir_ledger *ledger)
{
    *reader = (weir_h2_reader){.ledger = ledger};
}

weir_h2_part_kind weir_h2_reader_next(weir_h2_reader *reader, weir_span *octets, weir_span *content)
{
    switch (reader->state) {
    case WEIR_H2_READ_HEADER:
        if (!fill_header(reader, octets)) {
            return WEIR_H2_PART_NONE;
        }
        reader->head = parse_head(reader->header);
        reader->state = WEIR_H2_READ_JUDGED;
        return WEIR_H2_PART_HEAD;
    case WEIR_H2_READ_JUDGED:
        weir_assert_fail("a frame was not accounted for", __FILE__, __LINE__);
    case WEIR_H2_READ_PAD_LENGTH:
        if (octets->length == 0) {
            return WEIR_H2_PART_NONE;
        }
        if (!take_pad_length(reader, octets)) {
            return WEIR_H2_PART_BAD_PADDING;
        }
        reader->state = WEIR_H2_READ_PRIORITY;
        /* fallthrough */
    case WEIR_H2_READ_PRIORITY:
        if (!take_few(reader, octets, &reader->priority_left)) {
            return WEIR_H2_PART_NONE;
        }
        reader->state = WEIR_H2_READ_CONTENT;
        return WEIR_H2_PART_BEGIN;
    case WEIR_H2_READ_CONTENT:
        if (reader->content_left > 0) {
            *content = take_content(reader, octets);
            return content->length > 0 ? WEIR_H2_PART_CONTENT : WEIR_H2_PART_NONE;
        }
        reader->state = WEIR_H2_READ_PADDING;
        /* fallthrough */
    case WEIR_H2_READ_PADDING:
        if (!take_few(reader, octets, &reader->padding_left)) {
            return WEIR_H2_PART_NONE;
        }
        reader->state = WEIR_H2_READ_HEADER;
        return WEIR_H2_PART_END;
    }
    weir_assert_fail("no such state", __FILE__, __LINE__);
}

bool weir_h2_frame_is_short(weir_h2_frame_head head)
{
    return head.length < mandatory_octets(head);
}

void weir_h2_reader_account(weir_h2_reader *reader, weir_h2_account account)
{
    WEIR_ASSERT(reader->state == WEIR_H2_READ_JUDGED);
    weir_h2_frame_head head = reader->head;
    uint32_t mandatory = mandatory_octets(head);
    reader->account = account;
    reader->header_count = 0;
    weir_ledger_set_undecided(reader->ledger, WEIR_RECEIVED, 0);
    charge(reader, account.framing, WEIR_H2_FRAME_HEAD_OCTETS);
    reader->padding_left = 0;
    reader->priority_left = has_priority(head) ? PRIORITY_OCTETS : 0;
    /* Of a frame that is too short nothing more is read: the session refuses it. */
    reader->content_left = head.length < mandatory ? 0 : head.length - mandatory;
    reader->state = is_padded(head) ? WEIR_H2_READ_PAD_LENGTH : WEIR_H2_READ_PRIORITY;
}

void weir_h2_reader_disown(weir_h2_reader *reader, const weir_owner *owner)
{
    if (reader->account.owner == owner) {
        reader->account = weir_h2_account_of_conn(WEIR_ROW_LATE);
    }
}

void weir_h2_reader_abandon(weir_h2_reader *reader)
{
    reader->content_left = 0;
}

void weir_h2_reader_drain(weir_h2_reader *reader, weir_span octets)
{
    if (reader->content_left > 0) {
        take_content(reader, &octets);
    }
    weir_ledger_charge(reader->ledger, NULL, weir_row_of_conn(WEIR_ROW_OTHER), WEIR_RECEIVED,
                       octets.length);
}

weir_h2_account weir_h2_account_of_conn(weir_conn_row row)
{
    return (weir_h2_account){NULL, weir_row_of_conn(row), weir_row_of_conn(row)};
}

uint32_t weir_h2_get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void weir_h2_put32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

void weir_h2_put_head(uint8_t *at, weir_h2_frame_head head)
{
    WEIR_ASSERT(head.length <= WEIR_H2_MAX_FRAME_OCTETS);
    at[0] = (uint8_t)(head.length >> 16);
    at[1] = (uint8_t)(head.length >> 8);
    at[2] = (uint8_t)head.length;
    at[3] = head.type;
    at[4] = head.flags;
    weir_h2_put32(at + 5, head.stream);
}

bool weir_h2_queue_preface(weir_out *out)
{
    /* RFC 9113 s3.4 */
    return weir_out_append(out, NULL, weir_row_of_conn(WEIR_ROW_PREFACE),
                           WEIR_SPAN("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
}

bool weir_h2_queue_ping(weir_out *out, bool ack, const uint8_t opaque[8])
{
    weir_h2_frame_head head = {
        .length = PING_OCTETS, .type = WEIR_H2_PING, .flags = ack ? WEIR_H2_FLAG_ACK : 0};
    return queue_frame(out, NULL, weir_row_of_conn(WEIR_ROW_PING), head, opaque);
}

bool weir_h2_queue_goaway(weir_out *out, weir_h2_code code)
{
    /* The last stream that we acted on is 0 always: a server opens none without push. */
    uint8_t payload[GOAWAY_OCTETS] = {0};
    weir_h2_put32(payload + 4, (uint32_t)code);
    weir_h2_frame_head head = {.length = sizeof(payload), .type = WEIR_H2_GOAWAY};
    return queue_frame(out, NULL, weir_row_of_conn(WEIR_ROW_GOAWAY), head, payload);
}

bool weir_h2_queue_window_update(weir_out *out, weir_owner *owner, uint32_t increment)
{
    WEIR_ASSERT(increment > 0);
    uint8_t payload[CODE_OCTETS];
    weir_h2_put32(payload, increment);
    weir_h2_frame_head head = {
        .length = sizeof(payload), .type = WEIR_H2_WINDOW_UPDATE, .stream = owner ? owner->id : 0};
    weir_row row = owner ? WEIR_ROW_FRAMING : weir_row_of_conn(WEIR_ROW_WINDOW);
    return queue_frame(out, owner, row, head, payload);
}

bool weir_h2_queue_rst_stream(weir_out *out, weir_owner *owner, uint32_t code)
{
    uint8_t payload[CODE_OCTETS];
    weir_h2_put32(payload, code);
    weir_h2_frame_head head = {
        .length = sizeof(payload), .type = WEIR_H2_RST_STREAM, .stream = owner->id};
    return queue_frame(out, owner, WEIR_ROW_FRAMING, head, payload);
}

bool weir_h2_queue_settings(weir_out *out, const weir_h2_setting *settings, size_t count)
{
    WEIR_ASSERT(count <= MOST_SETTINGS);
    uint8_t payload[MOST_CONTROL];
    for (size_t i = 0; i < count; i++) {
        uint8_t *at = payload + i * WEIR_H2_SETTING_OCTETS;
        at[0] = (uint8_t)(settings[i].id >> 8);
        at[1] = (uint8_t)settings[i].id;
        weir_h2_put32(at + 2, settings[i].value);
    }
    weir_h2_frame_head head = {.length = (uint32_t)(count * WEIR_H2_SETTING_OCTETS),
                               .type = WEIR_H2_SETTINGS};
    return queue_frame(out, NULL, weir_row_of_conn(WEIR_ROW_SETTINGS), head, payload);
}

bool weir_h2_queue_settings_ack(weir_out *out)
{
    weir_h2_frame_head head = {.type = WEIR_H2_SETTINGS, .flags = WEIR_H2_FLAG_ACK};
    return queue_frame(out, NULL, weir_row_of_conn(WEIR_ROW_SETTINGS), head, NULL);
}

bool weir_h2_queue_data(weir_out *out, weir_owner *owner, weir_span content, bool end_stream)
{
    if (!weir_out_prepare(out, WEIR_H2_FRAME_HEAD_OCTETS + content.length, 2)) {
        return false;
    }
    uint8_t octets[WEIR_H2_FRAME_HEAD_OCTETS];
    weir_h2_put_head(octets, (weir_h2_frame_head){.length = (uint32_t)content.length,
                                                  .type = WEIR_H2_DATA,
                                                  .flags = end_stream ? WEIR_H2_FLAG_END_STREAM : 0,
                                                  .stream = owner->id});
    bool queued =
        weir_out_append(out, owner, WEIR_ROW_FRAMING, (weir_span){octets, sizeof(octets)}) &&
        weir_out_append(out, owner, WEIR_ROW_BODY, content);
    WEIR_ASSERT(queued);
    return true;
}

size_t weir_h2_block_octets(size_t length, uint32_t max_frame_octets)
{
    return length + block_frames(length, max_frame_octets) * WEIR_H2_FRAME_HEAD_OCTETS;
}

size_t weir_h2_block_runs(size_t length, uint32_t max_frame_octets)
{
    return 2 * block_frames(length, max_frame_octets);
}

void weir_h2_queue_block(weir_out *out, const weir_h2_block *block)
{
    weir_span rest = block->octets;
    uint8_t type = WEIR_H2_HEADERS;
    uint8_t flags = block->end_stream ? WEIR_H2_FLAG_END_STREAM : 0;
    do {
        weir_span fragment = weir_span_head(rest, block->max_frame_octets);
        rest = weir_span_from(rest, fragment.length);
        if (rest.length == 0) {
            flags |= WEIR_H2_FLAG_END_HEADERS;
        }
        uint8_t octets[WEIR_H2_FRAME_HEAD_OCTETS];
        weir_h2_put_head(octets, (weir_h2_frame_head){.length = (uint32_t)fragment.length,
                                                      .type = type,
                                                      .flags = flags,
                                                      .stream = block->owner->id});
        weir_span head = {octets, sizeof(octets)};
        bool queued = weir_out_append(out, block->owner, WEIR_ROW_FRAMING, head) &&
                      weir_out_append(out, block->owner, block->row, fragment);
        WEIR_ASSERT(queued);
        type = WEIR_H2_CONTINUATION;
        flags = 0;
    } while (rest.length > 0);
}

void weir_h2_reader_check(const weir_h2_reader *reader)
{
    WEIR_CHECK_ASSERT(reader->header_count <= WEIR_H2_FRAME_HEAD_OCTETS);
    WEIR_CHECK_ASSERT(reader->header_count == 0 || reader->state == WEIR_H2_READ_HEADER ||
                      reader->state == WEIR_H2_READ_JUDGED);
    WEIR_CHECK_ASSERT(reader->state != WEIR_H2_READ_HEADER || reader->content_left == 0);
    WEIR_CHECK_ASSERT(reader->state != WEIR_H2_READ_HEADER || reader->padding_left == 0);
    (void)reader;
}

/* Collects the 9 octets; false: more are needed, and those that came are undecided. */
static bool fill_header(weir_h2_reader *reader, weir_span *octets)
{
    size_t step =
        weir_min(octets->length, (size_t)WEIR_H2_FRAME_HEAD_OCTETS - reader->header_count);
    if (step > 0) {
        memcpy(reader->header + reader->header_count, octets->at, step);
        reader->header_count = (uint8_t)(reader->header_count + step);
        *octets = weir_span_from(*octets, step);
    }
    if (reader->header_count < WEIR_H2_FRAME_HEAD_OCTETS) {
        weir_ledger_set_undecided(reader->ledger, WEIR_RECEIVED, reader->header_count);
        return false;
    }
    return true;
}

static weir_h2_frame_head parse_head(const uint8_t *at)
{
    return (weir_h2_frame_head){
        .length = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2],
        .type = at[3],
        .flags = at[4],
        .stream = weir_h2_get32(at + 5) & WEIR_H2_STREAM_ID_MASK,
    };
}

/* False: there is more padding than there are octets left for it. */
static bool take_pad_length(weir_h2_reader *reader, weir_span *octets)
{
    uint8_t padding = octets->at[0];
    *octets = weir_span_from(*octets, PAD_LENGTH_OCTETS);
    charge(reader, reader->account.framing, PAD_LENGTH_OCTETS);
    if (padding > reader->content_left) {
        reader->content_left = 0;
        return false;
    }
    reader->padding_left = padding;
    reader->content_left -= padding;
    return true;
}

/* Consumes octets that mean nothing to us; true when none of them is left to come. */
static bool take_few(weir_h2_reader *reader, weir_span *octets, uint8_t *left)
{
    size_t step = weir_min(octets->length, *left);
    if (step > 0) {
        *octets = weir_span_from(*octets, step);
        *left = (uint8_t)(*left - step);
        charge(reader, reader->account.framing, step);
    }
    return *left == 0;
}

static weir_span take_content(weir_h2_reader *reader, weir_span *octets)
{
    weir_span content = weir_span_head(*octets, reader->content_left);
    if (content.length > 0) {
        *octets = weir_span_from(*octets, content.length);
        reader->content_left -= (uint32_t)content.length;
        charge(reader, reader->account.content, content.length);
    }
    return content;
}

static void charge(const weir_h2_reader *reader, weir_row row, uint64_t octets)
{
    weir_ledger_charge(reader->ledger, reader->account.owner, row, WEIR_RECEIVED, octets);
}

static uint32_t mandatory_octets(weir_h2_frame_head head)
{
    return (is_padded(head) ? PAD_LENGTH_OCTETS : 0u) + (has_priority(head) ? PRIORITY_OCTETS : 0u);
}

static bool is_padded(weir_h2_frame_head head)
{
    return (head.flags & WEIR_H2_FLAG_PADDED) != 0 &&
           (head.type == WEIR_H2_DATA || head.type == WEIR_H2_HEADERS);
}

static bool has_priority(weir_h2_frame_head head)
{
    return (head.flags & WEIR_H2_FLAG_PRIORITY) != 0 && head.type == WEIR_H2_HEADERS;
}

/* A short frame of one row, in one piece. */
static bool queue_frame(weir_out *out, weir_owner *owner, weir_row row, weir_h2_frame_head head,
                        const uint8_t *payload)
{
    WEIR_ASSERT(head.length <= MOST_CONTROL);
    uint8_t octets[WEIR_H2_FRAME_HEAD_OCTETS + MOST_CONTROL];
    weir_h2_put_head(octets, head);
    WEIR_ASSERT((payload != NULL) == (head.length > 0));
    if (payload != NULL) {
        memcpy(octets + WEIR_H2_FRAME_HEAD_OCTETS, payload, head.length);
    }
    return weir_out_append(out, owner, row,
                           (weir_span){octets, WEIR_H2_FRAME_HEAD_OCTETS + head.length});
}

static size_t block_frames(size_t length, uint32_t max_frame_octets)
{
    return length == 0 ? 1 : (length - 1) / max_frame_octets + 1;
}
