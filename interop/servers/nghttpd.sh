# SPDX-License-Identifier: MIT
#
# nghttpd, nghttp2's own server: HTTP/2 only. One process serves a clear port, one TLS.

server_available() {
    command -v nghttpd >/dev/null && nghttpd --version | sed 's/.*nghttp2\///'
}

server_prepare() {
    clear_h1=
    ln -sfn ../www/octets "$dir/www/trailers" # every answer of nghttpd has the trailers
}

server_run() {
    local common=(-a 127.0.0.1 -d "$dir/www" --echo-upload --max-concurrent-streams=100
        --trailer "x-check: trailer" --trailer "x-name: nghttpd")
    run clear nghttpd "${common[@]}" --no-tls "$clear_h2"
    run tls nghttpd "${common[@]}" "$tls" "$certs/good.key" "$certs/good.pem"
}
