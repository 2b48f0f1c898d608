#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The examples of README.md and docs/examples.md, and the exporters of docs/metrics.md, as they stand there, are built against
# an installed weir and run against a server.

. "$(dirname "$0")/tap.sh" "$1"

here="$root/tests/meta/outside"
prefix="$scratch/prefix"

# example NAME: N: the N-th block of C of README.md; metrics, series: those of docs/metrics.md; post, urls and cost: those of
# docs/examples.md.
example() {
    local page=README.md wanted=$1
    case "$1" in
    metrics) page=docs/metrics.md wanted=1 ;;
    series) page=docs/metrics.md wanted=2 ;;
    post) page=docs/examples.md wanted=1 ;;
    urls) page=docs/examples.md wanted=2 ;;
    cost) page=docs/examples.md wanted=3 ;;
    esac
    awk -v wanted="$wanted" '/^```c$/ {n++; on = n == wanted; next} /^```$/ {on = 0} on' "$root/$page"
}

build() { # build NAME
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

# Without a URL it says what it wants.
wants_a_url() {
    "$scratch/example-$1" 2>"$scratch/err"
    [ $? = 2 ] && grep -q '^usage: ' "$scratch/err"
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
    check "example $n says how it is called" wants_a_url "$n"
done

# --- docs/examples.md -------------------------------------------------------------------------------

# Accepts and reads, and never answers; waits for the octets of a request before it says so.
start_silence() {
    "$cc" -o "$scratch/silent" "$here/silent.c" || return 1
    coproc silence { exec "$scratch/silent"; }
    read -r -t 10 silent_port <&"${silence[0]}" && exec {asked}<&"${silence[0]}" # for subshells
}

posts() { # standard input that ends is nobody who wants to cancel
    "$scratch/example-post" "http://127.0.0.1:$port/" </dev/null >"$scratch/out" &&
        [ "$(cat "$scratch/out")" = "200
hello" ]
}

is_cancelled() { # Enter, when the request has come
    { read -r -t 10 _ <&"$asked" && echo; } |
        "$scratch/example-post" "http://127.0.0.1:$silent_port/" >"$scratch/out" 2>"$scratch/err"
    [ "${PIPESTATUS[1]}" = 1 ] && grep -qE '^WEIR_E_CANCELLED: .*, in phase (send|head)\)$' "$scratch/err"
}

is_refused() { # with a token in the call
    "$scratch/example-post" ftp://127.0.0.1/ </dev/null 2>"$scratch/err"
    [ $? = 1 ] && grep -q '^WEIR_E_URL_SCHEME: ' "$scratch/err"
}

fetches() {
    printf 'http://127.0.0.1:%s/\n' "$port" 1 "$port" | "$scratch/example-urls" | sort >"$scratch/out" &&
        printf '%s\n' '0, 0 octets: every address refused the connection' '200, 5 octets: success' \
            '200, 5 octets: success' | cmp - "$scratch/out"
}

costs() {
    "$scratch/example-cost" "http://127.0.0.1:$port/" >"$scratch/out" || return 1
    grep -qE '^waited [0-9.]+ ms$' "$scratch/out" && grep -q 'ms: dialing, ' "$scratch/out" &&
        grep -q ' of them heads [0-9]* and 38, content 0 and 5$' "$scratch/out" &&
        grep -q '^connection 1: [0-9]* octets sent, 43 received; the kernel agrees$' "$scratch/out"
}

# What README.md shows of a program stands in it.
shown() {
    local line
    while read -r line; do
        example post | grep -qF -- "$line" || { echo "not in the program: $line"; return 1; }
    done < <(sed -n '/^    request.method = /,/^$/p' "$root/README.md")
}

check "a server that never answers is there" start_silence
for name in post urls cost; do
    check "the example $name builds as it stands" build "$name"
done
check "the example post posts" posts
check "the example post is cancelled from another thread" is_cancelled
check "the example post says what was refused" is_refused
check "the example post says how it is called" wants_a_url post
check "README.md shows lines of the example post" shown
check "the example urls fetches what comes on its standard input" fetches
check "the example cost says why it waited and what it cost" costs
check "the example cost says how it is called" wants_a_url cost
exports() { # one request that succeeded over HTTP/1.1, and nothing under way
    "$scratch/example-metrics" "http://127.0.0.1:$port/" >"$scratch/out" 2>"$scratch/err" || return 1
    grep -qx 'http.client.active_requests{} 0' "$scratch/out" &&
        grep -qE '^http.client.request.duration\{network.protocol.version="1.1",\} count 1 sum [0-9.e+-]+ s$' "$scratch/out" &&
        grep -qx 'http.client.response.body.size{network.protocol.version="1.1",} count 1 sum 5 By' "$scratch/out"
}
# The same of that one server.
exports_series() {
    local server="server.address=\"127.0.0.1\",server.port=\"$port\",url.scheme=\"http\","
    local get="${server}http.request.method=\"GET\","
    local ended="${get}network.protocol.version=\"1.1\",http.response.status_code=\"200\","
    "$scratch/example-series" "http://127.0.0.1:$port/" >"$scratch/out" 2>"$scratch/err" || return 1
    grep -qxF "http.client.active_requests{$get} 0" "$scratch/out" &&
        grep -qF "http.client.request.duration{$ended} count 1 sum " "$scratch/out" &&
        grep -qxF "http.client.response.body.size{$ended} count 1 sum 5 By" "$scratch/out" &&
        grep -qxF "weir.client.connections.opened{${server}network.protocol.version=\"1.1\",} 1" "$scratch/out"
}
check "the exporter builds as it stands" build metrics
check "the exporter exports" exports
check "the exporter of series builds as it stands" build series
check "the exporter of series exports" exports_series
tap_done
