#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The examples of README.md, and the exporter of docs/metrics.md, as they stand there, are built against an installed weir and
# run against a server.

. "$(dirname "$0")/tap.sh" "$1"

here="$root/tests/meta/outside"
prefix="$scratch/prefix"

# example N: the N-th block of C; of README.md, or "metrics": the first of docs/metrics.md.
example() {
    local page=README.md wanted=$1
    [ "$1" = metrics ] && page=docs/metrics.md wanted=1
    awk -v wanted="$wanted" '/^```c$/ {n++; on = n == wanted; next} /^```$/ {on = 0} on' "$root/$page"
}

build() { # build N
    example "$1" >"$scratch/example-$1.c"
    [ -s "$scratch/example-$1.c" ] || return 1
    # shellcheck disable=SC2046 # flags are words
    "$cc" -std=c11 -D_DEFAULT_SOURCE -Wall -Wextra -Werror "$scratch/example-$1.c" -o "$scratch/example-$1" \
        $(PKG_CONFIG_PATH="$prefix/$libdir/pkgconfig" pkg-config --static --cflags --libs weir |
            sed 's/-lweir\b/-l:libweir.a/')
}

start_server() {
    "$cc" -o "$scratch/answer" "$here/answer.c" || return 1
    coproc server { exec "$scratch/answer"; }
    read -r -t 10 port <&"${server[0]}"
}

answers() { # answers N: exit 0, and the body on standard output
    "$scratch/example-$1" "http://127.0.0.1:$port/" >"$scratch/out" 2>"$scratch/err" || return 1
    grep -q hello "$scratch/out"
}

# Nothing listens on port 1.
refused() { ! "$scratch/example-$1" "http://127.0.0.1:1/" 2>"$scratch/err" && grep -qi refused "$scratch/err"; }

check "an optimised build succeeds" release_build
check "it installs" "$cmake" --install "$release" --prefix "$prefix"
libdir=$(cd "$prefix" 2>/dev/null && dirname "$(find . -name libweir.a | head -n 1)" | sed 's|^\./||')
check "a server is there" start_server
for n in 1 2; do
    check "example $n builds as it stands" build "$n"
    check "example $n gets the body" answers "$n"
    check "example $n says why it failed" refused "$n"
done
exports() { # one request that succeeded over HTTP/1.1, and nothing under way
    "$scratch/example-metrics" "http://127.0.0.1:$port/" >"$scratch/out" 2>"$scratch/err" || return 1
    grep -qx 'http.client.active_requests{} 0' "$scratch/out" &&
        grep -qE '^http.client.request.duration\{network.protocol.version="1.1",\} count 1 sum [0-9.e+-]+ s$' "$scratch/out" &&
        grep -qx 'http.client.response.body.size{network.protocol.version="1.1",} count 1 sum 5 By' "$scratch/out"
}
check "the exporter builds as it stands" build metrics
check "the exporter exports" exports
tap_done
