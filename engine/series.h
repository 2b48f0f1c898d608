/* SPDX-License-Identifier: MIT */
/*
 * What a core counts by the attributes that OpenTelemetry requires: series, which are found by
 * their attributes, made when first counted, and then stay. Each kind has a limit; what is over it,
 * or finds no memory, is counted in the *rest* of its kind, so that all series together are the
 * totals (metrics.h) at every moment.
 *
 *   kind          attributes, beyond server.address, server.port and url.scheme
 *   ASKED         http.request.method
 *   QUEUED        ... and network.protocol.version
 *   ENDED         ... and http.response.status_code and error.type
 *   CONNECTIONS   network.protocol.version
 *
 * Ownership: series belong to the account. A request points to its ASKED series from its start to
 * its end. A connection points to none, for it is to be small when it is idle: its series is looked
 * for once more when it closes. So that it is found then exactly if it was counted there, no series
 * of connections is made while the rest of them holds open ones.
 *
 * Thread rule: none inside; the core's.
 */
#ifndef WEIR_ENGINE_SERIES_H
#define WEIR_ENGINE_SERIES_H

#include "engine/metrics.h"
#include "pool/origin.h"
#include "pool/table.h"

typedef enum weir_series_kind {
    WEIR_SERIES_ASKED = 0,
    WEIR_SERIES_QUEUED,
    WEIR_SERIES_ENDED,
    WEIR_SERIES_CONNECTIONS,
    WEIR_SERIES_KINDS
} weir_series_kind;

/* scheme://host:port, in the order of its first series. Never changed, freed with the account. */
typedef struct weir_server {
    weir_table_entry entry;
    struct weir_server *next;
    uint32_t number; /* from 0 */
    uint16_t port;
    bool https;
    size_t host_length;
    uint8_t host[]; /* with its zone, "fe80::1%eth0" */
} weir_server;

/* A word: what is not of its kind is 0. */
typedef struct weir_series_key {
    uint8_t kind;
    uint8_t protocol;
    uint16_t method; /* among those that are known; as many as these are: another */
    uint16_t code;   /* 0: no response came */
    int16_t status;  /* of a failure */
} weir_series_key;
_Static_assert(sizeof(weir_series_key) == sizeof(uint64_t), "a series' key is hashed as a word");

typedef union weir_series_numbers {
    struct {
        uint64_t started;
        uint64_t active;
    } asked;
    weir_durations queued;
    struct {
        weir_durations duration;
        uint64_t resent;
        weir_sizes request_body;
        weir_sizes response_body;
        weir_sizes request;
        weir_sizes response;
    } ended;
    struct {
        uint64_t active; /* these two are filled in when they are read */
        uint64_t idle;
        uint64_t opened;
        weir_durations duration;
    } connections;
} weir_series_numbers;

typedef struct weir_series {
    weir_table_entry entry;
    struct weir_series *next;  /* of its kind, in the order in which they were made */
    const weir_server *server; /* NULL: the rest of its kind */
    weir_series_key key;
    weir_series_numbers numbers;
} weir_series;

typedef struct weir_series_options {
    const weir_allocator *allocator;
    uint64_t seed;       /* of the hash */
    uint32_t limit;      /* series of each kind, the rest apart; not 0 */
    const char *methods; /* those that are known, with commas; NULL: RFC 9110 s9 and PATCH */
} weir_series_options;

typedef struct weir_series_account {
    const weir_allocator *allocator;
    uint64_t seed;
    uint64_t hash_bits; /* those that count: all of them; tests leave few */
    uint32_t limit;
    weir_table by_server;
    weir_table by_key;
    weir_server *servers;
    weir_server **servers_end;
    size_t server_count;
    size_t host_octets; /* of all servers */
    weir_series *series[WEIR_SERIES_KINDS];
    weir_series **series_end[WEIR_SERIES_KINDS];
    size_t count[WEIR_SERIES_KINDS];
    weir_series rest[WEIR_SERIES_KINDS];
    weir_span *methods; /* each with a NUL behind it */
    size_t method_count;
    char *method_text;
    size_t method_octets;
} weir_series_account;

/* NULL: no memory. The methods are copied. */
weir_series_account *weir_series_account_new(const weir_series_options *options);
/* Another, empty, of the same limit and methods; of the other only what never changes is looked at.
 * NULL: no memory. */
weir_series_account *weir_series_account_anew(const weir_series_account *of, uint64_t seed);
/* NULL-safe. */
void weir_series_account_free(weir_series_account *account);
/* Forgets everything that was counted. No request may be active that is not counted anew. */
void weir_series_account_forget(weir_series_account *account);

/* Where a request goes, and a connection. Spans are borrowed. */
typedef struct weir_server_key {
    bool https;
    uint16_t port;
    weir_span host;
    weir_span zone;
} weir_server_key;
weir_server_key weir_server_key_of_target(const weir_target *target);
weir_server_key weir_server_key_of_origin(const weir_origin_key *origin);

/* The moments of metrics.h. Never NULL: where it is counted, for what follows. */
weir_series *weir_series_started(weir_series_account *account, const weir_server_key *server,
                                 weir_span method);
void weir_series_queued(weir_series_account *account, const weir_series *asked,
                        weir_protocol protocol, weir_time waited_ns);
void weir_series_ended(weir_series_account *account, weir_series *asked,
                       const weir_metrics_request *request);
void weir_series_opened(weir_series_account *account, const weir_server_key *server,
                        weir_protocol protocol);
void weir_series_closed(weir_series_account *account, const weir_server_key *server,
                        weir_protocol protocol, weir_time lasted_ns);

/* The series in which such a connection was counted when it opened. */
weir_series *weir_series_of_connection(weir_series_account *account, const weir_server_key *server,
                                       weir_protocol protocol);

/* Counts, lists and tables agree, and limits hold. */
void weir_series_account_check(const weir_series_account *account);

#endif
