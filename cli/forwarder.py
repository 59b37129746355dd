"""A round-robin TCP forwarder: the entry where nginx is not installed.

It looks at the first bytes of a connection only to give WebSockets (`/live`) a turn of their own, so that
consecutive tabs get different nodes; then it copies bytes both ways. A node that refuses is skipped. It has none of
nginx's limits and timeouts, so it serves this machine only.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

_CHUNK: Final = 65_536
_LIVE: Final = b"GET /live"
_NO_NODE: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 29\r\n"
    b"Retry-After: 1\r\nConnection: close\r\n\r\nNo node answers. Try again.\r\n"
)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Forwarder:
    """`start` listens, `stop` no longer does. `nodes` are (host, port)."""

    def __init__(self, nodes: Sequence[tuple[str, int]]) -> None:
        self._nodes = nodes
        self._turns = {True: 0, False: 0}

    async def start(self, host: str, port: int) -> None:
        """Raises OSError where the port cannot be had."""
        self._server = await asyncio.start_server(self._forward, host, port)

    def stop(self) -> None:
        """Connections end with their nodes, or with the loop."""
        self._server.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.read(_CHUNK)
            node = await self._connect(is_live=first.startswith(_LIVE)) if first else None
            if node is not None:
                node[1].write(first)
                await _join((reader, writer), node)
            elif first:
                writer.write(_NO_NODE)
                await writer.drain()
        except OSError:
            # One end is gone, and with it the connection; the other end is told by the close below.
            return
        finally:
            writer.close()

    async def _connect(self, *, is_live: bool) -> Streams | None:
        """The next node in turn that accepts; None if none does."""
        for _ in self._nodes:
            turn = self._turns[is_live]
            self._turns[is_live] = (turn + 1) % len(self._nodes)
            with suppress(OSError):
                return await asyncio.open_connection(*self._nodes[turn])
        return None


async def _join(visitor: Streams, node: Streams) -> None:
    """Copy both ways until one of the two has finished, as HTTP servers take half a connection for none."""
    ways = [asyncio.create_task(_copy(*way)) for way in ((visitor[0], node[1]), (node[0], visitor[1]))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        node[1].close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
