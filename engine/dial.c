/* SPDX-License-Identifier: MIT */
/*
 * Happy Eyeballs, version 2 (RFC 8305), as a value that is asked what to do next.
 *
 * Order of addresses: families alternate, IPv6 first (s4). When IPv4 is answered first, IPv6 gets
 * the resolution delay (s3) before anything starts. One attempt at a time begins; the next after
 * the attempt delay, or at once when one was lost (s5). Answers that come late take their place
 * among the addresses not yet tried. Those that were lost lately, as the caller knows it, are tried
 * when all others were.
 */
#include "engine/dial.h"
#include "proto/failure.h"

#include <string.h>

#include "engine/address.h"
#include "engine/os.h"

#define ATTEMPT_DELAY_NS       (250 * WEIR_NS_PER_MS)
#define ATTEMPT_DELAY_LEAST_NS (10 * WEIR_NS_PER_MS)
#define RESOLUTION_DELAY_NS    (50 * WEIR_NS_PER_MS)

_Static_assert(ATTEMPT_DELAY_NS >= ATTEMPT_DELAY_LEAST_NS, "RFC 8305 s5");

static void insert(weir_dial *dial, uint8_t family, const weir_address *address);
static bool has_place(const weir_dial *dial, uint8_t family);
static bool is_known(const weir_dial *dial, const weir_address *address);
static void check(const weir_dial *dial);
static void interleave(weir_dial *dial);
static size_t take_turns(const weir_dial *dial, size_t begin, bool last, uint8_t *family,
                         weir_dial_address *sorted);
static void begin_connecting(weir_dial *dial, weir_time now_ns);
static void conclude(weir_dial *dial);
static size_t waiting(const weir_dial *dial, size_t *first);
static weir_failure failure_of_answers(const weir_dial *dial);
static weir_failure failure_of_attempts(const weir_dial *dial);

void weir_dial_begin(weir_dial *dial, uint16_t port, weir_time attempt_delay_ns,
                     weir_time resolution_delay_ns, weir_time now_ns)
{
    memset(dial, 0, sizeof(*dial));
    dial->port = port;
    dial->awaiting[0] = true;
    dial->awaiting[1] = true;
    dial->attempt_delay_ns = attempt_delay_ns != 0 ? attempt_delay_ns : ATTEMPT_DELAY_NS;
    if (dial->attempt_delay_ns < ATTEMPT_DELAY_LEAST_NS) {
        dial->attempt_delay_ns = ATTEMPT_DELAY_LEAST_NS;
    }
    dial->resolution_delay_ns =
        resolution_delay_ns != 0 ? resolution_delay_ns : RESOLUTION_DELAY_NS;
    dial->began_ns = now_ns;
    dial->delay_until_ns = WEIR_NEVER;
    dial->next_attempt_ns = now_ns;
    dial->failure = weir_failure_bare(WEIR_OK);
}

void weir_dial_answer(weir_dial *dial, const weir_answer *answer, weir_time now_ns)
{
    const size_t index = weir_family_index(answer->family);

    WEIR_ASSERT(answer->family == 4 || answer->family == 6);
    if (!dial->awaiting[index]) {
        return;
    }
    dial->awaiting[index] = false;
    dial->answer_status[index] = answer->status;
    if (dial->state == WEIR_DIAL_CONNECTED || dial->state == WEIR_DIAL_FAILED) {
        return;
    }
    for (size_t i = 0; i < answer->count && answer->status == WEIR_OK; i++) {
        insert(dial, answer->family, &answer->addresses[i]);
    }
    interleave(dial);
    if (dial->state == WEIR_DIAL_RESOLVING) {
        const bool other_is_out = dial->awaiting[0] || dial->awaiting[1];
        if (answer->family == 4 && other_is_out && dial->count > 0) {
            dial->delay_until_ns = weir_time_add(now_ns, dial->resolution_delay_ns);
        } else if (dial->count > 0) {
            begin_connecting(dial, now_ns);
        }
    }
    conclude(dial);
    check(dial);
}

void weir_dial_put_last(weir_dial *dial, const bool *failed_lately)
{
    for (size_t i = 0; i < dial->count; i++) {
        dial->addresses[i].last = failed_lately[i];
    }
    interleave(dial);
    check(dial);
}

bool weir_dial_next(weir_dial *dial, weir_time now_ns, size_t *index)
{
    size_t first = 0;

    if (dial->state == WEIR_DIAL_RESOLVING && now_ns >= dial->delay_until_ns) {
        begin_connecting(dial, now_ns);
    }
    if (dial->state != WEIR_DIAL_CONNECTING || now_ns < dial->next_attempt_ns ||
        dial->running >= WEIR_DIAL_ATTEMPTS || waiting(dial, &first) == 0) {
        return false;
    }
    dial->addresses[first].state = WEIR_ATTEMPT_RUNNING;
    dial->addresses[first].begun_ns = now_ns;
    dial->running++;
    dial->next_attempt_ns = weir_time_add(now_ns, dial->attempt_delay_ns);
    *index = first;
    return true;
}

void weir_dial_attempt_ended(weir_dial *dial, size_t index, int sys_errno, weir_time now_ns)
{
    WEIR_ASSERT(index < dial->count);
    weir_dial_address *attempt = &dial->addresses[index];

    WEIR_ASSERT(attempt->state == WEIR_ATTEMPT_RUNNING);
    dial->running--;
    attempt->ended_ns = now_ns;
    attempt->sys_errno = sys_errno;
    if (sys_errno == 0 && dial->state == WEIR_DIAL_CONNECTING) {
        attempt->state = WEIR_ATTEMPT_WON;
        dial->state = WEIR_DIAL_CONNECTED;
        dial->winner = index;
        return;
    }
    attempt->state = WEIR_ATTEMPT_LOST;
    dial->next_attempt_ns = now_ns;
    conclude(dial);
    check(dial);
}

weir_time weir_dial_deadline(const weir_dial *dial, weir_why *why)
{
    size_t first = 0;

    *why = WEIR_WHY_NONE;
    if (dial->state == WEIR_DIAL_RESOLVING) {
        *why = WEIR_WHY_RESOLUTION_DELAY;
        return dial->delay_until_ns;
    }
    if (dial->state == WEIR_DIAL_CONNECTING && dial->running < WEIR_DIAL_ATTEMPTS &&
        waiting(dial, &first) > 0) {
        *why = WEIR_WHY_ATTEMPT_DELAY;
        return dial->next_attempt_ns;
    }
    return WEIR_NEVER;
}

weir_status weir_dial_status(int sys_errno)
{
    return weir_os_connect_status(sys_errno);
}

/* A caller's resolver may answer anything: what is not of the family that was asked would never get
 * its turn. */
static void insert(weir_dial *dial, uint8_t family, const weir_address *address)
{
    if (address->family != family || !has_place(dial, family) || is_known(dial, address)) {
        dial->ignored++;
        return;
    }
    weir_dial_address *slot = &dial->addresses[dial->count++];
    memset(slot, 0, sizeof(*slot));
    slot->address = *address;
    slot->fd = -1;
}

static bool has_place(const weir_dial *dial, uint8_t family)
{
    size_t count = 0;

    for (size_t i = 0; i < dial->count; i++) {
        count += dial->addresses[i].address.family == family ? 1U : 0U;
    }
    return count < WEIR_DIAL_FAMILY_ADDRESSES;
}

static bool is_known(const weir_dial *dial, const weir_address *address)
{
    for (size_t i = 0; i < dial->count; i++) {
        if (weir_address_equal(&dial->addresses[i].address, address)) {
            return true;
        }
    }
    return false;
}

/*
 * Makes the families of the addresses that wait alternate, beginning with IPv6: first of those of
 * which nothing bad is known, then of the others. What was tried stays where it is, because drivers
 * know attempts by their index.
 */
static void interleave(weir_dial *dial)
{
    weir_dial_address sorted[WEIR_DIAL_ADDRESSES];
    size_t begin = 0;
    uint8_t family = 6;

    while (begin < dial->count && dial->addresses[begin].state != WEIR_ATTEMPT_WAITING) {
        begin++;
    }
    if (begin > 0 && dial->addresses[begin - 1].address.family == 6) {
        family = 4;
    }
    size_t count = take_turns(dial, begin, false, &family, sorted);
    count += take_turns(dial, begin, true, &family, sorted + count);
    WEIR_ASSERT(count == dial->count - begin);
    memcpy(dial->addresses + begin, sorted, count * sizeof(sorted[0]));
}

/* Of one group, families by turns; how many there are. *family is whose turn it is. */
static size_t take_turns(const weir_dial *dial, size_t begin, bool last, uint8_t *family,
                         weir_dial_address *sorted)
{
    size_t next[2] = {begin, begin}; /* of IPv4, IPv6: all before it were taken, or are of others */
    size_t count = 0;

    for (size_t missed = 0; missed < 2;) {
        size_t *at = &next[weir_family_index(*family)];
        while (*at < dial->count && (dial->addresses[*at].address.family != *family ||
                                     dial->addresses[*at].last != last)) {
            (*at)++;
        }
        missed++;
        if (*at < dial->count) {
            sorted[count++] = dial->addresses[(*at)++];
            missed = 0;
        }
        *family = *family == 6 ? 4 : 6;
    }
    return count;
}

static void begin_connecting(weir_dial *dial, weir_time now_ns)
{
    dial->state = WEIR_DIAL_CONNECTING;
    dial->resolved_ns = now_ns;
    dial->next_attempt_ns = now_ns;
    dial->delay_until_ns = WEIR_NEVER;
}

/* Nothing runs, nothing waits, nothing is outstanding: it failed. */
static void conclude(weir_dial *dial)
{
    size_t first = 0;

    if (dial->state == WEIR_DIAL_CONNECTED || dial->state == WEIR_DIAL_FAILED ||
        dial->running > 0 || dial->awaiting[0] || dial->awaiting[1] || waiting(dial, &first) > 0) {
        return;
    }
    dial->failure = dial->count == 0 ? failure_of_answers(dial) : failure_of_attempts(dial);
    dial->state = WEIR_DIAL_FAILED;
}

static size_t waiting(const weir_dial *dial, size_t *first)
{
    size_t count = 0;

    for (size_t i = dial->count; i > 0; i--) {
        if (dial->addresses[i - 1].state == WEIR_ATTEMPT_WAITING) {
            *first = i - 1;
            count++;
        }
    }
    return count;
}

/* "No such name" only if nobody said anything worse: a server's failure must not read as absence.
 */
static weir_failure failure_of_answers(const weir_dial *dial)
{
    weir_failure failure = weir_failure_bare(WEIR_E_DNS_NOT_FOUND);

    for (size_t i = 0; i < 2; i++) {
        if (dial->answer_status[i] != WEIR_OK && dial->answer_status[i] != WEIR_E_DNS_NOT_FOUND) {
            failure.status = dial->answer_status[i];
        }
    }
    failure.phase = WEIR_PHASE_DNS;
    failure.processed = WEIR_NOT_SENT;
    return failure;
}

static weir_failure failure_of_attempts(const weir_dial *dial)
{
    weir_failure failure = weir_failure_bare(WEIR_OK);

    failure.sys_errno = dial->addresses[0].sys_errno;
    failure.status = weir_dial_status(failure.sys_errno);
    for (size_t i = 1; i < dial->count; i++) {
        if (weir_dial_status(dial->addresses[i].sys_errno) != failure.status) {
            failure.status = WEIR_E_CONNECT_FAILED;
            failure.what = "the addresses failed in different ways; the errno is that of the first";
        }
    }
    failure.phase = WEIR_PHASE_CONNECT;
    failure.processed = WEIR_NOT_SENT;
    return failure;
}

static void check(const weir_dial *dial)
{
    size_t running = 0;
    bool waits = false;

    if (!WEIR_CHECKING) {
        return;
    }
    for (size_t i = 0; i < dial->count; i++) {
        const weir_attempt_state state = dial->addresses[i].state;
        running += state == WEIR_ATTEMPT_RUNNING ? 1U : 0U;
        WEIR_ASSERT(!waits || state == WEIR_ATTEMPT_WAITING);
        waits = state == WEIR_ATTEMPT_WAITING;
        WEIR_ASSERT(state != WEIR_ATTEMPT_WON ||
                    (dial->state == WEIR_DIAL_CONNECTED && dial->winner == i));
    }
    WEIR_ASSERT(running == dial->running);
    WEIR_ASSERT(running <= WEIR_DIAL_ATTEMPTS);
    WEIR_ASSERT(dial->count <= WEIR_DIAL_ADDRESSES);
    WEIR_ASSERT(dial->state != WEIR_DIAL_FAILED || (running == 0 && !waits));
}
