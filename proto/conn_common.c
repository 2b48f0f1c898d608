/* SPDX-License-Identifier: MIT */
/*
 * The part of a connection that is the same for both protocols: its defaults, its birth, its facts.
 */
#include "proto/conn_common.h"

#include "proto/failure.h"

#include <string.h>

#define DEFAULT_HEAD_OCTETS         65536
#define DEFAULT_FIELDS              256
#define DEFAULT_INFORMATIONAL       32
#define DEFAULT_CHUNK_OCTETS        16384
#define DEFAULT_OUT_OCTETS          65536
#define DEFAULT_H1_INBOX_OCTETS     65536
#define DEFAULT_H2_INBOX_OCTETS     262144
#define DEFAULT_H1_BULK_OCTETS      262144
#define DEFAULT_H2_BULK_OCTETS      (4 * 1024 * 1024)
#define DEFAULT_INTERACTIVE_OCTETS  16384
#define DEFAULT_CONN_INBOX_OCTETS   (16 * 1024 * 1024)
#define DEFAULT_STREAMS             1000
#define DEFAULT_UNPRODUCTIVE_FRAMES 1000
#define DEFAULT_HEADER_TABLE_OCTETS 4096
#define DEFAULT_SETTINGS_NS         (10 * WEIR_NS_PER_SECOND)
#define DEFAULT_PING_TIMEOUT_NS     (10 * WEIR_NS_PER_SECOND)
#define DEFAULT_STOW_NS             WEIR_NS_PER_SECOND
#define DEFAULT_FIRST_STREAM        1

#define DEFAULTS(an_inbox_octets, a_bulk_octets)                                                   \
    {                                                                                              \
        .head_octets = DEFAULT_HEAD_OCTETS, .fields = DEFAULT_FIELDS,                              \
        .informational = DEFAULT_INFORMATIONAL, .chunk_octets = DEFAULT_CHUNK_OCTETS,              \
        .out_octets = DEFAULT_OUT_OCTETS, .inbox_octets = (an_inbox_octets),                       \
        .bulk_octets = (a_bulk_octets), .interactive_octets = DEFAULT_INTERACTIVE_OCTETS,          \
        .conn_inbox_octets = DEFAULT_CONN_INBOX_OCTETS, .streams = DEFAULT_STREAMS,                \
        .unproductive_frames = DEFAULT_UNPRODUCTIVE_FRAMES,                                        \
        .header_table_octets = DEFAULT_HEADER_TABLE_OCTETS, .settings_ns = DEFAULT_SETTINGS_NS,    \
        .ping_timeout_ns = DEFAULT_PING_TIMEOUT_NS, .first_stream = DEFAULT_FIRST_STREAM,          \
        .stow_ns = DEFAULT_STOW_NS,                                                                \
    }

_Static_assert(DEFAULT_H2_INBOX_OCTETS <= INT32_MAX, "a window is at most 2^31 - 1 (s6.9.1)");
_Static_assert(DEFAULT_H2_INBOX_OCTETS <= DEFAULT_CONN_INBOX_OCTETS, "one stream fits the whole");
_Static_assert(DEFAULT_H2_BULK_OCTETS <= DEFAULT_CONN_INBOX_OCTETS / 2, "and so does one in bulk");

static uint32_t or_default(uint32_t given, uint32_t otherwise);
static weir_time or_default_ns(weir_time given, weir_time otherwise);
static bool facts_differ(const weir_facts *a, const weir_facts *b);

static const weir_conn_limits h1_defaults =
    DEFAULTS(DEFAULT_H1_INBOX_OCTETS, DEFAULT_H1_BULK_OCTETS);
static const weir_conn_limits h2_defaults =
    DEFAULTS(DEFAULT_H2_INBOX_OCTETS, DEFAULT_H2_BULK_OCTETS);

weir_conn_limits weir_conn_limits_fill(const weir_conn_limits *limits, weir_protocol protocol)
{
    /* A hint changes defaults and nothing that was given. */
    const uint32_t given_inbox = limits->inbox_octets;
    const weir_conn_limits *otherwise = protocol == WEIR_H2 ? &h2_defaults : &h1_defaults;
    return (weir_conn_limits){
        .head_octets = or_default(limits->head_octets, otherwise->head_octets),
        .fields = or_default(limits->fields, otherwise->fields),
        .informational = or_default(limits->informational, otherwise->informational),
        .chunk_octets = or_default(limits->chunk_octets, otherwise->chunk_octets),
        .out_octets = or_default(limits->out_octets, otherwise->out_octets),
        .inbox_octets = or_default(limits->inbox_octets, otherwise->inbox_octets),
        .bulk_octets =
            or_default(limits->bulk_octets, or_default(given_inbox, otherwise->bulk_octets)),
        .interactive_octets =
            or_default(limits->interactive_octets,
                       or_default(limits->out_octets, otherwise->interactive_octets)),
        .conn_inbox_octets = or_default(limits->conn_inbox_octets, otherwise->conn_inbox_octets),
        .streams = or_default(limits->streams, otherwise->streams),
        .unproductive_frames =
            or_default(limits->unproductive_frames, otherwise->unproductive_frames),
        .header_table_octets =
            or_default(limits->header_table_octets, otherwise->header_table_octets),
        .settings_ns = or_default_ns(limits->settings_ns, otherwise->settings_ns),
        .ping_ns = limits->ping_ns,
        .ping_timeout_ns = or_default_ns(limits->ping_timeout_ns, otherwise->ping_timeout_ns),
        .bare_lf = limits->bare_lf,
        .first_stream = or_default(limits->first_stream, otherwise->first_stream),
        .ping_idle = limits->ping_idle,
        .stow_ns = or_default_ns(limits->stow_ns, otherwise->stow_ns),
    };
}

void weir_conn_init(weir_conn *conn, const weir_conn_options *options)
{
    WEIR_ASSERT(options->protocol == WEIR_H1 || options->protocol == WEIR_H2);
    memset(conn, 0, sizeof(*conn));
    conn->bin = options->bin;
    conn->limits = options->limits                ? options->limits
                   : options->protocol == WEIR_H2 ? &h2_defaults
                                                  : &h1_defaults;
    WEIR_ASSERT(conn->limits->first_stream % 2 == 1); /* else they were not filled in */
    weir_list_init(&conn->ready);
    conn->facts = (weir_facts){
        .version = 1,
        .protocol = options->protocol,
        .capacity_streams = options->protocol == WEIR_H2 ? conn->limits->streams : 1,
        .capacity_assumed = options->protocol == WEIR_H2,
        .accepting = true,
        .reusable = true,
        .unfit = WEIR_FIT,
    };
}

void weir_conn_clear(weir_conn *conn)
{
    WEIR_ASSERT(weir_list_is_empty(&conn->ready));
    WEIR_ASSERT(weir_ledger_next_open(&conn->ledger, NULL) == NULL);
    if (conn->out) {
        weir_out_clear(conn->out);
    }
    weir_release(conn->bin->allocator, conn->failure);
    conn->failure = NULL;
}

void weir_conn_fail(weir_conn *conn, const weir_failure *failure)
{
    WEIR_ASSERT(failure->status != WEIR_OK);
    if (conn->failed) {
        return;
    }
    conn->failed = true;
    conn->failure = weir_alloc(conn->bin->allocator, sizeof(*conn->failure));
    if (conn->failure) {
        *conn->failure = *failure;
    }
}

uint32_t weir_conn_inbox_octets(const weir_conn *conn, const weir_head *head)
{
    const weir_conn_limits *limits = conn->limits;
    const bool more = head->hint == WEIR_HINT_BULK && limits->bulk_octets > limits->inbox_octets;
    return more ? limits->bulk_octets : limits->inbox_octets;
}

uint32_t weir_conn_out_octets(const weir_conn *conn, const weir_head *head)
{
    const weir_conn_limits *limits = conn->limits;
    const bool less =
        head->hint == WEIR_HINT_INTERACTIVE && limits->interactive_octets < limits->out_octets;
    return less ? limits->interactive_octets : limits->out_octets;
}

uint32_t weir_conn_small_octets(const weir_conn *conn, const weir_head *head)
{
    return head->hint == WEIR_HINT_INTERACTIVE ? conn->limits->interactive_octets : 0;
}

void weir_conn_set_facts(weir_conn *conn, weir_facts facts)
{
    WEIR_ASSERT(facts.protocol == conn->facts.protocol);
    if (!facts_differ(&conn->facts, &facts)) {
        return;
    }
    facts.version = conn->facts.version + 1;
    conn->facts = facts;
}

static uint32_t or_default(uint32_t given, uint32_t otherwise)
{
    return given > 0 ? given : otherwise;
}

static weir_time or_default_ns(weir_time given, weir_time otherwise)
{
    return given > 0 ? given : otherwise;
}

/* In anything but the version. Member by member: padding is nobody's. */
static bool facts_differ(const weir_facts *a, const weir_facts *b)
{
    return a->protocol != b->protocol || a->capacity_streams != b->capacity_streams ||
           a->capacity_assumed != b->capacity_assumed || a->accepting != b->accepting ||
           a->reusable != b->reusable || a->unfit != b->unfit ||
           a->keep_alive_ns != b->keep_alive_ns;
}
