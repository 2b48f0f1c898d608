/* SPDX-License-Identifier: MIT */
/*
 * A server that may do anything: each connection is played by a function, on a thread of its own,
 * with blocking system calls on a raw socket. What it returns is how the connection ends.
 *
 * Ownership: the server closes what it accepted. weir_hostile_stop() shuts every connection that is
 * still open, so that no player hangs, and joins all threads.
 */
#ifndef WEIR_TESTS_HOSTILE_SERVER_H
#define WEIR_TESTS_HOSTILE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum weir_hostile_end {
    WEIR_HOSTILE_FIN = 0,
    WEIR_HOSTILE_RESET,
    WEIR_HOSTILE_SILENCE, /* nothing more, until the client closes */
    WEIR_HOSTILE_HALF     /* our FIN, and then silence */
} weir_hostile_end;

/* `number` counts connections from 0. */
typedef weir_hostile_end weir_hostile_play(int fd, size_t number, void *user);

typedef struct weir_hostile weir_hostile;

/* Aborts if it cannot start. */
weir_hostile *weir_hostile_start(weir_hostile_play *play, void *user);
uint16_t weir_hostile_port(const weir_hostile *server);
/* Connections accepted so far. */
size_t weir_hostile_accepted(weir_hostile *server);
void weir_hostile_stop(weir_hostile *server);

/* False: the client is gone. */
bool weir_hostile_send(int fd, const void *octets, size_t count);
bool weir_hostile_say(int fd, const char *text);
bool weir_hostile_receive(int fd, void *to, size_t count);

/* Reads a request head up to its empty line; the first line's target is copied to `path`. */
bool weir_hostile_head(int fd, char *path, size_t room);
/* A 200 whose content is the path, in one piece. */
bool weir_hostile_say_path(int fd, const char *path);

/* HTTP/2: one frame head with its payload (the first `room` octets of it are kept). */
typedef struct weir_hostile_frame {
    uint32_t length;
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
    uint8_t payload[64];
} weir_hostile_frame;
/* Reads the client's preface and sends our SETTINGS, `count` pairs of id and value. */
bool weir_hostile_preface(int fd, const uint32_t (*settings)[2], size_t count);
bool weir_hostile_frame_read(int fd, weir_hostile_frame *frame);
bool weir_hostile_frame_send(int fd, uint8_t type, uint8_t flags, uint32_t stream,
                             const void *payload, size_t count);
/* Reads frames until HEADERS come, acknowledging SETTINGS and PING; its stream, 0: the client is
 * gone. */
uint32_t weir_hostile_request(int fd);
/* ":status: 200" and the content, END_STREAM at its end. */
bool weir_hostile_answer(int fd, uint32_t stream, const char *content);
/* From the preface on: "from a stream" to every request, until the client is gone. */
void weir_hostile_answer_streams(int fd);

/* Answers every HTTP/1.1 request with its path, in two pieces; `requests` (an atomic_size_t, or NULL)
 * counts them. */
weir_hostile_end weir_hostile_play_honest(int fd, size_t number, void *requests);

/* A number that a seed decides. */
uint32_t weir_hostile_dice(uint64_t *seed);

#endif
