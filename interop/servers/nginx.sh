# SPDX-License-Identifier: MIT
#
# nginx. What it has no directive for comes from its echo module, if that is there (echo, delay,
# hang). A location that must read the whole body first proxies to an inner server of the same
# process. It takes HTTP/2 on a clear port of its own: before 1.25 a port is either.

nginx_modules=/usr/lib/nginx/modules

nginx_program() {
    PATH=$PATH:/usr/sbin command -v nginx
}

server_available() {
    local program
    program=$(nginx_program) && "$program" -v 2>&1 | sed 's/.*nginx\///; s/ .*//'
}

nginx_has_echo() {
    [ -f $nginx_modules/ngx_http_echo_module.so ]
}

# What is in the http block of every nginx that is started here: locations.conf, on each of the ports.
nginx_everywhere() {
    cat <<CONFIG
    client_body_temp_path $dir/tmp/body;
    proxy_temp_path $dir/tmp/proxy;
    fastcgi_temp_path $dir/tmp/fastcgi;
    uwsgi_temp_path $dir/tmp/uwsgi;
    scgi_temp_path $dir/tmp/scgi;
    ssl_certificate $certs/good.pem;
    ssl_certificate_key $certs/good.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:one:1m;
    server { listen 127.0.0.1:$clear_h1; include $dir/locations.conf; }
    server { listen 127.0.0.1:$clear_h2 http2; include $dir/locations.conf; }
    server { listen 127.0.0.1:$tls ssl http2; include $dir/locations.conf; }
CONFIG
}

server_prepare() {
    local user="" module="" echo=""
    [ "$(id -u)" -ne 0 ] || user="user root;"
    if nginx_has_echo; then
        module="load_module $nginx_modules/ngx_http_echo_module.so;"
        echo='
        location = /echo { echo_read_request_body; echo_request_body; }
        location = /delay { echo_sleep 0.2; echo delayed; }
        location = /hang { echo_sleep 3600; echo late; }'
    fi
    mkdir -p "$dir/tmp"
    cat >"$dir/locations.conf" <<CONFIG
        root $dir/www;
        default_type application/octet-stream;
        location /octets/ { }
        location /chunked/ {
            alias $dir/www/octets/;
            sub_filter_types *;
            sub_filter 'a text that is nowhere in the pattern' '';
        }
        location /close/ {
            alias $dir/www/octets/;
            chunked_transfer_encoding off;
            sub_filter_types *;
            sub_filter 'a text that is nowhere in the pattern' '';
        }
        location /trailers/ {
            alias $dir/www/octets/;
            add_trailer x-check trailer;
            add_trailer x-uri \$uri;
        }
        location = /sink { proxy_pass http://127.0.0.1:$inner; }
        location = /small { client_max_body_size 1000; proxy_pass http://127.0.0.1:$inner; }
        location = /status/204 { return 204; }
        location = /status/304 { return 304; }
        location = /refuse { return 444; }
        location = /last { keepalive_timeout 0; alias $dir/www/octets/1000; }
        $echo
CONFIG
    cat >"$dir/nginx.conf" <<CONFIG
$module
$user
daemon off;
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/log/error.log info;
events { worker_connections 4096; }
http {
    access_log $dir/log/access.log;
    client_max_body_size 64m;
    keepalive_requests 1000000;
$(nginx_everywhere)
    server { listen 127.0.0.1:$inner; location / { return 200 "sunk\n"; } }
}
CONFIG
}

server_run() {
    run nginx "$(nginx_program)" -p "$dir" -e "$dir/log/error.log" -c "$dir/nginx.conf"
}
