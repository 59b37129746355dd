"""Which nodes to dial: the configured ones, every address behind a DNS name, and those that peers tell of.

Naming one node is enough to join: whoever is linked is told of all peers, and dials them.

1. Every known address has one task, which dials, stays while the link stands, and dials again with full jitter:
   a random delay up to a cap that doubles to 5 s (Brooker, "Exponential Backoff And Jitter", 2015). With the 3 s
   of a try that began before a cut was healed, nodes are linked again, and equal, well within 10 s of it.
2. An address that leads back to this node is not dialled again. One that leads to a node which is linked already
   waits until that link ends.
3. A learned address that no peer has named and no link has reached for 10 minutes is forgotten; a configured
   one never.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from random import Random
from typing import Final

import structlog

from cluster.links import LinkEnd

log = structlog.get_logger()

BACKOFF_FIRST_S: Final = 0.2
BACKOFF_MAX_S: Final = 5.0
RESOLVE_EVERY_S: Final = 5.0
FORGET_AFTER_S: Final = 600.0
LEARNED_MAX: Final = 256
DNS_PREFIX: Final = "dns:"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve(name: str, port: int) -> Sequence[str]:
    """Every address behind a name, as host:port. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=1)
    return [join_address(entry[4][0], port) for entry in found]


def join_address(host: object, port: int) -> str:
    """host:port, an IPv6 address in brackets."""
    text = str(host)
    return f"[{text}]:{port}" if ":" in text and not text.startswith("[") else f"{text}:{port}"


def split_address(address: str) -> tuple[str, int] | None:
    """The host and port of host:port, or None if it is no such thing."""
    host, _, port = address.rpartition(":")
    if not host or len(address) > 260 or not port.isdecimal() or not 0 < int(port) < 65536:
        return None
    return host, int(port)


class Membership:
    """The addresses of other nodes, and the tasks that keep them linked.

    `dial` runs one link to its end; `peer_of` says which origin answered on a link number, if any did;
    `is_linked` says whether a link to that origin is open.
    """

    def __init__(
        self,
        peers: Iterable[str],
        dial: Callable[[str], Awaitable[LinkEnd]],
        peer_of: Callable[[int], bytes | None],
        *,
        is_linked: Callable[[bytes], bool],
        resolve: Resolve = resolve,
        random: Random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.static = tuple(peer for peer in peers if not peer.startswith(DNS_PREFIX))
        self._names = tuple(peer.removeprefix(DNS_PREFIX) for peer in peers if peer.startswith(DNS_PREFIX))
        self.origins: dict[str, bytes] = {}
        self._dial, self._peer_of, self._is_linked = dial, peer_of, is_linked
        self._resolve, self._random, self._clock = resolve, random, clock
        self._resolved: dict[str, frozenset[str]] = {}
        self._learned: dict[str, float] = {}
        self._own: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._reported: dict[str, str] = {}

    @property
    def knows_others(self) -> bool:
        """Whether another node is configured or learned."""
        return bool((set(self.static) | self._names_resolved() | self._learned.keys()) - self._own)

    @property
    def static_others(self) -> list[str]:
        """The configured addresses that do not lead back to this node."""
        return [address for address in self.static if address not in self._own]

    def learn(self, addresses: Iterable[str]) -> None:
        """A peer is linked with these."""
        now = self._clock()
        for address in addresses:
            if split_address(address) and (address in self._learned or len(self._learned) < LEARNED_MAX):
                self._learned[address] = now
        self._changed.set()

    def links_changed(self) -> None:
        """A link was opened or has ended."""
        self._changed.set()

    async def run(self) -> None:
        """Keep every known node linked, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for name in self._names:
                    group.create_task(self._resolve_for_ever(name))
                while True:
                    self._forget_old()
                    for address in self._wanted() - self._tasks.keys():
                        self._tasks[address] = group.create_task(self._keep_linked(address))
                    await self._wait_for_change(RESOLVE_EVERY_S)
        finally:
            self._tasks.clear()

    def _wanted(self) -> set[str]:
        return (set(self.static) | self._names_resolved() | self._learned.keys()) - self._own

    def _names_resolved(self) -> set[str]:
        return set().union(*self._resolved.values())

    def _forget_old(self) -> None:
        oldest = self._clock() - FORGET_AFTER_S
        self._learned = {address: at for address, at in self._learned.items() if at >= oldest}

    async def _wait_for_change(self, timeout_s: float) -> None:
        # Cleared by whoever waits, for a waiter that met a set event would not let the loop turn, and so would
        # keep the one that clears it from running. All who wait are woken by the next one.
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _resolve_for_ever(self, name: str) -> None:
        parts = split_address(name)
        assert parts is not None, "settings have checked it"
        while True:
            try:
                found = frozenset(await self._resolve(*parts))
            except (OSError, UnicodeError) as error:  # UnicodeError: no host name, such as one of 64 letters
                self._report(name, f"cannot resolve: {error}")
            else:
                self._reported.pop(name, None)
                if found != self._resolved.get(name):
                    self._resolved[name] = found
                    self._changed.set()
            await asyncio.sleep(RESOLVE_EVERY_S)

    async def _keep_linked(self, address: str) -> None:
        attempt = 0
        while address in self._wanted():
            end = await self._dial(address)
            if end.code == "self":
                self._note_self(address)
                break
            peer = self._peer_of(end.number)
            if peer is not None:
                attempt = 0
                self.origins[address] = peer
                self._reported.pop(address, None)
                await self._wait_until_unlinked(peer)
                self._note_seen(address)
            if end.code != "duplicate":
                self._report(address, f"{end.code}: {end.reason}")
            cap = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**attempt)
            attempt = min(attempt + 1, 16)
            await asyncio.sleep(self._random.uniform(0, cap))
        self._tasks.pop(address, None)
        self.origins.pop(address, None)
        self._reported.pop(address, None)

    async def _wait_until_unlinked(self, origin: bytes) -> None:
        while self._is_linked(origin):
            await self._wait_for_change(1.0)

    def _note_seen(self, address: str) -> None:
        """A link to this address stood until now, so a learned one is remembered for another 10 minutes."""
        if address not in self.static and address not in self._names_resolved():
            self._learned[address] = self._clock()

    def _note_self(self, address: str) -> None:
        self._own.add(address)
        self._learned.pop(address, None)
        if address in self.static:
            log.warning("peer.is_self", address=address, do="LIKE_PEERS names this node itself: it is ignored")

    def _report(self, address: str, problem: str) -> None:
        """Log what is wrong with an address once, until it changes."""
        if self._reported.get(address) != problem:
            self._reported[address] = problem
            log.warning("peer.unreachable", address=address, problem=problem)
