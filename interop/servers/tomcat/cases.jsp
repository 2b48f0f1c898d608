<%-- SPDX-License-Identifier: MIT --%><%@ page session="false" trimDirectiveWhitespaces="true"
    buffer="none" import="java.io.*,java.util.*" %><%!

static final byte[] BLOCK = new byte[65536];
static {
    for (int i = 0; i < BLOCK.length; i++) {
        BLOCK[i] = (byte) (i * 31 + (i >> 8) * 7);
    }
}

static void pattern(OutputStream to, int count) throws IOException {
    to.flush();
    while (count > 0) {
        int length = Math.min(count, BLOCK.length);
        to.write(BLOCK, 0, length);
        count -= length;
    }
}

static void echo(InputStream from, OutputStream to) throws IOException {
    byte[] piece = new byte[16384];
    int length;
    while ((length = from.read(piece)) >= 0) {
        to.write(piece, 0, length);
    }
}
%><%
String name = request.getServletPath().substring(1);
String rest = request.getPathInfo();
int number = rest == null ? 0 : Integer.parseInt(rest.substring(1));
response.setContentType("application/octet-stream");
OutputStream to = response.getOutputStream();
switch (name) {
case "trailers":
    response.setHeader("Trailer", "x-check, x-octets");
    response.setTrailerFields(() -> Map.of("x-check", "trailer", "x-octets", "" + number));
    pattern(to, number);
    break;
case "chunked":
    pattern(to, number);
    break;
case "echo":
    echo(request.getInputStream(), to);
    break;
case "sink":
    echo(request.getInputStream(), OutputStream.nullOutputStream());
    to.write("sunk\n".getBytes());
    break;
case "small":
    if (request.getContentLengthLong() > 1000) {
        response.setStatus(413);
        to.write("too large\n".getBytes());
    } else {
        echo(request.getInputStream(), to);
    }
    break;
case "delay":
    Thread.sleep(200);
    to.write("delayed\n".getBytes());
    break;
case "hang":
    Thread.sleep(3600000);
    break;
case "status":
    response.setStatus(number);
    break;
case "last":
    response.setHeader("Connection", "close");
    to.write("last\n".getBytes());
    break;
}
out = pageContext.pushBody();
%>
