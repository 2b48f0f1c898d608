/* SPDX-License-Identifier: MIT */
/*
 * Every way a call can end, in one table.
 *
 * A status is 0 or negative. Numbers are never reused. `blame` says whose fault it is, `retry`
 * what the status alone lets one conclude about sending the request again (the ledger decides in
 * the end: see docs/replay.md), `phase` where in the life of an exchange it arises.
 *
 * Detail (errno, HTTP/2 error code, TLS alert, position, which record) is in weir_failure, see
 * failure.h; docs/statuses.md says what to do about each.
 */
#ifndef WEIR_STATUS_H
#define WEIR_STATUS_H

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum weir_blame {
    WEIR_BLAME_NONE = 0, /* not a failure */
    WEIR_BLAME_CALLER,   /* the request or the call is wrong, or the caller ended it */
    WEIR_BLAME_LOCAL,    /* this machine or this library */
    WEIR_BLAME_PEER,     /* the server (or a middlebox) broke a rule or refused */
    WEIR_BLAME_NETWORK,  /* what lies between */
    WEIR_BLAME_RESOURCE  /* memory, descriptors, a limit of this client */
} weir_blame;

typedef enum weir_retry {
    WEIR_RETRY_NO = 0,    /* again would end the same way, or the caller decided */
    WEIR_RETRY_IF_UNSENT, /* safe if no octet of the exchange left this socket */
    WEIR_RETRY_REFUSED,   /* the peer says that it processed nothing: safe for every method */
    WEIR_RETRY_IDEMPOTENT /* may have been processed: for idempotent methods only (RFC 9110 s9.2.2)
                            */
} weir_retry;

typedef enum weir_phase {
    WEIR_PHASE_ANY = 0,
    WEIR_PHASE_SUBMIT,  /* before anything was done */
    WEIR_PHASE_QUEUE,   /* waiting for a place */
    WEIR_PHASE_DNS,     /* the name is being resolved */
    WEIR_PHASE_CONNECT, /* TCP */
    WEIR_PHASE_TLS,     /* the TLS handshake */
    WEIR_PHASE_SEND,    /* the request is going out */
    WEIR_PHASE_HEAD,    /* waiting for the final response head */
    WEIR_PHASE_BODY,    /* the response body is coming in */
    WEIR_PHASE_DONE,
    WEIR_PHASE_COUNT
} weir_phase;

/* X(name, number, blame, retry, phase, sentence) */
#define WEIR_STATUS_MAP(X)                                                                         \
    X(OK, 0, NONE, NO, ANY, "success")                                                             \
    X(AGAIN, -1, NONE, NO, ANY, "nothing to do now; wait for the next event")                      \
    X(END, -2, NONE, NO, BODY, "the end of the body was reached")                                  \
    X(ANSWERED, -3, NONE, NO, SEND, "the final response arrived while sending; go on and read it") \
    /* the caller */                                                                               \
    X(E_INVALID, -10, CALLER, NO, SUBMIT, "an argument or option record is not valid")             \
    X(E_STATE, -11, CALLER, NO, ANY, "this call is not allowed in this state of the exchange")     \
    X(E_CANCELLED, -12, CALLER, NO, ANY, "the call was cancelled")                                 \
    X(E_CLOSED, -13, CALLER, NO, ANY,                                                              \
      "the client or loop was closed while the call was under way")                                \
    X(E_URL_SYNTAX, -20, CALLER, NO, SUBMIT,                                                       \
      "the URL is not of the form scheme://host[:port]/path")                                      \
    X(E_URL_SCHEME, -21, CALLER, NO, SUBMIT, "the URL scheme is neither http nor https")           \
    X(E_URL_NON_ASCII, -22, CALLER, NO, SUBMIT, "the URL holds an octet above 0x7f")               \
    X(E_URL_CONTROL, -23, CALLER, NO, SUBMIT, "the URL holds a control octet or a space")          \
    X(E_URL_BACKSLASH, -24, CALLER, NO, SUBMIT, "the URL holds a backslash")                       \
    X(E_URL_USERINFO, -25, CALLER, NO, SUBMIT, "the URL holds user information before the host")   \
    X(E_URL_HOST, -26, CALLER, NO, SUBMIT, "the host is empty, too long or not a host name")       \
    X(E_URL_IPV4, -27, CALLER, NO, SUBMIT, "the host is an IPv4 address in an odd form")           \
    X(E_URL_IPV6, -28, CALLER, NO, SUBMIT, "the host is not a valid bracketed IPv6 address")       \
    X(E_URL_PORT, -29, CALLER, NO, SUBMIT, "the port is not a number from 1 to 65535")             \
    X(E_URL_PERCENT, -30, CALLER, NO, SUBMIT, "a percent sign is not followed by two hex digits")  \
    X(E_URL_CHARACTER, -31, CALLER, NO, SUBMIT, "the path or query holds a character not allowed") \
    X(E_URL_TOO_LONG, -32, CALLER, NO, SUBMIT, "the URL is longer than 65536 octets")              \
    X(E_METHOD, -40, CALLER, NO, SUBMIT, "the method is not a token")                              \
    X(E_FIELD_NAME, -41, CALLER, NO, SUBMIT, "a field name is not a token")                        \
    X(E_FIELD_VALUE, -42, CALLER, NO, SUBMIT,                                                      \
      "a field value holds CR, LF, NUL or a control octet")                                        \
    X(E_FIELD_FORBIDDEN, -43, CALLER, NO, SUBMIT,                                                  \
      "a field that the engine alone may set was given")                                           \
    X(E_FIELD_LENGTH, -44, CALLER, NO, SUBMIT, "Content-Length contradicts the body")              \
    X(E_FIELD_HOST, -45, CALLER, NO, SUBMIT, "Host contradicts the URL or is given twice")         \
    X(E_HEAD_LARGE, -46, CALLER, NO, SUBMIT, "the request head is over its limit")                 \
    X(E_TRAILER, -47, CALLER, NO, SEND, "a trailer field is not allowed there")                    \
    X(E_BODY_SHORT, -48, CALLER, NO, SEND, "the body ended before its declared length")            \
    X(E_BODY_LONG, -49, CALLER, NO, SEND, "the body is longer than its declared length")           \
    X(E_BODY_SOURCE, -50, CALLER, NO, SEND, "the body source answered with a failure")             \
    /* deadlines: one status each, so that the caller never has to guess which one fired */        \
    X(E_DEADLINE_QUEUE, -60, RESOURCE, IF_UNSENT, QUEUE, "no connection became free in time")      \
    X(E_DEADLINE_DNS, -61, NETWORK, IF_UNSENT, DNS, "the name was not resolved in time")           \
    X(E_DEADLINE_CONNECT, -62, NETWORK, IF_UNSENT, CONNECT, "no TCP connection was made in time")  \
    X(E_DEADLINE_TLS, -63, PEER, IF_UNSENT, TLS, "the TLS handshake did not end in time")          \
    X(E_DEADLINE_WRITE, -64, PEER, IDEMPOTENT, SEND, "the request made no progress for too long")  \
    X(E_DEADLINE_FIRST_OCTET, -65, PEER, IDEMPOTENT, HEAD, "the response did not begin in time")   \
    X(E_DEADLINE_IDLE, -66, PEER, IDEMPOTENT, BODY, "the response made no progress for too long")  \
    X(E_DEADLINE_TOTAL, -67, NETWORK, NO, ANY, "the call's deadline passed")                       \
    /* resources and limits of this client */                                                      \
    X(E_NOMEM, -80, RESOURCE, IF_UNSENT, ANY, "memory could not be had")                           \
    X(E_QUEUE_FULL, -81, RESOURCE, IF_UNSENT, QUEUE,                                               \
      "too many calls wait for a connection already")                                              \
    X(E_DESCRIPTORS, -82, RESOURCE, IF_UNSENT, CONNECT,                                            \
      "no descriptor or local port could be had")                                                  \
    X(E_SYSTEM, -83, LOCAL, IF_UNSENT, ANY, "a system call failed in a way that it should not")    \
    X(E_NOT_ACCEPTING, -84, LOCAL, IF_UNSENT, QUEUE, "the connection takes no further exchange")   \
    X(E_UNSUPPORTED, -85, LOCAL, NO, SUBMIT, "this build or this connection cannot do that")       \
    /* the network */                                                                              \
    X(E_DNS_NOT_FOUND, -100, NETWORK, NO, DNS, "the name does not exist or has no address")        \
    X(E_DNS_FAILED, -101, NETWORK, IF_UNSENT, DNS, "the name servers gave no usable answer")       \
    X(E_CONNECT_REFUSED, -102, PEER, IF_UNSENT, CONNECT, "every address refused the connection")   \
    X(E_CONNECT_UNREACHABLE, -103, NETWORK, IF_UNSENT, CONNECT, "no address could be reached")     \
    X(E_CONNECT_FAILED, -104, NETWORK, IF_UNSENT, CONNECT, "no connection could be made")          \
    X(E_RESET, -105, PEER, IDEMPOTENT, ANY, "the connection was reset")                            \
    X(E_CLOSED_EARLY, -106, PEER, IDEMPOTENT, HEAD, "the connection closed before any response")   \
    X(E_TRUNCATED, -107, PEER, IDEMPOTENT, BODY, "the connection closed inside the response")      \
    X(E_UNFRAMED, -108, PEER, IDEMPOTENT, BODY,                                                    \
      "a close-delimited body ended without close_notify")                                         \
    X(E_NETWORK, -109, NETWORK, IDEMPOTENT, ANY, "the connection failed")                          \
    /* TLS */                                                                                      \
    X(E_TLS_CONFIG, -120, LOCAL, NO, TLS, "the TLS settings could not be used")                    \
    X(E_TLS_PROTOCOL, -121, PEER, IF_UNSENT, TLS, "the peer broke the TLS protocol")               \
    X(E_TLS_ALERT, -122, PEER, IF_UNSENT, TLS, "the peer sent a fatal TLS alert")                  \
    X(E_TLS_UNTRUSTED, -123, PEER, NO, TLS, "the certificate does not lead to a trusted root")     \
    X(E_TLS_EXPIRED, -124, PEER, NO, TLS, "a certificate is not valid at this time")               \
    X(E_TLS_IDENTITY, -125, PEER, NO, TLS, "the certificate is not for this host (RFC 9525)")      \
    X(E_TLS_WEAK, -126, PEER, NO, TLS, "a certificate key or signature is too weak")               \
    X(E_TLS_CERTIFICATE, -127, PEER, NO, TLS, "the certificate may not be used for a server")      \
    X(E_TLS_ALPN, -128, PEER, NO, TLS, "the peer speaks no protocol that was offered")             \
    X(E_TLS_CLOSED, -129, PEER, IF_UNSENT, TLS, "the connection closed during the TLS handshake")  \
    X(E_TLS_VERSION, -130, PEER, NO, TLS, "no TLS version or cipher suite in common")              \
    X(E_TLS_RECORD, -131, PEER, IDEMPOTENT, ANY, "a TLS record could not be authenticated")        \
    /* HTTP/1.1 from the peer (RFC 9112) */                                                        \
    X(E_H1_SYNTAX, -140, PEER, IDEMPOTENT, HEAD, "the response head is malformed")                 \
    X(E_H1_VERSION, -141, PEER, IDEMPOTENT, HEAD, "the response is not HTTP/1.0 or HTTP/1.1")      \
    X(E_H1_LENGTH, -142, PEER, IDEMPOTENT, HEAD, "Content-Length is malformed or contradictory")   \
    X(E_H1_CODING, -143, PEER, IDEMPOTENT, HEAD, "Transfer-Encoding is not usable here")           \
    X(E_H1_CHUNK, -144, PEER, IDEMPOTENT, BODY, "the chunked coding is malformed")                 \
    X(E_H1_UPGRADE, -145, PEER, IDEMPOTENT, HEAD,                                                  \
      "the server switched protocols without being asked")                                         \
    X(E_H1_UNSOLICITED, -146, PEER, IF_UNSENT, ANY, "octets came that answer no request")          \
    /* limits on what the peer may send, either protocol */                                        \
    X(E_LIMIT_HEAD, -160, PEER, IDEMPOTENT, HEAD, "the response head is over its octet limit")     \
    X(E_LIMIT_FIELDS, -161, PEER, IDEMPOTENT, HEAD, "the response has too many fields")            \
    X(E_LIMIT_INFORMATIONAL, -162, PEER, IDEMPOTENT, HEAD, "too many 1xx responses")               \
    X(E_LIMIT_CHUNK, -163, PEER, IDEMPOTENT, BODY,                                                 \
      "too many octets of chunk lines and extensions")                                             \
    X(E_LIMIT_FLOOD, -164, PEER, IDEMPOTENT, ANY, "the peer sends without making progress")        \
    /* HTTP/2 from the peer (RFC 9113) */                                                          \
    X(E_REFUSED, -180, PEER, REFUSED, SEND, "the peer refused the request unprocessed")            \
    X(E_H2_RESET, -181, PEER, IDEMPOTENT, ANY, "the peer reset the stream")                        \
    X(E_H2_GOAWAY, -182, PEER, REFUSED, SEND, "the connection went away before this request")      \
    X(E_H2_PROTOCOL, -183, PEER, IDEMPOTENT, ANY, "the peer broke the HTTP/2 protocol")            \
    X(E_H2_MESSAGE, -184, PEER, IDEMPOTENT, HEAD, "the HTTP/2 response message is malformed")      \
    X(E_H2_COMPRESSION, -185, PEER, IDEMPOTENT, ANY, "a header block could not be decoded")        \
    X(E_H2_FLOW_CONTROL, -186, PEER, IDEMPOTENT, ANY, "the peer violated flow control")            \
    X(E_H2_FRAME, -187, PEER, IDEMPOTENT, ANY, "a frame has a wrong length for its type")          \
    X(E_H2_PREFACE, -188, PEER, IF_UNSENT, ANY, "the peer does not speak HTTP/2")                  \
    X(E_H2_SETTINGS, -189, PEER, IDEMPOTENT, ANY, "the peer did not acknowledge SETTINGS in time") \
    X(E_H2_LENGTH, -190, PEER, IDEMPOTENT, BODY, "the body does not match its content-length")     \
    X(E_H2_CLOSED, -191, PEER, IDEMPOTENT, ANY, "the peer ended the connection with an error")     \
    X(E_H2_PING, -192, NETWORK, IDEMPOTENT, ANY, "the peer did not answer PING in time")           \
    X(E_MISDIRECTED, -193, PEER, REFUSED, HEAD, "421, and the request could not be sent once more")

typedef enum weir_status {
#define WEIR_STATUS_X(name, number, blame, retry, phase, sentence) WEIR_##name = (number),
    WEIR_STATUS_MAP(WEIR_STATUS_X)
#undef WEIR_STATUS_X
} weir_status;

/* "WEIR_E_RESET"; "unknown" for a number that is not in the table. Never NULL, never freed. */
WEIR_API const char *weir_status_name(weir_status status);
/* One sentence in English without a full stop, of an unknown number too. Never NULL, never freed.
 */
WEIR_API const char *weir_status_sentence(weir_status status);
/* The columns of the table. Of a number that is not in it: WEIR_BLAME_LOCAL, WEIR_RETRY_NO and
 * WEIR_PHASE_ANY. */
WEIR_API weir_blame weir_status_blame(weir_status status);
WEIR_API weir_retry weir_status_retry(weir_status status);
WEIR_API weir_phase weir_status_phase(weir_status status);
/* "peer", "connect"; "unknown" for a number that is none. Never NULL, never freed. */
WEIR_API const char *weir_blame_name(weir_blame blame);
WEIR_API const char *weir_phase_name(weir_phase phase);
/* The i-th status of the table, for bindings that copy it; false past the end. */
WEIR_API bool weir_status_at(size_t i, weir_status *status);

#ifdef __cplusplus
}
#endif

#endif
