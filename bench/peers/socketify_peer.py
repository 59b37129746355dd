"""socketify, which is µWebSockets. python socketify_peer.py PORT"""

import json
import sys

from socketify import App, CompressOptions, OpCode

app = App()
counts = {}


def publish(socket, message, opcode):
    app.publish("t", message, OpCode.TEXT)


def like(socket, message, opcode):
    wish = json.loads(message)
    if wish["op"] == "like":
        n = counts[wish["item"]] = counts.get(wish["item"], 0) + 1
        socket.send('{"ok":1,"n":%d}' % n, OpCode.TEXT)


def options(**more):
    return {"compression": CompressOptions.DISABLED, "max_payload_length": 16384, "idle_timeout": 120, **more}


app.ws("/sub", options(open=lambda socket: socket.subscribe("t"), message=lambda socket, message, opcode: None))
app.ws("/pub", options(message=publish))
app.ws("/like", options(message=like))
app.listen(int(sys.argv[1]), lambda config: None)
app.run()
