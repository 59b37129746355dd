"""A hall full of pages in one process: `python -m tests.support.crowd --watchers 10000 HOST:PORT HOST:PORT …`.

Every watcher dials the first address until it is let in, says who it is, watches one item and pings as a visible
page does. One that loses its connection comes back as the page does (full jitter, 0.5 s and doubling), to the other
addresses in turn.
Four times a second a line of JSON on stdout says how the hall is. Runs until it is ended.
"""

import argparse
import asyncio
import collections
import contextlib
import gc
import json
import random
import time
from typing import Any, Final

import uvloop

from tests.support.raw_socket import RawSocket, text_frame

# The page's numbers, in app/static/timing.js.
HELLO_S: Final = 5.0
FIRST_PAUSE_S: Final = 0.5
PAUSE_MAX_S: Final = 10.0
TELL_S: Final = 0.25


class Hall:
    """All watchers of this process."""

    def __init__(self, addresses: list[str], item: str, ping_s: float) -> None:
        self.addresses = addresses
        self.item = item
        self.ping_s = ping_s
        self.loop = asyncio.get_running_loop()
        self.dialled = 0
        self.watchers: set[Watcher] = set()
        self.counts = 0
        self.newest = -1
        self.ends: collections.Counter[str] = collections.Counter()
        self.returns_s: list[float] = []

    async def fill(self, number: int, per_second: int) -> None:
        """Evenly, whatever the machine does meanwhile."""
        began_at = time.monotonic()
        for place in range(number):
            self.dial(Person(self))
            if (ahead_s := place / per_second - (time.monotonic() - began_at)) > 0.01:
                await asyncio.sleep(ahead_s)

    def dial(self, person: "Person") -> None:
        self.loop.create_task(person.dial())

    def next_address(self, is_known: bool) -> str:
        others = self.addresses[1:]
        if not is_known or not others:
            return self.addresses[0]
        self.dialled += 1
        return others[self.dialled % len(others)]

    def report(self) -> dict[str, Any]:
        returns = sorted(self.returns_s)
        by_address = collections.Counter(watcher.address for watcher in self.watchers)
        return {
            "watching": len(self.watchers),
            "by_address": dict(by_address),
            "counts": self.counts,
            "newest": self.newest,
            "ends": dict(self.ends),
            "returned": len(returns),
            "return_p50_s": round(returns[len(returns) // 2], 2) if returns else None,
            "return_max_s": round(returns[-1], 2) if returns else None,
        }


class Person:
    """One page: who it is, and since when it is without a node."""

    def __init__(self, hall: Hall) -> None:
        self.hall = hall
        self.failures = 0
        self.token = ""
        self.lost_at: float | None = None

    async def dial(self) -> None:
        address = self.hall.next_address(bool(self.token))
        host, _, port = address.rpartition(":")
        try:
            await self.hall.loop.create_connection(lambda: Watcher(self, address), host, int(port))
        except OSError as error:
            self.lost(type(error).__name__)

    def lost(self, why: str) -> None:
        self.hall.ends[why] += 1
        if self.token:
            self.lost_at = self.lost_at or time.monotonic()
        pause_s = min(PAUSE_MAX_S, FIRST_PAUSE_S * 2**self.failures)
        self.failures += 1
        self.hall.loop.call_later(random.uniform(0, pause_s), self.hall.dial, self)

    def watches(self) -> None:
        self.failures = 0
        if self.lost_at is not None:
            self.hall.returns_s.append(time.monotonic() - self.lost_at)
            self.lost_at = None


class Watcher(RawSocket):
    """One connection of a person."""

    def __init__(self, person: Person, address: str) -> None:
        super().__init__(address)
        self.person, self.hall = person, person.hall
        self._timer = self.hall.loop.call_later(HELLO_S, self._give_up)

    def on_text(self, payload: bytes) -> None:
        if payload.startswith(b'{"type":"hello"') and self not in self.hall.watchers:
            self._introduce(payload)
        elif payload.startswith(b'{"type":"counts"'):
            self.hall.counts += 1
            self.hall.newest = max(self.hall.newest, int(payload[payload.rindex(b":") + 1 : -2]))

    def on_end(self) -> None:
        self._timer.cancel()
        self.hall.watchers.discard(self)
        self.person.lost(f"closed with {self.code}" if self.code else f"status {self.status}")

    def _introduce(self, hello: bytes) -> None:
        self.hall.watchers.add(self)
        self.person.token = self.person.token or json.loads(hello)["token"]
        messages: list[dict[str, Any]] = [
            {"type": "hello", "token": self.person.token, "tab": "tab"},
            {"type": "watch", "items": [self.hall.item]},
        ]
        self.transport.write(b"".join(text_frame(json.dumps(message).encode()) for message in messages))
        self.person.watches()
        self._timer.cancel()
        self._timer = self.hall.loop.call_later(random.uniform(0, self.hall.ping_s), self._ping)

    def _ping(self) -> None:
        self.transport.write(_PING)
        self._timer = self.hall.loop.call_later(self.hall.ping_s, self._ping)

    def _give_up(self) -> None:
        self.code = self.code or 1
        self.transport.abort()


_PING: Final = text_frame(b'{"type":"ping"}')


async def main() -> None:
    gc.disable()  # What stands still in here would look like a slow node.
    parser = argparse.ArgumentParser(prog="python -m tests.support.crowd")
    parser.add_argument("addresses", nargs="+")
    parser.add_argument("--watchers", type=int, required=True)
    parser.add_argument("--per-second", type=int, default=1000)
    parser.add_argument("--item", default="tap:home")
    parser.add_argument("--ping", type=float, default=2.0, help="seconds between two pings of a page")
    given = parser.parse_args()
    hall = Hall(given.addresses, given.item, given.ping)
    filling = asyncio.create_task(hall.fill(given.watchers, given.per_second))
    with contextlib.suppress(BrokenPipeError):
        while True:
            print(json.dumps(hall.report()), flush=True)
            await asyncio.sleep(TELL_S)
            if filling.done():
                filling.result()


if __name__ == "__main__":
    uvloop.run(main())
