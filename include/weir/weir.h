/* SPDX-License-Identifier: MIT */
/*
 * weir: an HTTP/1.1 and HTTP/2 client engine that accounts for every octet. This header is all of
 * it.
 *
 *   base.h     spans, octets, time, fields, the allocator
 *   status.h   every way a call can end, with its blame
 *   failure.h  why, in full
 *   ledger.h   where every octet went
 *   tls.h      TLS settings
 *   reason.h   why the pool did what it did
 *   why.h      why a call waited
 *   observe.h  what happened
 *   request.h  the request and the options of a call
 *   exchange.h one request with its response
 *   shared.h   what clients and loops share
 *   metrics.h  what a client or loop counts
 *   client.h   the blocking front end
 *   loop.h     the asynchronous front end
 *   snapshot.h what a client or loop holds at one moment
 */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include "weir/base.h"
#include "weir/client.h"
#include "weir/exchange.h"
#include "weir/failure.h"
#include "weir/ledger.h"
#include "weir/loop.h"
#include "weir/metrics.h"
#include "weir/observe.h"
#include "weir/reason.h"
#include "weir/request.h"
#include "weir/shared.h"
#include "weir/snapshot.h"
#include "weir/status.h"
#include "weir/tls.h"
#include "weir/why.h"

#endif
