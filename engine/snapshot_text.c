/* SPDX-License-Identifier: MIT */
/* A snapshot as lines of text, for logs and people: the pool, then each origin with its connections
 * and its calls. */
#include "engine/snapshot.h"
#include "engine/text.h"

static void say_pool(weir_text *text, const weir_snapshot_pool *pool);
static void say_of(weir_text *text, const char *before, uint64_t count, uint64_t limit,
                   const char *after);
static void say_origin(weir_text *text, const weir_snapshot_origin *origin);
static void say_place(weir_text *text, const weir_snapshot_origin *origin);
static void say_connection(const weir_snapshot *snapshot, weir_text *text,
                           const weir_snapshot_line *line);
static void say_call(weir_text *text, const weir_snapshot_seat *seat);

size_t weir_snapshot_text(const weir_snapshot *snapshot, char *to, size_t room)
{
    weir_text text = weir_text_begin(to, room);
    size_t line = 0;
    size_t seat = 0;

    say_pool(&text, &snapshot->pool);
    for (size_t i = 0; i < snapshot->origin_count; i++) {
        say_origin(&text, &snapshot->origins[i]);
        for (; line < snapshot->line_count && snapshot->lines[line].connection.origin == i;
             line++) {
            say_connection(snapshot, &text, &snapshot->lines[line]);
        }
        for (; seat < snapshot->seat_count && snapshot->seats[seat].call.origin == i; seat++) {
            say_call(&text, &snapshot->seats[seat]);
        }
    }
    /* Those that are closed and were not given back yet are behind all others. */
    for (; line < snapshot->line_count; line++) {
        say_connection(snapshot, &text, &snapshot->lines[line]);
    }
    for (; seat < snapshot->seat_count; seat++) {
        say_call(&text, &snapshot->seats[seat]);
    }
    return text.length;
}

static void say_pool(weir_text *text, const weir_snapshot_pool *pool)
{
    say_of(text, "pool: ", pool->connections, pool->connections_limit, " connections, ");
    weir_text_add_number(text, pool->origins);
    weir_text_add(text, pool->origins == 1 ? " origin, " : " origins, ");
    weir_text_add_number(text, pool->leases);
    weir_text_add(text, pool->leases == 1 ? " call has one, " : " calls have one, ");
    say_of(text, "", pool->waiting, pool->waiting_limit,
           pool->waiting == 1 ? " waits\n" : " wait\n");
}

/* "2 of 6" */
static void say_of(weir_text *text, const char *before, uint64_t count, uint64_t limit,
                   const char *after)
{
    weir_text_add(text, before);
    weir_text_add_number(text, count);
    if (limit != UINT32_MAX) {
        weir_text_add(text, " of ");
        weir_text_add_number(text, limit);
    }
    weir_text_add(text, after);
}

static void say_origin(weir_text *text, const weir_snapshot_origin *origin)
{
    say_place(text, origin);
    weir_text_add(text, origin->protocol == WEIR_PROTOCOL_ANY ? ", protocol not known" : ", ");
    weir_text_add(
        text, origin->protocol == WEIR_PROTOCOL_ANY ? "" : weir_protocol_name(origin->protocol));
    weir_text_add(text, origin->pin != WEIR_PROTOCOL_ANY ? " by a pin" : "");
    if (origin->streams > 0) {
        weir_text_add(text, ", ");
        weir_text_add_number(text, origin->streams);
        weir_text_add(text,
                      origin->streams == 1 ? " stream a connection" : " streams a connection");
    }
    if (origin->failed_dials > 0) {
        weir_text_add(text, ", failed dials in a row: ");
        weir_text_add_number(text, origin->failed_dials);
    }
    if (origin->back_off_ns > 0) {
        weir_text_add(text, ", no dial for ");
        weir_text_add_time(text, origin->back_off_ns);
    }
    if (origin->horizon_ns != WEIR_NEVER) {
        weir_text_add(text, ", idle ones are kept for ");
        weir_text_add_time(text, origin->horizon_ns);
    }
    if (origin->left_over > 0) {
        weir_text_add(text, ", octets left over: ");
        weir_text_add_number(text, origin->left_over);
    }
    weir_text_add(text, ", connections: ");
    weir_text_add_number(text, origin->connections);
    weir_text_add(text, ", waiting: ");
    weir_text_add_number(text, origin->waiting);
    if (origin->waits_for != WEIR_REASON_NONE) {
        weir_text_add(text, " (");
        weir_text_add(text, weir_reason_name(origin->waits_for));
        weir_text_add(text, ")");
    }
    weir_text_add(text, "\n");
}

static void say_place(weir_text *text, const weir_snapshot_origin *origin)
{
    bool is_ipv6 = false;

    for (size_t i = 0; i < origin->host.length; i++) {
        is_ipv6 = is_ipv6 || origin->host.at[i] == ':';
    }
    is_ipv6 = is_ipv6 && origin->host.at[0] != '[';
    weir_text_add(text, origin->https ? "origin https://" : "origin http://");
    weir_text_add(text, is_ipv6 ? "[" : "");
    weir_text_add_span(text, origin->host);
    weir_text_add(text, origin->zone.length > 0 ? "%" : "");
    weir_text_add_span(text, origin->zone);
    weir_text_add(text, is_ipv6 ? "]:" : ":");
    weir_text_add_number(text, origin->port);
    if (origin->connect_to.length > 0) {
        weir_text_add(text, ", connected to ");
        weir_text_add_span(text, origin->connect_to);
        weir_text_add(text, ":");
        weir_text_add_number(text, origin->connect_port != 0 ? origin->connect_port : origin->port);
    }
    if (origin->socket_path.length > 0) {
        weir_text_add(text, ", connected to ");
        weir_text_add_span(text, origin->socket_path);
    }
    if (origin->local.length > 0) {
        weir_text_add(text, ", bound to ");
        weir_text_add_span(text, origin->local);
    }
    weir_text_add(text, origin->over_proxy ? ", over a proxy" : "");
    if (origin->tls != 0) {
        weir_text_add(text, ", TLS settings ");
        weir_text_add_number(text, origin->tls);
    }
}

static void say_connection(const weir_snapshot *snapshot, weir_text *text,
                           const weir_snapshot_line *line)
{
    const weir_snapshot_connection *c = &line->connection;

    weir_text_add(text, "    connection ");
    weir_text_add_number(text, c->conn);
    weir_text_add(text, "  ");
    weir_text_add(text, weir_connection_state_name(c->state));
    if (c->limit > 0 || c->used > 0) {
        say_of(text, " ", c->used, c->limit, "");
    }
    if (c->reason != WEIR_REASON_SPARE && c->reason != WEIR_REASON_DIALING) {
        weir_text_add(text, " (");
        weir_text_add(text, weir_reason_name(c->reason));
        weir_text_add(text, ")");
    }
    if (c->protocol != WEIR_PROTOCOL_ANY) {
        weir_text_add(text, ", ");
        weir_text_add(text, weir_protocol_name(c->protocol));
    }
    weir_text_add(text, ", ");
    weir_text_add_time(text, c->age_ns);
    weir_text_add(text, c->state == WEIR_CONNECTION_DIALING ? " so far" : " old, used ");
    if (c->state != WEIR_CONNECTION_DIALING) {
        weir_text_add_number(text, c->uses);
        weir_text_add(text, c->uses == 1 ? " time" : " times");
    }
    if (c->address[0] != '\0') {
        weir_text_add(text, ", to ");
        weir_text_add(text, c->address);
    }
    if (c->answer_ns != WEIR_NEVER) {
        weir_text_add(text, c->answer_ns > 0 ? ", answer counts for " : ", answer has run out");
    }
    if (c->answer_ns != WEIR_NEVER && c->answer_ns > 0) {
        weir_text_add_time(text, c->answer_ns);
    }
    if (c->idle_ns > 0) {
        weir_text_add(text, ", idle for ");
        weir_text_add_time(text, c->idle_ns);
    }
    if (c->last_read_ns != WEIR_UNKNOWN) {
        weir_text_add(text, ", read ");
        weir_text_add_time(text, c->last_read_ns);
        weir_text_add(text, " ago");
    }
    for (size_t i = 0; i < line->seats; i++) {
        weir_text_add(text, i == 0 ? ", for call " : " ");
        weir_text_add_number(text, snapshot->seats[line->first_seat + i].call.exchange);
    }
    weir_text_add(text, "\n");
}

static void say_call(weir_text *text, const weir_snapshot_seat *seat)
{
    const weir_snapshot_call *call = &seat->call;
    weir_waits waits;
    bool is_first = true;

    weir_wait_spread(seat->ns, &waits);
    weir_text_add(text, "    call ");
    weir_text_add_number(text, call->exchange);
    if (call->waiting && call->place == 0) {
        weir_text_add(text, "  waits outside of the queue (");
    } else if (call->waiting) {
        weir_text_add(text, "  waits at place ");
        weir_text_add_number(text, call->place);
        weir_text_add(text, " (");
    } else {
        weir_text_add(text, "  has connection ");
        weir_text_add_number(text, call->conn);
        weir_text_add(text, " (");
    }
    weir_text_add(text, weir_reason_name(call->reason));
    weir_text_add(text, "), waited ");
    weir_text_add_time(text, waits.total_ns);
    for (int i = 0; i < WEIR_REASON_COUNT; i++) {
        if (waits.ns[i] > 0) {
            weir_text_add(text, is_first ? ": " : ", ");
            weir_text_add(text, weir_reason_name((weir_reason)i));
            weir_text_add(text, " ");
            weir_text_add_time(text, waits.ns[i]);
            is_first = false;
        }
    }
    if (call->waiting && call->conn != 0) {
        weir_text_add(text, ", connection ");
        weir_text_add_number(text, call->conn);
        weir_text_add(text, " is dialled for it");
    }
    if (call->bounces > 0) {
        weir_text_add(text, ", refused at the last moment: ");
        weir_text_add_number(text, call->bounces);
    }
    weir_text_add(text, "\n");
}
