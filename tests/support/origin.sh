# SPDX-License-Identifier: MIT
#
# Sourced by suites that are shell programs: the embedded origin as a child, with the certificate of
# the test PKI. It ends when the shell does.

# origin_start ORIGIN CERTS PKI [OPTION...]: CERTS makes the certificates in the folder PKI. Sets the
# ports `clear`, `tls` and `mute`.
origin_start() {
    local program=$1 certs=$2 pki=$3 ready
    shift 3
    "$certs" "$pki" || return 1
    coproc embedded { exec "$program" --port 0 --tls-port 0 --mute-port 0 --cert "$pki/good.pem" \
        --key "$pki/good.key" "$@"; }
    read -r -t 20 ready <&"${embedded[0]}" || return 1
    clear=${ready#*clear=} clear=${clear%% *}
    tls=${ready#*tls=} tls=${tls%% *}
    mute=${ready#*mute=} mute=${mute%% *}
}

origin_stop() { [ -z "${embedded_PID:-}" ] || kill "$embedded_PID"; }
