/* SPDX-License-Identifier: MIT */
/*
 * The few functions that the public value types have: base.h, ledger.h and reason.h. All are pure
 * and none can fail.
 */
#include "proto/base.h"
#include "weir/ledger.h"
#include "weir/reason.h"

#include <string.h>

static weir_octets sum(weir_octets a, weir_octets b);

weir_span weir_span_of(const char *text)
{
    return text ? (weir_span){(const uint8_t *)text, strlen(text)} : (weir_span){NULL, 0};
}

const char *weir_protocol_name(weir_protocol protocol)
{
    switch (protocol) {
    case WEIR_PROTOCOL_ANY:
        return "any";
    case WEIR_H1:
        return "HTTP/1.1";
    case WEIR_H2:
        return "HTTP/2";
    }
    return "unknown";
}

const char *weir_version(void)
{
    return "0.1.0";
}

const char *weir_conn_row_name(weir_conn_row row)
{
    static const char *const names[] = {
        [WEIR_ROW_PREFACE] = "preface",
        [WEIR_ROW_SETTINGS] = "settings",
        [WEIR_ROW_PING] = "ping",
        [WEIR_ROW_WINDOW] = "window",
        [WEIR_ROW_GOAWAY] = "goaway",
        [WEIR_ROW_OTHER] = "other",
        [WEIR_ROW_LATE] = "late",
        [WEIR_ROW_PROXY] = "proxy",
        [WEIR_ROW_UNREAD] = "unread",
        [WEIR_ROW_TLS_HANDSHAKE] = "tls_handshake",
        [WEIR_ROW_TLS_CONTROL] = "tls_control",
    };
    _Static_assert(WEIR_COUNT_OF(names) == WEIR_CONN_ROWS, "each row has a name");
    return (size_t)row < WEIR_CONN_ROWS ? names[row] : "unknown";
}

const char *weir_reason_name(weir_reason reason)
{
    static const char *const words[] = {
#define WORD(name, word, sentence) word,
        WEIR_REASON_MAP(WORD)
#undef WORD
    };
    return (size_t)reason < WEIR_REASON_COUNT ? words[reason] : "unknown";
}

const char *weir_reason_sentence(weir_reason reason)
{
    static const char *const sentences[] = {
#define SENTENCE(name, word, sentence) sentence,
        WEIR_REASON_MAP(SENTENCE)
#undef SENTENCE
    };
    return (size_t)reason < WEIR_REASON_COUNT ? sentences[reason] : "a number that is no reason";
}

weir_octets weir_tally_plain(const weir_tally *tally)
{
    return sum(sum(tally->head, tally->body), sum(tally->trailers, tally->framing));
}

weir_octets weir_tally_wire(const weir_tally *tally)
{
    return sum(weir_tally_plain(tally), tally->tls);
}

void weir_tally_add(weir_tally *to, const weir_tally *from)
{
    to->head = sum(to->head, from->head);
    to->body = sum(to->body, from->body);
    to->trailers = sum(to->trailers, from->trailers);
    to->framing = sum(to->framing, from->framing);
    to->tls = sum(to->tls, from->tls);
}

static weir_octets sum(weir_octets a, weir_octets b)
{
    return (weir_octets){a.sent + b.sent, a.received + b.received};
}
