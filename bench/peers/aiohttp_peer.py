"""aiohttp as its documentation shows it, on uvloop. python aiohttp_peer.py PORT"""

import json
import sys

import uvloop
from aiohttp import web

subscribers = set()
counts = {}


async def subscribe(request):
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    subscribers.add(socket)
    try:
        async for _ in socket:
            pass
    finally:
        subscribers.discard(socket)
    return socket


async def publish(request):
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        for subscriber in list(subscribers):
            await subscriber.send_str(message.data)
    return socket


async def like(request):
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        wish = json.loads(message.data)
        if wish["op"] == "like":
            n = counts[wish["item"]] = counts.get(wish["item"], 0) + 1
            await socket.send_str('{"ok":1,"n":%d}' % n)
    return socket


app = web.Application()
app.add_routes([web.get("/sub", subscribe), web.get("/pub", publish), web.get("/like", like)])
web.run_app(
    app, host="127.0.0.1", port=int(sys.argv[1]), loop=uvloop.new_event_loop(), access_log=None, print=None,
    backlog=4096,
)  # fmt: skip
