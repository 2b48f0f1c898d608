/* SPDX-License-Identifier: MIT */
/*
 * The two front ends behind one face, so that each case is written once. The blocking one runs
 * several transfers at once on a thread each; the asynchronous one runs them all in one loop on
 * this thread.
 */
#ifndef INTEROP_FACE_H
#define INTEROP_FACE_H

#include "transfer.h"
#include "way.h"

typedef struct face face;

/* `tls`: held while it is open. `limits`: NULL for the defaults. */
face *face_open(front_kind front, weir_tls_config *tls, const weir_observer *observer,
                const weir_pool_limits *limits);
/* Closes it and opens another that shares TLS sessions and answers of name servers with it. */
face *face_renew(face *f);
/* Closes every connection; the observer is told of each before it returns. */
void face_close(face *f);

/* Lets time pass, in which the asynchronous front end turns. */
void face_pause(face *f, weir_time pause_ns);
/* Begins a transfer that is held; it must have its head (or have failed) when this returns. */
void face_begin(face *f, transfer *t);
/* Runs transfers to their ends, all at once; those that have begun go on. */
void face_run(face *f, transfer *const *transfers, size_t count);

#endif
