"""A stand-in for a node, for tests of nginx alone: it answers every request with what it was sent.

    python -m tests.support.echo_node NAME PORT

`/live` accepts any handshake and says its name in the first frame; with `?refuse` it answers 403 instead.
`/readyz` answers 200 or, between `POST /unready` and `POST /ready`, 503. Anywhere else `?endless` gets an answer
that does not end, and `?header=N` a policy of N signs with it.
"""

import asyncio
import sys

from aiohttp import web


async def _live(request: web.Request) -> web.StreamResponse:
    if "refuse" in request.query:
        return web.Response(status=403, text="refused")
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_json({"type": "hello", "node": sys.argv[1], "token": "token", "version": 1})
    async for _ in socket:
        pass
    return socket


_is_ready = web.AppKey("is_ready", asyncio.Event)


async def _readyz(request: web.Request) -> web.Response:
    return web.Response(status=200 if request.app[_is_ready].is_set() else 503)


async def _ready(request: web.Request) -> web.Response:
    request.app[_is_ready].set()
    return web.Response()


async def _unready(request: web.Request) -> web.Response:
    request.app[_is_ready].clear()
    return web.Response()


async def _endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"data\n")
    await asyncio.Event().wait()  # until whoever asked has gone
    return answer


async def _echo(request: web.Request) -> web.StreamResponse:
    if "endless" in request.query:
        return await _endless(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    seen = {
        "node": sys.argv[1],
        "method": request.method,
        "path": request.raw_path,
        "headers": headers,
        "body": await request.text(),
    }
    policy = "x" * int(request.query.get("header", 0))
    return web.json_response(seen, headers={"Content-Security-Policy": policy} if policy else {})


if __name__ == "__main__":
    app = web.Application()
    app[_is_ready] = asyncio.Event()
    app[_is_ready].set()
    app.add_routes([web.get("/live", _live), web.get("/readyz", _readyz)])
    app.add_routes(
        [web.post("/ready", _ready), web.post("/unready", _unready), web.route("*", "/{path:.*}", _echo)]
    )
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]), print=None, shutdown_timeout=0.1)
