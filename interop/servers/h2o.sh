# SPDX-License-Identifier: MIT
#
# h2o: files, and mruby handlers for what needs a program. Its clear ports take both protocols.

server_available() {
    command -v h2o >/dev/null && h2o -v | sed -n 's/^h2o version //p'
}

server_prepare() {
    local user=
    [ "$(id -u)" -ne 0 ] || user="user: root"
    cat >"$dir/h2o.conf" <<CONFIG
$user
pid-file: $dir/h2o.pid
error-log: $dir/log/error.log
access-log: $dir/log/access.log
temp-buffer-path: $dir
limit-request-body: 67108864
http2-idle-timeout: 3600
listen:
  host: 127.0.0.1
  port: $clear_h1
listen:
  host: 127.0.0.1
  port: $clear_h2
listen:
  host: 127.0.0.1
  port: $tls
  ssl:
    certificate-file: $certs/good.pem
    key-file: $certs/good.key
    minimum-version: TLSv1.2
hosts:
  default:
    paths:
      /octets:
        file.dir: $dir/www/octets
        file.mime.setdefaulttype: application/octet-stream
        file.send-compressed: OFF
      /echo:
        mruby.handler: |
          Proc.new do |env|
            type = env["CONTENT_TYPE"] || "text/plain"
            input = env["rack.input"]
            [200, {"content-type" => type}, [input ? input.read : ""]]
          end
      /sink:
        mruby.handler: |
          Proc.new { |env| [200, {"content-type" => "text/plain"}, ["sunk\n"]] }
      /status/204:
        mruby.handler: |
          Proc.new { |env| [204, {}, []] }
      /status/304:
        mruby.handler: |
          Proc.new { |env| [304, {}, []] }
      /chunked:
        mruby.handler: |
          Proc.new do |env|
            count = env["PATH_INFO"].gsub("/", "").to_i
            class Streamed
              def initialize(count)
                @count = count
              end
              def each
                at = 0
                while at < @count
                  length = [@count - at, 4096].min
                  yield (at...(at + length)).map { |i| ((i * 31 + (i >> 8) * 7) & 255).chr }.join
                  at += length
                end
              end
            end
            [200, {"content-type" => "application/octet-stream"}, Streamed.new(count)]
          end
CONFIG
}

server_run() {
    run h2o h2o -c "$dir/h2o.conf"
}
