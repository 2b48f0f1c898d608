# SPDX-License-Identifier: MIT
#
# hypercorn, the ASGI server over Python's h11 and h2. Its clear ports take both protocols.

hypercorn_python() {
    local python
    for python in /usr/bin/python3 python3; do
        if "$python" -c 'import hypercorn' 2>/dev/null; then
            echo "$python"
            return 0
        fi
    done
    return 1
}

server_available() {
    local python
    python=$(hypercorn_python) && "$python" -c 'if True:
        from importlib.metadata import version
        print(version("hypercorn"))'
}

server_prepare() {
    :
}

server_run() {
    run hypercorn env PYTHONPATH="$here/python" "$(hypercorn_python)" -B -m hypercorn --insecure-bind "127.0.0.1:$clear_h1" \
        --insecure-bind "127.0.0.1:$clear_h2" --bind "127.0.0.1:$tls" \
        --certfile "$certs/good.pem" --keyfile "$certs/good.key" --keep-alive 3600 \
        --log-level warning app:app
}
