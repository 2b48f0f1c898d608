/* SPDX-License-Identifier: MIT */
/* A slot on its way to READY: see dialing.h. */
#include "engine/dialing.h"
#include "proto/failure.h"

#include <string.h>

#include "engine/os.h"
#include "engine/text.h"

static void enter(weir_dialing *dialing, weir_phase phase, weir_time now_ns);
static weir_phase phase_to_tell(const weir_dialing *dialing);
static void answer_numeric(weir_dialing *dialing, weir_span zone, weir_time now_ns);
static bool is_localhost(weir_span host);
static void answer_localhost(weir_dialing *dialing, weir_time now_ns);
static void put_failed_last(weir_dialing *dialing, weir_time now_ns);
static void remember_outcome(const weir_dialing *dialing, size_t index, weir_time now_ns);
static void remember_silence(const weir_dialing *dialing, weir_time now_ns);
static void recall(weir_dialing *dialing, weir_time now_ns);
static void follow_dial(weir_dialing *dialing, weir_time now_ns);
static void fail_with(weir_dialing *dialing, weir_status status, weir_time now_ns);
static void tell(weir_dialing *dialing, weir_event *event, weir_time now_ns);
static bool is_done_with_addresses(const weir_dialing *dialing);
static void note_attempts(const weir_dialing *dialing, weir_time now_ns);
static weir_time limit_of(const weir_dialing *dialing);
static void take_limits(weir_dialing *dialing, const weir_exchange *exchange);
static void give_answer(weir_dialing *dialing, const weir_answer *answer, weir_time now_ns);

weir_dialing *weir_dialing_new(weir_core *core, weir_link *link, weir_exchange *cause,
                               weir_time now_ns)
{
    const weir_origin_key *key = weir_slot_key(link->slot);
    const weir_span host = key->address.length > 0 ? key->address : key->host;
    weir_dialing *dialing = weir_alloc_zeroed(core->allocator, sizeof(*dialing));

    if (dialing == NULL) {
        return NULL;
    }
    dialing->allocator = core->allocator;
    dialing->link = link;
    dialing->shared = core->shared;
    /* A wish has several: it is told of none, and of the end of all. */
    dialing->exchange = cause != NULL && cause->warms > 0 ? NULL : cause;
    WEIR_ASSERT(host.length < WEIR_HOST_LIMIT_OCTETS); /* it was checked when it was given */
    memcpy(dialing->host, host.at, host.length);
    dialing->host_length = host.length;
    dialing->port = key->address_port != 0 ? key->address_port : key->port;
    take_limits(dialing, cause);
    dialing->failure = weir_failure_bare(WEIR_OK);
    weir_dial_begin(&dialing->dial, dialing->port, 0, 0, now_ns);
    enter(dialing, WEIR_PHASE_DNS, now_ns);
    answer_numeric(dialing, key->address.length > 0 ? (weir_span){NULL, 0} : key->zone, now_ns);
    if (!dialing->numeric) {
        weir_event event = {.kind = WEIR_EVENT_DNS_STARTED};
        tell(dialing, &event, now_ns);
        if (is_localhost(weir_dialing_host(dialing))) {
            answer_localhost(dialing, now_ns);
        } else {
            dialing->by_name = key->address.length == 0;
            recall(dialing, now_ns);
        }
    }
    return dialing;
}

void weir_dialing_free(weir_dialing *dialing)
{
    if (dialing != NULL) {
        weir_release(dialing->allocator, dialing);
    }
}

bool weir_dialing_needs_lookup(const weir_dialing *dialing)
{
    return dialing->dial.awaiting[0] || dialing->dial.awaiting[1];
}

bool weir_dialing_still_needs_lookup(weir_dialing *dialing, weir_time now_ns)
{
    if (weir_dialing_needs_lookup(dialing)) {
        recall(dialing, now_ns);
    }
    return weir_dialing_needs_lookup(dialing);
}

weir_span weir_dialing_host(const weir_dialing *dialing)
{
    return (weir_span){dialing->host, dialing->host_length};
}

const weir_address *weir_dialing_address(const weir_dialing *dialing)
{
    WEIR_ASSERT(dialing->dial.state == WEIR_DIAL_CONNECTED);
    return &dialing->dial.addresses[dialing->dial.winner].address;
}

void weir_dialing_tie(const weir_dialing *dialing, weir_names *names, weir_time now_ns)
{
    if (dialing->by_name) {
        weir_names_join(names, dialing->link, weir_dialing_host(dialing),
                        weir_dialing_address(dialing), now_ns);
    } else if (!dialing->numeric) {
        weir_names_note(names, dialing->link, weir_dialing_address(dialing));
    }
}

void weir_dialing_orphan(weir_dialing *dialing, weir_time now_ns)
{
    if (!is_done_with_addresses(dialing)) {
        note_attempts(dialing, now_ns);
    }
    dialing->exchange = NULL;
    take_limits(dialing, NULL);
}

void weir_dialing_adopt(weir_dialing *dialing, weir_exchange *exchange, weir_time now_ns)
{
    WEIR_ASSERT(dialing->exchange == NULL);
    dialing->exchange = exchange;
    if (is_done_with_addresses(dialing)) {
        note_attempts(dialing, dialing->phase_since_ns);
    }
    take_limits(dialing, exchange);
    /* What it waited for before was not this dial. */
    weir_exchange_set_phase(exchange, phase_to_tell(dialing), now_ns);
}

void weir_dialing_answer(weir_dialing *dialing, const weir_answer *answer, weir_time now_ns)
{
    weir_shared_remember(dialing->shared, weir_dialing_host(dialing), answer, now_ns);
    give_answer(dialing, answer, now_ns);
}

bool weir_dialing_next(weir_dialing *dialing, weir_time now_ns, size_t *index)
{
    char text[WEIR_ADDRESS_TEXT_OCTETS];
    weir_event event = {.kind = WEIR_EVENT_CONNECT_STARTED, .address = text, .port = dialing->port};

    if (dialing->failure.status != WEIR_OK || !weir_dial_next(&dialing->dial, now_ns, index)) {
        return false;
    }
    /* The resolution delay may be over: what follows is no part of the look-up. */
    follow_dial(dialing, now_ns);
    weir_os_address_text(&dialing->dial.addresses[*index].address, text, sizeof(text));
    tell(dialing, &event, now_ns);
    return true;
}

void weir_dialing_attempt_ended(weir_dialing *dialing, size_t index, int sys_errno,
                                weir_time now_ns)
{
    char text[WEIR_ADDRESS_TEXT_OCTETS];
    weir_event event = {.kind = WEIR_EVENT_CONNECT_DONE, .address = text, .port = dialing->port};

    weir_os_address_text(&dialing->dial.addresses[index].address, text, sizeof(text));
    event.failure = weir_failure_bare(sys_errno != 0 ? weir_dial_status(sys_errno) : WEIR_OK);
    event.failure.sys_errno = sys_errno;
    tell(dialing, &event, now_ns);
    weir_dial_attempt_ended(&dialing->dial, index, sys_errno, now_ns);
    remember_outcome(dialing, index, now_ns);
    follow_dial(dialing, now_ns);
}

weir_dialing_outcome weir_dialing_outcome_of(weir_dialing *dialing, weir_time now_ns)
{
    weir_event event = {.kind = WEIR_EVENT_TLS_DONE};

    if (dialing->failure.status != WEIR_OK) {
        return WEIR_DIALING_FAILED;
    }
    if (dialing->phase != WEIR_PHASE_TLS) {
        return WEIR_DIALING_GOING;
    }
    if (weir_link_is_open(dialing->link)) {
        if (dialing->link->tls != NULL) {
            event.protocol = weir_link_protocol(dialing->link);
            event.why = weir_tls_describe(dialing->link->tls).version;
            tell(dialing, &event, now_ns);
        }
        return WEIR_DIALING_READY;
    }
    if (weir_link_is_closing(dialing->link)) {
        dialing->failure = weir_link_failure(dialing->link);
        dialing->failure.phase = phase_to_tell(dialing);
        if (dialing->failure.status == WEIR_OK) {
            dialing->failure.status = WEIR_E_CLOSED_EARLY;
        }
        if (dialing->link->tls != NULL) {
            event.failure = dialing->failure;
            tell(dialing, &event, now_ns);
        }
        return WEIR_DIALING_FAILED;
    }
    return WEIR_DIALING_GOING;
}

weir_time weir_dialing_deadline(const weir_dialing *dialing, weir_why *why)
{
    static const weir_why limits[WEIR_PHASE_COUNT] = {
        [WEIR_PHASE_DNS] = WEIR_WHY_DNS,
        [WEIR_PHASE_CONNECT] = WEIR_WHY_CONNECT,
        [WEIR_PHASE_TLS] = WEIR_WHY_TLS,
    };
    weir_why inner = WEIR_WHY_NONE;
    const weir_time delay =
        dialing->phase == WEIR_PHASE_TLS ? WEIR_NEVER : weir_dial_deadline(&dialing->dial, &inner);
    const weir_time limit = limit_of(dialing);

    *why = delay < limit ? inner : limits[dialing->phase];
    return weir_time_earlier(delay, limit);
}

void weir_dialing_expire(weir_dialing *dialing, weir_time now_ns)
{
    if (now_ns < limit_of(dialing)) {
        follow_dial(dialing, now_ns);
        return;
    }
    if (dialing->phase == WEIR_PHASE_CONNECT) {
        remember_silence(dialing, now_ns);
    }
    fail_with(dialing,
              dialing->phase == WEIR_PHASE_DNS       ? WEIR_E_DEADLINE_DNS
              : dialing->phase == WEIR_PHASE_CONNECT ? WEIR_E_DEADLINE_CONNECT
                                                     : WEIR_E_DEADLINE_TLS,
              now_ns);
}

static void enter(weir_dialing *dialing, weir_phase phase, weir_time now_ns)
{
    dialing->phase = phase;
    dialing->phase_since_ns = now_ns;
    if (dialing->exchange != NULL) {
        weir_exchange_set_phase(dialing->exchange, phase_to_tell(dialing), now_ns);
    }
}

/* A clear dial is over when it is connected: its caller is never told of a handshake. */
static weir_phase phase_to_tell(const weir_dialing *dialing)
{
    const bool clear = dialing->phase == WEIR_PHASE_TLS && dialing->link->tls == NULL;

    return clear ? WEIR_PHASE_CONNECT : dialing->phase;
}

static void answer_numeric(weir_dialing *dialing, weir_span zone, weir_time now_ns)
{
    weir_address address;

    if (!weir_os_address_parse(weir_dialing_host(dialing), &address)) {
        return;
    }
    if (zone.length > 0) {
        address.scope = weir_os_zone_index(zone);
    }
    dialing->numeric = true;
    const weir_answer itself = {.family = address.family, .addresses = &address, .count = 1};
    const weir_answer none = {.family = address.family == 4 ? 6 : 4};
    give_answer(dialing, &itself, now_ns);
    give_answer(dialing, &none, now_ns);
}

static bool is_localhost(weir_span host)
{
    const weir_span suffix = WEIR_SPAN(".localhost");

    if (host.length > 0 && host.at[host.length - 1] == '.') {
        host.length--;
    }
    if (weir_span_equal_nocase(host, WEIR_SPAN("localhost"))) {
        return true;
    }
    return host.length > suffix.length &&
           weir_span_equal_nocase(weir_span_from(host, host.length - suffix.length), suffix);
}

/* RFC 6761 s6.3: these names are loopback and are never asked for. */
static void answer_localhost(weir_dialing *dialing, weir_time now_ns)
{
    const weir_address v6 = {.family = 6, .octets = {[15] = 1}};
    const weir_address v4 = {.family = 4, .octets = {127, 0, 0, 1}};

    give_answer(dialing, &(weir_answer){.family = 6, .addresses = &v6, .count = 1}, now_ns);
    give_answer(dialing, &(weir_answer){.family = 4, .addresses = &v4, .count = 1}, now_ns);
}

/* Answers that are remembered never reach the network. */
static void recall(weir_dialing *dialing, weir_time now_ns)
{
    static const uint8_t families[] = {6, 4};
    weir_remembered known;

    for (size_t i = 0; i < WEIR_COUNT_OF(families); i++) {
        if (!dialing->dial.awaiting[weir_family_index(families[i])]) {
            continue;
        }
        known.answer.family = families[i];
        if (weir_shared_recall(dialing->shared, weir_dialing_host(dialing), &known, now_ns)) {
            give_answer(dialing, &known.answer, now_ns);
        }
    }
}

static void give_answer(weir_dialing *dialing, const weir_answer *answer, weir_time now_ns)
{
    weir_event event = {.kind = WEIR_EVENT_DNS_DONE, .count = (uint32_t)answer->count};

    weir_dial_answer(&dialing->dial, answer, now_ns);
    if (dialing->dial.count > 1) {
        put_failed_last(dialing, now_ns);
    }
    if (!dialing->numeric) {
        event.failure = weir_failure_bare(answer->status);
        tell(dialing, &event, now_ns);
    }
    follow_dial(dialing, now_ns);
}

/* Those that others found dead lately need not be found dead again. */
static void put_failed_last(weir_dialing *dialing, weir_time now_ns)
{
    bool failed[WEIR_DIAL_ADDRESSES];

    if (weir_shared_failed_lately(dialing->shared, &dialing->dial, now_ns, failed)) {
        weir_dial_put_last(&dialing->dial, failed);
    }
}

/* What an attempt says about its address, and not about this machine. */
static void remember_outcome(const weir_dialing *dialing, size_t index, weir_time now_ns)
{
    const weir_dial_address *attempt = &dialing->dial.addresses[index];
    const weir_status status = weir_dial_status(attempt->sys_errno);

    if (attempt->sys_errno == 0) {
        weir_shared_note_success(dialing->shared, &attempt->address, dialing->port);
    } else if (status == WEIR_E_CONNECT_REFUSED || status == WEIR_E_CONNECT_UNREACHABLE) {
        weir_shared_note_loss(dialing->shared, &attempt->address, dialing->port, now_ns);
    }
}

/* The limit of the dial ran out. Who had as long as an attempt is given by itself did not answer.
 */
static void remember_silence(const weir_dialing *dialing, weir_time now_ns)
{
    for (size_t i = 0; i < dialing->dial.count; i++) {
        const weir_dial_address *attempt = &dialing->dial.addresses[i];
        if (attempt->state == WEIR_ATTEMPT_RUNNING &&
            weir_time_since(now_ns, attempt->begun_ns) >= dialing->dial.attempt_delay_ns) {
            weir_shared_note_loss(dialing->shared, &attempt->address, dialing->port, now_ns);
        }
    }
}

/* The dial may have come to a new state. */
static void follow_dial(weir_dialing *dialing, weir_time now_ns)
{
    weir_event event = {.kind = WEIR_EVENT_TLS_STARTED};

    switch (dialing->dial.state) {
    case WEIR_DIAL_RESOLVING:
        return;
    case WEIR_DIAL_CONNECTING:
        if (dialing->phase == WEIR_PHASE_DNS) {
            enter(dialing, WEIR_PHASE_CONNECT, now_ns);
        }
        return;
    case WEIR_DIAL_CONNECTED:
        if (dialing->phase != WEIR_PHASE_TLS) {
            note_attempts(dialing, now_ns);
            enter(dialing, WEIR_PHASE_TLS, now_ns);
            if (dialing->link->tls != NULL) {
                tell(dialing, &event, now_ns);
            }
            weir_link_connected(dialing->link, now_ns);
        }
        return;
    case WEIR_DIAL_FAILED:
        if (dialing->failure.status == WEIR_OK) {
            note_attempts(dialing, now_ns);
            dialing->failure = dialing->dial.failure;
            dialing->failure.phase = dialing->phase;
        }
        return;
    }
}

static void fail_with(weir_dialing *dialing, weir_status status, weir_time now_ns)
{
    if (dialing->failure.status == WEIR_OK) {
        if (!is_done_with_addresses(dialing)) {
            note_attempts(dialing, now_ns);
        }
        dialing->failure = weir_failure_bare(status);
        dialing->failure.phase = dialing->phase;
    }
}

static void tell(weir_dialing *dialing, weir_event *event, weir_time now_ns)
{
    weir_exchange *ex = dialing->exchange;

    if (ex == NULL || !weir_events_are_wanted(&ex->events)) {
        return;
    }
    event->at_ns = now_ns;
    event->exchange = ex;
    event->conn = dialing->link->id;
    event->host = ex->target.host;
    if (event->port == 0) {
        event->port = dialing->port;
    }
    weir_events_add(&ex->events, event);
}

/* One is connected, or none will be: what came of the addresses was said. */
static bool is_done_with_addresses(const weir_dialing *dialing)
{
    return dialing->phase == WEIR_PHASE_TLS || dialing->failure.status != WEIR_OK;
}

/* Tells the exchange which addresses were tried. What runs by now is given up, as far as it goes.
 */
static void note_attempts(const weir_dialing *dialing, weir_time now_ns)
{
    const weir_dial *dial = &dialing->dial;

    for (size_t i = 0; i < dial->count && dialing->exchange != NULL; i++) {
        const weir_dial_address *of = &dial->addresses[i];
        if (of->state == WEIR_ATTEMPT_WAITING) {
            break;
        }
        weir_connect_attempt attempt = {
            .size = sizeof(attempt),
            .conn = dialing->link->id,
            .port = dialing->port,
            .family = of->address.family,
            .won = of->state == WEIR_ATTEMPT_WON,
            .unfinished = of->state == WEIR_ATTEMPT_RUNNING,
            .sys_errno = of->sys_errno,
            .began_ns = of->begun_ns,
        };
        attempt.took_ns = weir_time_since(attempt.unfinished ? now_ns : of->ended_ns, of->begun_ns);
        weir_text text = weir_text_begin(attempt.address, sizeof(attempt.address));
        weir_text_add_address(&text, &of->address);
        weir_exchange_note_connect(dialing->exchange, &attempt);
    }
}

static weir_time limit_of(const weir_dialing *dialing)
{
    const weir_time limit = dialing->phase == WEIR_PHASE_DNS       ? dialing->dns_ns
                            : dialing->phase == WEIR_PHASE_CONNECT ? dialing->connect_ns
                                                                   : dialing->tls_ns;
    return weir_time_add(dialing->phase_since_ns, limit);
}

static void take_limits(weir_dialing *dialing, const weir_exchange *ex)
{
    dialing->dns_ns = ex != NULL ? ex->call.dns_ns : WEIR_DNS_DEFAULT_NS;
    dialing->connect_ns = ex != NULL ? ex->call.connect_ns : WEIR_CONNECT_DEFAULT_NS;
    dialing->tls_ns = ex != NULL ? ex->call.tls_ns : WEIR_TLS_DEFAULT_NS;
}
