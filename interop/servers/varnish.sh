# SPDX-License-Identifier: MIT
#
# Varnish in front of the Node.js server, passing everything: what is seen of it is its own
# HTTP/1.1 and HTTP/2. It has no TLS.

server_available() {
    command -v node >/dev/null && PATH=$PATH:/usr/sbin command -v varnishd >/dev/null &&
        PATH=$PATH:/usr/sbin varnishd -V 2>&1 | sed -n 's/.*varnish-\([0-9.]*\).*/\1/p'
}

server_prepare() {
    tls=
    cat >"$dir/default.vcl" <<CONFIG
vcl 4.1;
backend node {
    .host = "127.0.0.1";
    .port = "$inner";
    .first_byte_timeout = 3600s;
}
sub vcl_recv {
    return (pass);
}
CONFIG
}

server_run() {
    run node node "$here/node/server.js" "$inner" 0 0 "$certs"
    run varnish env PATH="$PATH:/usr/sbin" varnishd -F -j none -n "$dir/varnish" \
        -a "127.0.0.1:$clear_h1" -a "127.0.0.1:$clear_h2" -T none -p feature=+http2 \
        -s malloc,64m -f "$dir/default.vcl"
}
