"""Where links begin: the listener on the cluster port, and dialling other nodes.

Owns the open sockets by link number. It knows nothing of what is said on them: frames go to `LinkOwner`, which
says what to send and when to close. A socket takes frames of up to 1 MiB from its beginning: the 2 KiB before the
proof are the link's own rule, so a stranger may make the node hold 1 MiB, for 5 s, on a port that is private.
"""

import asyncio
import itertools
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, Protocol

import aiohttp
import msgspec
import structlog
from aiohttp import AddrInfoType, web

from cluster.core.wire import MESSAGE_BYTES_MAX
from cluster.sockets import Socket
from cluster.surface import StartError

log = structlog.get_logger()

LINK_PATH: Final = "/link"
CONNECT_S: Final = 3.0


class LinkEnd(msgspec.Struct, frozen=True):
    """How a dialled link ended; `number` is the link's, 0 if no connection was made."""

    number: int
    code: str
    reason: str


class LinkOwner(Protocol):
    """Who speaks on the links."""

    def on_connected(self, link: int, *, is_dialer: bool) -> None:
        """A connection was made, before anything is known of the other side."""

    def on_frame(self, link: int, data: bytes) -> None:
        """A frame arrived."""

    def on_disconnected(self, link: int, code: str, reason: str) -> None:
        """The connection ended."""

    def on_defect(self, error: BaseException) -> None:
        """Taking a frame raised what it never should: the node must exit."""

    async def wait_for_room(self) -> None:
        """Called before a frame is handed over: holds a peer back while the ledger is behind."""


class _Dialled:
    """The connection of one dialled link, to be ended where the peer takes nothing.

    aiohttp closes a session's connections only after all bytes are sent, so a frozen peer would hold the dialler,
    which then would not dial again.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def make_socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = address
        self._sockets.append(socket.socket(family, kind, protocol))
        return self._sockets[-1]

    def abort(self) -> None:
        for each in self._sockets:
            with suppress(OSError):  # it has ended by itself
                each.shutdown(socket.SHUT_RDWR)


class Links:
    """All connections of this node to its peers."""

    def __init__(self, owner: LinkOwner, routes: Iterable[web.AbstractRouteDef]) -> None:
        self.sockets: dict[int, Socket] = {}
        self.port = 0
        self._owner = owner
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        app = web.Application()
        app.router.add_routes([web.get(LINK_PATH, self._accept), *routes])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def listen(self, host: str, port: int) -> None:
        """Bind the cluster port. Raises StartError."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise StartError(
                f"LIKE_CLUSTER_HOST={host} LIKE_CLUSTER_PORT={port}: {error.strerror or error}. "
                "Stop what uses this port, or give this node another"
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close every link, saying so, and the port."""
        self._is_stopping = True
        self.close_all("leaving", "this node is stopping")
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._runner.cleanup()

    def close_all(self, code: str, reason: str) -> None:
        """Close every link, saying why; new ones may begin."""
        for each in self.sockets.values():
            each.close(code, reason)

    async def dial(self, address: str) -> LinkEnd:
        """Connect to a node's cluster port; returns when that link has ended."""
        if self._is_stopping:
            return LinkEnd(0, "leaving", "this node is stopping")
        dialled = _Dialled()
        connector = aiohttp.TCPConnector(socket_factory=dialled.make_socket)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            try:
                async with asyncio.timeout(2 * CONNECT_S):
                    ws = await session.ws_connect(
                        f"http://{address}{LINK_PATH}",
                        max_msg_size=MESSAGE_BYTES_MAX + 1,
                        timeout=aiohttp.ClientWSTimeout(ws_close=0.5),
                    )
            except (OSError, aiohttp.ClientError, ValueError) as error:
                return LinkEnd(0, "unreachable", str(error) or type(error).__name__)
            link = Socket(ws, address, dialled.abort)
            if self._is_stopping:
                link.close("leaving", "this node is stopping")
            number = await self._run(link, is_dialer=True)
            return LinkEnd(number, link.end_code, link.end_reason)

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        if self._is_stopping:
            raise web.HTTPServiceUnavailable
        ws = web.WebSocketResponse(max_msg_size=MESSAGE_BYTES_MAX + 1, compress=False, timeout=0.5)
        try:
            await ws.prepare(request)
        except ConnectionResetError:
            # Gone while this node was frozen or busy. aiohttp finds that out once more and lets it be; what was
            # half prepared it would complain of.
            return web.Response()
        transport = request.transport
        if transport is not None:
            host = transport.get_extra_info("peername", ("",))[0]
            await self._run(Socket(ws, f"[{host}]" if ":" in host else host, transport.abort), is_dialer=False)
        return ws

    async def _run(self, socket: Socket, *, is_dialer: bool) -> int:
        number = next(self._numbers)
        self.sockets[number] = socket
        task = asyncio.create_task(self._serve(number, socket, is_dialer=is_dialer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await task
        finally:
            task.cancel()
        return number

    async def _serve(self, number: int, socket: Socket, *, is_dialer: bool) -> None:
        try:
            self._owner.on_connected(number, is_dialer=is_dialer)
            await socket.run(lambda data: self._owner.on_frame(number, data), self._owner.wait_for_room)
        except Exception as error:
            self._owner.on_defect(error)
            raise
        finally:
            del self.sockets[number]
            self._owner.on_disconnected(number, socket.end_code, socket.end_reason)
