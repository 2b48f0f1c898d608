# SPDX-License-Identifier: MIT
#
# What the server scripts share: ports, files, processes, waiting. Sourced by start, stop and
# available; each server is a file NAME.sh with three functions:
#
#     server_available   prints the version; fails if the server is not installed
#     server_prepare     writes its configuration into $dir; ports are in $clear_h1, $clear_h2,
#                        $tls and $inner, certificates in $certs
#     server_run         starts its processes with `run`, and clears the port variables of what it
#                        does not serve
#
# Everything a server writes goes below $dir, and it runs as a plain child: nothing of the system's
# own set-up of that server is read or touched.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
patience=200 # polls of 50 ms: 10 s

# Known servers, in the order of the reports.
servers=(nginx apache nghttpd node caddy haproxy h2o lighttpd varnish tomcat hypercorn go)

die() {
    echo "servers: $*" >&2
    exit 1
}

# help_wanted WORDS USAGE: prints the usage and ends, if --help is the only word.
help_wanted() {
    if [ "$1" = --help ]; then
        printf 'usage: %b\n' "$2"
        exit 0
    fi
}

# A port nobody listens on, below the range from which the kernel takes ports by itself.
free_port() {
    local port try
    for try in {1..200}; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return 0
        fi
    done
    die "no free port"
}

# alive PID: running, and not a corpse that nobody has collected.
alive() {
    local state
    state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 1
    [ -n "$state" ] && [ "$state" != Z ]
}

# run NAME COMMAND...: a process of the server, leading a group of its own so that nothing it
# starts can outlive it; its output goes to $dir/log/NAME.
run() {
    local name=$1
    shift
    (cd "$dir" && exec setsid "$@") >"$dir/log/$name" 2>&1 </dev/null &
    echo $! >>"$dir/pids"
}

# Waits until the port is connected to; fails when a process of the server has ended before.
wait_port() {
    local port=$1 try pid
    for ((try = 0; try < patience; try++)); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            return 0
        fi
        while read -r pid; do
            alive "$pid" || return 1
        done <"$dir/pids"
        sleep 0.05
    done
    return 1
}

# The files that every server has: octets/N with the pattern of the embedded origin, octet i being
# i * 31 + (i >> 8) * 7 modulo 256, which repeats after 65,536.
make_files() {
    local www=$1 i block=
    mkdir -p "$www/octets"
    for ((i = 0; i < 65536; i++)); do
        printf -v octet '\\%03o' $(((i * 31 + (i >> 8) * 7) & 255))
        block+=$octet
    done
    # shellcheck disable=SC2059 # the block is made of escapes
    printf "$block" >"$www/block"
    : >"$www/octets/0"
    head -c 1 "$www/block" >"$www/octets/1"
    head -c 1000 "$www/block" >"$www/octets/1000"
    for ((i = 0; i < 153; i++)); do
        cat "$www/block"
    done | head -c 10000000 >"$www/octets/10000000"
    rm "$www/block"
}

# Ends the processes of a directory: asked first, as a group, so that a hanging CGI does not hold
# its server up; then made to, within a bounded time.
stop_all() {
    local dir=$1 pid try place
    [ -f "$dir/pids" ] || return 0
    while read -r pid; do
        kill -- "-$pid" 2>/dev/null || true
    done <"$dir/pids"
    while read -r pid; do
        for ((try = 0; try < patience; try++)); do
            alive "$pid" || break
            sleep 0.05
        done
        kill -9 -- "-$pid" 2>/dev/null || true
    done <"$dir/pids"
    rm -f "$dir/pids"
    # What had to be put elsewhere; only directories that this suite made are ever listed.
    if [ -f "$dir/remove" ]; then
        while read -r place; do
            rm -rf "$place"
        done <"$dir/remove"
        rm -f "$dir/remove"
    fi
}

load() {
    [ -f "$here/$1.sh" ] || die "no server is called $1; known are: ${servers[*]}"
    . "$here/$1.sh"
}
