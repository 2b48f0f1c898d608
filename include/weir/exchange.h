/* SPDX-License-Identifier: MIT */
/*
 * One request with its response, read and written with the same functions in both front ends: where
 * the blocking one waits, the asynchronous one answers WEIR_AGAIN.
 *
 *   submitted -> placed -> sending | receiving -> done -> weir_exchange_free
 *
 * Ownership: the exchange is the caller's from the call that made it until weir_exchange_free().
 * Every span it answers (fields, trailers) never moves and is valid until then, after it is done
 * too. The unread rest of a body stays readable after the exchange is done.
 *
 * Thread rule: one thread at a time per exchange; weir_cancel() from any.
 */
#ifndef WEIR_EXCHANGE_H
#define WEIR_EXCHANGE_H

#include "weir/ledger.h"
#include "weir/request.h"
#include "weir/why.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Waits for the final response head. WEIR_OK: it is there. WEIR_AGAIN (asynchronous): not yet.
 * Otherwise the failure.
 *
 * Blocking, here and in the three that follow: WEIR_E_NOMEM may also be the call's own, when there
 * is no memory for this thread to wait with. Then nothing was done, weir_exchange_failure() has no
 * status, the exchange goes on, and the same call may be made again.
 */
WEIR_API weir_status weir_response(weir_exchange *exchange);

/*
 * Reads response content (transfer coding removed, content coding untouched). WEIR_OK: *octets > 0
 * were copied. WEIR_END: the response is complete, *octets is 0. WEIR_AGAIN (asynchronous):
 * READABLE follows. WEIR_E_INVALID: `to` is NULL or `room` 0; the exchange does not notice.
 * Otherwise the failure: what was copied before is a prefix of the content, never all of it. Waits
 * for the head first if need be. *octets is set always and may not be NULL.
 */
WEIR_API weir_status weir_read(weir_exchange *exchange, void *to, size_t room, size_t *octets);

/*
 * Writes octets of a WEIR_BODY_STREAM. *taken says how many were accepted (copied). Blocking:
 * returns when all are, or on failure, or with WEIR_AGAIN and *taken of them when the peer takes no
 * more and what it has answered already fills the inbox: each side would wait for the other, so
 * weir_read() something, then go on with the rest. WEIR_AGAIN (asynchronous): none or part now,
 * WRITABLE follows. WEIR_ANSWERED: the final response is there and the rest is not wanted: go on to
 * weir_read(). Never a network failure while a complete response lies unread in the socket.
 *
 * WEIR_E_STATE: the body is not a STREAM, or weir_finish() ended it already, whatever became of the
 * exchange since; it does not notice.
 * WEIR_E_BODY_LONG: more than length_octets, which ends the exchange and, on HTTP/1.1, its
 * connection. Otherwise the failure. *taken is set always and may not be NULL.
 */
WEIR_API weir_status weir_write(weir_exchange *exchange, weir_span octets, size_t *taken);

/*
 * Ends a WEIR_BODY_STREAM, with trailers (RFC 9110 s6.5) or NULL and 0. The trailers are checked
 * and copied: borrowed until the call returns, whatever their flags; after WEIR_AGAIN give them
 * again. WEIR_OK, WEIR_ANSWERED, WEIR_AGAIN (as for weir_write()).
 *
 * Refused, and the exchange goes on as if nothing had been said, so that it can be ended with
 * others: WEIR_E_STATE (not a STREAM, or ended already); WEIR_E_TRAILER (a field that must be known
 * before the content, RFC 9110 s6.5.1, more than 65536 octets, or the length was declared),
 * WEIR_E_FIELD_NAME, WEIR_E_FIELD_VALUE; WEIR_E_NOMEM without memory for the copy. But for STATE,
 * weir_exchange_failure() says which field and why until the next weir_finish().
 *
 * WEIR_E_BODY_SHORT: less than length_octets was written, which ends the exchange. Otherwise the
 * failure.
 */
WEIR_API weir_status weir_finish(weir_exchange *exchange, const weir_field *trailers, size_t count);

/* Asynchronous: the source that answered WEIR_AGAIN has octets again. On the loop's thread. Does
 * nothing in the blocking front end, or if nothing waits for it. */
WEIR_API void weir_resume(weir_exchange *exchange);

/*
 * Ends the exchange with WEIR_E_CANCELLED unless it is done. Any thread, never blocks, any number
 * of times; it must not race with weir_exchange_free() nor, of one that it leaves behind, with
 * weir_loop_free() (use a weir_token where that cannot be ruled out). Blocking: the call that waits
 * on it ends, or the next one that is made; a loop's exchange ends in the next turn.
 *
 * The connection: on HTTP/2 it goes on (RST_STREAM). On HTTP/1.1 it is closed before the head is
 * in. Behind it, little that is left of a counted body is dropped and the connection goes on: over
 * a loop, and over the blocking front end if it has come already and no thread waited for more of
 * it; who waits in the kernel can only be woken by shutting the socket for reading
 * (docs/cancellation.md).
 */
WEIR_API void weir_cancel(weir_exchange *exchange);

/* Frees it, and every span it answered; an exchange under way is cancelled first, as with
 * weir_cancel(), and nothing more is told of it. NULL-safe. On its own thread (the loop's); an
 * observer may, of its own exchange too. One of a loop may be freed after weir_loop_free(). */
WEIR_API void weir_exchange_free(weir_exchange *exchange);

/* The response. code: 0 until the final head is in. Names are as received (HTTP/2: lower case). */
WEIR_API int weir_exchange_code(const weir_exchange *exchange);
/* How many fields the final head has, 0 until it is in, and the i-th of them, from 0, in the order
 * of arrival. false: no such field, and *field stays as it was. So below. */
WEIR_API size_t weir_exchange_field_count(const weir_exchange *exchange);
WEIR_API bool weir_exchange_field_at(const weir_exchange *exchange, size_t i, weir_field *field);
/* The i-th field of that name, from 0; the name is compared without regard to case. */
WEIR_API bool weir_exchange_field(const weir_exchange *exchange, const char *name, size_t i,
                                  weir_span *value);
/* Trailers: complete when weir_read() answered WEIR_END. */
WEIR_API size_t weir_exchange_trailer_count(const weir_exchange *exchange);
WEIR_API bool weir_exchange_trailer_at(const weir_exchange *exchange, size_t i, weir_field *field);
/* 1xx responses in order of arrival: how many, the code of the i-th (0: no such), and the j-th
 * field of the i-th. */
WEIR_API size_t weir_exchange_informational_count(const weir_exchange *exchange);
WEIR_API int weir_exchange_informational_code(const weir_exchange *exchange, size_t i);
WEIR_API bool weir_exchange_informational_field_at(const weir_exchange *exchange, size_t i,
                                                   size_t j, weir_field *field);
/* Octets of content as the head declares them; WEIR_UNKNOWN when it does not. */
WEIR_API uint64_t weir_exchange_length(const weir_exchange *exchange);

/* How it stands. */
WEIR_API bool weir_exchange_is_done(const weir_exchange *exchange);
/* Why it failed; of one that goes on, why weir_finish() was refused last. status WEIR_OK: neither.
 */
WEIR_API weir_failure weir_exchange_failure(const weir_exchange *exchange);
/* Where it is; DONE when it is over (weir_exchange_failure() has the phase in which it failed). And
 * the time that it spent in a phase, without the one that it is in; 0 for a number of none. */
WEIR_API weir_phase weir_exchange_phase(const weir_exchange *exchange);
WEIR_API weir_time weir_exchange_phase_ns(const weir_exchange *exchange, weir_phase phase);
WEIR_API void *weir_exchange_user(const weir_exchange *exchange);  /* NULL in the blocking one */
WEIR_API uint64_t weir_exchange_id(const weir_exchange *exchange); /* never reused */

/* Every attempt keeps its own account; counts never vanish. */
typedef struct weir_attempt {
    size_t size;
    uint64_t conn; /* number of the connection; 0: none was had */
    weir_protocol protocol;
    bool reused;
    bool final; /* the account will not change any more */
    weir_tally tally;
    weir_failure failure;
} weir_attempt;
#define WEIR_ATTEMPT_INIT WEIR_INIT(weir_attempt)
/* How many there were, from the first; the last is the one under way or that ended it. */
WEIR_API size_t weir_exchange_attempt_count(const weir_exchange *exchange);
/* Fills attempt->size octets of it (WEIR_ATTEMPT_INIT sets it). false: no such attempt. */
WEIR_API bool weir_exchange_attempt_at(const weir_exchange *exchange, size_t i,
                                       weir_attempt *attempt);
/* The sum over all attempts; final when done. */
WEIR_API weir_tally weir_exchange_tally(const weir_exchange *exchange);

/*
 * For how long the exchange was held up, by what, in nanoseconds, summed over its attempts. What
 * holds up the request are all but caller_reading_ns; of those one at a time is counted, so that
 * their sum is never more than the exchange took. The response runs beside the request:
 * caller_reading_ns overlaps the others.
 *
 * Valid at any time, and final when done. A stall under way is counted up to the last thing that
 * happened to the exchange: a call of its own, or an event of it in a turn. docs/stalls.md says of
 * each when exactly it runs.
 */
typedef struct weir_stalls {
    size_t size;
    weir_time stream_window_ns; /* HTTP/2: content was offered and the stream's window was used up
                                   (RFC 9113 s5.2) */
    weir_time connection_window_ns; /* ... the stream's was not, the connection's was */
    weir_time max_streams_ns; /* it waited for a place because every stream that the peer allows was
                                 open (s5.1.2) */
    /* the kernel took less than it was offered, octets of this request among it */
    weir_time socket_ns;
    weir_time tls_ns;            /* the handshake of the connection that was dialled for it */
    weir_time caller_reading_ns; /* the peer could send nothing until weir_read(): the inbox, or the
                                    stream's window, was full */
    weir_time caller_supplying_ns; /* content could go and there was none: no weir_write(), or the
                                      source had none */
} weir_stalls;
#define WEIR_STALLS_INIT WEIR_INIT(weir_stalls)
/* Fills stalls->size octets of it (WEIR_STALLS_INIT sets it). */
WEIR_API void weir_exchange_stalls(const weir_exchange *exchange, weir_stalls *stalls);

#ifdef __cplusplus
}
#endif

#endif
