/* SPDX-License-Identifier: MIT */
/*
 * The explanation for people. The ledger of a connection is printed row by row, then added up from
 * the printed rows, so that the sum beside the kernel's figure is of what a reader sees and of
 * nothing else.
 */
#include "print.h"

#include <inttypes.h>
#include <string.h>

static void print_connection(FILE *to, const explain_connection *connection,
                             const explain_story *stories, size_t count);
static bool says_more(weir_event_kind kind);
static void print_moment(FILE *to, const explain_story *story, const explain_moment *moment);
static void print_waits(FILE *to, const explain_story *story);
static void print_connects(FILE *to, const explain_story *story);
static void print_failure(FILE *to, const weir_failure *failure);
static void print_stalls(FILE *to, const weir_stalls *stalls);
static void print_row(FILE *to, const char *name, weir_octets octets, weir_octets *sum);
static void print_tally(FILE *to, const char *label, const weir_tally *tally, weir_octets *sum);
static weir_tally less(weir_tally from, const weir_tally *by);
static bool is_word(const char *word, size_t length, const char *wanted);
static void print_word(FILE *to, const char *word, size_t length, const explain_story *story);

void print_story(FILE *to, size_t number, const explain_story *story)
{
    (void)fprintf(to, "\nexchange %zu  %s\n", number, story->url);
    for (size_t i = 0; i < story->moment_count; i++) {
        print_moment(to, story, &story->moments[i]);
    }
    if (story->status == WEIR_OK) {
        (void)fprintf(to, "  complete: %d after %.3f ms\n", story->code,
                      (double)(story->ended_ns - story->began_ns) / 1e6);
    } else {
        (void)fprintf(to, "  failed: ");
        print_failure(to, &story->failure);
    }
    print_waits(to, story);
    print_connects(to, story);
    print_stalls(to, &story->stalls);
    for (size_t i = 0; i < story->attempt_count; i++) {
        weir_octets sum = {0, 0};
        (void)fprintf(to, "  attempt %zu on connection %" PRIu64 " (%s%s)%s%s\n", i + 1,
                      story->attempts[i].conn, weir_protocol_name(story->attempts[i].protocol),
                      story->attempts[i].reused ? ", reused" : "",
                      story->attempts[i].failure.status != WEIR_OK ? ": " : "",
                      story->attempts[i].failure.status != WEIR_OK
                          ? weir_status_sentence(story->attempts[i].failure.status)
                          : "");
        (void)fprintf(to, "    %-28s %12s %12s\n", "octets", "sent", "received");
        print_tally(to, "", &story->attempts[i].tally, &sum);
        (void)fprintf(to, "    %-28s %12" PRIu64 " %12" PRIu64 "\n", "sum", sum.sent, sum.received);
    }
}

void print_book(FILE *to, const explain_book *book, const explain_story *stories, size_t count)
{
    if (book->snapshot != NULL) {
        (void)fprintf(to, "\nwhen the first response had begun\n%s", book->snapshot);
    }
    for (size_t i = 0; i < book->connection_count; i++) {
        print_connection(to, &book->connections[i], stories, count);
    }
}

void print_format(FILE *to, const char *format, const explain_story *story)
{
    for (const char *at = format; *at != '\0'; at++) {
        const char *end = at[0] == '%' && at[1] == '{' ? strchr(at, '}') : NULL;
        if (end != NULL) {
            print_word(to, at + 2, (size_t)(end - at - 2), story);
            at = end;
        } else if (at[0] == '%' && at[1] == '%') {
            (void)fputc('%', to);
            at++;
        } else if (at[0] == '\\' && (at[1] == 'n' || at[1] == 't')) {
            (void)fputc(at[1] == 'n' ? '\n' : '\t', to);
            at++;
        } else {
            (void)fputc(*at, to);
        }
    }
}

static void print_connection(FILE *to, const explain_connection *connection,
                             const explain_story *stories, size_t count)
{
    const weir_account *account = &connection->account;
    weir_tally others = account->exchanges;
    weir_octets sum = {0, 0};

    (void)fprintf(to, "\nconnection %" PRIu64 "  %s, closed: %s\n", connection->number,
                  weir_protocol_name(connection->protocol), connection->why);
    (void)fprintf(to, "    %-28s %12s %12s\n", "octets", "sent", "received");
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < stories[i].attempt_count; j++) {
            const weir_attempt *attempt = &stories[i].attempts[j];
            if (attempt->conn == connection->number) {
                char label[48];
                (void)snprintf(label, sizeof(label), "exchange %zu ", i + 1);
                print_tally(to, label, &attempt->tally, &sum);
                others = less(others, &attempt->tally);
            }
        }
    }
    print_tally(to, "other exchanges ", &others, &sum);
    for (int row = 0; row < WEIR_CONN_ROWS; row++) {
        print_row(to, weir_conn_row_name((weir_conn_row)row), account->rows[row], &sum);
    }
    print_row(to, "undecided", account->undecided, &sum);
    print_row(to, "torn", account->torn, &sum);
    (void)fprintf(to, "    %-28s %12" PRIu64 " %12" PRIu64 "\n", "sum of the rows", sum.sent,
                  sum.received);
    (void)fprintf(to, "    %-28s %12" PRIu64 " %12" PRIu64 "\n", "on the wire", account->wire.sent,
                  account->wire.received);
    if (account->verdict.agreement == WEIR_UNAVAILABLE) {
        (void)fprintf(to, "    %-28s %12s %12s\n", "kernel (TCP_INFO)", "-", "unavailable");
        return;
    }
    (void)fprintf(to, "    %-28s %12" PRIu64 " %12" PRIu64 "  %s\n", "kernel (TCP_INFO)",
                  account->verdict.kernel.sent, account->verdict.kernel.received,
                  account->verdict.agreement == WEIR_AGREE &&
                          sum.sent == account->verdict.kernel.sent &&
                          sum.received == account->verdict.kernel.received
                      ? "agree"
                      : "DIFFER");
}

/* Its name is not all that there is to say, a failure aside. */
static bool says_more(weir_event_kind kind)
{
    static const weir_event_kind names_only[] = {
        WEIR_EVENT_SUBMITTED, WEIR_EVENT_DNS_STARTED, WEIR_EVENT_TLS_STARTED,
        WEIR_EVENT_HEAD_SENT, WEIR_EVENT_FIRST_OCTET, WEIR_EVENT_REPLAYED,
        WEIR_EVENT_DONE,
    };

    for (size_t i = 0; i < sizeof(names_only) / sizeof(names_only[0]); i++) {
        if (names_only[i] == kind) {
            return false;
        }
    }
    return true;
}

static void print_moment(FILE *to, const explain_story *story, const explain_moment *moment)
{
    const weir_event *event = &moment->event;

    (void)fprintf(to, says_more(event->kind) ? "  %10.3f ms  %-20s" : "  %10.3f ms  %s",
                  (double)(event->at_ns - story->began_ns) / 1e6, weir_event_name(event->kind));
    switch (event->kind) {
    case WEIR_EVENT_WAITING:
        (void)fprintf(to, " %s", event->why);
        break;
    case WEIR_EVENT_CONNECTION_ACQUIRED:
        (void)fprintf(to, " (%s, %u, %s) connection %" PRIu64 "%s, waited %.3f ms: %s",
                      moment->host, event->port, weir_protocol_name(event->protocol), event->conn,
                      event->reused ? ", reused" : "", (double)event->waited_ns / 1e6, event->why);
        break;
    case WEIR_EVENT_DNS_DONE:
        (void)fprintf(to, " %u address%s", event->count, event->count == 1 ? "" : "es");
        break;
    case WEIR_EVENT_CONNECT_STARTED:
    case WEIR_EVENT_CONNECT_DONE:
        (void)fprintf(to, " %s port %u", moment->address, event->port);
        break;
    case WEIR_EVENT_TLS_DONE:
        if (event->failure.status != WEIR_OK) {
            (void)fputs(" failed", to);
            break;
        }
        (void)fprintf(to, " %s %s", weir_protocol_name(event->protocol),
                      event->why != NULL ? event->why : "");
        break;
    case WEIR_EVENT_REQUEST_SENT:
    case WEIR_EVENT_RESPONSE_RECEIVED:
        (void)fprintf(to, " %" PRIu64 " octets, %" PRIu64 " of TLS%s", event->plain_octets,
                      event->tls_octets, event->last ? ", all of it" : "");
        break;
    case WEIR_EVENT_INFORMATIONAL:
    case WEIR_EVENT_HEAD_RECEIVED:
        (void)fprintf(to, " %d", event->code);
        break;
    case WEIR_EVENT_RELEASED:
        (void)fprintf(to, " connection %" PRIu64 ": %s", event->conn,
                      event->reason != WEIR_REASON_NONE ? event->why : "may be used again");
        break;
    case WEIR_EVENT_NONE:
    case WEIR_EVENT_SUBMITTED:
    case WEIR_EVENT_DNS_STARTED:
    case WEIR_EVENT_TLS_STARTED:
    case WEIR_EVENT_HEAD_SENT:
    case WEIR_EVENT_FIRST_OCTET:
    case WEIR_EVENT_REPLAYED:
    case WEIR_EVENT_DONE:
    case WEIR_EVENT_CONNECTION_CLOSED:
    case WEIR_EVENT_COUNT:
        break;
    }
    if (event->failure.status != WEIR_OK) {
        (void)fputs(": ", to);
        print_failure(to, &event->failure);
        return;
    }
    (void)fputc('\n', to);
}

/* What it waited for, and what there was when it asked. */
static void print_waits(FILE *to, const explain_story *story)
{
    const char *before = ": ";

    if (story->waits.total_ns > 0) {
        (void)fprintf(to, "  waited for a connection %.3f ms", (double)story->waits.total_ns / 1e6);
        for (int i = 0; i < WEIR_REASON_COUNT; i++) {
            if (story->waits.ns[i] > 0) {
                (void)fprintf(to, "%s%s %.3f ms", before, weir_reason_name((weir_reason)i),
                              (double)story->waits.ns[i] / 1e6);
                before = ", ";
            }
        }
        (void)fputc('\n', to);
    }
    for (size_t i = 0; i < story->candidate_count; i++) {
        char text[256];
        (void)weir_candidate_text(&story->candidates[i], text, sizeof(text));
        (void)fprintf(to, "    %s\n", text);
    }
    if (story->candidates_left_out > 0) {
        (void)fprintf(to, "    and %zu more connections\n", story->candidates_left_out);
    }
}

/* Each address that was tried, with what came of it and after how long. */
static void print_connects(FILE *to, const explain_story *story)
{
    for (size_t i = 0; i < story->connect_count; i++) {
        const weir_connect_attempt *connect = &story->connects[i];
        (void)fprintf(to, "  tried %s port %u: ", connect->address, (unsigned)connect->port);
        if (connect->sys_errno != 0) {
            (void)fprintf(to, "errno %d, %s,", connect->sys_errno, strerror(connect->sys_errno));
        } else {
            (void)fputs(connect->won ? "connected" : "given up", to);
        }
        (void)fprintf(to, " after %.3f ms\n", (double)connect->took_ns / 1e6);
    }
    if (story->connects_left_out > 0) {
        (void)fprintf(to, "  and %zu more addresses\n", story->connects_left_out);
    }
}

static void print_failure(FILE *to, const weir_failure *failure)
{
    (void)fprintf(to, "%s (%s, blame %s", weir_status_sentence(failure->status),
                  weir_status_name(failure->status),
                  weir_blame_name(weir_status_blame(failure->status)));
    if (failure->phase != WEIR_PHASE_ANY) {
        (void)fprintf(to, ", in phase %s", weir_phase_name(failure->phase));
    }
    (void)fputc(')', to);
    if (failure->what != NULL) {
        (void)fprintf(to, "; %s", failure->what);
    }
    if (failure->sys_errno != 0) {
        (void)fprintf(to, "; errno %d, %s", failure->sys_errno, strerror(failure->sys_errno));
    }
    if (failure->has_h2_code) {
        (void)fprintf(to, "; HTTP/2 error %u %s", failure->h2_code,
                      failure->local_h2_code ? "sent" : "received");
    }
    if (failure->tls_alert > 0) {
        (void)fprintf(to, "; TLS alert %d", failure->tls_alert);
    }
    (void)fputc('\n', to);
}

/* Only what held it up is worth a line. */
static void print_stalls(FILE *to, const weir_stalls *stalls)
{
    const struct {
        const char *what;
        weir_time ns;
    } all[] = {
        {"the stream's window", stalls->stream_window_ns},
        {"the connection's window", stalls->connection_window_ns},
        {"MAX_CONCURRENT_STREAMS", stalls->max_streams_ns},
        {"the socket", stalls->socket_ns},
        {"the TLS handshake", stalls->tls_ns},
        {"the caller, who did not read", stalls->caller_reading_ns},
        {"the caller, who gave no content", stalls->caller_supplying_ns},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i].ns > 0) {
            (void)fprintf(to, "  held up %10.3f ms by %s\n", (double)all[i].ns / 1e6, all[i].what);
        }
    }
}

/* Rows that are empty in both directions say nothing. */
static void print_row(FILE *to, const char *name, weir_octets octets, weir_octets *sum)
{
    sum->sent += octets.sent;
    sum->received += octets.received;
    if (octets.sent != 0 || octets.received != 0) {
        (void)fprintf(to, "    %-28s %12" PRIu64 " %12" PRIu64 "\n", name, octets.sent,
                      octets.received);
    }
}

static void print_tally(FILE *to, const char *label, const weir_tally *tally, weir_octets *sum)
{
    const struct {
        const char *name;
        weir_octets octets;
    } rows[] = {
        {"head", tally->head},       {"body", tally->body}, {"trailers", tally->trailers},
        {"framing", tally->framing}, {"tls", tally->tls},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "%s%s", label, rows[i].name);
        print_row(to, name, rows[i].octets, sum);
    }
}

static weir_tally less(weir_tally from, const weir_tally *by)
{
    weir_octets *const rows[] = {&from.head, &from.body, &from.trailers, &from.framing, &from.tls};
    const weir_octets *const taken[] = {&by->head, &by->body, &by->trailers, &by->framing,
                                        &by->tls};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rows[i]->sent -= taken[i]->sent;
        rows[i]->received -= taken[i]->received;
    }
    return from;
}

static bool is_word(const char *word, size_t length, const char *wanted)
{
    return strlen(wanted) == length && memcmp(word, wanted, length) == 0;
}

static void print_word(FILE *to, const char *word, size_t length, const explain_story *story)
{
    uint64_t down = 0;
    uint64_t up = 0;
    unsigned connects = 0;

    for (size_t i = 0; i < story->attempt_count; i++) {
        down += story->attempts[i].tally.body.received;
        up += story->attempts[i].tally.body.sent;
        connects += story->attempts[i].reused ? 0 : 1;
    }
    if (is_word(word, length, "http_code") || is_word(word, length, "response_code")) {
        (void)fprintf(to, "%03d", story->code);
    } else if (is_word(word, length, "http_version")) {
        (void)fputs(story->protocol == WEIR_H2   ? "2"
                    : story->protocol == WEIR_H1 ? "1.1"
                                                 : "0",
                    to);
    } else if (is_word(word, length, "size_download")) {
        (void)fprintf(to, "%" PRIu64, down);
    } else if (is_word(word, length, "size_upload")) {
        (void)fprintf(to, "%" PRIu64, up);
    } else if (is_word(word, length, "time_total")) {
        (void)fprintf(to, "%.6f", (double)(story->ended_ns - story->began_ns) / 1e9);
    } else if (is_word(word, length, "num_connects")) {
        (void)fprintf(to, "%u", connects);
    } else if (is_word(word, length, "url")) {
        (void)fputs(story->url, to);
    } else if (is_word(word, length, "errormsg")) {
        (void)fputs(story->status != WEIR_OK ? weir_status_sentence(story->failure.status) : "",
                    to);
    } else if (is_word(word, length, "exitcode")) {
        (void)fputs(story->status != WEIR_OK ? "1" : "0", to);
    } else {
        (void)fprintf(stderr, "weir-explain: --write-out has no %%{%.*s}\n", (int)length, word);
    }
}
