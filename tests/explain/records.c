/* SPDX-License-Identifier: MIT */
/* See records.h. Times are nanoseconds after BEGAN_NS; octets are such that every ledger adds up.
 */
#include "records.h"

#include "pool/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGAN_NS (1000 * WEIR_NS_PER_SECOND)
#define US       (1000 * UINT64_C(1))

static void tell_first(explain_story *story);
static void tell_first_again(explain_story *story);
static void end_first(explain_story *story);
static void tell_second(explain_story *story);
static void fill_book(explain_book *book, const records *all);
static void close_connection(explain_book *book, uint64_t number, weir_protocol protocol,
                             const char *why, const weir_account *account);
static weir_snapshot *take_snapshot(void);
static void tell(explain_story *story, weir_time after_ns, weir_event event);

void records_fill(records *all)
{
    memset(all, 0, sizeof(*all));
    (void)pthread_mutex_init(&all->book.lock, NULL);
    tell_first(&all->stories[0]);
    end_first(&all->stories[0]);
    tell_second(&all->stories[1]);
    fill_book(&all->book, all);
}

void records_clear(records *all)
{
    for (size_t i = 0; i < RECORDS_STORIES; i++) {
        story_clear(&all->stories[i]);
    }
    book_clear(&all->book);
}

static void tell(explain_story *story, weir_time after_ns, weir_event event)
{
    event.size = sizeof(event);
    event.at_ns = story->began_ns + after_ns;
    story_observe(&event, story);
}

static void tell_first(explain_story *story)
{
    const weir_failure refused = {
        .status = WEIR_E_CONNECT_REFUSED, .sys_errno = ECONNREFUSED, .tls_alert = -1};

    story->url = "https://example.test/one";
    story->began_ns = BEGAN_NS;
    tell(story, 2 * US, (weir_event){.kind = WEIR_EVENT_SUBMITTED});
    tell(story, 9 * US, (weir_event){.kind = WEIR_EVENT_WAITING, .why = "dialing"});
    tell(story, 20 * US, (weir_event){.kind = WEIR_EVENT_DNS_STARTED, .conn = 7});
    tell(story, 900 * US, (weir_event){.kind = WEIR_EVENT_DNS_DONE, .conn = 7, .count = 2});
    tell(story, 910 * US,
         (weir_event){
             .kind = WEIR_EVENT_CONNECT_STARTED, .conn = 7, .address = "2001:db8::1", .port = 443});
    tell(story, 1000 * US,
         (weir_event){.kind = WEIR_EVENT_CONNECT_DONE,
                      .conn = 7,
                      .address = "2001:db8::1",
                      .port = 443,
                      .failure = refused});
    tell(story, 1010 * US,
         (weir_event){
             .kind = WEIR_EVENT_CONNECT_STARTED, .conn = 7, .address = "192.0.2.1", .port = 443});
    tell(story, 1200 * US,
         (weir_event){
             .kind = WEIR_EVENT_CONNECT_DONE, .conn = 7, .address = "192.0.2.1", .port = 443});
    tell(story, 1210 * US, (weir_event){.kind = WEIR_EVENT_TLS_STARTED, .conn = 7});
    tell(story, 3500 * US,
         (weir_event){
             .kind = WEIR_EVENT_TLS_DONE, .conn = 7, .protocol = WEIR_H2, .why = "TLSv1.3"});
    tell(story, 3600 * US,
         (weir_event){.kind = WEIR_EVENT_CONNECTION_ACQUIRED,
                      .conn = 7,
                      .host = WEIR_SPAN("example.test"),
                      .port = 443,
                      .protocol = WEIR_H2,
                      .waited_ns = 3591 * US,
                      .why = "dialed"});
    tell(story, 3650 * US, (weir_event){.kind = WEIR_EVENT_HEAD_SENT, .conn = 7});
    tell(story, 4000 * US,
         (weir_event){
             .kind = WEIR_EVENT_REPLAYED,
             .conn = 7,
             .failure = {
                 .status = WEIR_E_REFUSED, .has_h2_code = true, .h2_code = 7, .tls_alert = -1}});
    tell_first_again(story);
}

/* ... its second attempt. */
static void tell_first_again(explain_story *story)
{
    tell(story, 4050 * US,
         (weir_event){.kind = WEIR_EVENT_CONNECTION_ACQUIRED,
                      .conn = 7,
                      .host = WEIR_SPAN("example.test"),
                      .port = 443,
                      .protocol = WEIR_H2,
                      .reused = true,
                      .why = "reused"});
    tell(story, 4100 * US,
         (weir_event){.kind = WEIR_EVENT_REQUEST_SENT,
                      .conn = 7,
                      .plain_octets = 60,
                      .tls_octets = 82,
                      .last = true});
    tell(story, 5000 * US, (weir_event){.kind = WEIR_EVENT_FIRST_OCTET, .conn = 7});
    tell(story, 5001 * US, (weir_event){.kind = WEIR_EVENT_INFORMATIONAL, .conn = 7, .code = 103});
    tell(story, 5500 * US, (weir_event){.kind = WEIR_EVENT_HEAD_RECEIVED, .conn = 7, .code = 200});
    tell(story, 6000 * US,
         (weir_event){.kind = WEIR_EVENT_RESPONSE_RECEIVED,
                      .conn = 7,
                      .plain_octets = 1000,
                      .tls_octets = 1022});
    tell(story, 6100 * US, (weir_event){.kind = WEIR_EVENT_RELEASED, .conn = 7, .why = "none"});
    tell(story, 6123 * US, (weir_event){.kind = WEIR_EVENT_DONE});
}

static void end_first(explain_story *story)
{
    story->code = 200;
    story->ended_ns = BEGAN_NS + 6123 * US;
    story->waits = (weir_waits){.size = sizeof(weir_waits), .total_ns = 3591 * US};
    story->waits.ns[WEIR_REASON_DIALING] = 3000 * US;
    story->waits.ns[WEIR_REASON_AT_MAX_STREAMS] = 591 * US;
    story->candidate_count = 1;
    story->candidates[0] = (weir_candidate){.size = sizeof(weir_candidate),
                                            .conn = 3,
                                            .reason = WEIR_REASON_AT_MAX_STREAMS,
                                            .protocol = WEIR_H2,
                                            .used = 100,
                                            .limit = 100,
                                            .uses = 212,
                                            .age_ns = 12004 * WEIR_NS_PER_MS};
    story->candidates_left_out = 2;
    story->connect_count = 2;
    story->connects[0] = (weir_connect_attempt){.conn = 7,
                                                .address = "2001:db8::1",
                                                .port = 443,
                                                .sys_errno = ECONNREFUSED,
                                                .began_ns = BEGAN_NS + 910 * US,
                                                .took_ns = 90 * US};
    story->connects[1] = (weir_connect_attempt){.conn = 7,
                                                .address = "192.0.2.1",
                                                .port = 443,
                                                .won = true,
                                                .began_ns = BEGAN_NS + 1010 * US,
                                                .took_ns = 190 * US};
    story->stalls.tls_ns = 2290 * US;
    story->stalls.stream_window_ns = 12 * US;
    story->attempt_count = 2;
    story->attempts[0] = (weir_attempt){
        .conn = 7,
        .protocol = WEIR_H2,
        .tally = {.head = {40, 0}, .framing = {9, 13}, .tls = {22, 22}},
        .failure = {.status = WEIR_E_REFUSED, .has_h2_code = true, .h2_code = 7},
    };
    story->attempts[1] = (weir_attempt){
        .conn = 7,
        .protocol = WEIR_H2,
        .reused = true,
        .tally = {.head = {51, 80},
                  .body = {0, 900},
                  .trailers = {0, 2},
                  .framing = {9, 18},
                  .tls = {22, 22}},
    };
}

static void tell_second(explain_story *story)
{
    const weir_failure lost = {.status = WEIR_E_CLOSED_EARLY,
                               .phase = WEIR_PHASE_HEAD,
                               .processed = WEIR_MAYBE_PROCESSED,
                               .tls_alert = -1,
                               .what = "half a head"};

    story->url = "http://192.0.2.2/two";
    story->began_ns = BEGAN_NS + 10000 * US;
    tell(story, 1 * US, (weir_event){.kind = WEIR_EVENT_SUBMITTED});
    tell(story, 700 * US, (weir_event){.kind = WEIR_EVENT_DONE, .failure = lost});
    story->status = WEIR_E_CLOSED_EARLY;
    story->failure = lost;
    story->ended_ns = story->began_ns + 700 * US;
    story->protocol = WEIR_H1;
    story->attempt_count = 1;
    story->attempts[0] = (weir_attempt){
        .conn = 8, .protocol = WEIR_H1, .tally = {.head = {30, 11}}, .failure = lost};
}

static void fill_book(explain_book *book, const records *all)
{
    weir_account tls = {.size = sizeof(weir_account),
                        .wire = {1200, 5000},
                        .undecided = {0, 3},
                        .torn = {0, 5},
                        .verdict = {WEIR_AGREE, {1200, 5000}, {1200, 5000}}};
    weir_account clear = {.size = sizeof(weir_account),
                          .wire = {30, 11},
                          .exchanges = all->stories[1].attempts[0].tally,
                          .verdict = {WEIR_DIFFER, {30, 11}, {30, 12}}};
    const weir_account none = {.size = sizeof(weir_account)};

    /* Both attempts of the first exchange, and one of an exchange that is in no story. */
    weir_tally_add(&tls.exchanges, &all->stories[0].attempts[0].tally);
    weir_tally_add(&tls.exchanges, &all->stories[0].attempts[1].tally);
    weir_tally_add(&tls.exchanges, &(weir_tally){.head = {10, 20}, .body = {0, 30}});
    tls.rows[WEIR_ROW_PREFACE] = (weir_octets){24, 0};
    tls.rows[WEIR_ROW_SETTINGS] = (weir_octets){39, 42};
    tls.rows[WEIR_ROW_WINDOW] = (weir_octets){13, 13};
    tls.rows[WEIR_ROW_TLS_HANDSHAKE] = (weir_octets){900, 3700};
    tls.rows[WEIR_ROW_TLS_CONTROL] = (weir_octets){61, 130};
    close_connection(book, 7, WEIR_H2, "shutdown", &tls);
    close_connection(book, 8, WEIR_H1, "peer_closed", &clear);
    close_connection(book, 9, WEIR_PROTOCOL_ANY, "lost_race", &none);
    book_snapshot(book, take_snapshot());
}

static void close_connection(explain_book *book, uint64_t number, weir_protocol protocol,
                             const char *why, const weir_account *account)
{
    const weir_event event = {.size = sizeof(event),
                              .kind = WEIR_EVENT_CONNECTION_CLOSED,
                              .conn = number,
                              .protocol = protocol,
                              .why = why,
                              .account = account};

    book_observe(&event, book);
}

static void *give(size_t octets, void *user)
{
    (void)user;
    return malloc(octets);
}

static void take_back(void *at, void *user)
{
    (void)user;
    free(at);
}

/* One origin, one connection that is full, one call that has it and one that waits. */
static weir_snapshot *take_snapshot(void)
{
    static const weir_allocator allocator = {
        .size = sizeof(weir_allocator), .alloc = give, .release = take_back};
    static weir_snapshot_origin origin;
    static weir_snapshot_line line;
    static weir_snapshot_seat seats[2];
    weir_snapshot *snapshot = malloc(sizeof(*snapshot));

    if (snapshot == NULL) {
        abort();
    }
    origin = (weir_snapshot_origin){.https = true,
                                    .host = WEIR_SPAN("example.test"),
                                    .port = 443,
                                    .tls = 1,
                                    .protocol = WEIR_H2,
                                    .streams = 1,
                                    .horizon_ns = WEIR_NEVER,
                                    .connections = 1,
                                    .waiting = 1,
                                    .waits_for = WEIR_REASON_AT_MAX_STREAMS};
    line.connection = (weir_snapshot_connection){.conn = 7,
                                                 .state = WEIR_CONNECTION_ACTIVE,
                                                 .reason = WEIR_REASON_AT_MAX_STREAMS,
                                                 .protocol = WEIR_H2,
                                                 .used = 1,
                                                 .limit = 1,
                                                 .uses = 3,
                                                 .age_ns = 5 * WEIR_NS_PER_MS,
                                                 .last_read_ns = 40 * US,
                                                 .address = "192.0.2.1",
                                                 .answer_ns = 60 * WEIR_NS_PER_SECOND};
    line.seats = 1;
    seats[0].call =
        (weir_snapshot_call){.exchange = 1, .conn = 7, .reason = WEIR_REASON_REUSED, .bounces = 1};
    seats[1].call = (weir_snapshot_call){
        .exchange = 2, .waiting = true, .place = 1, .reason = WEIR_REASON_AT_MAX_STREAMS};
    *snapshot = (weir_snapshot){
        .allocator = &allocator,
        .pool = {.origins = 1,
                 .connections = 1,
                 .waiting = 1,
                 .leases = 1,
                 .connections_limit = 256,
                 .waiting_limit = UINT32_MAX},
        .origins = &origin,
        .lines = &line,
        .seats = seats,
        .origin_count = 1,
        .line_count = 1,
        .seat_count = 2,
    };
    return snapshot;
}
