/* SPDX-License-Identifier: MIT */
/*
 * The bench of ledger*_test.c; see ledger_bench.h.
 */
#include "ledger_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void bench_charge(weir_ledger *ledger, weir_owner *owner, weir_row row, weir_direction direction,
                  uint64_t octets)
{
    weir_ledger_charge(ledger, owner, row, direction, octets);
    weir_ledger_plain(ledger, direction, octets);
    weir_ledger_wire(ledger, direction, octets);
}

void bench_record(weir_ledger *ledger, weir_owner *owners, const uint32_t *octets, size_t count,
                  uint64_t overhead)
{
    for (size_t i = 0; i < count; i++) {
        bench_charge(ledger, &owners[i], WEIR_ROW_BODY, WEIR_SENT, octets[i]);
    }
    weir_ledger_wire(ledger, WEIR_SENT, overhead);
    weir_ledger_share(ledger, WEIR_SENT, overhead);
    weir_ledger_check(ledger);
    assert_true(weir_ledger_holds(ledger));
}
