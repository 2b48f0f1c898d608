#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# usage: traced.sh ENVIRONMENT ORIGIN CERTS PKI
#
# What system calls weir makes, as strace sees them: a warm blocking HTTP/1.1 call is one send and
# one receive, a turn of the loop one send and one receive for each link that it touches, and who waits
# sleeps in one system call until something happens. Without strace, or
# where it may not trace, nothing of this has been tested, and it is reported so.

. "$(dirname "$0")/../meta/tap.sh" "$1"
. "$(dirname "$0")/../support/origin.sh"
pki=$4
here="$root/tests/behaviour"
hang_ms=3000

skip_all() {
    printf '1..1\nok 1 - system calls # SKIP %s\n' "$1"
    exit 0
}

# The program, linked as a user's is.
build_program() {
    local library
    library=$(dirname "$(find "$release" -maxdepth 2 -name libweir.so | head -n 1)")
    "$cc" -std=c11 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -pthread -I "$root/include" "$here/traced.c" \
        -o "$scratch/traced" -L "$library" -lweir "-Wl,-rpath,$library"
}

# count_calls URL CALLS: "name times failed" of each system call of so many exchanges.
count_calls() {
    strace -f -c -o "$scratch/count" "$scratch/traced" warm "$1" "$2" "$pki/ca.pem" || return 1
    awk '$1 + 0 == $1 && $NF != "total" { print $NF, $4, NF == 6 ? $5 : 0 }' "$scratch/count"
}

# 1,000 more calls are 1,000 sends and 1,000 receives and nothing else. A receive that failed is a
# probe: the thread was off the processor for longer than probe_after_ns between two calls. What the
# one dial and the one close take differs by a few from run to run, with packets that come earlier or
# later: nothing that is done for each call hides in so little.
warm_calls() { # warm_calls URL
    count_calls "$1" 100 >"$scratch/few" && count_calls "$1" 1100 >"$scratch/many" || return 1
    awk '
        NR == FNR { few[$1] = $2 - $3; failed[$1] = $3; next }
        { more[$1] = $2 - $3 - few[$1]; probes += $1 ~ /^recv/ ? $3 : 0
          if ($1 !~ /^recv/ && $3 > failed[$1] + 5) bad = bad " " $1 }
        END {
            for (name in few) if (!(name in more) && few[name] > 5) bad = bad " " name
            for (name in more) {
                if (name ~ /^send(to|msg)$/) sends += more[name]
                else if (name ~ /^recv(from|msg)$/) receives += more[name]
                else if (more[name] > 5 || more[name] < -5) bad = bad " " name "=" more[name]
            }
            printf "# 1000 warm calls: %d sends, %d receives, %d probes; others that grew:%s\n",
                sends, receives, probes, bad == "" ? " none" : bad
            exit !(sends == 1000 && receives == 1000 && bad == "")
        }' "$scratch/few" "$scratch/many" | tee "$scratch/figures"
    return "${PIPESTATUS[0]}"
}

# count_turns PROTOCOL ROUNDS BATCH: the same of a loop, and how many turns it took.
count_turns() {
    printf 'turns '
    strace -f -c -o "$scratch/count" "$scratch/traced" turns "http://127.0.0.1:$clear/octets/10" "$@" || return 1
    awk '$1 + 0 == $1 && $NF != "total" { print $NF, $4 }' "$scratch/count"
}

# In 1,000 more rounds of BATCH calls over one connection: what was submitted in a row costs one write to the eventfd, one send
# and, in the turn that finds the answers, one receive; a turn asks epoll once.
turns_are_lean() { # turns_are_lean PROTOCOL BATCH
    count_turns "$1" 100 "$2" >"$scratch/few" && count_turns "$1" 1100 "$2" >"$scratch/many" || return 1
    awk -v what="$1, $2 at once" '
        NR == FNR { few[$1] = $2; next }
        { more[$1] = $2 - few[$1] }
        END {
            turns = more["turns"]
            printf "# 1000 rounds (%s): %d turns, %d epoll_wait, %d sends, %d receives, %d writes, %d reads\n", what, turns,
                more["epoll_wait"], more["sendto"] + more["sendmsg"], more["recvfrom"], more["write"], more["read"]
            exit !(more["epoll_wait"] == turns && more["sendto"] + more["sendmsg"] == 1000 &&
                more["recvfrom"] <= turns - 1000 && more["write"] == 1000 && more["read"] <= 1000 + 1 &&
                more["epoll_ctl"] == 0 && more["timerfd_settime"] <= 10)
        }' "$scratch/few" "$scratch/many" | tee "$scratch/figures"
    return "${PIPESTATUS[0]}"
}

url_of() { # url_of COVER
    if [ "$1" = tls ]; then echo "https://127.0.0.1:$tls/hang"; else echo "http://127.0.0.1:$clear/hang"; fi
}

# hang NAME FRONT PROTOCOL COVER: leaves the trace in NAME.
hang() {
    strace -f -T -o "$scratch/$1" "$scratch/traced" hang "$(url_of "$4")" "$pki/ca.pem" "$2" "$3" \
        $hang_ms >"$scratch/$1.said" 2>&1 || echo "failed" >>"$scratch/$1.said"
}

# Every thread sleeps in one system call for nearly all of the wait: nothing wakes it in between.
sleeps_once() { # sleeps_once NAME THREADS
    cat "$scratch/$1.said"
    grep -qx failed "$scratch/$1.said" && return 1
    awk -v ms="$hang_ms" -v wanted="$2" '
        match($0, /<[0-9.]+>$/) {
            took = substr($0, RSTART + 1, RLENGTH - 2)
            if (took > longest[$1]) longest[$1] = took
        }
        { seen[$1] = 1 }
        END {
            for (thread in seen) {
                threads++
                if (longest[thread] * 1000 < ms * 0.9) bad = bad sprintf(" %.3f s", longest[thread])
            }
            if (bad != "") print "the longest sleep of a thread:" bad
            if (threads != wanted) print threads " threads instead of " wanted
            exit bad != "" || threads != wanted
        }' "$scratch/$1"
}

command -v strace >/dev/null || skip_all "strace is not installed"
strace -f -o /dev/null true 2>/dev/null || skip_all "strace may not trace here"

check "an optimised build succeeds" release_build
check "the program links with it" build_program
check "a server is there" origin_start "$2" "$3" "$pki"
check "a warm blocking HTTP/1.1 call is one send and one receive" warm_calls "http://127.0.0.1:$clear/octets/10"
cat "$scratch/figures"
check "... over TLS too" warm_calls "https://127.0.0.1:$tls/octets/10"
cat "$scratch/figures"
check "a turn is one epoll_wait, one send and one receive: HTTP/1.1" turns_are_lean h1 1
cat "$scratch/figures"
check "what is submitted in a row wakes once: HTTP/2" turns_are_lean h2 8
cat "$scratch/figures"
names=()
for front in blocking threads loop; do
    for protocol in h1 h2; do
        for cover in clear tls; do
            names+=("$front-$protocol-$cover")
            hang "$front-$protocol-$cover" $front $protocol $cover &
            waiting+=($!)
        done
    done
done
wait "${waiting[@]}"
for name in "${names[@]}"; do
    threads=1
    [ "${name%%-*}" = threads ] && threads=2
    check "nothing wakes who waits: ${name//-/, }" sleeps_once "$name" $threads
done
origin_stop
tap_done
