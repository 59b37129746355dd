"""python-socketio on aiohttp and uvloop. python socketio_peer.py PORT"""

import sys
from functools import partial

import socketio
import uvloop
from aiohttp import web

# With the headers of a browser it would compress, which no other peer does here.
web.WebSocketResponse = partial(web.WebSocketResponse, compress=False)

counts = {}
server = socketio.AsyncServer(
    async_mode="aiohttp", cors_allowed_origins="*", logger=False, engineio_logger=False, http_compression=False
)


@server.on("like")
async def like(sid, wish):
    n = counts[wish["item"]] = counts.get(wish["item"], 0) + 1
    return {"ok": 1, "n": n}


@server.on("pub")
async def publish(sid, message):
    await server.emit("c", message)


app = web.Application()
server.attach(app)
web.run_app(
    app, host="127.0.0.1", port=int(sys.argv[1]), loop=uvloop.new_event_loop(), access_log=None, print=None,
    backlog=4096,
)  # fmt: skip
