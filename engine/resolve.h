/* SPDX-License-Identifier: MIT */
/*
 * Look-ups of host names, over c-ares (os_resolve.c, the only file that names it) or a caller's
 * weir_resolver.
 *
 * A channel owns the c-ares sockets of its look-ups. The loop has one channel for all, the blocking
 * front end one for each dial that asks. Numeric hosts never come here. Both families are asked at
 * once; each answers by itself. Look-ups of one name that are under way at the same time are one
 * question: each is told of its answers.
 *
 * Thread rule: a channel belongs to one thread at a time. weir_resolver_answer() of a custom
 * resolver may come from any thread: under the look-up's own lock the answer is stored and the
 * owner told, by `notify` or, if there is none, by a descriptor that weir_channel_polls() names.
 * Ending a look-up takes the same lock, so an answer that is being given never meets a freed
 * channel.
 */
#ifndef WEIR_ENGINE_RESOLVE_H
#define WEIR_ENGINE_RESOLVE_H

#include "engine/dial.h"
#include "weir/client.h"

typedef struct weir_channel weir_channel;

typedef struct weir_channel_options {
    const weir_allocator *allocator;
    const weir_resolver *resolver; /* NULL: c-ares */
    void (*notify)(void *user); /* a custom resolver answered; any thread, with a lock held; NULL: a
                                   descriptor says so */
    void *user;
    struct weir_held *held; /* *kept*: its descriptors are noted there, so that the child of a fork
                               can close them; NULL: nowhere */
    const char *servers; /* for tests: name servers, as "127.0.0.1:5353,..."; NULL: the system's */
} weir_channel_options;

/* NULL: *status is WEIR_E_NOMEM, WEIR_E_DESCRIPTORS, or WEIR_E_DNS_FAILED (the system's
 * configuration cannot be read). */
weir_channel *weir_channel_new(const weir_channel_options *options, weir_status *status);
/* Cancels every look-up. */
void weir_channel_free(weir_channel *channel);

/* Begins a look-up; NULL: no memory. `user` names it in answers. */
weir_lookup *weir_channel_start(weir_channel *channel, weir_span host, void *user,
                                weir_time now_ns);
/* Ends it and takes it: no answer of it is told any more. Needed also after both answers came. */
void weir_channel_end(weir_channel *channel, weir_lookup *lookup);

/* An answer to a look-up: its status is WEIR_OK, or WEIR_E_ DNS_NOT_FOUND, DNS_FAILED, DEADLINE_DNS,
 * DESCRIPTORS, NOMEM; its addresses, at most WEIR_DIAL_ADDRESSES, are valid until the look-up is
 * ended. */
typedef struct weir_lookup_answer {
    weir_lookup *lookup;
    void *user;
    weir_answer answer;
} weir_lookup_answer;
bool weir_channel_next_answer(weir_channel *channel, weir_lookup_answer *answer);

/* The descriptors to watch now: fills up to `room`; how many there are. */
size_t weir_channel_polls(const weir_channel *channel, weir_poll *polls, size_t room);
/* A change of the descriptors since the last call, for an epoll driver: fd with events 0 means
 * remove. false: none. */
bool weir_channel_next_watch(weir_channel *channel, weir_poll *watch);
/* A descriptor is ready; fd -1: only time passed. */
void weir_channel_ready(weir_channel *channel, int fd, bool readable, bool writable,
                        weir_time now_ns);
weir_time weir_channel_deadline(const weir_channel *channel, weir_time now_ns);

#endif
