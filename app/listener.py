"""The public port: opened when the node is ready, closed without turning anybody away who is at the door.

1. A connection that the kernel has accepted for us, and we have not, would be reset by closing the port, and a
   press on it lost: nginx must not repeat it, for it cannot know that nobody saw it. So those are taken in.
2. What arrives between the last look into the queue and the close, some microseconds, is still reset.
3. Where no file is left for one more, those who come are sent away at once, one after the other, on a descriptor
   that is kept for it: left in the kernel's queue they would wait for a node that cannot take them.
"""

import asyncio
import errno
import math
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import structlog
from aiohttp import web

from app import files
from app.admission import Admission, Reason
from cluster.surface import StartError

# A hall of people whose node has just died comes within one second.
BACKLOG: Final = 4096
# How long those who were at the door have to say what they came for.
ARRIVE_S: Final = 0.1
# To take one in for the line costs little, to let one in at once as much as a request.
TAKEN_PER_TURN: Final = 64
LET_IN_PER_TURN: Final = 16
PAUSE_S: Final = 1.0
# What the kernel keeps of a client that does not read, or is not read from, twice: it would take megabytes. For a
# watcher it is less (`app.connection`).
SEND_BUFFER_BYTES: Final = 64 * 1024
RECEIVE_BUFFER_BYTES: Final = 32 * 1024

_log = structlog.get_logger(__name__)


class Listener:
    """The sockets of one host and port; their connections go to `runner`, by way of an `Admission`."""

    def __init__(self, runner: web.AppRunner, on_refused: Callable[[Reason], None]) -> None:
        assert runner.server is not None, "the runner is set up first"
        self._server = runner.server
        self._loop = asyncio.get_running_loop()
        self._admission = Admission(self._let_in, on_refused, files.connections_max() + files.KEPT_BACK // 2)
        self._doors: list[socket.socket] = []
        self._spare: int | None = None
        self._entering: set[asyncio.Task[None]] = set()

    @property
    def addresses(self) -> list[tuple[Any, ...]]:
        return [door.getsockname() for door in self._doors]

    async def open(self, host: str, port: int) -> None:
        """Raises `StartError` with what to do."""
        try:
            for family, address in await _addresses(host, port):
                self._doors.append(_bound(family, address))
        except OSError as wrong:
            self._close_doors()
            raise StartError(
                f"{host}:{port} cannot be bound ({wrong.strerror}): "
                "change LIKE_HOST or LIKE_PORT, or end what listens there"
            ) from wrong
        self._spare = os.open(os.devnull, os.O_RDONLY)
        for door in self._doors:
            self._loop.add_reader(door, self._take_some, door)
        _log.info("node.ready", addresses=[f"{address[0]}:{address[1]}" for address in self.addresses])

    async def close(self) -> None:
        """Nobody new comes in; who was at the door does."""
        for door in self._doors:
            self._loop.remove_reader(door)
        arrived = [connection for door in self._doors for connection in _take_in(door)]
        self._close_doors()
        self._admission.let_all_in()
        for connection in arrived:
            self._let_in(connection)
        if self._entering:
            await asyncio.wait(self._entering)
            await asyncio.sleep(ARRIVE_S)

    def _take_some(self, door: socket.socket) -> None:
        taken = let_in = 0
        try:
            for connection in _take_in(door, TAKEN_PER_TURN):
                taken += 1
                let_in += self._admission.arrive(connection)
                if let_in >= LET_IN_PER_TURN:
                    return
            if taken == TAKEN_PER_TURN:
                self._admission.hold_handshakes()
        except OSError as wrong:
            if wrong.errno in (errno.EMFILE, errno.ENFILE) and self._send_some_away(door):
                return
            # No memory for one more, or not even the spare file: they wait in the kernel's queue, and the loop does
            # not spin.
            _log.warning("listener.pauses", problem=str(wrong), seconds=PAUSE_S)
            self._loop.remove_reader(door)
            self._loop.call_later(PAUSE_S, self._go_on, door)

    def _send_some_away(self, door: socket.socket) -> bool:
        """Whether there was a file for it."""
        if self._spare is None:
            return False
        os.close(self._spare)
        self._spare = None
        try:
            for connection in _take_in(door, TAKEN_PER_TURN):
                self._admission.send_away(connection, "files")
            self._spare = os.open(os.devnull, os.O_RDONLY)
        except OSError:
            return False
        return True

    def _go_on(self, door: socket.socket) -> None:
        if door in self._doors:
            if self._spare is None:
                with suppress(OSError):
                    self._spare = os.open(os.devnull, os.O_RDONLY)
            self._loop.add_reader(door, self._take_some, door)

    def _let_in(self, connection: socket.socket) -> None:
        task = self._loop.create_task(self._enter(connection))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    async def _enter(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._server, connection)
        except OSError:
            connection.close()  # It was gone before its turn came.

    def _close_doors(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
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
        door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        door.bind(address)
        door.listen(BACKLOG)
        door.setblocking(False)
    except OSError:
        door.close()
        raise
    return door


def _take_in(door: socket.socket, at_most: float = math.inf) -> Iterator[socket.socket]:
    """Connections that wait to be accepted. Raises OSError where there is no room for one more."""
    taken = 0
    while taken < at_most:
        try:
            connection, _ = door.accept()
        except BlockingIOError:
            return
        except ConnectionAbortedError:
            continue  # gone while it waited
        connection.setblocking(False)
        taken += 1
        yield connection
