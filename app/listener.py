"""The public port: opened when the node is ready, closed without turning anybody away who is at the door.

1. A connection that the kernel has accepted for us, and we have not, would be reset by closing the port, and a
   press on it lost: nginx must not repeat it, for it cannot know that nobody saw it. So those are taken in.
2. What arrives between the last look into the queue and the close, some microseconds, is still reset.
"""

import asyncio
import socket
from typing import Any, Final

import structlog
from aiohttp import web

from cluster.surface import StartError

# A hall of people whose node has just died comes within one second.
BACKLOG: Final = 4096
# How long those who were at the door have to say what they came for.
ARRIVE_S: Final = 0.1

_log = structlog.get_logger(__name__)


class Listener:
    """The sockets of one host and port; their connections go to `runner`."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner
        self._doors: list[socket.socket] = []

    async def open(self, host: str, port: int) -> None:
        """Raises `StartError` with what to do."""
        try:
            for family, address in await _addresses(host, port):
                door = _bound(family, address)
                self._doors.append(door)
                await web.SockSite(self._runner, door.dup(), backlog=BACKLOG).start()
        except OSError as wrong:
            self._close_doors()
            raise StartError(
                f"{host}:{port} cannot be bound ({wrong.strerror}): "
                "change LIKE_HOST or LIKE_PORT, or end what listens there"
            ) from wrong
        _log.info("node.ready", addresses=[f"{address[0]}:{address[1]}" for address in self._runner.addresses])

    async def close(self) -> None:
        """Nobody new comes in; who was at the door does."""
        for site in list(self._runner.sites):
            await site.stop()
        # The loop has let go of the port; this module's own handles keep it open until the queues are empty.
        arrived = [connection for door in self._doors for connection in _take_in(door)]
        self._close_doors()
        server = self._runner.server
        assert server is not None, "open comes before close"
        loop = asyncio.get_running_loop()
        for connection in arrived:
            await loop.connect_accepted_socket(server, connection)
        if arrived:
            await asyncio.sleep(ARRIVE_S)

    def _close_doors(self) -> None:
        for door in self._doors:
            door.close()
        self._doors.clear()


async def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    """Every address behind a host's name, each once."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bound(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    door = socket.socket(family, socket.SOCK_STREAM)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        door.bind(address)
        door.listen(BACKLOG)
        door.setblocking(False)
    except OSError:
        door.close()
        raise
    return door


def _take_in(door: socket.socket) -> list[socket.socket]:
    """Every connection that waits to be accepted."""
    arrived: list[socket.socket] = []
    while True:
        try:
            connection, _ = door.accept()
        except BlockingIOError:
            return arrived
        connection.setblocking(False)
        arrived.append(connection)
