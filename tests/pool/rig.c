/* SPDX-License-Identifier: MIT */
/*
 * The bench that pool.h stands on in the tests.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "weir/status.h"

static char letter_of(const rig *r, const weir_ticket *ticket);
static void say(rig *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say_action(rig *r, const weir_action *action);

void rig_open(rig *r, weir_pool_options options)
{
    memset(r, 0, sizeof *r);
    weir_failalloc_init(&r->memory, 0);
    options.allocator = &r->memory.allocator;
    options.seed = options.seed ? options.seed : 7;
    r->now_ns = WEIR_NS_PER_SECOND;
    weir_status status = WEIR_E_STATE;
    r->pool = weir_pool_new(&options, &status);
    assert_non_null(r->pool);
    assert_int_equal(status, WEIR_OK);
}

void rig_close(rig *r)
{
    for (size_t i = 0; i < RIG_TICKETS; i++) {
        if (r->tickets[i].state != WEIR_TICKET_IDLE) {
            weir_pool_abandon(r->pool, &r->tickets[i], r->now_ns);
        }
    }
    weir_pool_shutdown(r->pool, r->now_ns);
    weir_action action;
    while (weir_pool_next_action(r->pool, &action)) {
        assert_true(action.kind == WEIR_ACTION_CLOSE || action.kind == WEIR_ACTION_TELL ||
                    action.kind == WEIR_ACTION_WARMED);
    }
    weir_slot *slot = weir_pool_next_slot(r->pool, NULL);
    while (slot) {
        weir_pool_gone(r->pool, slot, r->now_ns);
        slot = weir_pool_next_slot(r->pool, NULL);
    }
    weir_pool_check(r->pool);
    weir_pool_free(r->pool);
    weir_failalloc_finish(&r->memory);
}

weir_origin_key rig_key(const char *name)
{
    const bool https = strncmp(name, "tls.", 4) == 0;
    return (weir_origin_key){
        .host = weir_span_of(name),
        .port = https ? 443 : 80,
        .https = https,
        .tls = https,
        .pin = strncmp(name, "h2.", 3) == 0 ? WEIR_H2 : WEIR_PROTOCOL_ANY,
    };
}

weir_ticket *rig_ticket(rig *r, char letter)
{
    assert_in_range(letter, 'a', 'z');
    return &r->tickets[letter - 'a'];
}

weir_slot *rig_slot(const rig *r, uint64_t id)
{
    weir_slot *slot = weir_pool_next_slot(r->pool, NULL);
    while (slot && weir_slot_id(slot) != id) {
        slot = weir_pool_next_slot(r->pool, slot);
    }
    assert_non_null(slot);
    return slot;
}

weir_facts rig_facts(rig *r, weir_protocol protocol, uint32_t capacity)
{
    return (weir_facts){
        .version = ++r->versions,
        .protocol = protocol,
        .capacity_streams = capacity,
        .accepting = true,
        .reusable = true,
    };
}

weir_status rig_ask(rig *r, char letter, const char *name)
{
    const weir_origin_key key = rig_key(name);
    const weir_status status = weir_pool_request(r->pool, &key, rig_ticket(r, letter), r->now_ns);
    weir_pool_check(r->pool);
    return status;
}

void rig_ask_all(rig *r, const char *letters, const char *name)
{
    for (; *letters; letters++) {
        const weir_status status = rig_ask(r, *letters, name);
        assert_true(status == WEIR_AGAIN || status == WEIR_OK);
    }
}

void rig_release(rig *r, char letter)
{
    weir_pool_release(r->pool, rig_ticket(r, letter), NULL, r->now_ns);
    weir_pool_check(r->pool);
}

void rig_abandon(rig *r, char letter)
{
    weir_pool_abandon(r->pool, rig_ticket(r, letter), r->now_ns);
    weir_pool_check(r->pool);
}

void rig_ready(rig *r, uint64_t id, weir_protocol protocol, uint32_t capacity)
{
    const weir_facts facts = rig_facts(r, protocol, capacity);
    weir_pool_ready(r->pool, rig_slot(r, id), &facts, r->now_ns);
    weir_pool_check(r->pool);
}

void rig_fail(rig *r, uint64_t id)
{
    rig_fail_only(r, id);
    rig_gone(r, id);
}

void rig_fail_only(rig *r, uint64_t id)
{
    const weir_failure failure = {.status = WEIR_E_CONNECT_REFUSED,
                                  .phase = WEIR_PHASE_CONNECT,
                                  .processed = WEIR_NOT_SENT,
                                  .tls_alert = -1,
                                  .offset = WEIR_UNKNOWN};
    weir_pool_dial_failed(r->pool, rig_slot(r, id), &failure, r->now_ns);
    weir_pool_check(r->pool);
}

void rig_gone(rig *r, uint64_t id)
{
    weir_pool_gone(r->pool, rig_slot(r, id), r->now_ns);
    weir_pool_check(r->pool);
}

void rig_tell(rig *r, uint64_t id, uint32_t capacity)
{
    weir_slot *slot = rig_slot(r, id);
    weir_facts facts = rig_facts(r, weir_slot_protocol_hint(slot), capacity);
    if (capacity == 0) {
        facts.accepting = false;
        facts.reusable = false;
        facts.unfit = WEIR_UNFIT_GOAWAY;
    }
    weir_pool_facts(r->pool, slot, &facts, r->now_ns);
    weir_pool_check(r->pool);
}

void rig_tick(rig *r, weir_time span_ns)
{
    r->now_ns += span_ns;
    weir_pool_tick(r->pool, r->now_ns);
    weir_pool_check(r->pool);
}

void rig_lease_h1(rig *r, char letter, const char *name, uint64_t id)
{
    rig_ask_all(r, (const char[]){letter, '\0'}, name);
    rig_actions(r);
    rig_ready(r, id, WEIR_H1, 1);
    rig_actions(r);
    assert_int_equal(rig_ticket(r, letter)->state, WEIR_TICKET_LEASED);
    assert_int_equal(weir_slot_id(rig_ticket(r, letter)->slot), id);
}

void rig_lease_h2(rig *r, const char *letters, uint32_t capacity)
{
    rig_ask_all(r, letters, "h2.one");
    rig_actions(r);
    rig_ready(r, 1, WEIR_H2, capacity);
    rig_actions(r);
    assert_int_equal(rig_ticket(r, *letters)->state, WEIR_TICKET_LEASED);
}

static const char *pull(rig *r, bool told)
{
    weir_action action;
    r->text_length = 0;
    r->text[0] = '\0';
    while (weir_pool_next_action(r->pool, &action)) {
        if (told || action.kind != WEIR_ACTION_TELL) {
            say_action(r, &action);
        }
        weir_pool_check(r->pool);
    }
    return r->text;
}

const char *rig_actions(rig *r)
{
    return pull(r, false);
}

const char *rig_actions_after(rig *r, weir_time span_ns)
{
    rig_tick(r, span_ns - 1);
    assert_string_equal(rig_actions(r), "");
    rig_tick(r, 1);
    return rig_actions(r);
}

const char *rig_told(rig *r)
{
    return pull(r, true);
}

static char letter_of(const rig *r, const weir_ticket *ticket)
{
    return ticket ? (char)('a' + (ticket - r->tickets)) : '-';
}

static void say(rig *r, const char *format, ...)
{
    if (r->text_length > 0) {
        r->text_length +=
            (size_t)snprintf(r->text + r->text_length, RIG_TEXT - r->text_length, ", ");
    }
    va_list arguments;
    va_start(arguments, format);
    r->text_length +=
        (size_t)vsnprintf(r->text + r->text_length, RIG_TEXT - r->text_length, format, arguments);
    va_end(arguments);
    assert_true(r->text_length < RIG_TEXT - 8);
}

static void say_action(rig *r, const weir_action *action)
{
    switch (action->kind) {
    case WEIR_ACTION_GRANT:
        assert_int_equal(action->ticket->state, WEIR_TICKET_LEASED);
        say(r, "grant %c %d %s", letter_of(r, action->ticket),
            (int)weir_slot_id(action->ticket->slot), weir_reason_name(action->ticket->reason));
        break;
    case WEIR_ACTION_REFUSE:
        assert_int_equal(action->ticket->state, WEIR_TICKET_REFUSED);
        say(r, "refuse %c %s", letter_of(r, action->ticket),
            weir_status_name(action->ticket->failure.status));
        break;
    case WEIR_ACTION_WARMED:
        assert_int_equal(action->wish->state, WEIR_WARMTH_ENDED);
        say(r, "warmed %s %s", weir_reason_name(action->reason),
            weir_status_name(action->wish->failure.status));
        break;
    case WEIR_ACTION_TELL:
        say(r, "%c waits: %s", letter_of(r, action->ticket), weir_reason_name(action->reason));
        break;
    case WEIR_ACTION_DIAL:
        if (action->wish) {
            say(r, "dial %d to warm", (int)weir_slot_id(action->slot));
            break;
        }
        say(r, "dial %d for %c", (int)weir_slot_id(action->slot), letter_of(r, action->ticket));
        break;
    case WEIR_ACTION_CLOSE:
        say(r, "close %d %s", (int)weir_slot_id(action->slot), weir_reason_name(action->reason));
        break;
    case WEIR_ACTION_NONE:
        fail();
        break;
    }
}
