/* SPDX-License-Identifier: MIT */
/* The explanation as JSON, by jansson: octet counts as {"sent": n, "received": n}. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"

static json_t *of_octets(weir_octets octets)
{
    return json_pack("{s:I, s:I}", "sent", (json_int_t)octets.sent, "received",
                     (json_int_t)octets.received);
}

static json_t *of_tally(const weir_tally *tally)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "head", of_octets(tally->head), "body",
                     of_octets(tally->body), "trailers", of_octets(tally->trailers), "framing",
                     of_octets(tally->framing), "tls", of_octets(tally->tls));
}

static json_t *of_failure(const weir_failure *failure)
{
    if (failure->status == WEIR_OK) {
        return json_null();
    }
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:i, s:i}", "status", weir_status_name(failure->status),
        "sentence", weir_status_sentence(failure->status), "blame",
        weir_blame_name(weir_status_blame(failure->status)), "phase",
        weir_phase_name(failure->phase), "errno", failure->sys_errno, "tls_alert",
        failure->tls_alert, "h2_code", failure->has_h2_code ? (int)failure->h2_code : -1);
}

static json_t *of_moment(const explain_story *story, const explain_moment *moment)
{
    const weir_event *event = &moment->event;
    json_t *out = json_pack("{s:s, s:I, s:I}", "event", weir_event_name(event->kind), "at_ns",
                            (json_int_t)(event->at_ns - story->began_ns), "connection",
                            (json_int_t)event->conn);

    if (event->kind == WEIR_EVENT_CONNECTION_ACQUIRED) {
        (void)json_object_set_new(out, "host", json_string(moment->host));
        (void)json_object_set_new(out, "port", json_integer(event->port));
        (void)json_object_set_new(out, "protocol",
                                  json_string(weir_protocol_name(event->protocol)));
        (void)json_object_set_new(out, "reused", json_boolean(event->reused));
        (void)json_object_set_new(out, "waited_ns", json_integer((json_int_t)event->waited_ns));
    }
    if (event->why != NULL &&
        (event->kind != WEIR_EVENT_RELEASED || event->reason != WEIR_REASON_NONE)) {
        (void)json_object_set_new(out, "why", json_string(event->why));
    }
    if (moment->address[0] != '\0') {
        (void)json_object_set_new(out, "address", json_string(moment->address));
    }
    if (event->kind == WEIR_EVENT_REQUEST_SENT || event->kind == WEIR_EVENT_RESPONSE_RECEIVED) {
        (void)json_object_set_new(out, "plain_octets",
                                  json_integer((json_int_t)event->plain_octets));
        (void)json_object_set_new(out, "tls_octets", json_integer((json_int_t)event->tls_octets));
        (void)json_object_set_new(out, "last", json_boolean(event->last));
    }
    if (event->failure.status != WEIR_OK) {
        (void)json_object_set_new(out, "failure", of_failure(&event->failure));
    }
    return out;
}

static json_t *of_stalls(const weir_stalls *stalls)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "stream_window_ns",
                     (json_int_t)stalls->stream_window_ns, "connection_window_ns",
                     (json_int_t)stalls->connection_window_ns, "max_streams_ns",
                     (json_int_t)stalls->max_streams_ns, "socket_ns", (json_int_t)stalls->socket_ns,
                     "tls_ns", (json_int_t)stalls->tls_ns, "caller_reading_ns",
                     (json_int_t)stalls->caller_reading_ns, "caller_supplying_ns",
                     (json_int_t)stalls->caller_supplying_ns);
}

/* {"busy": 81560000, ...} */
static json_t *of_waits(const weir_waits *waits)
{
    json_t *out = json_object();

    for (int i = 0; i < WEIR_REASON_COUNT; i++) {
        if (waits->ns[i] > 0) {
            (void)json_object_set_new(out, weir_reason_name((weir_reason)i),
                                      json_integer((json_int_t)waits->ns[i]));
        }
    }
    return out;
}

static json_t *of_candidates(const explain_story *story)
{
    json_t *out = json_array();

    for (size_t i = 0; i < story->candidate_count; i++) {
        const weir_candidate *candidate = &story->candidates[i];
        (void)json_array_append_new(
            out,
            json_pack("{s:I, s:s, s:i, s:i, s:b}", "connection", (json_int_t)candidate->conn,
                      "reason", weir_reason_name(candidate->reason), "used", (int)candidate->used,
                      "limit", (int)candidate->limit, "closed", candidate->closed));
    }
    return out;
}

static json_t *of_connects(const explain_story *story)
{
    json_t *out = json_array();

    for (size_t i = 0; i < story->connect_count; i++) {
        const weir_connect_attempt *connect = &story->connects[i];
        const json_int_t began_ns = (json_int_t)(connect->began_ns - story->began_ns);
        json_t *one = json_pack("{s:I, s:s, s:i, s:i, s:b, s:b, s:I, s:I}", "connection",
                                (json_int_t)connect->conn, "address", connect->address, "port",
                                (int)connect->port, "errno", connect->sys_errno, "won",
                                (int)connect->won, "unfinished", (int)connect->unfinished,
                                "began_ns", began_ns, "took_ns", (json_int_t)connect->took_ns);
        if (connect->sys_errno != 0) {
            (void)json_object_set_new(one, "error", json_string(strerror(connect->sys_errno)));
        }
        (void)json_array_append_new(out, one);
    }
    return out;
}

/* JSON is UTF-8, a URL that was given may be anything: octets that are none become U+FFFD. */
static json_t *of_url(const char *url)
{
    json_t *out = json_string(url);

    if (out != NULL) {
        return out;
    }
    const size_t length = strlen(url);
    char *text = malloc(3 * length + 1);
    size_t at = 0;
    for (size_t i = 0; i < length && text != NULL; i++) {
        const bool is_ascii = (unsigned char)url[i] < 0x80;
        memcpy(text + at, is_ascii ? &url[i] : "\xef\xbf\xbd", is_ascii ? 1 : 3);
        at += is_ascii ? 1 : 3;
    }
    out = text != NULL ? json_stringn(text, at) : json_null();
    free(text);
    return out;
}

static json_t *of_story(const explain_story *story)
{
    json_t *moments = json_array();
    json_t *attempts = json_array();

    for (size_t i = 0; i < story->moment_count; i++) {
        (void)json_array_append_new(moments, of_moment(story, &story->moments[i]));
    }
    for (size_t i = 0; i < story->attempt_count; i++) {
        const weir_attempt *attempt = &story->attempts[i];
        (void)json_array_append_new(attempts, json_pack("{s:I, s:s, s:b, s:o, s:o}", "connection",
                                                        (json_int_t)attempt->conn, "protocol",
                                                        weir_protocol_name(attempt->protocol),
                                                        "reused", (int)attempt->reused, "tally",
                                                        of_tally(&attempt->tally), "failure",
                                                        of_failure(&attempt->failure)));
    }
    return json_pack("{s:o, s:b, s:i, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o}", "url",
                     of_url(story->url), "complete", (int)(story->status == WEIR_OK), "code",
                     story->code, "total_ns", (json_int_t)(story->ended_ns - story->began_ns),
                     "failure", of_failure(&story->failure), "stalls", of_stalls(&story->stalls),
                     "waited_ns", of_waits(&story->waits), "candidates", of_candidates(story),
                     "connects", of_connects(story), "connects_left_out",
                     (json_int_t)story->connects_left_out, "events", moments, "attempts", attempts);
}

static json_t *of_connection(const explain_connection *connection)
{
    const weir_account *account = &connection->account;
    static const char *const verdicts[] = {"unavailable", "agree", "differ"};
    json_t *rows = json_object();

    for (int row = 0; row < WEIR_CONN_ROWS; row++) {
        (void)json_object_set_new(rows, weir_conn_row_name((weir_conn_row)row),
                                  of_octets(account->rows[row]));
    }
    return json_pack(
        "{s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "connection",
        (json_int_t)connection->number, "protocol", weir_protocol_name(connection->protocol), "why",
        connection->why, "wire", of_octets(account->wire), "plain", of_octets(account->plain),
        "exchanges", of_tally(&account->exchanges), "rows", rows, "undecided",
        of_octets(account->undecided), "torn", of_octets(account->torn), "kernel",
        of_octets(account->verdict.kernel), "verdict", verdicts[account->verdict.agreement]);
}

void print_json(FILE *to, const explain_story *stories, size_t count, const explain_book *book)
{
    json_t *exchanges = json_array();
    json_t *connections = json_array();

    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(exchanges, of_story(&stories[i]));
    }
    for (size_t i = 0; i < book->connection_count; i++) {
        (void)json_array_append_new(connections, of_connection(&book->connections[i]));
    }
    json_t *all = json_pack("{s:o, s:o}", "exchanges", exchanges, "connections", connections);
    if (book->snapshot != NULL) {
        (void)json_object_set_new(all, "snapshot", json_string(book->snapshot));
    }
    (void)json_dumpf(all, to, JSON_INDENT(2));
    (void)fputc('\n', to);
    json_decref(all);
}
