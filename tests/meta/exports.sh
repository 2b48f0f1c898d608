#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What libweir.so exports, and what libweir.a defines, is what include/weir marks WEIR_API: no more,
# no less, and each under the version node of cmake/weir.map. And each is named by a test.

. "$(dirname "$0")/tap.sh" "$1"

# marked FOLDER: the names that the headers under FOLDER/weir declare with WEIR_API, which the
# preprocessor turns into default visibility.
marked() {
    (cd "$1" && find weir -name '*.h' | sort | sed 's/.*/#include "&"/') >"$scratch/all.c"
    "$cc" -std=c11 -E -P -I "$1" -o "$scratch/all.i" "$scratch/all.c" || return 1
    tr '\n;' ' \n' <"$scratch/all.i" |
        grep -F 'visibility("default")' |
        sed -E 's/__attribute__ *\( *\( *visibility *\( *"default" *\) *\) *\)//; s/.*[{}]//; s/[[(].*//; s/ *$//; s/.*[^A-Za-z0-9_]//' |
        sort -u
}

exported() { nm -D --defined-only "$1" | sed -nE 's/^[0-9a-f]+ [TDBRVW] //p' | sort -u; }
defined() { nm -g --defined-only "$1" | sed -nE 's/^[0-9a-f]+ [TDBRVWC] //p' | sort -u; }

same() { # same MARKED FOUND
    comm -23 "$1" "$2" | sed 's/^/marked but not there: /' >"$scratch/differences"
    comm -13 "$1" "$2" | sed 's/^/there but not marked: /' >>"$scratch/differences"
    cat "$scratch/differences"
    [ -s "$1" ] && [ ! -s "$scratch/differences" ]
}

# named MARKED: a test, or what stands between the tests and the front ends, names each of them.
named() {
    find "$root/tests" -name '*.c' -exec grep -ohE 'weir_[a-z0-9_]+' {} + | sort -u >"$scratch/named"
    comm -23 "$1" "$scratch/named" | sed 's/^/no test names: /' >"$scratch/unnamed"
    cat "$scratch/unnamed"
    [ -s "$1" ] && [ ! -s "$scratch/unnamed" ]
}

check "an optimised build succeeds" release_build
read_marks() { marked "$root/include" >"$scratch/marked"; }
check "the headers can be read" read_marks
exported "$release/libweir.so" >"$scratch/versioned"
sed 's/@.*//' "$scratch/versioned" >"$scratch/exported"
defined "$release/libweir.a" >"$scratch/defined"

check "libweir.so exports what is marked WEIR_API" same "$scratch/marked" "$scratch/exported"
check "libweir.a defines what is marked WEIR_API" same "$scratch/marked" "$scratch/defined"
all_versioned() { [ -s "$scratch/versioned" ] && ! grep -v '@@WEIR_0$' "$scratch/versioned"; }
check "each exported symbol has the version WEIR_0" all_versioned
closed() { [ -s "$scratch/defined" ] && ! nm -u "$release/libweir.a" | grep ' weir_'; }
check "libweir.a needs nothing of its own from outside" closed
check "each is named by a test" named "$scratch/marked"

# Planted: a mark without a function, and a function without a mark.
(cat "$scratch/marked"; echo weir_zz_planted) >"$scratch/more"
check_fails "a mark without its symbol is found" same "$scratch/more" "$scratch/exported"
check_fails "a symbol without its mark is found" same "$scratch/marked" "$scratch/more"
check_fails "a function that no test names is found" named "$scratch/more"
mkdir -p "$scratch/planted/weir"
printf '%s\n' '#define WEIR_API __attribute__((visibility("default")))' \
    'struct weir_s { int a; };' 'WEIR_API const char *weir_one(int a, void (*b)(int));' \
    'WEIR_API extern const unsigned weir_two[3];' 'int weir_three(void);' >"$scratch/planted/weir/p.h"
reads_marks() { [ "$(marked "$scratch/planted" | tr '\n' ' ')" = "weir_one weir_two " ]; }
check "marks are read from declarations" reads_marks
tap_done
