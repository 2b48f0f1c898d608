#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Each header compiles alone, with the include path of its own layer, as C11; the public ones as
# C++17 too. Included twice, so that a missing guard shows.

. "$(dirname "$0")/tap.sh" "$1"

IFS=';' read -ra c_warnings <<<"$warnings"

compiles() { # compiles LANGUAGE LAYER HEADER
    flags_of "$2"
    printf '#include "%s"\n#include "%s"\n' "$3" "$3" >"$scratch/alone.$1"
    case "$1" in
    c) "$cc" -std=c11 -DWEIR_CHECK=1 "${c_warnings[@]}" -Werror "${flags[@]}" \
        -fsyntax-only "$scratch/alone.c" ;;
    cc) "$cxx" -std=c++17 -Wall -Wextra -Wpedantic -Wold-style-cast -Werror "${flags[@]}" \
        -fsyntax-only "$scratch/alone.cc" ;;
    esac
}

for layer in include proto pool engine; do
    for header in $(headers_of "$layer"); do
        check "$header stands alone as C11" compiles c "$layer" "$header"
    done
done
for header in $(headers_of include); do
    check "$header stands alone as C++17" compiles cc include "$header"
done

# The same question with planted headers, which must be refused.
flags_of include
include_path="$include_path;$scratch"
printf 'size_t weir_planted(void);\n' >"$scratch/planted_lacks_include.h"
printf 'static const int weir_planted = 1;\n' >"$scratch/planted_lacks_guard.h"
printf '#ifndef P\n#define P\n#include <stdint.h>\nint weir_planted(int class);\n#endif\n' \
    >"$scratch/planted_is_not_cxx.h"
check_fails "a header that lacks an include is found" compiles c include planted_lacks_include.h
check_fails "a header that lacks its guard is found" compiles c include planted_lacks_guard.h
check_fails "a header that is not C++ is found" compiles cc include planted_is_not_cxx.h
check "that header is C all the same" compiles c include planted_is_not_cxx.h
tap_done
