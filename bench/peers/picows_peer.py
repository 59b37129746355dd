"""picows on uvloop. python picows_peer.py PORT"""

import asyncio
import json
import sys

import uvloop
from picows import WSListener, WSMsgType, ws_create_server

subscribers = set()
counts = {}


class Subscriber(WSListener):
    def on_ws_connected(self, transport):
        subscribers.add(transport)

    def on_ws_disconnected(self, transport):
        subscribers.discard(transport)


class Publisher(WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.TEXT:
            message = frame.get_payload_as_bytes()
            for subscriber in subscribers:
                subscriber.send(WSMsgType.TEXT, message)


class Presser(WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.TEXT:
            wish = json.loads(frame.get_payload_as_bytes())
            if wish["op"] == "like":
                n = counts[wish["item"]] = counts.get(wish["item"], 0) + 1
                transport.send(WSMsgType.TEXT, b'{"ok":1,"n":%d}' % n)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()


def listener_for(request):
    path = request.path if isinstance(request.path, str) else request.path.decode()
    return {"/sub": Subscriber, "/pub": Publisher, "/like": Presser}[path]()


async def main():
    server = await ws_create_server(listener_for, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


asyncio.run(main(), loop_factory=uvloop.new_event_loop) if sys.version_info >= (3, 12) else uvloop.run(main())
