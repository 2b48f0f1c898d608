# SPDX-License-Identifier: MIT
#
# Caddy: files, and what its respond directive can say. It has nothing that reads a body and
# answers by itself, so echo is a proxy to an inner site that answers with the body.

server_available() {
    command -v caddy >/dev/null && caddy version | sed 's/^v//; s/ .*//'
}

server_prepare() {
    cat >"$dir/Caddyfile" <<CONFIG
{
    admin off
    auto_https off
    storage file_system $dir/storage
    servers 127.0.0.1:$clear_h1 {
        protocols h1
    }
    servers 127.0.0.1:$clear_h2 {
        protocols h1 h2 h2c
    }
    servers 127.0.0.1:$tls {
        protocols h1 h2
    }
}
(cases) {
    bind 127.0.0.1
    root * $dir/www
    handle /octets/* {
        file_server
    }
    handle /status/204 {
        respond 204
    }
    handle /status/304 {
        respond 304
    }
    handle /echo {
        reverse_proxy 127.0.0.1:$inner
    }
    handle /refuse {
        abort
    }
    handle /last {
        header connection close
        respond "last"
    }
}
http://127.0.0.1:$clear_h1, http://localhost:$clear_h1, http://127.0.0.1:$clear_h2, http://localhost:$clear_h2 {
    import cases
}
https://127.0.0.1:$tls, https://localhost:$tls {
    tls $certs/good.pem $certs/good.key
    import cases
}
http://:$inner {
    bind 127.0.0.1
    respond "{http.request.body}"
}
CONFIG
}

server_run() {
    run caddy env XDG_DATA_HOME="$dir" XDG_CONFIG_HOME="$dir" caddy run --adapter caddyfile \
        --config "$dir/Caddyfile"
}
