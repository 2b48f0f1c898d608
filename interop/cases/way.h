/* SPDX-License-Identifier: MIT */
/*
 * A way: how an exchange travels. Every case runs on every way a server has: {HTTP/1.1, HTTP/2} x
 * {clear, TLS} x {blocking, asynchronous}. The words of a way are those of expected.tsv and of the
 * JSON.
 */
#ifndef INTEROP_WAY_H
#define INTEROP_WAY_H

#include <stdbool.h>
#include <weir/weir.h>

typedef enum front_kind { FRONT_BLOCKING, FRONT_ASYNC } front_kind;

typedef struct way {
    weir_protocol protocol;
    bool tls;
    front_kind front;
} way;

enum { WAYS = 8 };

/* The i-th of the eight, in the order of the reports. */
way way_at(size_t i);
const char *way_protocol(way w); /* http/1.1, h2 */
const char *way_tls(way w);      /* clear, tls */
const char *way_front(way w);    /* blocking, async */

#endif
