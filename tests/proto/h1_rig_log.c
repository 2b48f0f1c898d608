/* SPDX-License-Identifier: MIT */
/*
 * The log of the HTTP/1.1 bench: what happened, as the documents' logs have it (h1_rig.h).
 */
#include "h1_rig_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LONG_BODY_OCTETS ((size_t)60)

static void log_message(weir_h1_rig *rig, const char *kind, weir_message *message);

void weir_h1_rig_log_event(weir_h1_rig *rig, const weir_conn_event *event)
{
    /* Nothing follows an outcome but what a writer waits for. */
    assert_true(!rig->has_outcome || event->kind == WEIR_CONN_WRITABLE);
    if (event->kind != WEIR_CONN_BODY) {
        weir_h1_rig_flush_body(rig);
    }
    switch (event->kind) {
    case WEIR_CONN_INFORMATIONAL:
        log_message(rig, "informational", event->message);
        return;
    case WEIR_CONN_HEAD:
        log_message(rig, "head", event->message);
        return;
    case WEIR_CONN_BODY:
        if (!rig->reads_not) {
            weir_h1_rig_read_inbox(rig);
        }
        return;
    case WEIR_CONN_TRAILERS:
        log_message(rig, "trailers", event->message);
        return;
    case WEIR_CONN_END:
        rig->has_outcome = true;
        weir_text_printf(&rig->log, "end\n");
        return;
    case WEIR_CONN_WRITABLE:
        weir_text_printf(&rig->log, "writable\n");
        return;
    case WEIR_CONN_FAILED:
        rig->has_outcome = true;
        weir_h1_rig_log_failure(rig, &event->failure);
        return;
    case WEIR_CONN_STOP:
    case WEIR_CONN_NOTHING:
        break;
    }
    fail_msg("an event of kind %d", (int)event->kind);
}

void weir_h1_rig_log_failure(weir_h1_rig *rig, const weir_failure *failure)
{
    static const char *const processed[] = {"maybe-processed", "not-sent", "refused"};
    rig->out_of_memory |= failure->status == WEIR_E_NOMEM;
    weir_text_printf(&rig->log, "failed %s %s %s",
                     weir_status_name(failure->status) + strlen("WEIR_"),
                     weir_phase_name(failure->phase), processed[failure->processed]);
    if (failure->offset != WEIR_UNKNOWN) {
        weir_text_printf(&rig->log, " offset=%llu", (unsigned long long)failure->offset);
    }
    if (failure->sys_errno != 0) {
        weir_text_printf(&rig->log, " errno=%d", failure->sys_errno);
    }
    weir_text_printf(&rig->log, "\n");
}

void weir_h1_rig_log_row(weir_h1_rig *rig, const char *name, uint64_t octets)
{
    if (octets > 0) {
        weir_text_printf(&rig->log, " %s=%llu", name, (unsigned long long)octets);
    }
}

void weir_h1_rig_flush_body(weir_h1_rig *rig)
{
    if (rig->body.length == 0) {
        return;
    }
    if (rig->body.length > LONG_BODY_OCTETS) {
        uint32_t hash = 2166136261u; /* FNV-1a */
        for (size_t i = 0; i < rig->body.length; i++) {
            hash = (hash ^ rig->body.at[i]) * 16777619u;
        }
        weir_text_printf(&rig->log, "body %zu octets %08x\n", rig->body.length, hash);
    } else {
        weir_text_printf(&rig->log, "body ");
        weir_text_escape(&rig->log, weir_text_span(&rig->body));
        weir_text_printf(&rig->log, "\n");
    }
    weir_text_reset(&rig->body);
}

/* In odd pieces, so that reading does not follow the chunks of the queue. */
void weir_h1_rig_read_inbox(weir_h1_rig *rig)
{
    uint8_t piece[777];
    size_t length;
    while ((length = weir_conn_read(rig->conn, rig->stream, piece, sizeof(piece), 0)) > 0) {
        weir_text_append(&rig->body, (weir_span){piece, length});
    }
}

static void log_message(weir_h1_rig *rig, const char *kind, weir_message *message)
{
    weir_text_printf(&rig->log, "%s", kind);
    if (message->code != 0) {
        weir_text_printf(&rig->log, " %d", message->code);
    }
    if (message->length_octets != WEIR_UNKNOWN) {
        weir_text_printf(&rig->log, " length=%llu", (unsigned long long)message->length_octets);
    }
    if (message->code >= 200 && !message->has_content) {
        weir_text_printf(&rig->log, " no-content");
    }
    if (message->reason.length > 0) {
        weir_text_printf(&rig->log, " reason=");
        weir_text_escape(&rig->log, message->reason);
    }
    weir_text_printf(&rig->log, "\n");
    weir_field field;
    for (size_t i = 0; weir_fields_at(&message->fields, i, &field); i++) {
        weir_text_printf(&rig->log, "| ");
        weir_text_escape(&rig->log, field.name);
        weir_text_printf(&rig->log, ": ");
        weir_text_escape(&rig->log, field.value);
        weir_text_printf(&rig->log, "\n");
    }
    weir_message_free(message);
}
