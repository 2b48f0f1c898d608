# SPDX-License-Identifier: MIT
#
# Node.js: node/server.js answers every case that its http and http2 modules can.

server_available() {
    local program
    program=$(command -v node || command -v nodejs) && "$program" --version | sed 's/^v//'
}

server_prepare() {
    :
}

server_run() {
    run node "$(command -v node || command -v nodejs)" "$here/node/server.js" "$clear_h1" \
        "$clear_h2" "$tls" "$certs"
}
