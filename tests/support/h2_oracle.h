/* SPDX-License-Identifier: MIT */
/*
 * The oracle: an nghttp2 client session that is given the same requests and the same octets of the
 * server as a player's conn, and must come to the same conclusions.
 *
 * After each frame both sides are compared: what the users were told (fields of every section,
 * content, ends), which streams were reset and with what code, and whether the connection is in
 * error and with what code. The first difference ends the comparison, because everything behind it
 * follows from it. A difference is either one of those that may be (h2_difference.h), or a failure.
 *
 * The oracle sends what the conn sends: window updates and DATA are mirrored frame by frame, so
 * that both have the same windows; nghttp2 gives no credit of its own.
 */
#ifndef WEIR_TESTS_H2_ORACLE_H
#define WEIR_TESTS_H2_ORACLE_H

#include "support/h2_player.h"

typedef struct weir_h2_oracle weir_h2_oracle;

/* The limits are those of the conn. */
weir_h2_oracle *weir_h2_oracle_new(const weir_conn_limits *limits);
void weir_h2_oracle_free(weir_h2_oracle *oracle);

/* To be given to the player, whose input must come frame by frame. */
weir_h2_watch weir_h2_oracle_watch(weir_h2_oracle *oracle);

/* The name of the first difference if it is an allowed one; NULL: none, or see the report. */
const char *weir_h2_oracle_difference(const weir_h2_oracle *oracle);
/* Frames of the server after which both were compared. */
size_t weir_h2_oracle_compared(const weir_h2_oracle *oracle);
/* What differs and may not; "" when nothing does. */
const char *weir_h2_oracle_report(const weir_h2_oracle *oracle);

#endif
