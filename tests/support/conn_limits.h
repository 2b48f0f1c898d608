/* SPDX-License-Identifier: MIT */
/*
 * What a test changes in the limits of every connection, which no option reaches. The linker puts a
 * function that asks for it in the place of weir_conn_limits_fill(): see weir_change_conn_limits() in
 * tests/behaviour/CMakeLists.txt.
 */
#ifndef WEIR_TESTS_CONN_LIMITS_H
#define WEIR_TESTS_CONN_LIMITS_H

#include "proto/conn.h"

typedef void weir_conn_limits_change(weir_conn_limits *filled, weir_protocol protocol);

/* Of the clients and loops that are made from now on; NULL: nothing. While no other thread makes
 * one. */
void weir_conn_limits_are_changed(weir_conn_limits_change *change);

#endif
