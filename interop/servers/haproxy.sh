# SPDX-License-Identifier: MIT
#
# HAProxy in front of the Node.js server: what is seen of it is its own HTTP/1.1 and HTTP/2.

server_available() {
    command -v node >/dev/null && PATH=$PATH:/usr/sbin command -v haproxy >/dev/null &&
        PATH=$PATH:/usr/sbin haproxy -v | sed -n 's/HAProxy version \([^ ]*\).*/\1/p'
}

server_prepare() {
    cat "$certs/good.pem" "$certs/good.key" >"$dir/both.pem"
    cat >"$dir/haproxy.cfg" <<CONFIG
global
    maxconn 4096
    log stdout format raw local0
defaults
    mode http
    log global
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend all
    bind 127.0.0.1:$clear_h1
    bind 127.0.0.1:$clear_h2 proto h2
    bind 127.0.0.1:$tls ssl crt $dir/both.pem alpn h2,http/1.1
    http-request reject if { path /refuse }
    # HAProxy's own: an early answer of its backend gets lost with the upload that it ends.
    http-request deny deny_status 413 if { path /small } { req.hdr_val(content-length) gt 1000 }
    default_backend node
backend node
    server one 127.0.0.1:$inner
CONFIG
}

server_run() {
    run node node "$here/node/server.js" "$inner" 0 0 "$certs"
    run haproxy env PATH="$PATH:/usr/sbin" haproxy -db -f "$dir/haproxy.cfg"
}
