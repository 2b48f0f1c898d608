/* SPDX-License-Identifier: MIT */
/*
 * The log of the HTTP/1.1 bench. Private to h1_rig*.c.
 */
#ifndef WEIR_TESTS_H1_RIG_LOG_H
#define WEIR_TESTS_H1_RIG_LOG_H

#include "h1_rig.h"

/* Takes the event's message. */
void weir_h1_rig_log_event(weir_h1_rig *rig, const weir_conn_event *event);
void weir_h1_rig_log_failure(weir_h1_rig *rig, const weir_failure *failure);
/* " NAME=N", unless it is zero. */
void weir_h1_rig_log_row(weir_h1_rig *rig, const char *name, uint64_t octets);
/* What was read of the content since the last time is a line of the log. */
void weir_h1_rig_flush_body(weir_h1_rig *rig);
/* Empties the stream's inbox. */
void weir_h1_rig_read_inbox(weir_h1_rig *rig);

#endif
