/* SPDX-License-Identifier: MIT */
/* Any header blocks, either way, to two coders one of which is put away in between: h2_twins.h. */
#include "support/h2_twins.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t length)
{
    weir_h2_twins_seen seen = {.encoded = 0};

    weir_h2_twins_run((weir_span){octets, length}, &seen);
    return 0;
}
