/* SPDX-License-Identifier: MIT */
/*
 * One loan of the bin holds the state of both directions, and in the rest of it the plaintext of the
 * last record, unless that is one of the few sizes that do not fit.
 *
 * Octets of records lie in chunks of their own: those that a want names stay where they are,
 * whatever becomes of the loan, and the loan stays as long as there are any.
 */
#include "engine/tls_records.h"

#include <string.h>

_Static_assert(WEIR_TLS_RECORDS_PLAIN_OCTETS < WEIR_LOAN_OCTETS, "a loan holds the records");
_Static_assert(WEIR_TLS_RECORDS_PLAIN_OCTETS > WEIR_LOAN_OCTETS - 1024, "and little else");

static bool are_over(const weir_tls_records *records);

weir_tls_records *weir_tls_records_begin(weir_tls_records **records, weir_bin *bin)
{
    if (*records == NULL) {
        weir_tls_records *begun = weir_bin_lend(bin);
        if (begun == NULL) {
            return NULL;
        }
        memset(begun, 0, sizeof(*begun));
        weir_tls_in_init(&begun->in, bin);
        weir_tls_out_init(&begun->out, bin, WEIR_TLS_OUT_LIMIT_OCTETS);
        weir_buf_init(&begun->held.stash, bin, SIZE_MAX);
        *records = begun;
    }
    return *records;
}

void weir_tls_records_settle(weir_tls_records **records)
{
    if (*records != NULL && are_over(*records)) {
        weir_tls_records_end(records);
    }
}

void weir_tls_records_end(weir_tls_records **records)
{
    weir_tls_records *ended = *records;

    if (ended == NULL) {
        return;
    }
    weir_bin *bin = ended->out.octets.bin;
    weir_tls_records_drop_plain(ended);
    weir_tls_in_clear(&ended->in);
    weir_tls_out_clear(&ended->out);
    weir_buf_clear(&ended->held.stash);
    weir_bin_return(bin, ended);
    *records = NULL;
}

uint8_t *weir_tls_records_plain_room(weir_tls_records *records, size_t body_octets, size_t *room)
{
    WEIR_ASSERT(records->large_plain == NULL);
    if (body_octets <= WEIR_TLS_RECORDS_PLAIN_OCTETS) {
        *room = WEIR_TLS_RECORDS_PLAIN_OCTETS;
        return records->plain;
    }
    *room = WEIR_TLS_PLAIN_LIMIT_OCTETS;
    records->large_plain =
        weir_alloc(records->out.octets.bin->allocator, WEIR_TLS_PLAIN_LIMIT_OCTETS);
    return records->large_plain;
}

weir_span weir_tls_records_set_plain(weir_tls_records *records, size_t octets)
{
    records->plain_octets = octets;
    return (weir_span){records->large_plain != NULL ? records->large_plain : records->plain,
                       octets};
}

void weir_tls_records_drop_plain(weir_tls_records *records)
{
    if (records != NULL) {
        weir_release(records->out.octets.bin->allocator, records->large_plain);
        records->large_plain = NULL;
        records->plain_octets = 0;
        records->held.plain = (weir_span){NULL, 0};
    }
}

void weir_tls_records_check(const weir_tls_records *records)
{
    if (records == NULL) {
        return;
    }
    weir_tls_in_check(&records->in);
    weir_tls_out_check(&records->out);
    weir_buf_check(&records->held.stash);
    WEIR_CHECK_ASSERT(records->in.state != WEIR_TLS_IN_WHOLE);
    WEIR_CHECK_ASSERT(records->held.plain.length <= records->plain_octets);
    WEIR_CHECK_ASSERT(records->large_plain == NULL || records->plain_octets > 0);
}

static bool are_over(const weir_tls_records *records)
{
    return weir_tls_in_torn(&records->in) == 0 && records->plain_octets == 0 &&
           records->held.stash.octets == 0 && records->out.count == 0 &&
           records->out.octets.octets == 0 && weir_tls_out_is_whole(&records->out);
}
