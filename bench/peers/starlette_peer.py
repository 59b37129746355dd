"""starlette on uvicorn with uvloop and httptools. python starlette_peer.py PORT"""

import json
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

subscribers = set()
counts = {}


async def subscribe(socket):
    await socket.accept()
    subscribers.add(socket)
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        subscribers.discard(socket)


async def publish(socket):
    await socket.accept()
    try:
        while True:
            message = await socket.receive_text()
            for subscriber in list(subscribers):
                await subscriber.send_text(message)
    except WebSocketDisconnect:
        pass


async def like(socket):
    await socket.accept()
    try:
        while True:
            wish = json.loads(await socket.receive_text())
            if wish["op"] == "like":
                n = counts[wish["item"]] = counts.get(wish["item"], 0) + 1
                await socket.send_text('{"ok":1,"n":%d}' % n)
    except WebSocketDisconnect:
        pass


routes = [WebSocketRoute("/sub", subscribe), WebSocketRoute("/pub", publish), WebSocketRoute("/like", like)]
uvicorn.run(
    Starlette(routes=routes), host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools",
    ws_per_message_deflate=False, ws_ping_interval=None, log_level="warning", backlog=4096,
)  # fmt: skip
