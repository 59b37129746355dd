"""The WebSockets under the links: one reader and one writer each, and nothing of what is said on them.

1. One task writes to a socket (two would cancel each other's sends), from a queue that others only append to.
2. A queue of more than 1 MiB drops pushes, which the peer then pulls (R4); one of more than 64 MiB ends the link.
3. A socket that is told to close gets 1 s for its last words, then it ends without them: a frozen peer would hold
   it for ever.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
from aiohttp import WSMsgType, web

QUEUE_DROP_BYTES: Final = 1 << 20
QUEUE_BYTES_MAX: Final = 64 << 20
DRAINED_BYTES: Final = 256 << 10
LAST_WORDS_S: Final = 1.0
CLOSE_CODE: Final = 4000
CLOSE_REASON_BYTES_MAX: Final = 123  # RFC 6455, 5.5: a control frame has at most 125 bytes

WebSocket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


class Socket:
    """One connection to a peer at `address`."""

    def __init__(self, ws: WebSocket, address: str, abort: Callable[[], None]) -> None:
        self.address = address
        self.end_code = "lost"
        self.end_reason = "the connection ended"
        self._ws = ws
        self._abort = abort
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._closing = asyncio.Event()
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()

    @property
    def is_closing(self) -> bool:
        return self._closing.is_set()

    def send(self, data: bytes, *, may_drop: bool = False) -> None:
        """Queue a frame. One that may be dropped is, when the peer is slow."""
        if self.is_closing:
            return
        if may_drop and self._queued > QUEUE_DROP_BYTES:
            return
        self._queue.append(data)
        self._queued += len(data)
        self._wake.set()
        if self._queued > QUEUE_BYTES_MAX:
            self.close("slow", "the peer does not read")

    def close(self, code: str, reason: str) -> None:
        """End this connection after what is queued, saying why."""
        if not self._closing.is_set():
            self.end_code, self.end_reason = code, reason
            self._closing.set()
            self._wake.set()
            self._drained.set()

    async def wait_until_drained(self) -> None:
        """Until so little is queued that a long answer may go on, or the connection ends."""
        while self._queued > DRAINED_BYTES and not self._closing.is_set():
            self._drained.clear()
            await self._drained.wait()

    async def run(self, receive: Callable[[bytes], None], wait_for_room: Callable[[], Awaitable[None]]) -> None:
        """Read and write until the connection ends; `end_code` and `end_reason` then say why.

        Raises what `receive` raises: that is a defect of ours, not of the connection.
        """
        reader = asyncio.create_task(self._read(receive, wait_for_room))
        writer = asyncio.create_task(self._write())
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait({reader, writer, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.close("lost", "the connection ended")
            await asyncio.wait({writer}, timeout=LAST_WORDS_S)
            self._abort()
            for task in (reader, writer, closing):
                task.cancel()
            outcomes = await asyncio.gather(reader, writer, closing, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, OSError | aiohttp.ClientError):
                raise outcome

    async def _read(self, receive: Callable[[bytes], None], wait_for_room: Callable[[], Awaitable[None]]) -> None:
        while not self._closing.is_set():
            message = await self._ws.receive()
            if message.type is not WSMsgType.BINARY:
                self._note_end(message)
                return
            await wait_for_room()
            receive(message.data)

    def _note_end(self, message: aiohttp.WSMessage) -> None:
        if message.type is WSMsgType.CLOSE and message.extra and not self._closing.is_set():
            code, _, reason = str(message.extra).partition(": ")
            # An address that leads back to us is never dialled again, so nobody else may say of one that it does.
            self.close("refused" if code == "self" else code, f"the peer says: {reason}")
        elif message.type is WSMsgType.TEXT:
            self.close("malformed", "a text message")
        elif message.type is WSMsgType.ERROR:
            self.close("lost", f"the connection broke: {message.data}")

    async def _write(self) -> None:
        while not self._closing.is_set() or self._queue:
            while self._queue:
                data = self._queue.popleft()
                await self._ws.send_bytes(data)
                self._queued -= len(data)
                if self._queued <= DRAINED_BYTES:
                    self._drained.set()
            if not self._closing.is_set():
                self._wake.clear()
                await self._wake.wait()
        reason = f"{self.end_code}: {self.end_reason}".encode()[:CLOSE_REASON_BYTES_MAX]
        await self._ws.close(code=CLOSE_CODE, message=reason.decode(errors="ignore").encode())
