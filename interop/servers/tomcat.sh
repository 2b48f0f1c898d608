# SPDX-License-Identifier: MIT
#
# Tomcat: static files and small JSP pages. Its clear ports take HTTP/1.1 and HTTP/2.

tomcat_home() {
    local home
    for home in /usr/share/tomcat1*; do
        if [ -f "$home/bin/bootstrap.jar" ]; then
            echo "$home"
            return 0
        fi
    done
    return 1
}

server_available() {
    local home
    command -v java >/dev/null && home=$(tomcat_home) &&
        java -cp "$home/lib/catalina.jar" org.apache.catalina.util.ServerInfo |
        sed -n 's/^Server number: *//p'
}

tomcat_connector() {
    echo "<Connector address=\"127.0.0.1\" port=\"$1\" maxPostSize=\"-1\" maxSwallowSize=\"-1\"
        keepAliveTimeout=\"3600000\" maxKeepAliveRequests=\"-1\" ${2:-}>
        <UpgradeProtocol className=\"org.apache.coyote.http2.Http2Protocol\"
            overheadCountFactor=\"0\" overheadResetFactor=\"0\"/>${3:-}</Connector>"
}

server_prepare() {
    mkdir -p "$dir/conf" "$dir/temp" "$dir/work" "$dir/www/WEB-INF"
    cp "$here/tomcat/web.xml" "$dir/www/WEB-INF/web.xml"
    cp "$here"/tomcat/*.jsp "$dir/www/"
    {
        echo "<Server port=\"-1\"><Service name=\"Catalina\">"
        tomcat_connector "$clear_h1"
        tomcat_connector "$clear_h2"
        tomcat_connector "$tls" 'SSLEnabled="true" scheme="https" secure="true"' \
            "<SSLHostConfig protocols=\"TLSv1.2+TLSv1.3\"><Certificate
                certificateFile=\"$certs/good.pem\" certificateKeyFile=\"$certs/good.key\"/>
             </SSLHostConfig>"
        echo "<Engine name=\"Catalina\" defaultHost=\"localhost\"><Host name=\"localhost\"
            appBase=\"none\" autoDeploy=\"false\" deployOnStartup=\"false\">
            <Context path=\"\" docBase=\"$dir/www\"/></Host></Engine></Service></Server>"
    } >"$dir/conf/server.xml"
    cp "$(tomcat_home)/etc/web.xml" "$dir/conf/web.xml"
}

server_run() {
    local home
    home=$(tomcat_home)
    run tomcat java -Xmx256m "-Dcatalina.home=$home" "-Dcatalina.base=$dir" \
        "-Djava.io.tmpdir=$dir/temp" -cp "$home/bin/bootstrap.jar:$home/bin/tomcat-juli.jar" \
        org.apache.catalina.startup.Bootstrap start
}
