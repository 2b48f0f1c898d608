/* SPDX-License-Identifier: MIT */
/* The three kinds of content: see upload.h. */
#include "support/upload.h"

#include <stdlib.h>
#include <string.h>

#define PIECE 16384

static weir_status read_pattern(void *to, size_t room, uint64_t offset, size_t *octets, void *user);
static bool rewind_pattern(void *user);
static void write_pattern(weir_world *world, weir_uploading *uploading);
static size_t piece_of(const weir_upload *upload, uint64_t at);

weir_status weir_upload_begin(weir_world *world, weir_ask *ask, weir_upload *upload,
                              weir_uploading *uploading)
{
    *uploading = (weir_uploading){.upload = upload};
    if (ask->request.method.length == 0) {
        ask->request.method = WEIR_SPAN("POST");
    }
    ask->request.body = (weir_body){
        .kind = upload->kind,
        .length_octets = upload->counted ? upload->octets : WEIR_UNKNOWN,
    };
    if (upload->kind == WEIR_BODY_SPAN) {
        uploading->span = malloc((size_t)upload->octets + 1);
        if (uploading->span == NULL) {
            abort();
        }
        weir_pattern_fill(uploading->span, 0, (size_t)upload->octets);
        ask->request.body.span = (weir_span){uploading->span, (size_t)upload->octets};
    }
    uploading->source = (weir_source){sizeof(weir_source), upload, read_pattern, rewind_pattern};
    ask->request.body.source = &uploading->source;
    if (upload->kind != WEIR_BODY_STREAM) {
        ask->request.trailers = upload->trailers;
        ask->request.trailer_count = upload->trailer_count;
    }
    const weir_status status = weir_world_call(world, ask, &uploading->exchange);
    if (status == WEIR_OK && upload->kind == WEIR_BODY_STREAM) {
        write_pattern(world, uploading);
    }
    return status;
}

void weir_upload_end(weir_world *world, weir_uploading *uploading)
{
    weir_world_drop(world, uploading->exchange);
    free(uploading->span);
}

weir_fetched weir_upload_all(weir_world *world, weir_ask *ask, weir_upload *upload)
{
    weir_uploading uploading;
    weir_fetched fetched = {.called = weir_upload_begin(world, ask, upload, &uploading)};

    fetched.ended = fetched.called;
    if (uploading.exchange != NULL) {
        weir_world_drain(world, uploading.exchange, &fetched);
    }
    weir_upload_end(world, &uploading);
    return fetched;
}

static weir_status read_pattern(void *to, size_t room, uint64_t offset, size_t *octets, void *user)
{
    weir_upload *upload = user;
    size_t count = piece_of(upload, offset);

    count = count < room ? count : room;
    weir_pattern_fill(to, offset, count);
    *octets = count;
    upload->taken = offset + count;
    return offset + count == upload->octets ? WEIR_END : WEIR_OK;
}

static bool rewind_pattern(void *user)
{
    weir_upload *upload = user;

    upload->rewinds++;
    return true;
}

static void write_pattern(weir_world *world, weir_uploading *uploading)
{
    weir_upload *upload = uploading->upload;
    uint8_t *room = malloc(upload->piece > PIECE ? upload->piece : PIECE);

    if (room == NULL) {
        abort();
    }
    upload->wrote = WEIR_OK;
    while (upload->taken < upload->octets && upload->wrote == WEIR_OK) {
        const size_t count = piece_of(upload, upload->taken);
        size_t taken = 0;
        weir_pattern_fill(room, upload->taken, count);
        upload->wrote = weir_user_write(weir_world_user(world), uploading->exchange,
                                        (weir_span){room, count}, &taken);
        upload->taken += taken;
        if (upload->wrote == WEIR_OK && taken != count) {
            upload->wrote = WEIR_E_STATE; /* OK promises all of it */
        }
    }
    if (upload->wrote == WEIR_OK) {
        upload->wrote = weir_user_finish(weir_world_user(world), uploading->exchange,
                                         upload->trailers, upload->trailer_count);
    }
    free(room);
}

static size_t piece_of(const weir_upload *upload, uint64_t at)
{
    const size_t piece = upload->piece != 0 ? upload->piece : PIECE;
    const uint64_t left = upload->octets - at;

    return left < piece ? (size_t)left : piece;
}
