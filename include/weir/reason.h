/* SPDX-License-Identifier: MIT */
/*
 * Why the pool did what it did: one vocabulary for why a call waits, why a connection was taken or
 * passed over, and why one was closed. Observers, candidates and snapshots all use it.
 *
 * A word says one thing wherever it stands. Numbers are never reused; new ones are appended before
 * COUNT.
 *
 * Thread rule: values and static strings.
 */
#ifndef WEIR_REASON_H
#define WEIR_REASON_H

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, word, sentence) */
#define WEIR_REASON_MAP(X)                                                                         \
    X(NONE, "none", "there is nothing to say")                                                     \
    /* how a call was served */                                                                    \
    X(REUSED, "reused", "the call has a connection that served others")                            \
    X(DIALED, "dialed", "the call has a connection that served nobody before")                     \
    /* why a call waits, or why a connection cannot take it now */                                 \
    X(BUSY, "busy", "every connection is in use and the origin may have no more")                  \
    X(AT_MAX_STREAMS, "at_max_streams",                                                            \
      "every stream that the peer or our own limit allows is open")                                \
    X(ORIGIN_LIMIT, "origin_limit",                                                                \
      "as many connections are being dialled as the origin may have")                              \
    X(TOTAL_LIMIT, "total_limit", "the whole pool may have no more connections")                   \
    X(ALPN_UNKNOWN, "alpn_unknown_wait",                                                           \
      "one probe is dialling and its protocol decides about more")                                 \
    X(DIALING, "dialing", "a connection that will serve the call is being dialled")                \
    X(BEHIND_OTHERS, "behind_others", "other origins asked for the next free place before")        \
    X(BACK_OFF, "back_off", "dials of this origin failed lately")                                  \
    X(REFUSED_LATELY, "refused_lately", "the peer refused streams and is given time")              \
    X(NO_MEMORY, "no_memory", "there is no memory for a further connection")                       \
    X(REFUSING, "refusing", "the connection refused a lease and has not said why")                 \
    /* why a connection takes no more, or was closed */                                            \
    X(DRAINING, "draining", "it was asked to drain")                                               \
    X(DRAINING_GOAWAY, "draining_goaway", "the peer sent GOAWAY")                                  \
    X(EXPIRED_IDLE, "expired_idle", "it was idle for longer than we keep connections")             \
    X(EXPIRED_LIFETIME, "expired_lifetime", "it is older than connections may become")             \
    X(EXPIRED_KEEP_ALIVE, "expired_keep_alive",                                                    \
      "it was idle for about as long as the server said")                                          \
    X(EXPIRED_HORIZON, "expired_horizon",                                                          \
      "it was idle for as long as this server was seen to allow")                                  \
    X(EXPIRED_REQUESTS, "expired_requests", "it served as many requests as one connection may")    \
    X(CONNECTION_CLOSE, "connection_close", "either side said that the exchange was its last")     \
    X(OCTETS_LEFT_OVER, "octets_left_over", "octets came that answer no request")                  \
    X(UNFINISHED, "unfinished", "an exchange ended before its request or response did")            \
    X(UNTIL_CLOSE, "until_close", "the response was delimited by the close")                       \
    X(PEER_CLOSED, "peer_closed", "the peer closed it")                                            \
    X(FAILED, "failed", "it failed")                                                               \
    X(STREAM_IDS, "stream_ids_used_up", "no stream id is left on it")                              \
    X(UNFIT, "unfit", "it takes no more exchanges")                                                \
    X(EVICTED, "evicted", "another origin needed its place")                                       \
    X(ADDRESS_LEFT_DNS, "address_left_dns", "its address is no longer an answer of the name")      \
    X(TLS_REPLACED, "tls_replaced", "its TLS settings were replaced")                              \
    X(NETWORK_CHANGED, "network_changed", "the network was said to have changed")                  \
    X(FORKED, "forked", "it belongs to the process that forked")                                   \
    X(SHUTDOWN, "shutdown", "the client or loop was closed")                                       \
    /* why a connection of another origin cannot be shared */                                      \
    X(TLS_IDENTITY_DIFFERS, "tls_identity_differs", "it was made with other TLS settings")         \
    X(PROTOCOL_DIFFERS, "protocol_differs", "it is pinned to another protocol")                    \
    X(ROUTE_DIFFERS, "route_differs", "it leads to another address or over another proxy")         \
    /* why a connection was closed, once more */                                                   \
    X(LOST_RACE, "lost_race", "another address was connected first, or its dial was over before")  \
    /* why a connection was passed over, once more */                                              \
    X(SPARE, "spare", "it has room and was not needed, another was used later")                    \
    /* why a connection was closed, once more */                                                   \
    X(MISDIRECTED, "misdirected", "the server said 421 to a request of its origin")                \
    /* why a call waits, once more */                                                              \
    X(CLOSING, "closing", "as many connections as the origin may have are ending and not closed")  \
    /* why a connection was closed, once more */                                                   \
    X(UNAWAITED, "unawaited", "nobody waited for the dial any more who could go on with it")

typedef enum weir_reason {
#define WEIR_REASON_X(name, word, sentence) WEIR_REASON_##name,
    WEIR_REASON_MAP(WEIR_REASON_X)
#undef WEIR_REASON_X
        WEIR_REASON_COUNT
} weir_reason;

/* One word, "at_max_streams"; "unknown" for a number that is none. Never NULL, never freed. */
WEIR_API const char *weir_reason_name(weir_reason reason);
/* A sentence in English without a full stop, for an unknown number too. Never NULL, never freed. */
WEIR_API const char *weir_reason_sentence(weir_reason reason);

#ifdef __cplusplus
}
#endif

#endif
