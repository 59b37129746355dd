"""Who speaks on a link, and who never reads from one: for the tests of sockets and links."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from cluster.core.rows import Row
from cluster.core.wire import Message, Rows, decode, unpack
from cluster.links import LinkEnd, Links
from cluster.sockets import Socket
from tests.support.waiting import wait_for


class Owner:
    """Keeps what its links bring."""

    def __init__(self) -> None:
        self.links: Links
        self.dialled: dict[int, bool] = {}
        self.frames: list[bytes] = []
        self.ended: list[tuple[str, str]] = []
        self.defects: list[BaseException] = []
        self.on_first_frame: Callable[[], None] = lambda: None
        self.room = asyncio.Event()
        self.room.set()

    @property
    def socket(self) -> Socket:
        """Of the only link."""
        (socket,) = self.links.sockets.values()
        return socket

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.links.port}"

    def on_connected(self, link: int, *, is_dialer: bool) -> None:
        self.dialled[link] = is_dialer

    def on_frame(self, link: int, data: bytes) -> None:
        self.on_first_frame()
        self.frames.append(data)

    def on_disconnected(self, link: int, code: str, reason: str) -> None:
        self.ended.append((code, reason))

    def on_defect(self, error: BaseException) -> None:
        self.defects.append(error)

    async def wait_for_room(self) -> None:
        await self.room.wait()


@asynccontextmanager
async def listening() -> AsyncIterator[Owner]:
    """An owner whose links have a port."""

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="alive")

    owner = Owner()
    owner.links = Links(owner, [web.get("/healthz", alive)])
    await owner.links.listen("127.0.0.1", 0)
    yield owner
    owner.room.set()
    await owner.links.stop()


async def linked(dialer: Owner, listener: Owner) -> asyncio.Task[LinkEnd]:
    task = asyncio.create_task(dialer.links.dial(listener.address))
    await wait_for(lambda: dialer.links.sockets and listener.links.sockets, 5, "the link")
    return task


class TakingPeer:
    """Takes frames as a socket does; `meanwhile` runs once, when the first one was taken."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.is_closing = False
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    def send(self, frame: bytes) -> None:
        self.heard.append(decode(frame))

    async def wait_until_drained(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()

    def pages(self) -> list[list[Row]]:
        """The rows of each page of an answer."""
        return [unpack(each.block) for each in self.heard if isinstance(each, Rows)]


class FrozenPeer:
    """Accepts the handshake and reads no further."""

    def __init__(self) -> None:
        self.address = ""

    async def __aenter__(self) -> "FrozenPeer":
        self._done = asyncio.Event()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1024)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._done.set()
        self._server.close()
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.write(b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept_key(key.partition(": ")[2]))
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await self._done.wait()
        writer.transport.abort()


def accept_key(key: str) -> bytes:
    """RFC 6455, 4.2.2."""
    return base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
