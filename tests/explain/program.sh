#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# usage: program.sh ENVIRONMENT WEIR_EXPLAIN ORIGIN CERTS PKI
#
# weir-explain as a user runs it: what it exits with, what it writes where, that what it prints adds
# up, and that curl's words mean what they mean to curl. Most of it four or eight times: by both
# front ends, over both protocols, clear and by TLS.

. "$(dirname "$0")/../meta/tap.sh" "$1"
. "$(dirname "$0")/../support/origin.sh"
explain=$2 pki=$5
servers="$root/interop/servers"

# --- one run ------------------------------------------------------------------------------------

# on PROTOCOL COVER FRONT: how the runs that follow go.
on() {
    way="$1 $2 $3" words=()
    case "$1 $2" in
    "h1 clear") base="http://127.0.0.1:$clear" words=(--http1.1) ;;
    "h1 tls") base="https://127.0.0.1:$tls" words=(--cacert "$pki/ca.pem" --http1.1) ;;
    "h2 clear") base="http://127.0.0.1:$clear" words=(--http2-prior-knowledge) ;;
    "h2 tls") base="https://127.0.0.1:$tls" words=(--cacert "$pki/ca.pem" --http2) ;;
    esac
    [ "$3" = loop ] && words+=(--async)
}

# explain STATUS WORD...: runs it; fails unless that is its exit status.
explain() {
    local wanted=$1 status=0
    shift
    timeout 20 "$explain" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
    [ "$status" = "$wanted" ] && return 0
    echo "status $status instead of $wanted: weir-explain $*"
    cat "$scratch/err"
    return 1
}

# says PATTERN: exactly one line of the explanation is like this.
says() {
    [ "$(grep -cE -- "$1" "$scratch/err")" = 1 ] && return 0
    echo "not one line of the explanation is like: $1"
    cat "$scratch/err"
    return 1
}

# wrote TEXT: standard output is this and nothing else.
wrote() {
    printf '%s' "$1" | cmp - "$scratch/out"
}

# --- what it exits with ---------------------------------------------------------------------------

completes() { # completes CODE PATH
    explain 0 "${words[@]}" "$base$2" && says "^  complete: $1 after [0-9.]+ ms$" && ! grep 'failed' "$scratch/err"
}

# cause STATUS WORD...: it ends with 1, and one line says that it was this.
cause() {
    local status=$1
    shift
    explain 1 "${words[@]}" "$@" && says "^  failed: .*\($status, " && ! grep '^  complete' "$scratch/err"
}

truncated() {
    local status=WEIR_E_TRUNCATED
    case "$way" in h2*) status=WEIR_E_H2_LENGTH ;; esac
    cause "$status" "$base/half/1000" && [ "$(wc -c <"$scratch/out")" = 500 ]
}

# Of a reset of TCP, the kernel tells who sends at that moment, and who receives only an end.
reset() {
    case "$way" in
    h1*) cause WEIR_E_RESET "$base/reset?after=100" ;;
    h2*) cause WEIR_E_H2_RESET "$base/reset?after=100" && cause 'WEIR_E_(RESET|TRUNCATED)' "$base/reset?after=100&tcp=1" ;;
    esac
}

refused() {
    cause WEIR_E_CONNECT_REFUSED "${base%:*}:1/octets/10" && says '^  failed: .*errno 111, Connection refused$'
}

# One that failed among others is enough, wherever it stands.
one_of_several() {
    explain 1 "${words[@]}" "$base/octets/5" "$base/half/1000" "$base/octets/5" &&
        [ "$(grep -c '^  complete: 200' "$scratch/err")" = 2 ] && [ "$(grep -c '^  failed: ' "$scratch/err")" = 1 ]
}

# --- what it writes where -------------------------------------------------------------------------

body_alone() {
    local size
    for size in 0 1 100000 3000000; do
        head -c "$size" "$scratch/random" >"$scratch/sent"
        explain 0 "${words[@]}" --data-binary "@$scratch/sent" "$base/echo" && cmp "$scratch/sent" "$scratch/out" || return 1
    done
}

unwritten() {
    local status=0
    "$explain" "${words[@]}" "$base/octets/100000" >/dev/full 2>"$scratch/err" || status=$?
    [ "$status" = 1 ] && says '^weir-explain: standard output could not be written$'
}

# --- what adds up ---------------------------------------------------------------------------------

# The printed rows of each connection are added up, and those of each attempt; at least so many of both.
adds_up() { # adds_up CONNECTIONS ATTEMPTS
    awk -v connections="$1" -v attempts="$2" '
        function compare(what) {
            if ($(NF - 1) != sent || $NF != received || NF < 3) {
                print "line " NR ": the rows add up to " sent " " received ": " $0; bad = 1
            }
        }
        /^connection [0-9]/ || /^  attempt [0-9]/ { sent = received = 0; within = 1; next }
        within && / octets  *sent +received$/ { next }
        within && /^    sum +[0-9]/ { compare("sum"); tallies++; within = 0; next }
        within && /^    sum of the rows / { compare("sum"); next }
        within && /^    on the wire / { compare("wire"); if (sent + received == 0) bad = 1; next }
        within && /^    kernel / {
            if ($NF != "agree") { print "the kernel: " $0; bad = 1 }
            sub(/ +agree$/, ""); compare("kernel"); kernels++; within = 0; next
        }
        within { sent += $(NF - 1); received += $NF }
        END {
            if (kernels < connections || tallies < attempts) {
                print kernels + 0 " connections and " tallies + 0 " attempts are told"; bad = 1
            }
            exit bad
        }' "$scratch/err" || { cat "$scratch/err"; return 1; }
}

# The same of what --json says, indented as it is: within a connection, `exchanges`, `rows`,
# `undecided` and `torn` are parts, `wire` and `kernel` wholes.
json_adds_up() { # json_adds_up CONNECTIONS
    awk -v connections="$1" '
        /^  "connections": \[/ { within = 1 }
        !within { next }
        /^      "[a-z]+": / { split($0, word, "\""); part = word[2] }
        /"(sent|received)": [0-9]+/ {
            split($0, word, "\""); value = $2 + 0; sum[part, word[2]] += value
        }
        /^      "verdict": / { agree += /"agree"/ }
        /^    }/ {
            told++
            for (i = 1; i <= split("sent received", way, " "); i++) {
                w = way[i]
                rows = sum["exchanges", w] + sum["rows", w] + sum["undecided", w] + sum["torn", w]
                if (rows == 0 || rows != sum["wire", w] || rows != sum["kernel", w]) {
                    print w ": rows " rows ", wire " sum["wire", w] ", kernel " sum["kernel", w]; bad = 1
                }
            }
            split("", sum)
        }
        END {
            if (told < connections || agree != told) { print told + 0 " connections, " agree + 0 " agree"; bad = 1 }
            exit bad
        }' "$scratch/err" || { cat "$scratch/err"; return 1; }
}

sums() {
    explain 0 "${words[@]}" "$base/octets/100000" "$base/chunked/5000" "$base/trailers/100" "$base/headers" && adds_up 1 4 &&
        explain 0 "${words[@]}" -d "@$scratch/random" "$base/echo" "$base/echo" && adds_up 1 2 &&
        explain 1 "${words[@]}" "$base/half/1000" "$base/octets/10" && adds_up 1 2
}

json_sums() {
    explain 0 "${words[@]}" --json "$base/octets/100000" "$base/trailers/100" && json_adds_up 1 &&
        [ "$(grep -c '"complete": true' "$scratch/err")" = 2 ] &&
        explain 1 "${words[@]}" --json "$base/half/1000" && json_adds_up 1 && says '"complete": false' &&
        explain 1 "${words[@]}" --json "$base/"$'\xff' && says '"complete": false' && says $'"url": "http.*/\xef\xbf\xbd"'
}

# --- several, over one client ---------------------------------------------------------------------

reused_in_order() {
    explain 0 "${words[@]}" "$base/octets/3" "$base/headers" "$base/octets/7" || return 1
    says '^  attempt 1 on connection 1 \([^,]*\)$' || return 1
    [ "$(grep -cE '^  attempt 1 on connection 1 \(.*, reused\)$' "$scratch/err")" = 2 ] &&
        [ "$(grep -cE ' connection_acquired .* connection 1, reused, ' "$scratch/err")" = 2 ] &&
        [ "$(grep -c '^connection ' "$scratch/err")" = 1 ]
}

# When the first is answered, others are under way.
parallel() {
    local i urls=()
    for i in 200 300 300 300; do urls+=("$base/delay/$i"); done
    explain 0 "${words[@]}" --parallel --snapshot "${urls[@]}" &&
        [ "$(cat "$scratch/out")" = "$(printf 'delayed\n%.0s' 1 2 3 4)" ] && says '^pool: .*, [234] calls have one,' || return 1
    case "$way" in
    h1*) [ "$(grep -c '^connection ' "$scratch/err")" = 4 ] && adds_up 4 4 ;;
    h2*) adds_up 1 4 ;;
    esac || return 1
    explain 0 "${words[@]}" -Z -w '%{url}\n' "$base/octets/20" "$base/octets/10" &&
        [ "$(tail -c 100 "$scratch/out" | grep -a -o 'octets/[0-9]*' | tr '\n' ' ')" = "octets/20 octets/10 " ]
}

# With one connection the second call waits, and is told what for.
one_connection() {
    local url="http://127.0.0.1:$clear/delay/100"
    explain 0 --http1.1 --parallel --connections 1 "$url" "$url" && says '^  waited for a connection .*busy' &&
        [ "$(grep -c '^connection ' "$scratch/err")" = 1 ] || return 1
    url="http://127.0.0.1:$clear/drip/10?ms=10"
    explain 0 --http1.1 --async --parallel --connections 1 --snapshot "$url" "$url" &&
        says '^when the first response had begun$' && says '^    call 2  waits at place 1'
}

# --- curl's words ---------------------------------------------------------------------------------

# arrived TEXT WORD...: so the request reached the server. `words` and `base` are those of the way.
arrived() {
    local text=$1
    shift
    explain 0 "${words[@]}" "$@" "$base/headers" || return 1
    grep -qF -- "$text" "$scratch/out" && return 0
    echo "the server saw nothing of: $text"
    cat "$scratch/out"
    return 1
}

# not_arrived TEXT WORD...
not_arrived() {
    local text=$1
    shift
    explain 0 "${words[@]}" "$@" "$base/headers" && ! grep -F -- "$text" "$scratch/out"
}

# echoed BODY WORD...: this body reached the server.
echoed() {
    local body=$1
    shift
    # shellcheck disable=SC2059 # the body is written with escapes
    explain 0 "${words[@]}" "$@" "$base/echo" && printf "$body" | cmp - "$scratch/out"
}

form='["content-type","application/x-www-form-urlencoded"]'

word_request() {
    arrived '"method":"GET"' && arrived '"method":"POST"' -d a && arrived '"method":"PUT"' -X PUT -d a &&
        arrived '"method":"DELETE"' --request DELETE && explain 0 "${words[@]}" -I "$base/octets/100" && wrote ''
}

word_header() {
    arrived '["x-a","b c"]' -H 'x-a: b c' && arrived '["x-a","b"],["x-a","c"]' -H 'x-a:b' --header 'x-a:  c' &&
        arrived '["x-none",""]' -H 'x-none;' && not_arrived 'x-gone' -H 'x-gone:'
}

# What is said of a call has no value of a field in it.
word_secret() {
    local format
    for format in '' --json; do
        explain 0 "${words[@]}" ${format:+"$format"} --snapshot -H 'Authorization: Bearer s3cr3t' -H 'X-Key: s3cr3t' "$base/octets/10" || return 1
        ! grep s3cr3t "$scratch/err" "$scratch/out" && [ -s "$scratch/err" ] || return 1
    done
}

word_data() {
    arrived "$form" -d a=b && arrived '["content-length","3"]' -d a=b && arrived "$form" -d '' &&
        echoed 'a=b' -d a=b && echoed 'a=b&c=d' -d a=b --data c=d && echoed 'onetwo&x' -d "@$scratch/lines" -d x
}

word_data_type() {
    arrived '["content-type","text/plain"]' -H 'content-type: text/plain' -d a &&
        arrived '["content-type","text/plain"]' -d a -H 'Content-Type: text/plain' && ! grep -F "$form" "$scratch/out" &&
        not_arrived content-type -d a -H 'content-type:'
}

word_data_binary() {
    arrived "$form" --data-binary "@$scratch/lines" && echoed 'one\r\ntwo\n\0' --data-binary "@$scratch/lines" &&
        echoed 'a&one\r\ntwo\n\0' -d a --data-binary "@$scratch/lines" && echoed 'as it is' --data-binary 'as it is' || return 1
    printf 'by\0pipe' | "$explain" "${words[@]}" --data-binary @- "$base/echo" 2>/dev/null >"$scratch/out" &&
        printf 'by\0pipe' | cmp - "$scratch/out"
}

word_cacert() {
    explain 0 --cacert "$pki/ca.pem" "https://127.0.0.1:$tls/octets/1" &&
        cause WEIR_E_TLS_UNTRUSTED --cacert "$pki/other-ca.pem" "https://127.0.0.1:$tls/octets/1" &&
        cause WEIR_E_TLS_UNTRUSTED "https://127.0.0.1:$tls/octets/1" && wrote ''
}

word_insecure() {
    explain 0 --insecure "https://127.0.0.1:$tls/octets/1" &&
        explain 0 -k --connect-to ":443:127.0.0.1:$tls" https://other.test/octets/1
}

wrong_host() {
    cause WEIR_E_TLS_IDENTITY --cacert "$pki/ca.pem" --connect-to "::127.0.0.1:$tls" https://other.test/octets/1 && wrote '' &&
        says '^ +[0-9.]+ ms  tls_done +failed: the certificate is not for this host '
}

protocol_is() { # protocol_is NAME WORD... URL
    local name=$1
    shift
    explain 0 --cacert "$pki/ca.pem" "$@" && grep -qF "\"protocol\":\"$name\"" "$scratch/out"
}

word_protocols() {
    protocol_is h2 "https://127.0.0.1:$tls/headers" && protocol_is h1 "http://127.0.0.1:$clear/headers" &&
        protocol_is h2 --http2 "https://127.0.0.1:$tls/headers" && protocol_is h1 --http2 "http://127.0.0.1:$clear/headers" &&
        protocol_is h1 --http1.1 "https://127.0.0.1:$tls/headers" && protocol_is h1 --http1.1 "http://127.0.0.1:$clear/headers" &&
        protocol_is h2 --http2-prior-knowledge "https://127.0.0.1:$tls/headers" &&
        protocol_is h2 --http2-prior-knowledge "http://127.0.0.1:$clear/headers" &&
        protocol_is h2 --http1.1 --http2 "https://127.0.0.1:$tls/headers"
}

# reaches TEXT WORD... URL: the clear server was reached, and saw what the URL says.
reaches() {
    local text=$1
    shift
    explain 0 --http1.1 "$@" && grep -qF -- "[\"host\",\"$text\"]" "$scratch/out"
}

# The first that fits counts; empty parts fit all, or change nothing. Nothing but the address is another.
word_connect_to() {
    reaches a.test:77 --connect-to "a.test:77:127.0.0.1:$clear" http://a.test:77/headers &&
        reaches a.test --connect-to "A.test::127.0.0.1:$clear" http://a.test/headers &&
        reaches a.test --connect-to "::127.0.0.1:$clear" http://a.test/headers &&
        reaches "a.test:$clear" --connect-to "a.test:$clear:127.0.0.1:" "http://a.test:$clear/headers" &&
        reaches 127.0.0.1:77 --connect-to ":77::$clear" http://127.0.0.1:77/headers &&
        reaches '[::1]:77' --connect-to "[::1]:77:127.0.0.1:$clear" 'http://[::1]:77/headers' &&
        reaches a.test --connect-to b.test:80:127.0.0.1:1 --connect-to "a.test:80:127.0.0.1:$clear" \
            --connect-to a.test:80:127.0.0.1:1 http://a.test/headers &&
        cause WEIR_E_CONNECT_REFUSED --connect-to a.test:80:127.0.0.1:1 http://a.test/ && says 'tried 127.0.0.1 port 1:'
}

word_resolve() {
    reaches "a.test:$clear" --resolve "a.test:$clear:127.0.0.1" "http://a.test:$clear/headers" &&
        reaches "a.test:$clear" --resolve "a.test:$clear:127.0.0.1,127.0.0.2" "http://a.test:$clear/headers" &&
        reaches "b.test:$clear" --resolve "*:$clear:127.0.0.1" "http://b.test:$clear/headers" &&
        cause WEIR_E_CONNECT_REFUSED --resolve a.test:1:::1 http://a.test:1/ && says 'tried ::1 port 1:' &&
        cause WEIR_E_CONNECT_REFUSED --resolve 'a.test:1:[::1]' http://a.test:1/ && says 'tried ::1 port 1:' &&
        explain 0 --cacert "$pki/ca.pem" --resolve "a.test:$tls:127.0.0.1" "https://a.test:$tls/headers" &&
        grep -qF "\"authority\":\"a.test:$tls\"" "$scratch/out"
}

word_max_time() {
    cause WEIR_E_DEADLINE_TOTAL --max-time 0.1 "$base/hang" &&
        cause WEIR_E_DEADLINE_TOTAL --max-time 0.2 "$base/drip/1000?ms=20" && explain 0 "${words[@]}" --max-time 9 "$base/octets/1" &&
        explain 0 "${words[@]}" --max-time 0 "$base/octets/1"
}

# It ends the connecting and not the waiting for an answer.
word_connect_timeout() {
    cause WEIR_E_DEADLINE_TLS --connect-timeout 0.1 "https://127.0.0.1:$mute/" &&
        explain 0 "${words[@]}" --connect-timeout 0.1 "http://127.0.0.1:$clear/delay/300"
}

word_write_out() {
    explain 0 "${words[@]}" -w '%{http_code}' "$base/status/404" && wrote $'status 404\n404' &&
        explain 0 "${words[@]}" --write-out '<%{response_code} %{size_download} %{num_connects} %{exitcode}%%>\n' \
            "$base/status/200" "$base/status/503" &&
        wrote $'status 200\n<200 11 1 0%>\nstatus 503\n<503 11 0 0%>\n' &&
        cause WEIR_E_CONNECT_REFUSED -w '%{http_code}' "${base%:*}:1/" && wrote 000 &&
        explain 0 "${words[@]}" -d abc -w '%{http_version} %{size_upload}' -X PUT "$base/status/200" || return 1
    case "$way" in h1*) wrote $'status 200\n1.1 3' ;; h2*) wrote $'status 200\n2 3' ;; esac
}

# --- what it does not take ------------------------------------------------------------------------

# wrong PATTERN WORD...: status 2, one line, and it names the option; nothing was asked of anybody.
wrong() {
    local pattern=$1
    shift
    explain 2 "$@" && says "^[^ ]*weir-explain: .*$pattern" && ! grep -E '^exchange|Sanitizer' "$scratch/err" && wrote ''
}

bad_options() {
    local url="http://127.0.0.1:$clear/octets/1" value
    wrong '--bogus' --bogus "$url" && wrong "'y'" -y "$url" && wrong '--max-time' "$url" --max-time || return 1
    for value in x '' 1s -1 nan 1e99; do
        wrong "--max-time $value: " --max-time "$value" "$url" && wrong "--connect-timeout $value: " --connect-timeout "$value" "$url" || return 1
    done
    for value in x 0 -1 '' 4294967296 3x; do
        wrong "--connections $value: " --connections "$value" "$url" || return 1
    done
    for value in a a:1 a:1:b a:x:b:2 a:1:b:x a:1:b:70000 a:0:b:1 a:1:b:2:3 '\[::1:1:b:2'; do
        wrong "--connect-to $value: " --connect-to "${value#\\}" "$url" || return 1
    done
    for value in a a:1 a:1: a:x:127.0.0.1 a::127.0.0.1 a:1:b.test a:70000:127.0.0.1; do
        wrong "--resolve $value: " --resolve "$value" "$url" || return 1
    done
    wrong '--header no-colon: ' -H no-colon "$url" && wrong '--data-binary @/nowhere: No such file' --data-binary @/nowhere "$url" &&
        wrong "--data @/: .*" -d @/ "$url" && wrong '--cacert /nowhere: No such file' --cacert /nowhere "$url" &&
        wrong 'no URL was given' && wrong '--max-time x' -d "@$scratch/random" --max-time x "$url"
}

help() {
    local option
    explain 0 --help && [ ! -s "$scratch/err" ] || return 1
    for option in -X -I -H -d -k -w -Z --request --head --header --data --data-binary --cacert --insecure --http1.1 --http2 \
        --http2-prior-knowledge --connect-to --resolve --max-time --connect-timeout --write-out --async --parallel \
        --connections --snapshot --json; do
        grep -qE -- "(^|[ ,])$option([ ,]|\$)" "$scratch/out" || { echo "no $option"; return 1; }
    done
}

# --- a real server --------------------------------------------------------------------------------

nginx() {
    [ -n "$nginx_tls" ] && explain 0 --cacert "$pki/ca.pem" --http2 "$@" "https://127.0.0.1:$nginx_tls/octets/100000" \
        "https://127.0.0.1:$nginx_tls/octets/10" || return 1
}

nginx_adds_up() {
    nginx && says '^  attempt 1 on connection 1 \(HTTP/2, reused\)$' && adds_up 1 2 && nginx --async && adds_up 1 2 &&
        nginx --json && json_adds_up 1
}

# --------------------------------------------------------------------------------------------------

check "a server is there" origin_start "$3" "$4" "$pki" --log "$scratch/log"
head -c 3000000 /dev/urandom >"$scratch/random"
printf 'one\r\ntwo\n\0' >"$scratch/lines"

for front in blocking loop; do
    for protocol in h1 h2; do
        for cover in clear tls; do
            on $protocol $cover $front
            check "$way: 200 is complete" completes 200 /octets/1000
            check "$way: 404 is complete" completes 404 /status/404
            check "$way: a body cut short" truncated
            check "$way: a reset" reset
            check "$way: nobody listens" refused
            check "$way: one of several fails" one_of_several
            check "$way: the body alone is on standard output" body_alone
            check "$way: a body that cannot be written" unwritten
            check "$way: the rows add up to the wire and the kernel" sums
            check "$way: and so in JSON" json_sums
            check "$way: the second reuses the connection" reused_in_order
            check "$way: all at once" parallel
        done
        on $protocol clear $front
        check "$way: -X, -I" word_request
        check "$way: -H" word_header
        check "$way: -H and its secrets" word_secret
        check "$way: -d" word_data
        check "$way: -d with a type of its own" word_data_type
        check "$way: --data-binary" word_data_binary
        check "$way: --max-time" word_max_time
        check "$way: -w" word_write_out
    done
    words=()
    [ $front = loop ] && words=(--async)
    check "$front: a name that does not exist" cause WEIR_E_DNS_NOT_FOUND http://nothing.invalid/
    check "$front: no URL at all" cause WEIR_E_URL_SYNTAX nothing
    check "$front: a certificate for another host" wrong_host
    check "$front: --cacert" word_cacert
    check "$front: --insecure" word_insecure
    check "$front: --connect-timeout" word_connect_timeout
done
check "--http1.1, --http2, --http2-prior-knowledge" word_protocols
check "--connect-to" word_connect_to
check "--resolve" word_resolve
check "--connections, --snapshot" one_connection
check "a wrong option is named" bad_options
check "--help" help
if "$servers/available" nginx >/dev/null 2>&1; then
    trap '"$servers/stop" "$scratch/nginx" >&2; rm -rf "$scratch"' EXIT
    nginx_tls=$("$servers/start" --while $$ nginx "$scratch/nginx" "$pki" 2>/dev/null | sed -n 's/^tls=//p')
    check "nginx, HTTP/2 and TLS: the rows add up to the wire and the kernel" nginx_adds_up
else
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - nginx # SKIP it is not installed"
fi
origin_stop
tap_done
