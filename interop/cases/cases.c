/* SPDX-License-Identifier: MIT */
/* The table of cases, and which rows follow from it. */
#include "cases.h"

#include <string.h>

#define NO_H2 "HTTP/1.1 has nothing like it"
#define NO_H1 "HTTP/2 has nothing like it"

/* clang-format off */
static const interop_case table[] = {
    {"get", "1,000 octets, checked one by one", "octets", NULL, 0, NULL, case_get},
    {"get-nothing", "an answer of no octets", "octets", NULL, 0, NULL, case_get_nothing},
    {"get-10m", "10 MB", "octets", NULL, 0, NULL, case_get_10m},
    {"head", "HEAD: a length and no content", "head", NULL, 0, NULL, case_head},
    {"chunked", "an answer of unknown length", "chunked", NULL, 0, NULL, case_chunked},
    {"chunked-10m", "10 MB of unknown length", "chunked", NULL, 0, NULL, case_chunked_10m},
    {"close", "an answer that ends with its connection", "close", NULL, 0, NULL, case_close},
    {"close-10m", "10 MB that end with the connection", "close", NULL, 0, NULL, case_close_10m},
    {"trailers", "trailers behind an answer", "trailers", NULL, 0, NULL, case_trailers},
    {"no-content", "204", "status_204", NULL, 0, NULL, case_no_content},
    {"not-modified", "304", "status_304", NULL, 0, NULL, case_not_modified},
    {"hints", "103 before the answer", "hints", NULL, 0, NULL, case_hints},
    {"delay", "an answer after 200 ms", "delay", NULL, 0, NULL, case_delay},
    {"drip", "an answer octet by octet", NULL, NULL, NEEDS_ORIGIN, NULL, case_drip},
    {"big-head", "50 fields of 1,000 octets", NULL, NULL, NEEDS_ORIGIN, NULL, case_big_head},

    {"post", "1,000 octets up and back", "echo", NULL, 0, NULL, case_post},
    {"post-10m", "10 MB up from a source", "sink", "echo", 0, NULL, case_post_10m},
    {"post-uncounted", "an upload of unknown length", "upload_chunked", NULL, 0, NULL, case_post_uncounted},
    {"post-written", "an upload by weir_write()", "upload_chunked", NULL, 0, NULL, case_post_written},
    {"post-written-10m", "10 MB by weir_write()", "sink", "echo", 0, NULL, case_post_written_10m},
    {"echo-10m", "10 MB up and back at once", "echo", NULL, 0, NULL, case_echo_10m},
    {"send-trailers", "trailers behind a request", "request_trailers", NULL, 0, NULL, case_send_trailers},
    {"expect", "Expect: 100-continue, answered by 100", "expect", NULL, 0, NULL, case_expect},
    {"expect-refused", "Expect: 100-continue, answered by 417", NULL, NULL, NEEDS_ORIGIN, NULL, case_expect_refused},
    {"expect-silence", "Expect: 100-continue, and silence", NULL, NULL, NEEDS_ORIGIN, NULL, case_expect_silence},
    {"early", "413 while 10 MB go up from a source", "small", NULL, 0, NULL, case_early},
    {"early-written", "413 while 10 MB go up by weir_write()", "small", NULL, 0, NULL, case_early_written},
    {"early-1000", "413 during an upload, 1,000 times", NULL, NULL, NEEDS_ORIGIN, NULL, case_early_1000},

    {"reuse", "the second call goes over the connection of the first", "octets", NULL, 0, NULL, case_reuse},
    {"sequential-1000", "1,000 calls one after the other, one connection", "sequence", NULL, MAY_BE_UNSAID, NULL, case_sequential_1000},
    {"parallel-100", "100 exchanges at once", "octets", NULL, 0, NULL, case_parallel_100},
    {"unread-beside", "99 exchanges while one of 10 MB is not read", "octets", NULL, 0, NULL, case_unread_beside},
    {"dropped", "an exchange freed at its head; the next works", "octets", NULL, 0, NULL, case_dropped},
    {"last", "the server ends the connection; the next call has another", "last", NULL, 0, NULL, case_last},
    {"goaway", "GOAWAY behind an answer; the next call has another connection", NULL, NULL, NEEDS_ORIGIN | NEEDS_H2, NO_H2, case_goaway},
    {"goaway-unprocessed", "GOAWAY below a request: sent again elsewhere", NULL, NULL, NEEDS_ORIGIN | NEEDS_H2, NO_H2, case_goaway_unprocessed},
    {"refuse", "a GET that is refused is sent again", "refuse", NULL, 0, NULL, case_refuse},
    {"refuse-post", "a POST that is refused is sent again only if nobody acted on it", NULL, NULL, NEEDS_ORIGIN, NULL, case_refuse_post},
    {"settings", "SETTINGS that leave one stream and a small window", NULL, NULL, NEEDS_ORIGIN | NEEDS_H2, NO_H2, case_settings},
    {"ping", "PINGs before an answer", NULL, NULL, NEEDS_ORIGIN | NEEDS_H2, NO_H2, case_ping},
    {"race", "GETs and POSTs at the moments at which nginx closes (weir-race)", NULL, NULL, NEEDS_NGINX, NULL, NULL},
    {"race-unlearned", "the same by a client that does not know these moments yet", NULL, NULL, NEEDS_NGINX, NULL, NULL},
    {"order", "150 calls at once, nginx takes eight: served as they asked (weir-race)", NULL, NULL, NEEDS_NGINX | NEEDS_H2 | NEEDS_LOOP, NO_H2, NULL},
    {"surplus", "octets behind an answer: the connection is not used again", NULL, NULL, NEEDS_ORIGIN, NULL, case_surplus},

    {"cancel-body", "cancelled in the body; the next call works", "octets", NULL, 0, NULL, case_cancel_body},
    {"cancel-waiting", "cancelled by a token while no answer comes", "hang", NULL, 0, NULL, case_cancel_waiting},
    {"deadline-total", "the call's deadline passes", "hang", NULL, 0, NULL, case_deadline_total},
    {"deadline-first-octet", "no answer begins in time", "hang", NULL, 0, NULL, case_deadline_first_octet},
    {"deadline-idle", "an answer stops", NULL, NULL, NEEDS_ORIGIN, NULL, case_deadline_idle},
    {"deadline-tls", "a handshake that is never answered", NULL, NULL, NEEDS_ORIGIN | NEEDS_TLS, NULL, case_deadline_tls},
    {"deadline-queue", "no connection becomes free", "octets", NULL, NEEDS_H1, "on HTTP/2 both exchanges have a place", case_deadline_queue},
    {"reset", "reset in the body", NULL, NULL, NEEDS_ORIGIN, NULL, case_reset},
    {"truncated", "an end before the declared length", NULL, NULL, NEEDS_ORIGIN, NULL, case_truncated},
    {"truncated-chunks", "an end before the last chunk", NULL, NULL, NEEDS_ORIGIN | NEEDS_H1, NO_H1, case_truncated_chunks},
    {"unframed", "an end without close_notify", NULL, NULL, NEEDS_ORIGIN | NEEDS_H1, NO_H1, case_unframed},
    {"malformed", "an answer that is none", NULL, NULL, NEEDS_ORIGIN, NULL, case_malformed},
    {"head-too-large", "a head over its limit", NULL, NULL, NEEDS_ORIGIN, NULL, case_head_too_large},
    {"upgrade-unasked", "101 without having asked", NULL, NULL, NEEDS_ORIGIN | NEEDS_H1, NO_H1, case_upgrade_unasked},
    {"connection-refused", "nobody listens", NULL, NULL, ONCE, NULL, case_connection_refused},
    {"no-such-name", "a name that does not exist", NULL, NULL, ONCE, NULL, case_no_such_name},

    {"certificates-accepted", "every good certificate of the index", NULL, NULL, NEEDS_ORIGIN | NEEDS_TLS, NULL, case_certificates_accepted},
    {"certificates-refused", "every bad certificate of the index, each for its reason", NULL, NULL, NEEDS_ORIGIN | NEEDS_TLS, NULL, case_certificates_refused},
    {"untrusted-ca", "a certificate of a CA that is not trusted", "octets", NULL, NEEDS_TLS, NULL, case_untrusted_ca},
    {"wrong-name", "a certificate for another name", "other_name", NULL, NEEDS_TLS | MAY_BE_UNSAID, NULL, case_wrong_name},
    {"alpn-chosen", "offered both, the server chooses HTTP/2", "octets", NULL, NEEDS_TLS | NEEDS_H2, "who offers both gets HTTP/2", case_alpn_chosen},
    {"alpn-fallback", "a server that knows no HTTP/2, or no ALPN", NULL, NULL, NEEDS_ORIGIN | NEEDS_TLS | NEEDS_H1, "what is spoken is HTTP/1.1", case_alpn_fallback},
    {"alpn-no-overlap", "a server without the one protocol that is wanted", NULL, NULL, NEEDS_ORIGIN | NEEDS_TLS, NULL, case_alpn_no_overlap},
    {"resumption", "the second connection resumes the session of the first", "octets", NULL, NEEDS_TLS, NULL, case_resumption},
    {"key-update", "KeyUpdates before an answer", NULL, NULL, NEEDS_ORIGIN | NEEDS_TLS, NULL, case_key_update},
    {"tickets", "session tickets before an answer", NULL, NULL, NEEDS_ORIGIN | NEEDS_TLS, NULL, case_tickets},
};
/* clang-format on */

static bool is_said(const capabilities *can, const char *who, const char *kind, way w);
static const char *cannot(const char *answer);

const interop_case *case_at(size_t i)
{
    return i < sizeof table / sizeof table[0] ? &table[i] : NULL;
}

const char *case_refusal(const interop_case *c, const capabilities *can, const char *who, way w)
{
    /* Every server serves octets in some way: this cell says whether it speaks the protocol. */
    const char *why = cannot(capability_of(can, who, "octets", w.protocol));
    if (why == NULL && w.tls && is_said(can, who, "tls", w)) {
        why = cannot(capability_of(can, who, "tls", w.protocol));
    }
    if (why != NULL) {
        return why;
    }
    if ((c->needs & NEEDS_TLS) != 0 && !w.tls) {
        return "there is no TLS on a clear connection";
    }
    if (((c->needs & NEEDS_CLEAR) != 0 && w.tls) ||
        ((c->needs & NEEDS_H1) != 0 && w.protocol != WEIR_H1) ||
        ((c->needs & NEEDS_H2) != 0 && w.protocol != WEIR_H2)) {
        return c->why_not;
    }
    if ((c->needs & NEEDS_LOOP) != 0 && w.front != FRONT_ASYNC) {
        return "threads that call at once have no order";
    }
    if ((c->needs & ONCE) != 0 && strcmp(who, "origin") != 0) {
        return "it does not depend on the server, and runs once";
    }
    if ((c->needs & NEEDS_ORIGIN) != 0 && strcmp(who, "origin") != 0) {
        return "no server but the embedded origin does that when asked to";
    }
    if ((c->needs & NEEDS_NGINX) != 0 && strcmp(who, "nginx") != 0) {
        return "no server but nginx is set up to close at the worst moments";
    }
    if (c->kind != NULL && ((c->needs & MAY_BE_UNSAID) == 0 || is_said(can, who, c->kind, w))) {
        why = cannot(capability_of(can, who, c->kind, w.protocol));
        if (why != NULL && c->other != NULL &&
            cannot(capability_of(can, who, c->other, w.protocol)) == NULL) {
            why = NULL;
        }
    }
    return why;
}

static bool is_said(const capabilities *can, const char *who, const char *kind, way w)
{
    return capability_of(can, who, kind, w.protocol) != NULL;
}

/* The reason in a cell of capabilities.tsv; NULL: it is a path. */
static const char *cannot(const char *answer)
{
    static const char mark[] = "cannot: ";
    if (answer == NULL) {
        return "capabilities.tsv does not know it";
    }
    return strncmp(answer, mark, sizeof mark - 1) == 0 ? answer + sizeof mark - 1 : NULL;
}
