/* SPDX-License-Identifier: MIT */
/*
 * A charge that is off by one, for interop/run --selftest. This object is linked with
 * --wrap=weir_ledger_charge into a second build of weir-interop: every call of weir's sources comes
 * here first. One call of the whole run, the first that moves the row that $WEIR_PLANT names, is
 * given an octet too many. Nothing in weir's own code knows of this.
 */
#include "proto/ledger.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Names that the linker's --wrap prescribes. */
void __real_weir_ledger_charge(weir_ledger *ledger, weir_owner *owner, weir_row row,
                               weir_direction direction, uint64_t octets);
void __wrap_weir_ledger_charge(weir_ledger *ledger, weir_owner *owner, weir_row row,
                               weir_direction direction, uint64_t octets);

static atomic_bool is_planted;

static bool is_named(weir_row row, weir_direction direction)
{
    const struct {
        const char *name;
        weir_row row;
        weir_direction direction;
    } plants[] = {
        {"body-received", WEIR_ROW_BODY, WEIR_RECEIVED},
        {"head-sent", WEIR_ROW_HEAD, WEIR_SENT},
        {"handshake-received", weir_row_of_conn(WEIR_ROW_TLS_HANDSHAKE), WEIR_RECEIVED},
        {"settings-sent", weir_row_of_conn(WEIR_ROW_SETTINGS), WEIR_SENT},
    };
    const char *wanted = getenv("WEIR_PLANT");
    for (size_t i = 0; wanted != NULL && i < WEIR_COUNT_OF(plants); i++) {
        if (strcmp(plants[i].name, wanted) == 0) {
            return plants[i].row == row && plants[i].direction == direction;
        }
    }
    return false;
}

void __wrap_weir_ledger_charge(weir_ledger *ledger, weir_owner *owner, weir_row row,
                               weir_direction direction, uint64_t octets)
{
    if (octets > 0 && is_named(row, direction) && !atomic_exchange(&is_planted, true)) {
        octets++;
    }
    __real_weir_ledger_charge(ledger, owner, row, direction, octets);
}
