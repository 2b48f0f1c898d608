/* SPDX-License-Identifier: MIT */
/*
 * Reading the options that a client, a loop and a weir_shared are made of: what must be in them is
 * said here once, for those who read them and for those who ask what is wrong with theirs.
 *
 * Values: a record is borrowed until return; what its pointers point to is as its own header says.
 */
#ifndef WEIR_ENGINE_OPTIONS_H
#define WEIR_ENGINE_OPTIONS_H

#include "weir/client.h"
#include "weir/loop.h"

/* `to` is what was given, or the defaults if that is NULL, with an allocator in any case. What is
 * wrong with it, as weir_client_options_flaw() says it; NULL: nothing. */
const char *weir_client_options_read(weir_client_options *to, const weir_client_options *given);
const char *weir_loop_options_read(weir_loop_options *to, const weir_loop_options *given);
const char *weir_shared_options_read(weir_shared_options *to, const weir_shared_options *given);

/* What is wrong with an observer, of options or of a call; NULL: nothing, or there is none. */
const char *weir_observer_flaw(const weir_observer *given);

#endif
