# SPDX-License-Identifier: MIT
#
# Go's net/http. The clear HTTP/2 port needs the package golang.org/x/net/http2/h2c where Debian
# installs it; without it there is none.

go_sources=/usr/share/gocode

server_available() {
    command -v go >/dev/null && go version | sed 's/.*go\([0-9.]*\).*/\1/'
}

server_prepare() {
    local tags=
    if [ -d $go_sources/src/golang.org/x/net/http2/h2c ]; then
        tags=h2c
    else
        clear_h2=
    fi
    # The first build compiles the standard library, which takes a while; then it is cached.
    if [ ! -x "$dir/server" ]; then
        (cd "$here/go" && GO111MODULE=off GOPATH=$go_sources GOFLAGS=-trimpath \
            go build -tags "$tags" -o "$dir/server" .) || die "the Go server does not build"
    fi
}

server_run() {
    run go "$dir/server" "$clear_h1" "${clear_h2:-0}" "$tls" "$certs"
}
