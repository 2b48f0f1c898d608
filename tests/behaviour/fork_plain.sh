#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# usage: fork_plain.sh ENVIRONMENT ORIGIN CERTS PKI
#
# The suite of forks once more, linked with an optimised weir without sanitizers, as a user's
# program is: the allocator of a sanitizer takes a lock that another thread may hold at the fork, and
# the child would wait for it for ever. So it is only here that a program forks while its threads are
# in calls.

. "$(dirname "$0")/../meta/tap.sh" "$1"
origin=$2 certs=$3 pki=$4

build_suite() {
    local library source
    local -a sources=() flags=() libraries=()
    library=$(find "$release" -maxdepth 2 -name libweir.a | head -n 1)
    for source in fork fork_memory fork_test; do sources+=("$root/tests/behaviour/$source.c"); done
    for source in asleep coroutine failalloc hellos listener must origin_log origin_process peer relay stuck upload user world; do
        sources+=("$root/tests/support/$source.c")
    done
    flags_of engine
    # What a static libweir needs besides these differs from system to system: its own file says it.
    read -r -a libraries < <(sed -n 's/^Libs.private: //p' "$release/weir.pc")
    "$cc" -std=c11 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -pthread "-DWEIR_TESTS_ORIGIN=\"$origin\"" \
        "-DWEIR_TESTS_CERTS=\"$certs\"" "-DWEIR_TESTS_PKI=\"$pki\"" "${flags[@]}" -I "$build/include-support" \
        -isystem "$wolfssl_prefix/include" "${sources[@]}" -o "$scratch/fork_test" "$library" \
        -L "$wolfssl_prefix/lib" "-Wl,-rpath,$wolfssl_prefix/lib" "${libraries[@]}" -lcmocka -lwolfssl -lnghttp2 -lcares
}

forks() { # forks WHICH NOT
    CMOCKA_MESSAGE_OUTPUT=TAP WEIR_TESTS_ONLY=$1 WEIR_TESTS_SKIP=$2 timeout 100 "$scratch/fork_test" >"$scratch/said" 2>&1
    local status=$?
    cat "$scratch/said"
    [ "$status" = 0 ] && grep -q '^ok 1 ' "$scratch/said"
}

check "an optimised build succeeds" release_build
check "the suite is built with it" build_suite
check "a fork while threads are in calls" forks '*threads are in calls*' ''
check "everything else about forks" forks '*' '*threads are in calls*'
tap_done
