#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What users are told has a test over the front ends that names it: every reason of reason.h, every
# metric, every stall. Named is a reason as WEIR_REASON_X, or by its word where a text is expected
# ("busy", "connection 1: busy 1/1").

. "$(dirname "$0")/tap.sh" "$1"

tests=("$root"/tests/behaviour/*.c "$root"/tests/hostile/*.c)

# What only a defect of weir could tell. A reason that is named after all must leave this list.
excused=(
    NONE  # there is nothing to say
    UNFIT # a conn that takes no more always says why: tests/pool/reasons_test.c
)

# reasons_of HEADER: "NAME word" of each
reasons_of() {
    tr '\n' ' ' <"$1" | grep -oE 'X\([A-Z_]+, *"[a-z_0-9]+"' | sed -E 's/X\(([A-Z_]+), *"(.*)"/\1 \2/'
}

is_excused() { [[ " ${excused[*]} " == *" $1 "* ]]; }

is_named() { # is_named NAME WORD
    grep -qE "WEIR_REASON_$1\b|\"([^\"]*[ :,])?$2([ :,][^\"]*)?\"" "${tests[@]}"
}

reasons_are_named() { # reasons_are_named HEADER
    local name word count=0 wrong=0
    while read -r name word; do
        count=$((count + 1))
        if is_excused "$name"; then
            grep -qE "WEIR_REASON_$name\b" "${tests[@]}" && [ "$name" != NONE ] &&
                echo "$word is excused and is named" && wrong=1
        elif ! is_named "$name" "$word"; then
            echo "no test over the front ends names $word"
            wrong=1
        fi
    done < <(reasons_of "$1")
    [ "$count" -gt 30 ] || echo "only $count reasons were found"
    [ "$count" -gt 30 ] && [ "$wrong" = 0 ]
}

all_are_in_a_test() { # all_are_in_a_test LEAST WORD...: each is in quotes, or a member
    local least=$1 word wrong=0
    shift
    for word in "$@"; do
        grep -qE "\"$word\"|[.>]$word\b" "${tests[@]}" || {
            echo "no test over the front ends names $word"
            wrong=1
        }
    done
    [ $# -ge "$least" ] || echo "only $# were found"
    [ $# -ge "$least" ] && [ "$wrong" = 0 ]
}

mapfile -t metrics < <(grep -ohE '"(http|weir)\.client\.[a-z_.]+"' "$root/engine/family.c" | tr -d '"' | sort -u)
mapfile -t stalls < <(sed -n '/^typedef struct weir_stalls {/,/^}/p' "$root"/include/weir/*.h |
    grep -oE '[a-z_]+_ns' | sort -u)

# The same question with planted names, which must not be found.
sed 's/X(DIALED, "dialed"/X(PLANTED, "planted_reason"/' "$root/include/weir/reason.h" >"$scratch/reason.h"
check "every reason is named by a test over the front ends" \
    reasons_are_named "$root/include/weir/reason.h"
check "every metric is named by a test over the front ends" all_are_in_a_test 10 "${metrics[@]}"
check "every stall is named by a test over the front ends" all_are_in_a_test 7 "${stalls[@]}"
check_fails "a reason that no test names is found" reasons_are_named "$scratch/reason.h"
check_fails "a metric that no test names is found" \
    all_are_in_a_test 1 "${metrics[@]}" http.client.planted
tap_done
