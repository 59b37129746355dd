"""A round-robin TCP forwarder: the entry where nginx is not installed.

It looks at the first bytes of a connection only to give WebSockets (`/live`) a turn of their own, so that
consecutive tabs get different nodes; then it copies bytes both ways. A node that refuses is skipped. It has none of
nginx's limits and timeouts, so it serves this machine only.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

CONNECT_S: Final = 1.0
# Browsers open connections ahead of need.
FIRST_BYTES_S: Final = 60.0
_CHUNK: Final = 65_536
_LIVE: Final = b"GET /live"
_NO_NODE: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 29\r\n"
    b"Retry-After: 1\r\nConnection: close\r\n\r\nNo node answers. Try again.\r\n"
)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Forwarder:
    """`start` listens; `stop` ends every connection. `nodes` are (host, port)."""

    def __init__(self, nodes: Sequence[tuple[str, int]]) -> None:
        self._nodes = list(nodes)
        self._turns = {True: 0, False: 0}
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []

    async def start(self, hosts: Sequence[str], port: int) -> None:
        """Raises OSError where the port cannot be had."""
        for host in hosts:
            self._servers.append(await asyncio.start_server(self._accept, host, port))

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(FIRST_BYTES_S):
                first = await reader.read(_CHUNK)
            node = await self._connect(is_live=first.startswith(_LIVE)) if first else None
            if node is None:
                writer.write(_NO_NODE if first else b"")
                await writer.drain()
                return
            await _join(first, (reader, writer), node)
        except (OSError, TimeoutError):
            # One end is gone, and with it the connection; the other end is told by the close below.
            return
        finally:
            writer.close()

    async def _connect(self, *, is_live: bool) -> Streams | None:
        """The next node in turn that accepts; None if none does."""
        for _ in self._nodes:
            turn = self._turns[is_live]
            self._turns[is_live] = (turn + 1) % len(self._nodes)
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_S):
                    return await asyncio.open_connection(*self._nodes[turn])
        return None


async def _join(first: bytes, visitor: Streams, node: Streams) -> None:
    """Copy both ways until the node has finished, or one end broke."""
    node[1].write(first)
    copying = [asyncio.create_task(_copy(visitor[0], node[1])), asyncio.create_task(_answer(node[0], visitor[1]))]
    try:
        await asyncio.gather(*copying)
    finally:
        for task in copying:
            task.cancel()
        node[1].close()


async def _answer(node: asyncio.StreamReader, visitor: asyncio.StreamWriter) -> None:
    await _copy(node, visitor)
    # A visitor who still reads nothing new is told, and the other direction ends with it.
    visitor.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
