/* SPDX-License-Identifier: MIT */
/*
 * The octet accounts, as a user reads them: where every octet of a connection went.
 *
 * Each row counts octets that the kernel took (sent) or gave (received), never octets that were
 * buffered. No row is a difference of others, so sums are checks and not definitions:
 *
 *   plain == sum over exchanges of head+body+trailers+framing
 *            + rows of the connection above TLS + undecided
 *   wire  == plain + every tls row + torn
 *
 * and `wire` equals what the kernel's TCP counters say (weir_verdict). See docs/ledger.md.
 */
#ifndef WEIR_LEDGER_H
#define WEIR_LEDGER_H

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What one attempt of one exchange moved. */
typedef struct weir_tally {
    weir_octets head; /* request line or HEADERS payload; status line and fields, 1xx heads too */
    weir_octets body; /* content, transfer coding removed, content coding untouched */
    weir_octets trailers;
    /* chunk lines; HTTP/2 frame headers, padding, RST_STREAM, stream WINDOW_UPDATE */
    weir_octets framing;
    weir_octets tls; /* its share of the overhead of the records that carried it */
} weir_tally;

/* The rows of a connection that belong to no exchange. */
typedef enum weir_conn_row {
    WEIR_ROW_PREFACE = 0, /* the HTTP/2 connection preface */
    WEIR_ROW_SETTINGS,    /* SETTINGS and their acknowledgements */
    WEIR_ROW_PING,
    WEIR_ROW_WINDOW, /* WINDOW_UPDATE of the connection */
    WEIR_ROW_GOAWAY,
    WEIR_ROW_OTHER,  /* anything that has no row of its own */
    WEIR_ROW_LATE,   /* frames of streams that are closed already */
    WEIR_ROW_PROXY,  /* CONNECT or SOCKS: always 0 in this version, which speaks to no proxy */
    WEIR_ROW_UNREAD, /* octets after the last response, and what was left over at the close */
    WEIR_ROW_TLS_HANDSHAKE, /* whole records of the handshake, their overhead included */
    WEIR_ROW_TLS_CONTROL, /* tickets, alerts, key updates; overhead of records of connection frames
                           */
    WEIR_CONN_ROWS
} weir_conn_row;

/* "tls_handshake"; "unknown" for a number that is no row. Never NULL, never freed. */
WEIR_API const char *weir_conn_row_name(weir_conn_row row);

/* Does the ledger agree with the kernel? */
typedef enum weir_agreement {
    WEIR_UNAVAILABLE = 0, /* no TCP counters: never connected, or not Linux */
    WEIR_AGREE,
    WEIR_DIFFER /* a defect of weir: please report both numbers */
} weir_agreement;

typedef struct weir_verdict {
    weir_agreement agreement;
    weir_octets ledger; /* wire octets that the ledger counted: the sum of all its rows */
    weir_octets kernel; /* wire octets by TCP_INFO */
} weir_verdict;

/* The whole account of one connection. */
typedef struct weir_account {
    size_t size; /* sizeof(weir_account) of the library that filled it */
    weir_octets wire;
    weir_octets plain;
    weir_tally exchanges; /* the sum over all exchanges, open and closed */
    weir_octets rows[WEIR_CONN_ROWS];
    weir_octets undecided; /* octets of a frame header not yet complete */
    weir_octets torn;      /* octets of a TLS record not yet complete */
    weir_verdict verdict;  /* filled when the connection is closed */
    uint16_t local_port; /* of the TCP connection, to find it in other logs; 0: it never had one */
} weir_account;

/* The sums of a tally: without TLS, and with its share of it. */
WEIR_API weir_octets weir_tally_plain(const weir_tally *tally);
WEIR_API weir_octets weir_tally_wire(const weir_tally *tally);
/* to += from, row by row. */
WEIR_API void weir_tally_add(weir_tally *to, const weir_tally *from);

#ifdef __cplusplus
}
#endif

#endif
