/* SPDX-License-Identifier: MIT */
/*
 * Any server and any user, in any order, to an HTTP/2 connection, with the oracle beside it.
 *
 * The input is a program. Its first octets choose the limits, the split and an allocation that
 * fails; then each octet is a step: something the user does, a frame put together from words that
 * mostly make sense, a frame whose header is taken from the input, or octets that are no frame. So
 * the fuzzer begins where random octets would need ages to get, and can still send anything.
 *
 * The player asserts the laws of the ledger after every step and walks all invariants. Frames are
 * given to the conn in pieces, to nghttp2 whole; the first difference that is not an allowed one
 * aborts. Without memory the oracle is not asked: nghttp2 has all that it wants. Nor is it where
 * the queue may be left alone: what the conn has queued nghttp2 has not sent yet, so the two
 * differ.
 *
 * Every program is run twice, the second time with the coders of header blocks put away after each
 * step: what was seen and every octet that was sent must be the same. Where an allocation fails the
 * second run shows only that nothing breaks, because it asks for memory at other moments.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/failalloc.h"
#include "support/h2_oracle.h"
#include "support/h2_player.h"
#include "support/h2_wire.h"

#define MOST_FIELDS   12
#define MOST_OPENED   60
#define MOST_PIECES   500
#define MOST_CONTENT  20000
#define STEPS_A_FRAME 12

typedef struct fuzz {
    const uint8_t *at;
    const uint8_t *end;
    weir_failalloc failalloc;
    weir_h2_player player;
    weir_h2_wire wire;
    weir_h2_oracle *oracle;
    size_t piece; /* frames are fed in pieces of so many octets, 0: whole */
    uint32_t first_id;
    bool may_stall;
    weir_text log; /* of the run */
    uint64_t sent_sum;
} fuzz;

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length);

static void go(fuzz *f, bool stows);
static void note(fuzz *f);
static void step(fuzz *f);
static bool user_step(fuzz *f, unsigned choice);
static void open_request(fuzz *f);
static void write_content(fuzz *f);
static void good_frame(fuzz *f, unsigned choice);
static void headers(fuzz *f, uint8_t type);
static void settings(fuzz *f);
static void data(fuzz *f);
static void control(fuzz *f, unsigned choice);
static void odd_frame(fuzz *f);
static void feed(fuzz *f);
static size_t some_fields(fuzz *f, weir_field *fields);
static uint8_t take(fuzz *f);
static uint32_t take32(fuzz *f);
static weir_span take_span(fuzz *f, size_t length);
static uint32_t some_stream(fuzz *f);
static void allow(bool fact, const char *what);

static const uint8_t zeros[MOST_CONTENT];

static const char *const names[] = {
    "server",     "content-length",
    "a",          "connection",
    "te",         "set-cookie",
    "Upper",      "x y",
    ":path",      ":status",
    "",           "trailer",
    "keep-alive", "date",
    ":authority", "upgrade",
    "x-sum",      "transfer-encoding",
};

static const char *const values[] = {
    "x",
    "5",
    "0",
    "",
    "trailers",
    " y",
    "1000",
    "a\nb",
    "00005",
    "99999999999999999999",
    "a longer value that is worth its place in the table",
    "3",
};

static const char *const statuses[] = {
    "200", "204", "304", "103", "100", "101", "404", "500", "099", "999", "20", "2x0", "",
};

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
    fuzz *runs = calloc(2, sizeof(*runs));
    allow(runs != NULL, "memory");
    for (size_t i = 0; i < 2; i++) {
        runs[i].at = octets;
        runs[i].end = octets + length;
        go(&runs[i], i == 1);
    }
    if (runs[0].failalloc.fail_at == 0) {
        allow(strcmp(weir_text_string(&runs[0].log), weir_text_string(&runs[1].log)) == 0 &&
                  runs[0].sent_sum == runs[1].sent_sum,
              "what is put away makes no difference");
    }
    weir_text_clear(&runs[0].log);
    weir_text_clear(&runs[1].log);
    free(runs);
    return 0;
}

static void go(fuzz *f, bool stows)
{
    uint8_t limit = take(f);
    uint8_t split = take(f);
    uint8_t fail_at = take(f);
    weir_conn_limits limits = {
        .head_octets = limit & 1 ? 500 : 0,
        .inbox_octets = limit & 2 ? 5000 : 0,
        .out_octets = limit & 4 ? 2000 : 0,
        .streams = limit & 8 ? 3 : 0,
        .unproductive_frames = limit & 16 ? 30 : 0,
        .header_table_octets = limit & 32 ? 256 : 0,
        .conn_inbox_octets = limit & 64 ? 65535 : 0,
        .first_stream = limit & 128 ? 0x7ffffff1 : 0,
        .ping_ns = WEIR_NS_PER_SECOND,
    };
    f->first_id = limits.first_stream ? limits.first_stream : 1;
    f->piece = split % 8 == 0 ? 0 : split;
    weir_failalloc_init(&f->failalloc, fail_at % 4 == 3 ? fail_at : 0);
    f->may_stall = fail_at % 4 == 2;
    bool asks = f->failalloc.fail_at == 0 && !f->may_stall;
    f->oracle = weir_h2_oracle_new(&limits);
    weir_h2_watch watch = weir_h2_oracle_watch(f->oracle);
    weir_h2_wire_init(&f->wire);
    if (weir_h2_player_init(&f->player, &f->failalloc.allocator, &limits, asks ? &watch : NULL)) {
        f->player.stows = stows;
        weir_h2_player_settle(&f->player);
        while (f->at < f->end) {
            step(f);
        }
        note(f);
        if (weir_h2_oracle_report(f->oracle)[0]) {
            fprintf(stderr, "%s", weir_h2_oracle_report(f->oracle));
            abort();
        }
    }
    weir_h2_player_free(&f->player);
    weir_h2_wire_clear(&f->wire);
    weir_h2_oracle_free(f->oracle);
    allow(atomic_load(&f->failalloc.live) == 0, "nothing leaks");
}

static void note(fuzz *f)
{
    weir_h2_player_log(&f->player, &f->log);
    f->sent_sum = f->player.sent_sum;
}

static void step(fuzz *f)
{
    unsigned choice = take(f);
    if (choice < 64) {
        if (!user_step(f, choice % 16)) {
            good_frame(f, choice);
        }
    } else if (choice < 224) {
        good_frame(f, choice);
    } else {
        odd_frame(f);
    }
}

static bool user_step(fuzz *f, unsigned choice)
{
    weir_h2_player *player = &f->player;
    uint32_t id = choice < 8 ? 0 : some_stream(f);
    switch (choice) {
    case 0:
    case 1:
    case 2:
    case 3:
        open_request(f);
        return true;
    case 4:
    case 5:
        write_content(f);
        return true;
    case 6:
        weir_h2_player_tick(player, player->now_ns + take(f) * WEIR_NS_PER_MS * 100);
        return true;
    case 7:
        player->stalled = f->may_stall && !player->stalled;
        weir_h2_player_settle(player);
        return true;
    case 8:
        weir_h2_player_cancel(player, id, take(f));
        return true;
    case 9:
        weir_h2_player_close(player, id);
        return true;
    case 10:
        weir_h2_player_read(player, id, take(f) * 16u);
        return true;
    case 11: {
        weir_h2_played *played = weir_h2_player_find(player, id);
        if (played) {
            played->held = !played->held;
        }
        return true;
    }
    case 12: {
        weir_field trailer = {.name = weir_span_of("x-sum"), .value = weir_span_of("1")};
        weir_h2_player_trailers(player, id, &trailer, take(f) & 1);
        return true;
    }
    case 13:
        weir_h2_player_send(player, take(f));
        return true;
    default:
        return false;
    }
}

static void open_request(fuzz *f)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "CONNECT"};
    uint8_t choice = take(f);
    weir_h2_request request = {.method = methods[choice % 4],
                               .hint = (weir_hint)(choice / 32 % (WEIR_HINT_DUPLEX + 1))};
    if (choice % 4 == 2) {
        request.body.framing = choice & 16 ? WEIR_FRAMING_LENGTH : WEIR_FRAMING_CHUNKED;
        request.body.length_octets = choice & 16 ? choice : 0;
    }
    if (f->player.count < MOST_OPENED) {
        weir_h2_player_open(&f->player, &request);
    }
}

static void write_content(fuzz *f)
{
    uint8_t choice = take(f);
    uint32_t id = some_stream(f);
    size_t taken;
    size_t length = choice & 1 ? (size_t)choice * 64 : choice / 16u;
    weir_h2_player_write(&f->player, id, (weir_span){zeros, length}, (choice & 2) != 0, &taken);
}

/* A frame that makes sense in itself; whether it does at this moment is another matter. */
static void good_frame(fuzz *f, unsigned choice)
{
    switch (choice % STEPS_A_FRAME) {
    case 0:
    case 1:
    case 2:
        headers(f, WEIR_H2_HEADERS);
        break;
    case 3:
        headers(f, WEIR_H2_CONTINUATION);
        break;
    case 4:
    case 5:
    case 6:
        data(f);
        break;
    case 7:
        settings(f);
        break;
    default:
        control(f, choice % STEPS_A_FRAME);
        break;
    }
    feed(f);
}

static void headers(fuzz *f, uint8_t type)
{
    weir_field fields[MOST_FIELDS];
    uint8_t choice = take(f);
    uint8_t flags = choice & 1 ? 0 : WEIR_H2_FLAG_END_HEADERS;
    flags |= choice & 2 ? WEIR_H2_FLAG_END_STREAM : 0;
    weir_h2_frame_head head = {.type = type, .flags = flags, .stream = some_stream(f)};
    if (choice & 4) {
        weir_h2_wire_encode(&f->wire, fields, some_fields(f, fields));
    }
    size_t left = f->wire.block.length - f->wire.block_taken;
    size_t length = choice & 1 ? weir_min(left, choice / 8u) : left;
    weir_span block = {left ? f->wire.block.at + f->wire.block_taken : NULL, length};
    weir_h2_wire_frame(&f->wire, head, block);
    f->wire.block_taken += length;
}

static void data(fuzz *f)
{
    uint8_t choice = take(f);
    weir_h2_frame_head head = {.type = WEIR_H2_DATA, .stream = some_stream(f)};
    head.flags = choice & 1 ? WEIR_H2_FLAG_END_STREAM : 0;
    head.flags |= choice & 2 ? WEIR_H2_FLAG_PADDED : 0;
    size_t length = choice & 4 ? choice * 70u : choice / 16u;
    weir_h2_wire_frame(&f->wire, head, (weir_span){zeros, weir_min(length, sizeof(zeros))});
}

static void settings(fuzz *f)
{
    uint8_t payload[4 * WEIR_H2_SETTING_OCTETS];
    size_t length = 0;
    static const uint32_t some[] = {0, 1, 100, 4096, 16384, 65535, 0x7fffffff, 0x80000000};
    uint8_t choice = take(f);
    weir_h2_frame_head head = {.type = WEIR_H2_SETTINGS};
    if (choice == 0) {
        head.flags = WEIR_H2_FLAG_ACK;
    }
    for (unsigned i = 0; i < choice % 4u; i++) {
        uint8_t which = take(f);
        payload[length] = 0;
        payload[length + 1] = which % 10;
        weir_h2_put32(payload + length + 2, some[which / 16 % WEIR_COUNT_OF(some)]);
        length += WEIR_H2_SETTING_OCTETS;
    }
    weir_h2_wire_frame(&f->wire, head, (weir_span){payload, length});
}

static void control(fuzz *f, unsigned choice)
{
    uint8_t payload[8] = {0};
    uint8_t value = take(f);
    weir_h2_frame_head head = {.type = WEIR_H2_PING, .flags = value & 1};
    size_t length = 8;
    if (choice == 8) {
        head = (weir_h2_frame_head){.type = WEIR_H2_WINDOW_UPDATE};
        head.stream = value & 1 ? some_stream(f) : 0;
        weir_h2_put32(payload, value & 2 ? 0x7fff0000 : value);
        length = 4;
    } else if (choice == 9) {
        head = (weir_h2_frame_head){.type = WEIR_H2_RST_STREAM, .stream = some_stream(f)};
        weir_h2_put32(payload, value % 16);
        length = 4;
    } else if (choice == 10) {
        head = (weir_h2_frame_head){.type = WEIR_H2_GOAWAY};
        weir_h2_put32(payload, value & 128 ? 0x7fffffff : some_stream(f));
        weir_h2_put32(payload + 4, value % 16);
    }
    weir_h2_wire_frame(&f->wire, head, (weir_span){payload, length});
}

/* Type, flags, stream and payload are the input's. */
static void odd_frame(fuzz *f)
{
    uint8_t choice = take(f);
    weir_h2_frame_head head = {.type = take(f) % 12, .flags = take(f)};
    head.stream = choice & 1 ? some_stream(f) : take(f);
    if (choice & 2) {
        head.stream = take32(f);
    }
    weir_h2_wire_frame(&f->wire, head, take_span(f, choice / 4u));
    feed(f);
}

/* The frame goes to the conn in pieces, and whole to the oracle. */
static void feed(fuzz *f)
{
    weir_h2_player *player = &f->player;
    weir_span frame = weir_text_span(&f->wire.octets);
    weir_h2_watch watch = player->watch;
    player->watch.fed = NULL;
    /* With every invariant checked at each piece, a long frame in single octets would take seconds. */
    size_t least_octets = frame.length / MOST_PIECES + 1;
    size_t step_octets = f->piece ? f->piece : frame.length;
    step_octets = step_octets < least_octets ? least_octets : step_octets;
    for (size_t at = 0; at < frame.length; at += step_octets) {
        weir_h2_player_feed(player, weir_span_head(weir_span_from(frame, at), step_octets));
    }
    player->watch.fed = watch.fed;
    if (watch.fed) {
        watch.fed(player, frame, watch.user);
    }
    weir_text_reset(&f->wire.octets);
    if (f->wire.block_taken == f->wire.block.length) {
        weir_text_reset(&f->wire.block);
        f->wire.block_taken = 0;
    }
}

static size_t some_fields(fuzz *f, weir_field *fields)
{
    uint8_t choice = take(f);
    size_t count = 0;
    if (!(choice & 64)) {
        fields[count++] = (weir_field){
            .name = weir_span_of(":status"),
            .value = weir_span_of(statuses[choice & 32 ? choice % WEIR_COUNT_OF(statuses) : 0])};
    }
    for (unsigned more = choice % 8; more > 0 && count < MOST_FIELDS; more--) {
        uint8_t which = take(f);
        fields[count++] =
            (weir_field){.name = weir_span_of(names[which % WEIR_COUNT_OF(names)]),
                         .value = weir_span_of(values[take(f) % WEIR_COUNT_OF(values)])};
    }
    return count;
}

static uint8_t take(fuzz *f)
{
    return f->at < f->end ? *f->at++ : 0;
}

static uint32_t take32(fuzz *f)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++) {
        value = value << 8 | take(f);
    }
    return value;
}

static weir_span take_span(fuzz *f, size_t length)
{
    weir_span span = {f->at, weir_min(length, (size_t)(f->end - f->at))};
    f->at += span.length;
    return span;
}

/* Mostly one that is or was open. */
static uint32_t some_stream(fuzz *f)
{
    uint8_t choice = take(f);
    size_t count = f->player.count;
    if (choice >= 240) {
        return choice - 240u;
    }
    if (count == 0) {
        return f->first_id;
    }
    /* The latest are the likeliest. */
    return f->player.played[count - 1 - choice % weir_min(count, 4)].id;
}

static void allow(bool fact, const char *what)
{
    if (!fact) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}
