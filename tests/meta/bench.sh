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
# What a program with large pages leaves is a row beside the others; this kernel may have none to give.
large_row() {
    echo "1000000 700.00 600.00 800.00" >"$scratch/large" &&
        "$program" --quick --large "$scratch/large" | grep -q "... with large pages, a random one, 1,000,000 origins *700 ns *600 .. 800"
}
measures_large() {
    { GLIBC_TUNABLES=glibc.malloc.hugetlb=1 "$program" --quick --measure-large "$scratch/large" 2>"$scratch/large.err" &&
        grep -q '^100000 [0-9.]* [0-9.]* [0-9.]*$' "$scratch/large"; } ||
        grep -q 'less than half of the memory came in large pages' "$scratch/large.err"
}
check "its table takes what was measured with large pages" large_row
check "with large pages it is measured, or not to be had" measures_large
if ! grep -q '\[always\]' /sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null; then
    check_fails "nothing is called large pages that is not" env GLIBC_TUNABLES= "$program" --quick --measure-large "$scratch/small"
fi
check_fails "a figure with large pages that is not there is missed" "$program" --quick --large "$scratch/none"
check_fails "an option that there is not is refused" "$program" --no-such-option x
tap_done
