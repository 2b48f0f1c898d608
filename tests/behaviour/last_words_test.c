/* SPDX-License-Identifier: MIT */
/*
 * What a peer hears from us before we close because of it: the TLS alert with its number (RFC 8446
 * s6.2), the GOAWAY with its code (RFC 9113 s5.4.1). The caller is told the failure all the same,
 * and the ledger, which holds those octets too, agrees with the kernel (the world looks).
 */
#include "support/scold_way.h"
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { FATAL = 2, GOAWAY = 7, PROTOCOL_ERROR = 1 };
enum { BAD_RECORD_MAC = 20, BAD_CERTIFICATE = 42, CERTIFICATE_EXPIRED = 45, UNKNOWN_CA = 48 };

typedef struct refusal {
    const char *certificate;
    const char *host;
    weir_status status;
    int alert;
    int or_alert; /* what an older wolfSSL says of it, 0: the same */
} refusal;

static const refusal refusals[] = {
    {"unknown-ca.pem", "unknown-ca.wild.test", WEIR_E_TLS_UNTRUSTED, UNKNOWN_CA, 0},
    {"self-signed.pem", "self-signed.wild.test", WEIR_E_TLS_UNTRUSTED, UNKNOWN_CA, BAD_CERTIFICATE},
    {"expired.pem", "expired.wild.test", WEIR_E_TLS_EXPIRED, CERTIFICATE_EXPIRED, 0},
    {"wrong-host.pem", "wrong-host.wild.test", WEIR_E_TLS_IDENTITY, BAD_CERTIFICATE, 0},
};

static weir_scold *start(const weir_world *world, const char *certificate, weir_scold_play *play)
{
    const weir_scold_options options = {
        .certificate = certificate,
        .protocol = world->way.protocol == WEIR_H2 ? "h2" : "http/1.1",
        .play = play,
    };
    return weir_scold_start(&options);
}

static weir_fetched fetch(weir_world *world, const char *host, const weir_scold *server)
{
    static _Thread_local char url[128];
    weir_ask ask = weir_scold_way_ask(world, server);

    (void)snprintf(url, sizeof(url), "%s://%s/", world->way.tls ? "https" : "http", host);
    ask.request.url = weir_span_of(url);
    ask.call.replay = WEIR_REPLAY_NEVER;
    return weir_world_fetch(world, &ask);
}

static void certificates(weir_world *world)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const refusal *refused = &refusals[i];
        weir_scold *server = start(world, refused->certificate, NULL);
        const weir_fetched fetched = fetch(world, refused->host, server);
        /* The alert left before the end, or never. */
        const weir_scold_heard heard = weir_scold_way_end(world, server, 1);
        assert_int_equal(fetched.called, refused->status);
        const bool as_wanted = heard.alert == refused->alert ||
                               (refused->or_alert != 0 && heard.alert == refused->or_alert);
        if (heard.alert_level != FATAL || !as_wanted) {
            fail_msg("%s: alert %d, not %d", refused->certificate, heard.alert, refused->alert);
        }
        assert_true(world->last_account.rows[WEIR_ROW_TLS_CONTROL].sent >= 7);
    }
}

/* A record whose tag is not right, after the request came. */
static void spoil(weir_scold_line *line, void *user)
{
    uint8_t room[4096];
    uint8_t record[5 + 64] = {23, 3, 3, 0, 64};

    (void)user;
    (void)weir_scold_read(line, room, sizeof(room));
    weir_scold_line clear = {.server = line->server, .fd = line->fd};
    weir_scold_write(&clear, record, sizeof(record));
}

static void spoilt_record(weir_world *world)
{
    weir_scold *server = start(world, "good.pem", spoil);
    const weir_fetched fetched = fetch(world, "localhost", server);
    const weir_scold_heard heard = weir_scold_await(server, 1);

    assert_int_equal(fetched.called, WEIR_E_TLS_RECORD);
    assert_int_equal(heard.alert_level, FATAL);
    assert_int_equal(heard.alert, BAD_RECORD_MAC);
    weir_world_close(world);
    weir_scold_stop(server);
}

/* SETTINGS, then DATA on stream 0: a connection error (RFC 9113 s6.1). */
static void break_h2(weir_scold_line *line, void *user)
{
    static const uint8_t frames[] = {0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 'x'};
    uint8_t room[4096];

    (void)user;
    (void)weir_scold_read(line, room, sizeof(room));
    weir_scold_write(line, frames, sizeof(frames));
}

static bool has_goaway(const weir_scold_heard *heard, uint8_t code)
{
    for (size_t at = 0; at + 17 <= heard->octets && at + 17 <= sizeof(heard->first); at++) {
        const uint8_t head[] = {0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, code};
        if (memcmp(heard->first + at, head, sizeof(head)) == 0) {
            return true;
        }
    }
    return false;
}

static void broken_h2(weir_world *world)
{
    weir_scold *server = weir_scold_way_start(world, break_h2, NULL);
    const weir_fetched fetched = fetch(world, "localhost", server);
    const weir_scold_heard heard = weir_scold_await(server, 1);

    assert_int_equal(weir_status_blame(fetched.called), WEIR_BLAME_PEER);
    assert_true(fetched.failure.has_h2_code);
    assert_int_equal(fetched.failure.h2_code, PROTOCOL_ERROR);
    assert_true(has_goaway(&heard, PROTOCOL_ERROR));
    weir_world_close(world);
    weir_scold_stop(server);
}

static const weir_behaviour behaviours[] = {
    {"a certificate that is refused is refused with its alert", certificates, WEIR_ONLY_TLS, NULL},
    {"a spoilt record is answered with bad_record_mac", spoilt_record, WEIR_ONLY_TLS, NULL},
    {"a peer that breaks HTTP/2 hears GOAWAY with the code", broken_h2, WEIR_ONLY_H2, NULL},
};

int main(void)
{
    return weir_world_run("last_words", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          NULL);
}
