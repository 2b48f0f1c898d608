/* SPDX-License-Identifier: MIT */
/*
 * The small values that every other header of weir is made of: spans, octet counts, time, fields,
 * the allocator, and how public records grow.
 *
 * Ownership words, the same three everywhere. *borrows*: until the call returns. *keeps*: until the
 * object is freed; the caller's memory must outlive it. *takes*: the caller may not touch it again.
 *
 * Thread rule: nothing here is shared; these are values.
 */
#ifndef WEIR_BASE_H
#define WEIR_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#    define WEIR_API __attribute__((visibility("default")))
#else
#    define WEIR_API
#endif

/* Monotonic nanoseconds. Deadlines are absolute; WEIR_NEVER is the one that never comes. */
typedef uint64_t weir_time;
#define WEIR_NEVER         UINT64_MAX
#define WEIR_NS_PER_MS     UINT64_C(1000000)
#define WEIR_NS_PER_SECOND UINT64_C(1000000000)

/* A length that nobody knows yet. */
#define WEIR_UNKNOWN UINT64_MAX

/* A run of octets in someone else's memory. Never NUL-terminated. {NULL, 0} is the empty one. */
typedef struct weir_span {
    const uint8_t *at;
    size_t length;
} weir_span;

/* The span of a string literal, and of a NUL-terminated string (NULL gives the empty span). */
#ifdef __cplusplus
#    define WEIR_SPAN(literal)                                                                     \
        (weir_span{reinterpret_cast<const uint8_t *>(literal), sizeof(literal) - 1})
#else
#    define WEIR_SPAN(literal) ((weir_span){(const uint8_t *)(literal), sizeof(literal) - 1})
#endif
WEIR_API weir_span weir_span_of(const char *text);

/* Octets counted in both directions, seen from the client. */
typedef struct weir_octets {
    uint64_t sent;
    uint64_t received;
} weir_octets;

/* Bits of weir_field.flags. */
enum {
    WEIR_FIELD_SENSITIVE = 1, /* HPACK never-indexed (RFC 7541 s6.2.3); left out of texts */
    WEIR_KEEP = 2 /* the octets are *kept*, not copied: they must outlive the exchange */
};

/* A header or trailer field (RFC 9110 s5). Names are compared without regard to case. */
typedef struct weir_field {
    weir_span name;
    weir_span value;
    uint32_t flags;
} weir_field;

typedef enum weir_protocol {
    WEIR_PROTOCOL_ANY = 0, /* as ALPN decides; HTTP/1.1 without TLS */
    WEIR_H1 = 1,           /* HTTP/1.1, RFC 9112 */
    WEIR_H2 = 2            /* HTTP/2, RFC 9113; without TLS: prior knowledge (RFC 9113 s3.3) */
} weir_protocol;

/* "HTTP/1.1", "HTTP/2", "any"; "unknown" for a number that is none. Never NULL, never freed. */
WEIR_API const char *weir_protocol_name(weir_protocol protocol);

/*
 * Memory. All three get `user` last. `alloc` and `resize` answer NULL when there is none, which is
 * an ordinary error everywhere in weir (WEIR_E_NOMEM); `resize(NULL, n)` is alloc; `release(NULL)`
 * does nothing. They are called on any thread that is inside a weir call, several at once.
 */
typedef struct weir_allocator {
    size_t size; /* sizeof(weir_allocator) */
    void *user;
    void *(*alloc)(size_t octets, void *user);
    void *(*resize)(void *at, size_t octets, void *user);
    void (*release)(void *at, void *user);
} weir_allocator;

/*
 * How records grow: every record of options or callbacks, and every one that is to be filled, begins
 * with `size_t size`, set by its INIT macro. Fields are only ever appended, 0 means the default, and
 * the library reads and writes no further than the caller's `size`: a program built against an older
 * header keeps its meaning. A record of options or callbacks whose `size` is less than a size_t takes,
 * or without a function that it must have, is refused, WEIR_E_INVALID. One that is to be filled has
 * in `size` how far it was filled, which is less than asked if the program is of a newer header; if
 * it comes with a `size` that is less than a size_t takes, nothing is written, and a function with
 * an answer says false.
 */

#ifdef __cplusplus
}
template <class record> inline record weir_initial()
{
    record r = record();
    r.size = sizeof(record);
    return r;
}
extern "C" {
#    define WEIR_INIT(record) weir_initial<record>()
#else
#    define WEIR_INIT(record)                                                                      \
        {                                                                                          \
            .size = sizeof(record)                                                                 \
        }
#endif
#define WEIR_ALLOCATOR_INIT WEIR_INIT(weir_allocator)

/* The version of the library that is linked: "0.1.0". */
WEIR_API const char *weir_version(void);

#ifdef __cplusplus
}
#endif

#endif
