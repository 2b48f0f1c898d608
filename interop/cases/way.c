/* SPDX-License-Identifier: MIT */
/* The eight ways and their words; way.h says what a way is. */
#include "way.h"

way way_at(size_t i)
{
    return (way){
        .protocol = i / 4 % 2 == 0 ? WEIR_H1 : WEIR_H2,
        .tls = i / 2 % 2 == 1,
        .front = i % 2 == 0 ? FRONT_BLOCKING : FRONT_ASYNC,
    };
}

const char *way_protocol(way w)
{
    return w.protocol == WEIR_H1 ? "http/1.1" : "h2";
}

const char *way_tls(way w)
{
    return w.tls ? "tls" : "clear";
}

const char *way_front(way w)
{
    return w.front == FRONT_BLOCKING ? "blocking" : "async";
}
