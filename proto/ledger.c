/* SPDX-License-Identifier: MIT */
/*
 * The ledger: where each octet of a connection is written down, once.
 *
 * Everything here is addition. The two laws compare sums that were moved by different callers at
 * different places, so an octet that is charged twice, to nobody, or not at all makes them differ.
 *
 * The split of a record's overhead is the one calculation. With weights w(i) of sum W and an
 * overhead v, each owner gets floor(v * w(i) / W); the octets that are left, fewer than there are
 * owners, go one each to the largest remainders of those divisions, ties to the lower id. The
 * products fit: weights and overhead are below 2^32. While it is computed an owner's weight gives
 * way to its remainder in the same place, so the split needs no memory and cannot fail.
 */
#include "proto/ledger.h"

static void move(weir_octets *counter, weir_direction direction, uint64_t octets);
static uint64_t get(const weir_octets *counter, weir_direction direction);
static weir_octets *owner_row(weir_owner *owner, weir_row row);
static weir_octets *conn_row(weir_ledger *ledger, weir_conn_row row);
static weir_octets *row_beside(const weir_ledger *ledger, weir_conn_row row);
static void add(weir_octets *sum, weir_octets octets);
static void touch(weir_ledger *ledger, weir_owner *owner, weir_direction direction,
                  uint64_t octets);
static weir_owner *touched_owner(weir_list *node, weir_direction direction);
static uint64_t share_floors(weir_list *touched, weir_direction direction, uint64_t overhead);
static weir_owner *largest_remainder(weir_list *touched, weir_direction direction);
static void untouch(weir_owner *owner, weir_direction direction);
static bool is_tls_row(size_t row);
static weir_tally exchanges_sum(const weir_ledger *ledger);
static weir_octets rows_sum(const weir_ledger *ledger);

void weir_ledger_init(weir_ledger *ledger, bool over_tls, weir_ledger_annex *annex)
{
    weir_ledger_init_h1(ledger, over_tls ? &annex->tls : NULL);
    annex->frames = (weir_ledger_frames){.undecided = {0, 0}};
    ledger->frames = &annex->frames;
    weir_ledger_set_owners(ledger, &annex->owners);
}

void weir_ledger_init_h1(weir_ledger *ledger, weir_ledger_tls *tls)
{
    *ledger = (weir_ledger){.tls = tls};
    if (tls) {
        *tls = (weir_ledger_tls){.torn = {0, 0}};
    }
}

void weir_ledger_set_owners(weir_ledger *ledger, weir_ledger_owners *owners)
{
    WEIR_ASSERT(weir_ledger_next_open(ledger, NULL) == NULL);
    ledger->owners = owners;
    if (owners) {
        weir_list_init(&owners->open);
        weir_list_init(&owners->moved);
        weir_list_init(&owners->touched[WEIR_SENT]);
        weir_list_init(&owners->touched[WEIR_RECEIVED]);
    }
}

void weir_ledger_inherit(weir_ledger *ledger, const weir_ledger *from)
{
    WEIR_ASSERT(weir_ledger_next_open(from, NULL) == NULL);
    WEIR_ASSERT(weir_ledger_next_open(ledger, NULL) == NULL);
    for (size_t i = 0; i < WEIR_CONN_ROWS; i++) {
        const weir_octets row = weir_ledger_row(from, (weir_conn_row)i);
        if (row.sent + row.received > 0) {
            add(conn_row(ledger, (weir_conn_row)i), row);
        }
    }
    add(&ledger->plain, from->plain);
    add(&ledger->wire, from->wire);
    if (from->tls) {
        ledger->tls->torn = from->tls->torn;
    }
    WEIR_ASSERT(weir_ledger_undecided(from).sent == 0); /* no conn, no frame */
    WEIR_ASSERT(weir_ledger_undecided(from).received == 0);
}

const weir_owner *weir_ledger_next_open(const weir_ledger *ledger, const weir_owner *after)
{
    if (!ledger->owners) {
        return NULL;
    }
    const weir_list *next = after ? after->link.next : ledger->owners->open.next;
    return next != &ledger->owners->open ? WEIR_CONST_CONTAINER_OF(next, weir_owner, link) : NULL;
}

void weir_ledger_open(weir_ledger *ledger, weir_owner *owner, uint32_t id)
{
    *owner = (weir_owner){.id = id};
    weir_list_init(&owner->link);
    weir_list_init(&owner->touched[WEIR_SENT]);
    weir_list_init(&owner->touched[WEIR_RECEIVED]);
    weir_list_init(&owner->moved);
    weir_list_push_back(&ledger->owners->open, &owner->link);
}

void weir_ledger_fold(weir_ledger *ledger, weir_owner *owner)
{
    WEIR_ASSERT(!weir_list_is_empty(&owner->link));
    WEIR_ASSERT(owner->queued_octets == 0);
    weir_tally_add(&ledger->closed, &owner->tally);
    weir_list_remove(&owner->link);
    weir_list_remove(&owner->moved);
    for (weir_direction d = WEIR_SENT; d < WEIR_DIRECTIONS; d++) {
        if (owner->in_record[d] > 0) {
            WEIR_ASSERT(owner->in_record[d] <= UINT32_MAX - ledger->tls->folded_in_record[d]);
            ledger->tls->folded_in_record[d] += owner->in_record[d];
        }
        untouch(owner, d);
    }
}

void weir_ledger_charge(weir_ledger *ledger, weir_owner *owner, weir_row row,
                        weir_direction direction, uint64_t octets)
{
    if (owner) {
        WEIR_ASSERT(!weir_list_is_empty(&owner->link));
        move(owner_row(owner, row), direction, octets);
        if (octets > 0) {
            owner->charged_ns[direction] = ledger->now_ns;
            if (weir_list_is_empty(&owner->moved)) {
                weir_list_push_back(&ledger->owners->moved, &owner->moved);
            }
        }
        touch(ledger, owner, direction, octets);
    } else {
        WEIR_ASSERT(row >= WEIR_ROW_CONN);
        const weir_conn_row of_conn = (weir_conn_row)((unsigned)row - (unsigned)WEIR_ROW_CONN);
        WEIR_ASSERT(of_conn < WEIR_CONN_ROWS);
        move(conn_row(ledger, of_conn), direction, octets);
    }
}

weir_octets weir_ledger_row(const weir_ledger *ledger, weir_conn_row row)
{
    if (row == WEIR_ROW_LATE) {
        return ledger->late;
    }
    if (row == WEIR_ROW_UNREAD) {
        return ledger->unread;
    }
    const weir_octets *at = row_beside(ledger, row);
    return at ? *at : (weir_octets){0, 0};
}

weir_octets weir_ledger_undecided(const weir_ledger *ledger)
{
    return ledger->frames ? ledger->frames->undecided : (weir_octets){0, 0};
}

weir_octets weir_ledger_torn(const weir_ledger *ledger)
{
    return ledger->tls ? ledger->tls->torn : (weir_octets){0, 0};
}

weir_owner *weir_ledger_next_moved(weir_ledger *ledger)
{
    if (!ledger->owners || weir_list_is_empty(&ledger->owners->moved)) {
        return NULL;
    }
    weir_owner *owner = WEIR_CONTAINER_OF(ledger->owners->moved.next, weir_owner, moved);
    weir_list_remove(&owner->moved);
    return owner;
}

void weir_ledger_share(weir_ledger *ledger, weir_direction direction, uint64_t overhead_octets)
{
    WEIR_ASSERT(ledger->tls != NULL);
    WEIR_ASSERT(overhead_octets <= UINT32_MAX);
    weir_list nobody = {&nobody, &nobody};
    weir_list *touched = ledger->owners ? &ledger->owners->touched[direction] : &nobody;
    uint32_t *folded_octets = &ledger->tls->folded_in_record[direction];
    if (weir_list_is_empty(touched) && *folded_octets == 0) {
        move(&ledger->tls->control, direction, overhead_octets);
        return;
    }

    /* Stands for the owners that were folded inside this record, and loses every tie. */
    weir_owner folded = {.id = UINT32_MAX};
    folded.in_record[direction] = *folded_octets;
    weir_list_init(&folded.touched[direction]);
    weir_list_push_back(touched, &folded.touched[direction]);
    *folded_octets = 0;

    uint64_t left = overhead_octets - share_floors(touched, direction, overhead_octets);
    for (; left > 0; left--) {
        weir_owner *owner = largest_remainder(touched, direction);
        move(&owner->tally.tls, direction, 1);
        untouch(owner, direction);
    }
    while (!weir_list_is_empty(touched)) {
        untouch(touched_owner(touched->next, direction), direction);
    }
    move(&ledger->tls->control, direction, get(&folded.tally.tls, direction));
}

void weir_ledger_plain(weir_ledger *ledger, weir_direction direction, uint64_t octets)
{
    move(&ledger->plain, direction, octets);
}

void weir_ledger_wire(weir_ledger *ledger, weir_direction direction, uint64_t octets)
{
    move(&ledger->wire, direction, octets);
}

void weir_ledger_set_undecided(weir_ledger *ledger, weir_direction direction, uint64_t octets)
{
    weir_octets *undecided = &ledger->frames->undecided;
    *(direction == WEIR_SENT ? &undecided->sent : &undecided->received) = octets;
}

void weir_ledger_set_torn(weir_ledger *ledger, weir_direction direction, uint64_t octets)
{
    WEIR_ASSERT(ledger->tls != NULL);
    weir_octets *torn = &ledger->tls->torn;
    *(direction == WEIR_SENT ? &torn->sent : &torn->received) = octets;
}

void weir_ledger_settle(weir_ledger *ledger)
{
    for (weir_direction d = WEIR_SENT; d < WEIR_DIRECTIONS; d++) {
        if (ledger->frames) {
            weir_ledger_charge(ledger, NULL, weir_row_of_conn(WEIR_ROW_OTHER), d,
                               get(&ledger->frames->undecided, d));
            weir_ledger_set_undecided(ledger, d, 0);
        }
        if (ledger->tls) {
            weir_ledger_charge(ledger, NULL, weir_row_of_conn(WEIR_ROW_TLS_CONTROL), d,
                               get(&ledger->tls->torn, d));
            weir_ledger_set_torn(ledger, d, 0);
        }
    }
}

bool weir_ledger_plain_holds(const weir_ledger *ledger)
{
    weir_tally exchanges = exchanges_sum(ledger);
    weir_octets sum = weir_tally_plain(&exchanges);
    for (size_t i = 0; i < WEIR_CONN_ROWS; i++) {
        if (!is_tls_row(i)) {
            add(&sum, weir_ledger_row(ledger, (weir_conn_row)i));
        }
    }
    add(&sum, weir_ledger_undecided(ledger));
    return ledger->plain.sent == sum.sent && ledger->plain.received == sum.received;
}

bool weir_ledger_wire_holds(const weir_ledger *ledger)
{
    weir_octets sum = ledger->plain;
    add(&sum, exchanges_sum(ledger).tls);
    for (size_t i = 0; i < WEIR_CONN_ROWS; i++) {
        if (is_tls_row(i)) {
            add(&sum, weir_ledger_row(ledger, (weir_conn_row)i));
        }
    }
    add(&sum, weir_ledger_torn(ledger));
    return ledger->wire.sent == sum.sent && ledger->wire.received == sum.received;
}

bool weir_ledger_holds(const weir_ledger *ledger)
{
    return weir_ledger_plain_holds(ledger) && weir_ledger_wire_holds(ledger);
}

void weir_ledger_check_plain(const weir_ledger *ledger)
{
    WEIR_CHECK_ASSERT(weir_ledger_plain_holds(ledger));
    for (const weir_owner *owner = weir_ledger_next_open(ledger, NULL); owner;
         owner = weir_ledger_next_open(ledger, owner)) {
        for (weir_direction d = WEIR_SENT; d < WEIR_DIRECTIONS; d++) {
            bool is_touched = !weir_list_is_empty(&owner->touched[d]);
            WEIR_CHECK_ASSERT(is_touched == (owner->in_record[d] > 0));
            WEIR_CHECK_ASSERT(!is_touched || ledger->tls != NULL);
        }
    }
}

void weir_ledger_check(const weir_ledger *ledger)
{
    weir_ledger_check_plain(ledger);
    WEIR_CHECK_ASSERT(weir_ledger_wire_holds(ledger));
}

void weir_ledger_account(const weir_ledger *ledger, weir_account *account)
{
    *account = (weir_account){
        .size = sizeof(*account),
        .wire = ledger->wire,
        .plain = ledger->plain,
        .exchanges = exchanges_sum(ledger),
        .undecided = weir_ledger_undecided(ledger),
        .torn = weir_ledger_torn(ledger),
        .verdict = {.agreement = WEIR_UNAVAILABLE, .ledger = rows_sum(ledger)},
    };
    for (size_t i = 0; i < WEIR_CONN_ROWS; i++) {
        account->rows[i] = weir_ledger_row(ledger, (weir_conn_row)i);
    }
}

static void move(weir_octets *counter, weir_direction direction, uint64_t octets)
{
    WEIR_ASSERT(direction < WEIR_DIRECTIONS);
    if (direction == WEIR_SENT) {
        counter->sent += octets;
    } else {
        counter->received += octets;
    }
}

static uint64_t get(const weir_octets *counter, weir_direction direction)
{
    return direction == WEIR_SENT ? counter->sent : counter->received;
}

static weir_octets *owner_row(weir_owner *owner, weir_row row)
{
    switch (row) {
    case WEIR_ROW_HEAD:
        return &owner->tally.head;
    case WEIR_ROW_BODY:
        return &owner->tally.body;
    case WEIR_ROW_TRAILERS:
        return &owner->tally.trailers;
    case WEIR_ROW_FRAMING:
        return &owner->tally.framing;
    case WEIR_OWNER_ROWS:
    case WEIR_ROW_CONN:
        break;
    }
    weir_assert_fail("an exchange has no such row", __FILE__, __LINE__);
}

static weir_octets *conn_row(weir_ledger *ledger, weir_conn_row row)
{
    if (row == WEIR_ROW_LATE) {
        return &ledger->late;
    }
    if (row == WEIR_ROW_UNREAD) {
        return &ledger->unread;
    }
    weir_octets *at = row_beside(ledger, row);
    WEIR_ASSERT(at != NULL); /* else the connection has no such row */
    return at;
}

/* A row of records or frames; NULL: the connection has none, and never moves it. */
static weir_octets *row_beside(const weir_ledger *ledger, weir_conn_row row)
{
    switch (row) {
    case WEIR_ROW_PREFACE:
    case WEIR_ROW_SETTINGS:
    case WEIR_ROW_PING:
    case WEIR_ROW_WINDOW:
    case WEIR_ROW_GOAWAY:
    case WEIR_ROW_OTHER:
        return ledger->frames ? &ledger->frames->rows[row] : NULL;
    case WEIR_ROW_PROXY:
        return ledger->frames ? &ledger->frames->proxy : NULL;
    case WEIR_ROW_TLS_HANDSHAKE:
        return ledger->tls ? &ledger->tls->handshake : NULL;
    case WEIR_ROW_TLS_CONTROL:
        return ledger->tls ? &ledger->tls->control : NULL;
    case WEIR_ROW_LATE:
    case WEIR_ROW_UNREAD:
    case WEIR_CONN_ROWS:
        break;
    }
    weir_assert_fail("not a row of records or frames", __FILE__, __LINE__);
}

static void add(weir_octets *sum, weir_octets octets)
{
    sum->sent += octets.sent;
    sum->received += octets.received;
}

/* Remembers that the record under way holds octets of this owner. */
static void touch(weir_ledger *ledger, weir_owner *owner, weir_direction direction, uint64_t octets)
{
    if (!ledger->tls || octets == 0) {
        return;
    }
    WEIR_ASSERT(octets <= UINT32_MAX - owner->in_record[direction]);
    owner->in_record[direction] += (uint32_t)octets;
    if (weir_list_is_empty(&owner->touched[direction])) {
        weir_list_push_back(&ledger->owners->touched[direction], &owner->touched[direction]);
    }
}

static void untouch(weir_owner *owner, weir_direction direction)
{
    weir_list_remove(&owner->touched[direction]);
    owner->in_record[direction] = 0;
}

static weir_owner *touched_owner(weir_list *node, weir_direction direction)
{
    weir_list *first = node - direction;
    return WEIR_CONTAINER_OF(first, weir_owner, touched);
}

/* Gives each its floor and leaves its remainder in place of its weight; the sum given. */
static uint64_t share_floors(weir_list *touched, weir_direction direction, uint64_t overhead)
{
    uint64_t weights = 0;
    for (weir_list *at = touched->next; at != touched; at = at->next) {
        weights += touched_owner(at, direction)->in_record[direction];
    }
    WEIR_ASSERT(weights > 0);
    WEIR_ASSERT(weights <= UINT32_MAX);

    uint64_t given = 0;
    for (weir_list *at = touched->next; at != touched; at = at->next) {
        weir_owner *owner = touched_owner(at, direction);
        uint64_t product = overhead * owner->in_record[direction];
        move(&owner->tally.tls, direction, product / weights);
        owner->in_record[direction] = (uint32_t)(product % weights);
        given += product / weights;
    }
    return given;
}

/*
 * One round of the largest-remainder rule. Rounds are as many as octets are left over, fewer than
 * owners and at most the overhead of a record, so no sorting (and no memory for it) is worth while.
 */
static weir_owner *largest_remainder(weir_list *touched, weir_direction direction)
{
    weir_owner *best = NULL;
    for (weir_list *at = touched->next; at != touched; at = at->next) {
        weir_owner *owner = touched_owner(at, direction);
        if (!best || owner->in_record[direction] > best->in_record[direction] ||
            (owner->in_record[direction] == best->in_record[direction] && owner->id < best->id)) {
            best = owner;
        }
    }
    WEIR_ASSERT(best != NULL);
    return best;
}

static bool is_tls_row(size_t row)
{
    return row == WEIR_ROW_TLS_HANDSHAKE || row == WEIR_ROW_TLS_CONTROL;
}

/* Of all exchanges, open and closed. */
static weir_tally exchanges_sum(const weir_ledger *ledger)
{
    weir_tally sum = ledger->closed;
    for (const weir_owner *owner = weir_ledger_next_open(ledger, NULL); owner;
         owner = weir_ledger_next_open(ledger, owner)) {
        weir_tally_add(&sum, &owner->tally);
    }
    return sum;
}

/* What must be on the wire by the rows: the right side of both laws. */
static weir_octets rows_sum(const weir_ledger *ledger)
{
    const weir_tally exchanges = exchanges_sum(ledger);
    weir_octets sum = weir_tally_wire(&exchanges);
    for (size_t i = 0; i < WEIR_CONN_ROWS; i++) {
        add(&sum, weir_ledger_row(ledger, (weir_conn_row)i));
    }
    add(&sum, weir_ledger_undecided(ledger));
    add(&sum, weir_ledger_torn(ledger));
    return sum;
}
