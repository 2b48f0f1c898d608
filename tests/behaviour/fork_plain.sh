#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# usage: fork_plain.sh ENVIRONMENT LISTS
#
# The suite of forks once more, linked with an optimised weir without sanitizers, as a user's
# program is: the allocator of a sanitizer takes a lock that another thread may hold at the fork, and
# the child would wait for it for ever. So it is only here that a program forks while its threads are
# in calls. LISTS.sources says what it is made of, LISTS.headers where its headers are.

. "$(dirname "$0")/../meta/tap.sh" "$1"
lists=$2

# From an archive the linker takes what the suite needs and nothing else.
build_suite() {
    local library
    local -a libraries=()
    library=$(find "$release" -maxdepth 2 -name libweir.a | head -n 1)
    # What a static libweir needs besides these differs from system to system: its own file says it.
    read -r -a libraries < <(sed -n 's/^Libs.private: //p' "$release/weir.pc")
    mkdir "$scratch/objects" && (cd "$scratch/objects" && "$cc" -std=c11 -O2 -Wall -Wextra -Werror -pthread \
        "@$lists.headers" -c "@$lists.sources") && ar rcs "$scratch/suite.a" "$scratch"/objects/*.o &&
        "$cc" -pthread -o "$scratch/fork_test" "$scratch/suite.a" "$library" \
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
