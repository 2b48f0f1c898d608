# SPDX-License-Identifier: MIT
"""The cases of the interop suite as an ASGI application, for hypercorn."""

import asyncio
import json

BLOCK = bytes((i * 31 + (i >> 8) * 7) & 255 for i in range(65536))
LONGEST = 10000000


async def body_of(receive):
    """The pieces of the request's body."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def start(send, status, *fields):
    headers = [(name.encode(), str(value).encode()) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def end(send, octets=b""):
    await send({"type": "http.response.body", "body": octets})


async def text(send, words):
    await start(send, 200, ("content-type", "text/plain"), ("content-length", len(words)))
    await end(send, words.encode())


async def pattern(scope, send, count, *fields):
    await start(send, 200, ("content-type", "application/octet-stream"), *fields)
    for at in range(0, count if scope["method"] != "HEAD" else 0, len(BLOCK)):
        piece = BLOCK[: min(len(BLOCK), count - at)]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await end(send)


async def octets(scope, receive, send, count):
    await pattern(scope, send, count, ("content-length", count))


async def chunked(scope, receive, send, count):
    await pattern(scope, send, count)


async def echo(scope, receive, send, count):
    kept = [(n.decode(), v.decode()) for n, v in scope["headers"] if n == b"content-type"]
    await start(send, 200, *kept)
    async for piece in body_of(receive):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await end(send)


async def sink(scope, receive, send, count):
    total = 0
    async for piece in body_of(receive):
        total += len(piece)
    await text(send, json.dumps({"octets": total}) + "\n")


async def delay(scope, receive, send, count):
    await asyncio.sleep(0.2)
    await text(send, "delayed\n")


async def hang(scope, receive, send, count):
    await asyncio.sleep(3600)


async def status(scope, receive, send, count):
    await start(send, count)
    await end(send)


CASES = {
    "octets": octets,
    "chunked": chunked,
    "echo": echo,
    "sink": sink,
    "delay": delay,
    "hang": hang,
    "status": status,
}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    parts = scope["path"].split("/")
    number = int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else 0
    if parts[1] not in ("echo", "sink"):
        async for _ in body_of(receive):  # hypercorn ends a connection whose request was not read
            pass
    if parts[1] in CASES and number <= LONGEST:
        await CASES[parts[1]](scope, receive, send, number)
    else:
        await start(send, 404)
        await end(send)
