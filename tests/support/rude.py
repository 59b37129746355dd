"""Clients that misbehave, so many of one kind in one process: `python -m tests.support.rude KIND HOST:PORT`.

    presses, watches, pings     as fast as the node reads, and read what it answers
    garbage, giant              no messages of the protocol, frames above its limit; again after every close
    lazy                        asks without end and never reads an answer
    trickle                     the same, and reads one byte a second
    half, silent                begin a handshake and do not end it, connect and say nothing

One that was closed comes again. Twice a second a line of JSON on stdout. Runs until it is ended.
"""

import argparse
import asyncio
import collections
import contextlib
import gc
import json
import random
import socket
from typing import Any, Final

import uvloop

from tests.support.raw_socket import RawSocket, handshake, text_frame

KINDS: Final = ("presses", "watches", "pings", "garbage", "giant", "lazy", "trickle", "half", "silent")
AGAIN_S: Final = 0.05
TELL_S: Final = 0.5
BLOCK_BYTES: Final = 64 * 1024
TRICKLE_S: Final = 1.0


class Mob:
    """All clients of this process."""

    def __init__(self, kind: str, address: str) -> None:
        self.kind = kind
        self.address = address
        self.loop = asyncio.get_running_loop()
        self.opened = self.open = self.sent_bytes = self.answers = 0
        self.ends: collections.Counter[str] = collections.Counter()
        self.block = block_of(kind)

    async def live(self) -> None:
        """One client, again and again."""
        while True:
            try:
                await self._come()
            except OSError as error:
                self.ends[type(error).__name__] += 1
            await asyncio.sleep(AGAIN_S)

    async def _come(self) -> None:
        host, _, port = self.address.rpartition(":")
        if self.kind in ("half", "silent", "trickle"):
            await self._come_slowly(host, int(port))
            return
        ended = asyncio.Event()
        _, client = await self.loop.create_connection(lambda: Flooder(self, ended), host, int(port))
        await ended.wait()
        self.ends[str(client.code or f"status {client.status}")] += 1

    async def _come_slowly(self, host: str, port: int) -> None:
        with socket.socket() as visitor:
            visitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            visitor.setblocking(False)
            await self.loop.sock_connect(visitor, (host, port))
            self.opened += 1
            self.open += 1
            try:
                await self._dawdle(visitor)
            finally:
                self.open -= 1
        self.ends["closed"] += 1

    async def _dawdle(self, visitor: socket.socket) -> None:
        """Until the node has had enough."""
        if self.kind != "silent":
            said = handshake(self.address)
            await self.loop.sock_sendall(visitor, said if self.kind == "trickle" else said[:-10])
        dawdling = [asyncio.create_task(self._sip(visitor))]
        if self.kind == "trickle":
            # Who reads so slowly hears of the end by its own words first.
            dawdling.append(asyncio.create_task(self._ask(visitor)))
        await asyncio.wait(dawdling, return_when=asyncio.FIRST_COMPLETED)
        for task in dawdling:
            task.cancel()
        await asyncio.gather(*dawdling, return_exceptions=True)

    async def _sip(self, visitor: socket.socket) -> None:
        sip = b"?"
        while sip:
            await asyncio.sleep(TRICKLE_S)
            sip = await self.loop.sock_recv(visitor, 1)

    async def _ask(self, visitor: socket.socket) -> None:
        while True:
            await self.loop.sock_sendall(visitor, self.block)
            self.sent_bytes += len(self.block)

    def report(self) -> dict[str, Any]:
        return {
            "opened": self.opened,
            "open": self.open,
            "sent_mb": round(self.sent_bytes / 1e6, 1),
            "answers": self.answers,
            "ends": dict(self.ends),
        }


class Flooder(RawSocket):
    """Writes its block over and over, as fast as it is taken."""

    def __init__(self, mob: Mob, ended: asyncio.Event) -> None:
        super().__init__(mob.address)
        self.mob, self._ended = mob, ended
        self._is_full = False

    def on_open(self) -> None:
        self.mob.opened += 1
        self.mob.open += 1
        if self.mob.kind == "lazy":
            self.transport.pause_reading()
        self._write()

    def on_text(self, payload: bytes) -> None:
        self.mob.answers += 1

    def on_end(self) -> None:
        self.mob.open -= self.status == 101
        self._ended.set()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._write()

    def _write(self) -> None:
        if not self._is_full and not self.transport.is_closing():
            self.transport.write(self.mob.block)
            self.mob.sent_bytes += len(self.mob.block)
            self.mob.loop.call_soon(self._write)


def block_of(kind: str) -> bytes:
    """Some whole frames of what this kind says."""
    if kind == "giant":
        return text_frame(b" " * (1 << 20))
    block, place = b"", 0
    while len(block) < BLOCK_BYTES:
        block += text_frame(_message(kind, place))
        place += 1
    return block


def _message(kind: str, place: int) -> bytes:
    if kind == "garbage":
        return random.randbytes(40).hex().encode()
    if kind in ("presses", "lazy", "trickle"):
        return b'{"type":"press","id":%d,"item":"tap:rude","n":%d}' % (place, place + 1)
    if kind == "watches":
        items = ",".join(f'"tap:rude-{each}"' for each in range(100))
        return f'{{"type":"watch","items":[{items}]}}'.encode()
    return b'{"type":"ping"}'


async def main() -> None:
    gc.disable()
    parser = argparse.ArgumentParser(prog="python -m tests.support.rude")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("address")
    parser.add_argument("--clients", type=int, default=1)
    given = parser.parse_args()
    mob = Mob(given.kind, given.address)
    clients = [asyncio.create_task(mob.live()) for _ in range(given.clients)]
    with contextlib.suppress(BrokenPipeError):
        while not any(client.done() for client in clients):
            print(json.dumps(mob.report()), flush=True)
            await asyncio.sleep(TELL_S)
    await asyncio.gather(*clients)


if __name__ == "__main__":
    uvloop.run(main())
