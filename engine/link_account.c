/* SPDX-License-Identifier: MIT */
/*
 * What of a link's octets left, and the account at its end: nothing can become complete any more,
 * so what is pending goes to rows, and the ledger is compared with what the kernel says.
 */
#include "engine/link_common.h"

static void charge_drained(weir_link *link, weir_ledger *ledger);
static void settle(weir_link *link, weir_ledger *ledger);
static bool same_octets(const weir_octets *a, const weir_octets *b);

bool weir_link_may_send_of(const weir_link *link, const weir_stream *stream)
{
    const weir_tally *tally = &stream->owner.tally;

    if (weir_tally_plain(tally).sent > 0) {
        return true;
    }
    if (stream->owner.queued_octets == 0) {
        return false;
    }
    if (link->is_sending || (link->tls != NULL && weir_tls_torn_sent(link->tls) > 0)) {
        return true; /* which octets these are cannot be told: say so rather than guess */
    }
    /* What is queued leaves with a link that lives, whoever has lost interest in it, unless the
     * conn keeps it back. */
    return link->state != WEIR_LINK_CLOSED &&
           ((link->tls != NULL && weir_tls_sealed_octets(link->tls) > 0) ||
            weir_conn_pending(link->conn, 0).length > 0);
}

void weir_link_account(weir_link *link, int fd, weir_account *account)
{
    weir_octets kernel = {0, 0};
    weir_ledger *ledger = weir_link_ledger(link);

    *account = (weir_account){.size = sizeof(*account)};
    const bool available = fd >= 0 && weir_os_kernel_octets(fd, &link->watch, &kernel);
    charge_drained(link, ledger);
    settle(link, ledger);
    weir_ledger_account(ledger, account);
    if (available) {
        const bool sums = same_octets(&account->verdict.ledger, &kernel);
        const bool wire = same_octets(&account->wire, &kernel);
        account->verdict.kernel = kernel;
        account->verdict.agreement = sums && wire ? WEIR_AGREE : WEIR_DIFFER;
    }
}

/* What was taken from the kernel to learn of a FIN behind a reset was received, though nobody
 * looked at it. */
static void charge_drained(weir_link *link, weir_ledger *ledger)
{
    const size_t octets = link->watch.drained_octets;

    link->watch.drained_octets = 0;
    weir_ledger_wire(ledger, WEIR_RECEIVED, octets);
    if (link->tls != NULL) {
        weir_ledger_charge(ledger, NULL, weir_row_of_conn(WEIR_ROW_TLS_CONTROL), WEIR_RECEIVED,
                           octets);
    } else {
        weir_ledger_plain(ledger, WEIR_RECEIVED, octets);
        weir_ledger_charge(ledger, NULL, weir_row_of_conn(WEIR_ROW_UNREAD), WEIR_RECEIVED, octets);
    }
}

/* Nothing can become complete any more. */
static void settle(weir_link *link, weir_ledger *ledger)
{
    weir_tls_held *held = weir_link_held(link);

    if (held != NULL && held->plain.length > 0) {
        weir_ledger_plain(ledger, WEIR_RECEIVED, held->plain.length);
        weir_ledger_charge(ledger, NULL, weir_row_of_conn(WEIR_ROW_UNREAD), WEIR_RECEIVED,
                           held->plain.length);
        weir_ledger_share(ledger, WEIR_RECEIVED, held->overhead_octets);
        held->plain = (weir_span){NULL, 0};
        weir_link_set_torn(link);
    }
    weir_ledger_settle(ledger);
}

static bool same_octets(const weir_octets *a, const weir_octets *b)
{
    return a->sent == b->sent && a->received == b->received;
}
