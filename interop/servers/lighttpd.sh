# SPDX-License-Identifier: MIT
#
# lighttpd: files, and CGI programs for the rest. Its clear ports take both protocols.

server_available() {
    PATH=$PATH:/usr/sbin command -v lighttpd >/dev/null &&
        PATH=$PATH:/usr/sbin lighttpd -v | sed -n 's/^lighttpd\/\([^ ]*\).*/\1/p'
}

lighttpd_cgi() {
    local name=$1
    shift
    {
        echo '#!/bin/sh'
        printf '%s\n' "$@"
    } >"$dir/cgi/$name"
    chmod 755 "$dir/cgi/$name"
}

server_prepare() {
    mkdir -p "$dir/cgi" "$dir/tmp"
    lighttpd_cgi echo 'printf "Content-Type: %s\r\n\r\n" "${CONTENT_TYPE:-text/plain}"' 'exec cat'
    lighttpd_cgi sink 'cat >/dev/null' 'printf "Content-Type: text/plain\r\n\r\nsunk\n"'
    lighttpd_cgi 204 'printf "Status: 204\r\n\r\n"'
    lighttpd_cgi 304 'printf "Status: 304\r\n\r\n"'
    lighttpd_cgi delay 'sleep 0.2' 'printf "Content-Type: text/plain\r\n\r\ndelayed\n"'
    lighttpd_cgi hang 'exec sleep 3600'
    lighttpd_cgi stream 'printf "Content-Type: application/octet-stream\r\n\r\n"' \
        "cat $dir/www/octets/\"\${PATH_INFO##*/}\""
    cat >"$dir/lighttpd.conf" <<CONFIG
server.modules = ("mod_alias", "mod_cgi", "mod_openssl", "mod_setenv")
server.document-root = "$dir/www"
server.errorlog = "$dir/log/error.log"
server.pid-file = "$dir/lighttpd.pid"
server.upload-dirs = ("$dir/tmp")
server.bind = "127.0.0.1"
server.port = $clear_h1
server.stream-response-body = 2
server.max-keep-alive-requests = 1000000
server.max-request-size = 65536
server.feature-flags = ("server.h2proto" => "enable", "server.h2c" => "enable")
mimetype.assign = ("" => "application/octet-stream")
alias.url = (
    "/echo" => "$dir/cgi/echo",
    "/sink" => "$dir/cgi/sink",
    "/small" => "$dir/cgi/sink",
    "/delay" => "$dir/cgi/delay",
    "/hang" => "$dir/cgi/hang",
    "/last" => "$dir/www/octets/1000",
    "/status/204" => "$dir/cgi/204",
    "/status/304" => "$dir/cgi/304",
    "/chunked" => "$dir/cgi/stream"
)
\$HTTP["url"] =~ "^/(echo|sink|small|delay|hang|status|chunked)" {
    cgi.assign = ("" => "")
    cgi.execute-x-only = "enable"
}
\$HTTP["url"] =~ "^/small" { server.max-request-size = 1 }
\$HTTP["url"] =~ "^/last" { server.max-keep-alive-requests = 0 }
\$SERVER["socket"] == "127.0.0.1:$clear_h2" { }
\$SERVER["socket"] == "127.0.0.1:$tls" {
    ssl.engine = "enable"
    ssl.pemfile = "$certs/good.pem"
    ssl.privkey = "$certs/good.key"
}
CONFIG
}

server_run() {
    run lighttpd env PATH="$PATH:/usr/sbin" lighttpd -D -f "$dir/lighttpd.conf"
}
