/* SPDX-License-Identifier: MIT */
/* Cases that fetch. */
#include "cases.h"

void case_get(trial *t)
{
    transfer x;
    trial_ask(t, &x, "octets", 1000);
    trial_run(t, &x);
    (void)trial_expect(t, &x, 200, 1000);
}
