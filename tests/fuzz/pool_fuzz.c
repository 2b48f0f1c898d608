/* SPDX-License-Identifier: MIT */
/*
 * Any octets as the choices of the random world in tests/pool/model.c: its limits, then step after
 * step what callers, servers, time and the network do. The world keeps its own books and asserts;
 * when the octets end all faults end, and everybody must be served.
 */
#include "../pool/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
    model_result result = {0};
    model_run((model_choices){.octets = {input, length}, .from_octets = true}, 4000, &result);
    return 0;
}
