/* SPDX-License-Identifier: MIT */
/*
 * The table of cases, and how a target is taken apart. Both protocols have every case; where one
 * cannot, it answers 501 with the reason. `?id=X` on any path counts the request for /count.
 *
 *   GET  /octets/N            N octets of the pattern, counted; ?fields=K short fields in the head;
 *                             ?pad=K HTTP/2 padding; ?piece=K
 *   GET  /chunked/N           the same, chunked (HTTP/2: no content-length); ?piece=K ?ext=K
 *   GET  /close/N             the same until the end of the connection; ?truncate=1 without
 *                             close_notify; HTTP/1.1
 *   GET  /half/N              promises N, sends half, ends; ?chunked=1 ?truncate=1; HTTP/2: ends
 *                             the stream early, ?rst=1&code=C resets it; ?tcp=1 resets TCP
 *   GET  /trailers/N          chunked, then trailers x-check (FNV-1a of the body) and x-octets
 *   POST /echo                the body back as it arrives; ?chunked=1 never counted
 *   POST /sink                reads all; JSON with octets, sum, trailers, transfer_encoding
 *   POST /trailers-echo       reads all; answers with the request's trailers as trailers
 *   ANY  /headers             JSON of the request as it was received
 *   ANY  /status/CODE         that status; ?length=N a content-length on a bodiless one
 *   GET  /hints?n=K&ms=M      K 103 responses, M ms, 200
 *   GET  /delay/MS            200 after MS
 *   GET  /drip/N?ms=M         N octets, one each M ms
 *   ANY  /hang                reads, never answers
 *   GET  /big-head?fields=N&octets=M
 *   GET  /upgrade             101 and an echo when asked by Upgrade, else 426; ?force=1 unasked
 *   POST /early/CODE          answers at the head; HTTP/1.1 then ends, reading on (?keep=1 goes
 *                             on, ?linger=0 closes at once); HTTP/2 ?rst=1 RST_STREAM(NO_ERROR)
 *   POST /expect?answer=100|417|none|200&ms=M
 *   GET  /reset?after=N       reset after N octets of the body; HTTP/2 RST_STREAM ?code=C, ?tcp=1
 *   ANY  /refuse?times=K&id=X refuses the first K times: REFUSED_STREAM, or an end unanswered
 *   ANY  /misdirect?times=K&id=X   421 the first K times, then 200
 *   GET  /count?id=X          JSON: how often requests with the id reached us and were processed
 *   POST /processed?id=X      is counted, and answers the count
 *   ANY  /raw?b64=…&then=keep|fin|abrupt|reset   these octets for an answer (base64url); or POST
 *                             them. HTTP/2: ?stream=1 puts our stream where a frame says 2^31-1
 *   GET  /surplus?octets=K&ms=M   K octets after a complete answer
 *   GET  /alert?code=10|20|22 a fatal TLS 1.3 alert for an answer
 *   GET  /goaway              GOAWAY after the answer; ?before=1; ?last=N at once, unanswered;
 *                             ?code=C; HTTP/2
 *   GET  /last                Connection: close, or GOAWAY
 *   GET  /close-after?ms=M    answers, ends the idle connection M ms later; ?rst=1
 *   GET  /end-others          ends every other connection that is idle, and then answers
 *   GET  /key-update?n=K      K KeyUpdates first; ?ask=0 without asking for one; TLS 1.3
 *   GET  /tickets?n=K         K session tickets first; TLS 1.3
 *   GET  /ping?n=K            K PINGs first; HTTP/2
 *   GET  /settings?max_streams=N&window=N&frame=N&table=N   SETTINGS first; HTTP/2
 *   POST /windows?stream=N&conn=N   receive windows, then as /sink; HTTP/2
 */
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    case_choose *choose;
} table[] = {
    {"octets", case_octets},
    {"chunked", case_chunked},
    {"close", case_close},
    {"half", case_half},
    {"trailers", case_trailers},
    {"echo", case_echo},
    {"sink", case_sink},
    {"trailers-echo", case_trailers_echo},
    {"headers", case_headers},
    {"status", case_status},
    {"hints", case_hints},
    {"delay", case_delay},
    {"drip", case_drip},
    {"hang", case_hang},
    {"big-head", case_big_head},
    {"upgrade", case_upgrade},
    {"early", case_early},
    {"expect", case_expect},
    {"reset", case_reset},
    {"refuse", case_refuse},
    {"misdirect", case_misdirect},
    {"count", case_count},
    {"processed", case_processed},
    {"raw", case_raw},
    {"surplus", case_surplus},
    {"alert", case_alert},
    {"goaway", case_goaway},
    {"last", case_last},
    {"close-after", case_close_after},
    {"end-others", case_end_others},
    {"key-update", case_key_update},
    {"tickets", case_tickets},
    {"ping", case_ping},
    {"settings", case_settings},
    {"windows", case_windows},
};

enum { TALLIES = 16384 };

static tally *tallies; /* open addressing by the id's hash; a slot with an empty id is free */

static void not_found(exchange *x);

void cases_choose(exchange *x)
{
    ask a = ask_of(x);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strlen(table[i].name) == a.name_octets &&
            memcmp(table[i].name, a.name, a.name_octets) == 0) {
            tally *t = table[i].choose == case_count ? NULL : tally_of(&a);
            if (t != NULL) {
                t->reached++;
            }
            table[i].choose(x, &a);
            if (t != NULL && !x->plan.refused) {
                t->processed++;
            }
            return;
        }
    }
    not_found(x);
}

void cases_clear(void)
{
    free(tallies);
    tallies = NULL;
}

ask ask_of(const exchange *x)
{
    const char *at = x->target;
    const char *authority = strstr(at, "://"); /* the absolute form */
    if (*at != '/' && authority != NULL) {
        at = authority + 3 + strcspn(authority + 3, "/?");
    }
    at += *at == '/' ? 1 : 0;
    ask a = {.name = at, .name_octets = strcspn(at, "/?")};
    at += a.name_octets;
    if (*at == '/' && at[1] >= '0' && at[1] <= '9') {
        a.has_number = true;
        a.number = strtoull(at + 1, NULL, 10);
    }
    at += strcspn(at, "?");
    a.query = *at == '?' ? at + 1 : at;
    return a;
}

bool ask_word(const ask *a, const char *name, const char **at, size_t *count)
{
    size_t length = strlen(name);
    for (const char *p = a->query; *p != '\0';) {
        size_t whole = strcspn(p, "&");
        if (whole > length && memcmp(p, name, length) == 0 && p[length] == '=') {
            *at = p + length + 1;
            *count = whole - length - 1;
            return true;
        }
        p += whole + (p[whole] == '&' ? 1 : 0);
    }
    return false;
}

uint64_t ask_number(const ask *a, const char *name, uint64_t fallback)
{
    const char *at;
    size_t count;
    if (!ask_word(a, name, &at, &count) || count == 0 || *at < '0' || *at > '9') {
        return fallback;
    }
    return strtoull(at, NULL, 10);
}

bool ask_flag(const ask *a, const char *name)
{
    return ask_number(a, name, 0) != 0;
}

void plan_text(exchange *x, int status, const char *type)
{
    x->plan.status = status;
    x->plan.body = BODY_TEXT;
    (void)fields_add(&x->plan.fields, "content-type", type);
}

void plan_cannot(exchange *x, const char *reason)
{
    plan_text(x, 501, "text/plain");
    queue_text(&x->plan.text, reason);
    queue_text(&x->plan.text, "\n");
}

void plan_pattern(exchange *x, uint64_t octets)
{
    ask a = ask_of(x);
    x->plan.body = BODY_PATTERN;
    x->plan.octets = octets;
    x->plan.declared = octets;
    x->plan.piece = ask_number(&a, "piece", 0);
    x->plan.pad = ask_number(&a, "pad", 0);
    (void)fields_add(&x->plan.fields, "content-type", "application/octet-stream");
}

void json_string(queue *out, const void *octets, size_t count)
{
    const uint8_t *at = octets;
    queue_text(out, "\"");
    for (size_t i = 0; i < count; i++) {
        if (at[i] == '"' || at[i] == '\\') {
            queue_format(out, "\\%c", at[i]);
        } else if (at[i] < 0x20 || at[i] > 0x7e) {
            queue_format(out, "\\u%04x", at[i]);
        } else {
            queue_append(out, at + i, 1);
        }
    }
    queue_text(out, "\"");
}

bool is_h2(const exchange *x)
{
    return x->stream != 0;
}

tally *tally_of(const ask *a)
{
    const char *at;
    size_t count;
    if (!ask_word(a, "id", &at, &count) || count == 0 || count >= sizeof tallies->id) {
        return NULL;
    }
    if (tallies == NULL) {
        tallies = must_alloc(TALLIES * sizeof tallies[0]);
    }
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ (uint8_t)at[i]) * 16777619u;
    }
    for (uint32_t probe = 0; probe < TALLIES; probe++) {
        tally *t = &tallies[(hash + probe) % TALLIES];
        if (t->id[0] == '\0') {
            memcpy(t->id, at, count);
        }
        if (strlen(t->id) == count && memcmp(t->id, at, count) == 0) {
            return t;
        }
    }
    return NULL;
}

static void not_found(exchange *x)
{
    plan_text(x, 404, "text/plain");
    queue_text(&x->plan.text, "no such case\n");
}
