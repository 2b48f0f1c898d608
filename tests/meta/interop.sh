#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The report of the interop suite judges a run of one row as it should, and what must run is what the
# tables say. In a build with sanitizers it fails, too, if something is not given back. And servers end
# when whoever started them was killed.

. "$(dirname "$0")/tap.sh" "$1"

program=$build/interop/weir-interop
capabilities=$root/interop/servers/capabilities.tsv

# A server that ran with one row of one connection. The four counts of its octets are the ledger's,
# the self-check's, the witness's and the origin's.
write_run() { # write_run LEDGER KERNEL WITNESS ORIGIN: octets received
    printf 'row\torigin\tget\thttp/1.1\tclear\tblocking\nacquired\tlocalhost\t80\tHTTP/1.1\t1\t0\n' >"$scratch/rows"
    printf 'closed\t1\t4000\tHTTP/1.1\t52\t%d\t52\t%d\tagree\t52\t%d\t52\t%d\t0\t0\n' "$1" "$1" "$1" "$2" >>"$scratch/rows"
    printf 'witness\t4000\t80\t52\t%d\t%d\t0\tESTABLISHED\nend\t0\t5\n' "$3" "$3" >>"$scratch/rows"
    printf 'one line for one connection\n' >"$scratch/witness"
    printf '4000\t0\th1\t52\t%d\t1\t1\t0\tpeer-fin\n' "$4" >"$scratch/log"
    printf 'log=80 %s\n' "$scratch/log" >"$scratch/server"
    printf 'origin\tembedded\t%s\t%s\t%s\nnginx\t-\n' "$scratch/rows" "$scratch/witness" "$scratch/server" \
        >"$scratch/servers.tsv"
}

report_of() { # report_of END [OPTION...]: with the status that this end means
    local end=$1 status=0
    shift
    "$program" report --servers "$scratch/servers.tsv" --capabilities "$capabilities" --case get \
        --json "$scratch/report.json" "$@" >"$scratch/said" 2>&1 || status=$?
    cat "$scratch/said"
    [ "$(tail -n 1 "$scratch/said")" = "$end" ] && [ "$status" = "$([[ $end == *" 0 failed"* ]] && echo 0 || echo 1)" ]
}

expected_is_listed() {
    "$program" expected --capabilities "$capabilities" >"$scratch/expected.tsv" &&
        diff "$scratch/expected.tsv" "$root/interop/expected.tsv"
}

check "what must run is what the tables say" expected_is_listed
write_run 1081 1081 1081 1081
check "four counts that agree pass" report_of "1 passed, 0 failed, 1 skipped"
check "its JSON has the row" grep -q '"outcome": "passed"' "$scratch/report.json"
check "rows that must run and did not are failures" \
    report_of "1 passed, 7 failed, 1 skipped" --expected "$root/interop/expected.tsv"
write_run 1080 1081 1081 1081
check "a ledger that has lost an octet fails" report_of "0 passed, 1 failed, 1 skipped"
write_run 1081 1081 1080 1081
check "a witness that saw one less fails it" report_of "0 passed, 1 failed, 1 skipped"
write_run 1081 1081 1081 1080
check "an origin that sent one less fails it" report_of "0 passed, 1 failed, 1 skipped"
printf '4001\t0\th1\t52\t1080\t1\t2\t0\tpeer-fin\n' >>"$scratch/log"
check "a connection that only the origin knows is a failure" report_of "0 passed, 2 failed, 1 skipped"

# --- servers of a program that is killed ----------------------------------------------------------

servers=$root/interop/servers

# await COMMAND...: until it succeeds, for twenty seconds.
await() {
    local try
    for ((try = 0; try < 400; try++)); do
        "$@" && return 0
        sleep 0.05
    done
    echo "in vain: $*"
    return 1
}

is_gone() {
    local state
    state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null)
    [ -z "$state" ] || [ "$state" = Z ]
}

# outlived_by SCRIPT WORD...: it is killed as soon as it has said that it is ready, and the processes
# that it names in $scratch/started are gone then.
outlived_by() {
    local starter pid status=0
    rm -f "$scratch/started" "$scratch/ready"
    bash -c "$@" </dev/null &
    starter=$!
    await test -s "$scratch/ready" || status=1
    kill -9 "$starter"
    wait "$starter" 2>/dev/null
    [ -s "$scratch/started" ] || status=1
    while read -r pid; do
        await is_gone "$pid" || { kill -9 -- "-$pid" "$pid"; status=1; }
    done <"$scratch/started"
    return $status
}

# shellcheck disable=SC2016 # for the other bash
check "an origin ends with who started it" outlived_by '
    "$1" --port 0 --parent $$ --ready-file "$2/ready" & echo $! >"$2/started"; wait' \
    starter "$build/interop/weir-origin" "$scratch"
if version=$("$servers/available" nginx 2>/dev/null) && [ -n "$version" ]; then
    # shellcheck disable=SC2016
    check "nginx ends with who started it" outlived_by '
        "$1/start" --while $$ nginx "$2/nginx" "$3" >"$2/said" && sed -n "s/^pid=//p" "$2/said" >"$2/started" &&
            echo ready >"$2/ready"; sleep 60' starter "$servers" "$scratch" "$build/tests/pki"
else
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - nginx # SKIP it is not installed"
fi
tap_done
