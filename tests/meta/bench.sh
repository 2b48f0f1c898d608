#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The benchmarks run: everything that the pool's measures can be measured, small and not judged, and its JSON and the
# columns of its plot hold it. Real connections are left out; behaviour/idle_memory has them.

. "$(dirname "$0")/tap.sh" "$1"

program=$build/bench/weir-bench-pool

measures() { "$program" --quick --json "$scratch/pool.json" --data "$scratch"; }

# in_json KEY VALUE: of at least one figure.
in_json() { grep -q "\"$1\": \"$2\"" "$scratch/pool.json"; }

check "the bench of the pool runs" measures
for group in "Speed: origins" "Speed: slots" "Speed: a long queue" "Speed: reaping" "Memory: the pool"; do
    check "its JSON has figures of $group" in_json group "$group"
done
for series in same random idle busy; do
    check "its plot has the line $series" test -s "$scratch/$series.dat"
done
check "its JSON says what a random origin costs without them" in_json what "[.]* with small pages, a random one"
check_fails "an option that there is not is refused" "$program" --no-such-option x
tap_done
