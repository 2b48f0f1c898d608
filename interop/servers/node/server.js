// SPDX-License-Identifier: MIT
//
// The cases of the interop suite in Node.js: one handler for http, http2 and https, because
// http2's compatibility layer has the same face.
//
//     node server.js CLEAR_H1 CLEAR_H2 TLS CERTS
'use strict';

const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const path = require('path');

const [clearH1, clearH2, tls, certs] = process.argv.slice(2);
const longest = 10000000;

// Octet i is i * 31 + (i >> 8) * 7 modulo 256, which repeats after 65,536.
const block = Buffer.alloc(65536);
for (let i = 0; i < block.length; i++) {
    block[i] = (i * 31 + (i >> 8) * 7) & 255;
}

function isH2(request) {
    return request.httpVersionMajor === 2;
}

// Writes `count` octets of the pattern as fast as they are taken, then calls `done`.
function pattern(response, count, done) {
    let at = 0;
    const go = () => {
        while (at < count) {
            const length = Math.min(block.length, count - at);
            at += length;
            if (!response.write(block.subarray(0, length)) && at < count) {
                response.once('drain', go);
                return;
            }
        }
        done();
    };
    go();
}

function counted(request, response, count) {
    response.writeHead(200, {
        'content-type': 'application/octet-stream',
        'content-length': count,
    });
    if (request.method === 'HEAD') {
        response.end();
    } else {
        pattern(response, count, () => response.end());
    }
}

function trailers(request, response, count) {
    response.writeHead(200, {'content-type': 'application/octet-stream', trailer: 'x-check, x-octets'});
    pattern(response, count, () => {
        response.addTrailers({'x-check': 'trailer', 'x-octets': String(count)});
        response.end();
    });
}

// Reads the whole request, then answers with what it was.
function sink(request, response) {
    let octets = 0;
    request.on('data', (piece) => {
        octets += piece.length;
    });
    request.on('end', () => {
        const answer = {octets, trailers: request.trailers};
        response.writeHead(200, {'content-type': 'application/json'});
        response.end(JSON.stringify(answer) + '\n');
    });
}

function echo(request, response) {
    const fields = {};
    if (request.headers['content-type'] !== undefined) {
        fields['content-type'] = request.headers['content-type'];
    }
    if (request.headers['content-length'] !== undefined) {
        fields['content-length'] = request.headers['content-length'];
    }
    response.writeHead(200, fields);
    request.pipe(response);
}

// For a proxy that takes no answer before it has sent the whole request.
function echoWhole(request, response) {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
        response.writeHead(200, {'content-type': 'application/octet-stream'});
        response.end(Buffer.concat(pieces));
    });
}

// A limit of 1,000 octets, enforced at the head: the body is not read.
function small(request, response) {
    if (Number(request.headers['content-length'] || Infinity) <= 1000) {
        sink(request, response);
        return;
    }
    response.writeHead(413, isH2(request) ? {} : {connection: 'close'});
    response.end('too large\n');
}

function hints(request, response) {
    const link = '</style.css>; rel=preload; as=style';
    if (response.writeEarlyHints === undefined) {
        response.writeHead(501);
        response.end();
        return;
    }
    response.writeEarlyHints({link});
    response.writeEarlyHints({link});
    text(response, 'hinted\n');
}

function text(response, words, fields) {
    response.writeHead(200, {'content-type': 'text/plain', ...fields});
    response.end(words);
}

function close(request, response, count) {
    if (isH2(request)) {
        response.writeHead(501);
        response.end();
        return;
    }
    response.useChunkedEncodingByDefault = false;
    response.writeHead(200, {'content-type': 'application/octet-stream', connection: 'close'});
    pattern(response, count, () => response.end());
}

function last(request, response) {
    if (isH2(request)) {
        // Without session.close(): that of Node.js 18 ends the connection before the response is written.
        request.stream.session.goaway(0, request.stream.id);
        text(response, 'last\n');
    } else {
        text(response, 'last\n', {connection: 'close'});
    }
}

const cases = {
    octets: counted,
    chunked(request, response, count) {
        response.writeHead(200, {'content-type': 'application/octet-stream'});
        pattern(response, count, () => response.end());
    },
    close,
    trailers,
    echo,
    'echo-whole': echoWhole,
    sink,
    'trailers-echo': sink,
    small,
    hints,
    last,
    status(request, response, code) {
        response.writeHead(code);
        response.end();
    },
    delay(request, response) {
        setTimeout(() => text(response, 'delayed\n'), 200);
    },
    hang() {},
    headers(request, response) {
        text(response, JSON.stringify({method: request.method, fields: request.rawHeaders}) + '\n');
    },
    refuse(request, response) {
        if (isH2(request)) {
            response.stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
        } else {
            request.socket.destroy();
        }
    },
};

function serve(request, response) {
    const [, name, number] = request.url.split('?')[0].split('/');
    response.on('error', () => {});
    request.on('error', () => {});
    if (Object.prototype.hasOwnProperty.call(cases, name) && !(Number(number) > longest)) {
        cases[name](request, response, Number(number || 0));
    } else {
        response.writeHead(404);
        response.end();
    }
}

function listen(server, port) {
    server.on('request', serve);
    server.on('sessionError', () => {});
    server.on('clientError', (error, socket) => socket.destroy());
    server.on('tlsClientError', () => {});
    server.keepAliveTimeout = 60000;
    server.listen(Number(port), '127.0.0.1');
}

listen(http.createServer(), clearH1);
listen(http2.createServer(), clearH2);
listen(
    http2.createSecureServer({
        allowHTTP1: true,
        cert: fs.readFileSync(path.join(certs, 'good.pem')),
        key: fs.readFileSync(path.join(certs, 'good.key')),
    }),
    tls,
);
