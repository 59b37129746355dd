"""Nodes that speak the browser protocol (docs/protocol.md) over dicts, inside the test's own process.

A `FakeCluster` holds the tallies; its `FakeNode`s are HTTP servers over it, and do what a test tells them: stay
silent, keep answers back, refuse, leave. They are as strict as a node where a client could be wrong: a press
before a token was said, a tally out of bounds, a frame over 4 KiB fail the test.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

Frame = dict[str, Any]
Owner = tuple[str, str, str]


class FakeCluster:
    """The tallies all its nodes share, and every mistake a client made."""

    def __init__(self) -> None:
        self.nodes: list[FakeNode] = []
        self.tallies: dict[Owner, int] = {}
        self.gens: Counter[str] = Counter()
        self.mistakes: list[str] = []
        self.known_tokens: set[str] = set()
        self.erased: set[str] = set()
        self.frozen: set[str] = set()
        self.admin_token = ""
        self._tokens = 0

    async def start(self, count: int = 1) -> "FakeNode":
        """So many nodes more; returns the first of all."""
        for _ in range(count):
            node = FakeNode(self, f"node{len(self.nodes) + 1}")
            self.nodes.append(node)
            await node.start()
        return self.nodes[0]

    async def end(self) -> None:
        for node in self.nodes:
            await node.stop()

    def new_token(self) -> str:
        self._tokens += 1
        token = f"visitor{self._tokens}"
        self.known_tokens.add(token)
        return token

    def count(self, item: str) -> int:
        """What every node shows."""
        own = [n for (each, _, _), n in self.tallies.items() if each == item]
        return sum(n % 2 for n in own) if item.startswith("once:") else sum(own)

    def reset(self, item: str) -> None:
        self.gens[item] += 1
        self.tallies = {owner: n for owner, n in self.tallies.items() if owner[0] != item}

    def erase(self, token: str) -> None:
        self.known_tokens.discard(token)
        self.erased.add(token)
        self.tallies = {owner: n for owner, n in self.tallies.items() if owner[1] != token}


class FakeNode:
    """One node. `before_press` may return a frame to answer instead of taking the press."""

    def __init__(self, cluster: FakeCluster, name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.address = ""
        self.received: list[Frame] = []
        self.visits = 0
        self.is_silent = False
        self.keeps_last_answers = False
        self.is_deaf = False
        self.wanted = 1
        self.retry_after = 0.1
        # How many presses the next frames are granted; then all.
        self.grants: Iterator[int] = iter(())
        self.before_press: Callable[[Frame], Frame | None] = lambda frame: None
        self.nodes_answer: Callable[[], Any] = self._nodes
        # Of the next resets and erasures: done, but the answer does not arrive; and how many copies they find.
        self.lost_answers = 0
        self.copies: Iterator[int] = iter(())
        self._sockets: list[tuple[web.WebSocketResponse, dict[str, Any]]] = []

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/live", self._live)
        app.router.add_get("/api/nodes", self._nodes_request)
        app.router.add_get("/api/items/{item}", self._item_request)
        app.router.add_post("/api/admin/items/{item}/reset", self._reset_request)
        app.router.add_post("/api/admin/items/{item}/{verb:freeze|unfreeze}", self._freeze_request)
        app.router.add_delete("/api/visitor", self._erase_request)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        port = int(self.address.rpartition(":")[2]) if self.address else 0
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """As a killed process does: every connection breaks without a close frame."""
        for socket, _ in self._sockets:
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()
        self._sockets.clear()
        await self._runner.cleanup()

    async def close_all(self, code: int, reason: str = "") -> None:
        for socket, _ in list(self._sockets):
            await socket.close(code=code, message=reason.encode())

    async def say(self, frame: Frame) -> None:
        """To everybody connected."""
        for socket, _ in list(self._sockets):
            await socket.send_str(json.dumps(frame))

    def pressed(self) -> list[Frame]:
        return [frame for frame in self.received if frame["type"] == "press"]

    def _nodes(self) -> Any:
        return {
            "nodes": [
                {"name": node.name, "state": "ready", "public_address": node.address, "lag": 0, "watchers": 0}
                for node in self.cluster.nodes
            ]
        }

    async def _nodes_request(self, request: web.Request) -> web.Response:
        return web.json_response(self.nodes_answer())

    async def _item_request(self, request: web.Request) -> web.Response:
        item = request.match_info["item"]
        return web.json_response({"item": item, "gen": self.cluster.gens[item], "count": self.cluster.count(item)})

    def _unless_admin(self, request: web.Request) -> web.Response | None:
        if not self.cluster.admin_token:
            return web.json_response({"detail": "Not Found"}, status=404)
        if request.headers["Authorization"] != f"Bearer {self.cluster.admin_token}":
            return web.json_response({"code": "bad_admin_token", "detail": "not the admin token"}, status=401)
        return None

    async def _freeze_request(self, request: web.Request) -> web.Response:
        item, is_set = request.match_info["item"], request.match_info["verb"] == "freeze"
        if (refused := self._unless_admin(request)) is not None:
            return refused
        (self.cluster.frozen.add if is_set else self.cluster.frozen.discard)(item)
        return self._done({"type": "flagged", "name": item, "is_set": is_set})

    async def _reset_request(self, request: web.Request) -> web.Response:
        item, gen = request.match_info["item"], (await request.json())["gen"]
        if (refused := self._unless_admin(request)) is not None:
            return refused
        if gen != (known := self.cluster.gens[item]):
            return web.json_response({"code": "other_gen", "detail": "another", "gen": known}, status=409)
        self.cluster.reset(item)
        await self._tell_counts(item)
        return self._done({"type": "reset", "item": item, "gen": gen + 1, "count": 0})

    async def _erase_request(self, request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        if token not in self.cluster.known_tokens | self.cluster.erased:
            return web.json_response({"code": "bad_token", "detail": "unknown visitor"}, status=401)
        self.cluster.erase(token)
        for node in self.cluster.nodes:
            await node.begin_afresh(token)
        return self._done({"type": "erased"})

    def _done(self, answer: Frame) -> web.Response:
        if self.lost_answers:
            self.lost_answers -= 1
            return web.json_response({"code": "unanswered", "detail": "no answer", "retry_after": 0.1}, status=503)
        return web.json_response({**answer, "copies": next(self.copies, self.wanted), "wanted": self.wanted})

    async def begin_afresh(self, token: str) -> None:
        """Every connection of this visitor hears that it was erased."""
        for socket, who in list(self._sockets):
            if who["visitor"] == token:
                who |= {"visitor": "", "tab": ""}
                await self._send(socket, {"type": "error", "code": "bad_token", "message": "", "erased": True})
                await self._send(socket, {"type": "hello", "node": self.name, "token": self.cluster.new_token()})

    async def _live(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        try:
            await socket.prepare(request)
        except ConnectionError:
            # The client was gone before the handshake ended: one that only asked for the nodes.
            return socket
        self.visits += 1
        who: dict[str, Any] = {"visitor": "", "tab": "", "items": []}
        self._sockets.append((socket, who))
        if not self.is_silent:
            await self._send(socket, {"type": "hello", "node": self.name, "token": self.cluster.new_token()})
        async for message in socket:
            if self.is_silent or self.is_deaf:
                continue
            if message.type is WSMsgType.PING:
                await socket.pong(message.data)
                continue
            if message.type is not WSMsgType.TEXT:
                self.cluster.mistakes.append(f"{message.type} frame")
                continue
            await self._answer(socket, who, message.data)
        self._sockets = [each for each in self._sockets if each[0] is not socket]
        return socket

    async def _answer(self, socket: web.WebSocketResponse, who: dict[str, Any], text: str) -> None:
        if len(text.encode()) > 4096:
            self.cluster.mistakes.append("frame over 4 KiB")
            await socket.close(code=WSCloseCode.MESSAGE_TOO_BIG)
            return
        frame = json.loads(text)
        self.received.append(frame)
        match frame["type"]:
            case "hello":
                await self._greet(socket, who, frame)
            case "watch":
                who["items"] += frame["items"]
                await self._counts(socket, frame["items"])
                await self._mine(socket, who, frame["items"])
            case "unwatch":
                who["items"] = [item for item in who["items"] if item not in frame["items"]]
            case "press":
                await self._press(socket, who, frame)
            case "ping":
                await self._send(socket, {"type": "pong"})
            case other:
                self.cluster.mistakes.append(f"unknown type {other!r}")

    async def _greet(self, socket: web.WebSocketResponse, who: dict[str, Any], frame: Frame) -> None:
        if frame["token"] not in self.cluster.known_tokens:
            await self._send(socket, {"type": "error", "code": "bad_token", "message": "unknown visitor"})
            return
        who |= {"visitor": frame["token"], "tab": frame["tab"]}
        await self._send(socket, {"type": "hello", "node": self.name, "token": frame["token"]})
        await self._mine(socket, who, who["items"])

    async def _press(self, socket: web.WebSocketResponse, who: dict[str, Any], frame: Frame) -> None:
        item, n = frame["item"], frame["n"]
        if not who["visitor"]:
            self.cluster.mistakes.append("a press before a token was said")
        if not 1 <= n <= (50 if item.startswith("clap:") else 1 << 20):
            self.cluster.mistakes.append(f"{item} {n} out of bounds")
        instead = self.before_press(frame)
        gen = self.cluster.gens[item]
        if instead is not None:
            await self._send(socket, {"id": frame["id"], **instead})
            return
        if frame.get("gen", gen) < gen:
            await self._mine(socket, who, [item])
            await self._error(socket, frame, "reset")
            return
        if frame.get("gen", gen) > gen:
            await self._error(socket, frame, "behind", retry_after=0.01)
            return
        if item in self.cluster.frozen:
            await self._error(socket, frame, "frozen")
            return
        owner = self._owner(who, item, frame.get("tab"))
        held = self.cluster.tallies.get(owner, 0)
        granted = min(n, held + next(self.grants, n))
        self.cluster.tallies[owner] = max(held, granted)
        answer = {"type": "pressed", "id": frame["id"], "item": item, "gen": gen, "n": self.cluster.tallies[owner]}
        answer |= {"count": self.cluster.count(item), "wanted": self.wanted}
        if granted < n:
            answer["retry_after"] = self.retry_after
        if self.wanted:
            await self._send(socket, {**answer, "copies": 0})
        if not self.keeps_last_answers:
            await self._send(socket, {**answer, "copies": self.wanted})
        await self._tell_counts(item)

    async def _tell_counts(self, item: str) -> None:
        for node in self.cluster.nodes:
            for socket, who in node._sockets:
                if item in who["items"]:
                    await self._counts(socket, [item])

    async def _counts(self, socket: web.WebSocketResponse, items: list[str]) -> None:
        await self._send(socket, {"type": "counts", "counts": {item: self.cluster.count(item) for item in items}})

    async def _mine(self, socket: web.WebSocketResponse, who: dict[str, Any], items: list[str]) -> None:
        tallies = {
            item: {"gen": self.cluster.gens[item], "n": self.cluster.tallies.get(self._owner(who, item, None), 0)}
            for item in items
        }
        await self._send(socket, {"type": "mine", "tallies": tallies})

    async def _error(self, socket: web.WebSocketResponse, frame: Frame, code: str, **more: float) -> None:
        await self._send(socket, {"type": "error", "id": frame["id"], "code": code, "message": code, **more})

    def _owner(self, who: dict[str, Any], item: str, tab: str | None) -> Owner:
        return (item, who["visitor"], (tab or who["tab"]) if item.startswith("tap:") else "")

    async def _send(self, socket: web.WebSocketResponse, frame: Frame) -> None:
        try:
            await socket.send_str(json.dumps(frame))
        except ConnectionError:
            # The client went away meanwhile; its next connection is told again.
            await asyncio.sleep(0)
