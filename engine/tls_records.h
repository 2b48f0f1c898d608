/* SPDX-License-Identifier: MIT */
/*
 * The records of a TLS filter that are under way, in either direction: the one that is coming in,
 * the plaintext of the last one that came, and those that wait to be sent.
 *
 *   none --begin (a loan of the bin)--> under way --settle, when all is passed on--> none
 *
 * An idle connection has none of it, and one that is busy takes it from the bin, where it finds
 * what it gave back before: neither pays with an allocation.
 *
 * Ownership: the filter's, until weir_tls_records_settle() or weir_tls_records_end(). Thread rule:
 * none.
 */
#ifndef WEIR_ENGINE_TLS_RECORDS_H
#define WEIR_ENGINE_TLS_RECORDS_H

#include "engine/tls.h"
#include "engine/tls_in.h"
#include "engine/tls_out.h"

typedef struct weir_tls_records {
    weir_tls_in in;
    weir_tls_out out;
    weir_tls_held held;
    size_t plain_octets;  /* of the last record, still needed */
    uint8_t *large_plain; /* where it lies if it does not fit `plain` */
    uint8_t plain[];      /* WEIR_TLS_RECORDS_PLAIN_OCTETS: the rest of the loan */
} weir_tls_records;

#define WEIR_TLS_RECORDS_PLAIN_OCTETS (WEIR_LOAN_OCTETS - sizeof(weir_tls_records))

/* Those under way, made if there are none; NULL: no memory. */
weir_tls_records *weir_tls_records_begin(weir_tls_records **records, weir_bin *bin);
/* Gives the loan back if nothing is under way any more. NULL-safe, as the others. */
void weir_tls_records_settle(weir_tls_records **records);
/* ... whatever is. */
void weir_tls_records_end(weir_tls_records **records);

/* Where the plaintext of a record with that body goes, which is never longer; NULL: no memory. Then
 * how much it was. */
uint8_t *weir_tls_records_plain_room(weir_tls_records *records, size_t body_octets, size_t *room);
weir_span weir_tls_records_set_plain(weir_tls_records *records, size_t octets);
/* It is not needed any more. */
void weir_tls_records_drop_plain(weir_tls_records *records);

void weir_tls_records_check(const weir_tls_records *records);

#endif
