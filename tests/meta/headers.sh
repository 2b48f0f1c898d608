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

# A macro is not compiled until somebody uses it.
macros_compile() { # macros_compile LANGUAGE
    local macro record
    {
        printf '#include <weir/weir.h>\n'
        printf 'size_t weir_use(void);\nsize_t weir_use(void)\n{\n    size_t n = 0;\n'
        sed -nE 's/^#define (WEIR_[A-Z_]+_INIT) WEIR_INIT\(([a-z_]+)\)$/\1 \2/p' "$root"/include/weir/*.h |
            while read -r macro record; do
                printf '    {\n        %s r = %s;\n        n += r.size;\n    }\n' "$record" "$macro"
            done
        printf '    return n + WEIR_SPAN("x").length;\n}\n'
    } >"$scratch/macros.h"
    grep -q REQUEST_INIT "$scratch/macros.h" && sed -i '1i #ifndef M\n#define M' "$scratch/macros.h" &&
        echo '#endif' >>"$scratch/macros.h" && compiles "$1" include macros.h
}

# The same question with planted headers, which must be refused.
flags_of include
include_path="$include_path;$scratch"
printf 'size_t weir_planted(void);\n' >"$scratch/planted_lacks_include.h"
printf 'static const int weir_planted = 1;\n' >"$scratch/planted_lacks_guard.h"
printf '#ifndef P\n#define P\n#include <stdint.h>\nint weir_planted(int class);\n#endif\n' \
    >"$scratch/planted_is_not_cxx.h"
check "the macros of the public headers are C11" macros_compile c
check "the macros of the public headers are C++17" macros_compile cc
check_fails "a header that lacks an include is found" compiles c include planted_lacks_include.h
check_fails "a header that lacks its guard is found" compiles c include planted_lacks_guard.h
check_fails "a header that is not C++ is found" compiles cc include planted_is_not_cxx.h
check "that header is C all the same" compiles c include planted_is_not_cxx.h
tap_done
