/* SPDX-License-Identifier: MIT */
/*
 * What moves a ledger as a link does, for ledger*_test.c: octets that are plain and wire at once,
 * and whole TLS records.
 */
#ifndef WEIR_TESTS_LEDGER_BENCH_H
#define WEIR_TESTS_LEDGER_BENCH_H

#include "proto/ledger.h"

#define CONTROL(ledger) ((ledger)->tls->control)

void bench_charge(weir_ledger *ledger, weir_owner *owner, weir_row row, weir_direction direction,
                  uint64_t octets);
/* One record: what each owner has in it, then its overhead. */
void bench_record(weir_ledger *ledger, weir_owner *owners, const uint32_t *octets, size_t count,
                  uint64_t overhead);

#endif
