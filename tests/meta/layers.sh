#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# include <- proto <- pool <- engine: an include against the arrow does not compile. Each header of
# each layer is planted in each layer to its left, where it must not be found, and in its own, where
# it must: otherwise the first half would pass for any reason.
#
# Then what an include path cannot forbid: paths with .., names without their layer, and system and
# third-party headers outside the files that the design gives them to.

. "$(dirname "$0")/tap.sh" "$1"

sees() { # sees LAYER HEADER
    flags_of "$1"
    printf '#include "%s"\n' "$2" >"$scratch/planted.c"
    "$cc" -std=c11 -DWEIR_CHECK=1 "${flags[@]}" -E -o /dev/null "$scratch/planted.c"
}

sees_none() { # sees_none LAYER OTHER: says which it sees
    local header seen=0
    for header in $(headers_of "$2"); do
        if sees "$1" "$header" 2>/dev/null; then
            echo "$1 can include $header"
            seen=1
        fi
    done
    return "$seen"
}

sees_all() {
    local header
    for header in $(headers_of "$2"); do
        sees "$1" "$header" || return 1
    done
}

layers=(include proto pool engine)
for ((i = 0; i < 4; i++)); do
    for ((j = 0; j < 4; j++)); do
        left=${layers[i]} right=${layers[j]}
        if [ "$j" -gt "$i" ]; then
            [ -n "$(headers_of "$right")" ] && check "$left cannot include $right" sees_none "$left" "$right"
        else
            check "$left can include $right" sees_all "$left" "$right"
        fi
    done
done

# The paths above are those that a user of a layer's target gets. The layer's own files must be
# compiled with no more.
compiled_with_no_more() { # compiled_with_no_more LAYER FORBIDDEN...
    local layer=$1 lines forbidden bad=0
    shift
    # Paths with a space are quoted, or have a backslash before it.
    lines=$(sed -n '/"command"/s/[\\"]//gp' "$build/compile_commands.json" | grep -- "-c $root/$layer/")
    [ -n "$lines" ] || { echo "no file of $layer is compiled"; return 1; }
    for forbidden in "$@"; do
        if grep -E -- "-I ?$forbidden( |\$)" <<<"$lines"; then
            bad=1
        fi
    done
    return "$bad"
}
check "proto is compiled without the roots of pool, engine and the tree" compiled_with_no_more proto \
    "$build/include-pool" "$build/include-engine" "$root"
if [ -n "$(find "$root/pool" -name '*.c')" ]; then
    check "pool is compiled without the roots of engine and the tree" compiled_with_no_more pool \
        "$build/include-engine" "$root"
fi

# --- names --------------------------------------------------------------------------------------

sources() { find "$@" -name '*.[ch]' | sort; }

# no_line WHAT PATTERN FILE...: fails and shows the lines that match.
no_line() {
    local pattern=$1
    shift
    [ $# -gt 0 ] || return 0
    ! grep -nE "$pattern" "$@"
}

include_of() { printf '^[[:space:]]*#[[:space:]]*include[[:space:]]*%s' "$1"; }

cd "$root" || exit 1
mapfile -t internal < <(sources proto pool engine)
mapfile -t public < <(sources include)
mapfile -t portable < <(sources proto pool engine include | grep -vE '^engine/os_[a-z0-9_]*\.c$')

check "no include climbs out of its folder" no_line "$(include_of '["<][^">]*\.\./')" \
    "${internal[@]}" "${public[@]}"
check "internal headers are named with their layer" no_line \
    "$(include_of '"[^"/]*"')" "${internal[@]}"
# Of ISO C, what has no clock, no signals and no threads.
iso='(assert|ctype|errno|float|inttypes|iso646|limits|stdalign|stdarg|stdatomic|stdbool|stddef|stdint'
iso+='|stdio|stdlib|stdnoreturn|string)'
# And what a sanitizer is told, where there is one.
allowed="<($iso\.h|sanitizer/asan_interface\.h|weir/[a-z0-9_]+\.h|nghttp2/nghttp2\.h|llhttp\.h|wolfssl/[a-z0-9_/-]+\.h|wslay/wslay\.h|zlib\.h)>"
only_portable_includes() {
    ! grep -nE "$(include_of '<')" "${portable[@]}" | grep -vE "$allowed"
}
check "clocks, sockets and threads are included by engine/os_*.c only" only_portable_includes

# only_in HEADER FILE_PATTERN: no other file includes it.
only_in() {
    ! grep -lE "$(include_of "[<\"]$1")" "${internal[@]}" "${public[@]}" | grep -vE "$2"
}
check "nghttp2 is named in proto/h2_hpack only" only_in nghttp2/ '^proto/h2_hpack[a-z0-9_]*\.c$'
check "llhttp is named in proto/h1 only" only_in llhttp '^proto/h1_[a-z0-9_]*\.[ch]$'
check "wolfSSL is named in engine/tls only" only_in wolfssl/ '^engine/tls[a-z0-9_]*\.[ch]$'
check "c-ares is named in engine/os_resolve only" only_in ares '^engine/os_resolve[a-z0-9_]*\.[ch]$'

# Planted, to see these find something.
printf '#include "../engine/link.h"\n' >"$scratch/climbs.c"
printf '#  include "buf.h"\n' >"$scratch/bare.c"
printf '#include <sys/socket.h>\n' >"$scratch/system.c"
check_fails "a planted ../ is found" no_line "$(include_of '["<][^">]*\.\./')" "$scratch/climbs.c"
check_fails "a planted bare name is found" no_line "$(include_of '"[^"/]*"')" "$scratch/bare.c"
portable=("$scratch/system.c")
check_fails "a planted system header is found" only_portable_includes
tap_done
