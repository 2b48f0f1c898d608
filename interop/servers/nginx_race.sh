# SPDX-License-Identifier: MIT
#
# nginx for the race test (interop/run --race): idle connections live for one second, HTTP/1.1 ones
# serve seven requests, HTTP/2 ones forty with eight streams at a time. It answers with the id that it
# was asked with, and its log has a line for every request that it processed.

. "$here/nginx.sh"

server_prepare() {
    local user="" pad
    [ "$(id -u)" -ne 0 ] || user="user root;"
    printf -v pad '%03000d' 0 # more than the client's inbox: who does not read holds its connection
    mkdir -p "$dir/tmp"
    cat >"$dir/locations.conf" <<CONFIG
        default_type text/plain;
        location = /h1 { keepalive_requests 7; return 200 "\$request_method \$arg_id $pad"; }
        location = /h2 { return 200 "\$request_method \$arg_id $pad"; }
CONFIG
    cat >"$dir/nginx.conf" <<CONFIG
$user
daemon off;
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/log/error.log error;
events { worker_connections 4096; }
http {
    log_format race "\$request_method\t\$arg_id\t\$status\t\$connection\t\$connection_requests";
    access_log $dir/log/race.log race;
    keepalive_timeout 1s;
    keepalive_requests 40;
    http2_max_concurrent_streams 8;
$(nginx_everywhere)
    # For the order in which calls are served: without GOAWAY, after which some would be refused once more, and pause.
    server { listen 127.0.0.2:$clear_h2 http2; keepalive_requests 10000; include $dir/locations.conf; }
    server { listen 127.0.0.2:$tls ssl http2; keepalive_requests 10000; include $dir/locations.conf; }
}
CONFIG
}
