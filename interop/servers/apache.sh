# SPDX-License-Identifier: MIT
#
# Apache httpd with the event MPM. Small CGI programs do what no module does
# (mod_reflector, which would echo, answers nothing on HTTP/2).
# The clear port takes HTTP/1.1, an HTTP/1.1 upgrade and HTTP/2 prior knowledge alike, so it is
# given a second port only to have the same face as the others.

apache_program() {
    PATH=$PATH:/usr/sbin command -v apache2 || PATH=$PATH:/usr/sbin command -v httpd
}

apache_modules() {
    local place
    for place in /usr/lib/apache2/modules /usr/lib64/httpd/modules /usr/lib/httpd/modules; do
        if [ -f "$place/mod_http2.so" ]; then
            echo "$place"
            return 0
        fi
    done
    return 1
}

server_available() {
    local program
    program=$(apache_program) && apache_modules >/dev/null &&
        "$program" -v | sed -n 's/.*Apache\/\([0-9.]*\).*/\1/p'
}

# Apache refuses to serve as root, so what it serves must be reachable by www-data. Sets $place to
# $dir, or else to a copy in a public directory, which `stop` removes.
apache_place() {
    place=$dir
    chmod 755 "$dir" "$dir/www" "$dir/www/octets"
    [ "$(id -u)" -eq 0 ] || return 0
    setpriv --reuid=www-data --regid=www-data --clear-groups test -r "$dir/www/octets/0" &&
        return 0
    place=$(mktemp -d /tmp/weir-apache.XXXXXX)
    chmod 755 "$place"
    cp -r "$dir/www" "$place/"
    mkdir "$place/log"
    echo "$place" >>"$dir/remove"
}

# cgi NAME LINE...: a program that keeps its whole input in $body and then runs the lines.
apache_cgi() {
    local name=$1
    shift
    {
        echo '#!/bin/sh'
        echo 'body=$(mktemp)'
        echo 'trap "rm -f $body" EXIT'
        echo 'cat >"$body"'
        printf '%s\n' "$@"
    } >"$place/cgi/$name"
    chmod 755 "$place/cgi/$name"
}

server_prepare() {
    local modules module user="" hints="" place
    modules=$(apache_modules)
    [ "$(id -u)" -ne 0 ] || user="User www-data
Group www-data"
    if printf '2.4.58\n%s\n' "$(server_available)" | sort -VC; then # since when it can say one
        hints='<Location /hints>
    H2EarlyHint Link "</style.css>; rel=preload; as=style"
</Location>
H2EarlyHints on'
    fi
    apache_place
    mkdir -p "$place/cgi" "$place/run"
    apache_cgi echo 'printf "Content-Type: %s\r\n\r\n" "${CONTENT_TYPE:-text/plain}"' 'cat "$body"'
    apache_cgi sink 'printf "Content-Type: text/plain\r\n\r\nsunk\n"'
    apache_cgi 204 'printf "Status: 204 No Content\r\n\r\n"'
    apache_cgi 304 'printf "Status: 304 Not Modified\r\n\r\n"'
    apache_cgi delay 'sleep 0.2' 'printf "Content-Type: text/plain\r\n\r\ndelayed\n"'
    apache_cgi hang 'exec sleep 3600'
    apache_cgi hints 'printf "Content-Type: text/plain\r\n\r\nhinted\n"'
    apache_cgi stream 'printf "Content-Type: application/octet-stream\r\n\r\n"' \
        "cat $place/www/octets/\"\${PATH_INFO##*/}\""
    {
        for module in mpm_event authz_core unixd mime alias cgid env setenvif headers ssl http2 \
            socache_shmcb log_config; do
            # A distribution may have built some of them in.
            [ ! -f "$modules/mod_$module.so" ] ||
                echo "LoadModule ${module}_module $modules/mod_$module.so"
        done
        cat <<CONFIG
ServerRoot $place
ServerName localhost
PidFile $place/run/httpd.pid
DefaultRuntimeDir $place/run
ErrorLog $dir/log/error.log
LogLevel warn
TypesConfig /dev/null
$user
ScriptSock $place/run/cgid
StartServers 1
ServerLimit 4
ThreadsPerChild 64
MaxRequestWorkers 256
MaxKeepAliveRequests 0
KeepAliveTimeout 60
H2MaxWorkers 64
Listen 127.0.0.1:$clear_h1
Listen 127.0.0.1:$clear_h2
Listen 127.0.0.1:$tls
Protocols h2 h2c http/1.1
DocumentRoot $place/www
<Directory $place>
    Require all granted
</Directory>
<Directory $place/www/octets>
    ForceType application/octet-stream
</Directory>
ScriptAlias /echo $place/cgi/echo
ScriptAlias /sink $place/cgi/sink
ScriptAlias /small $place/cgi/sink
ScriptAlias /delay $place/cgi/delay
ScriptAlias /hang $place/cgi/hang
ScriptAlias /hints $place/cgi/hints
ScriptAlias /status/204 $place/cgi/204
ScriptAlias /status/304 $place/cgi/304
ScriptAlias /chunked $place/cgi/stream
ScriptAlias /close $place/cgi/stream
$hints
<Location /small>
    LimitRequestBody 1000
</Location>
Alias /last $place/www/octets/1000
SetEnvIf Request_URI ^/last nokeepalive
SetEnvIf Request_URI ^/close nokeepalive downgrade-1.0 force-response-1.0
SSLSessionCache shmcb:$place/run/ssl
<VirtualHost 127.0.0.1:$tls>
    SSLEngine on
    SSLCertificateFile $certs/good.pem
    SSLCertificateKeyFile $certs/good.key
    SSLProtocol -all +TLSv1.2 +TLSv1.3
</VirtualHost>
CONFIG
    } >"$dir/httpd.conf"
}

server_run() {
    run httpd "$(apache_program)" -f "$dir/httpd.conf" -DFOREGROUND
}
