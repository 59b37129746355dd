"""Where nodes may be found: the address the person gave, and the public addresses of the nodes met (`/api/nodes`).

It decides which one to try next and how long to wait before. Chance comes in as a `random.Random`.
"""

import random
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

# Full jitter: a uniform wait up to base * 2^attempt, so that a crowd does not come back all at once.
WAIT_BASE_S: Final = 0.25
WAIT_MAX_S: Final = 4.0
ADDRESSES_MAX: Final = 32


class AddressError(ValueError):
    """What was given is no address of a node; the message says what one looks like."""


def check_address(text: str) -> str:
    """`http://host:port` or `https://…`, without a slash at the end; `http://` may be left out."""
    address = (text if "://" in text else f"http://{text}").rstrip("/")
    try:
        parts = urlsplit(address)
        is_legal = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_legal = False
    if not is_legal or parts.query or parts.fragment or parts.username:
        raise AddressError(f"{text!r} is no address: write http://host:port or https://host")
    return address


def _may_follow(given: str, told: str) -> bool:
    is_weaker = given.startswith("https:") and not told.startswith("https:")
    return not is_weaker and (_is_here(given) or not _is_here(told))


def _is_here(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


class Addresses:
    """The addresses of one cluster, and whose turn it is."""

    def __init__(self, given: str, met: Iterable[str], rng: random.Random) -> None:
        self.given = given
        self._met: list[str] = []
        self._rng = rng
        self._round = [given]
        self._attempt = 0
        self.meet(met)

    @property
    def all(self) -> list[str]:
        return [self.given, *self._met]

    @property
    def met(self) -> list[str]:
        return list(self._met)

    def meet(self, public_addresses: Iterable[str]) -> bool:
        """Take over what a node told of its cluster; returns whether that was news.

        What is no address is skipped, and so is what no token should go to: plain http where the person gave
        https, and this machine where they gave another, since a node's idea of "localhost" is not ours.
        """
        before = self._met
        told: list[str] = []
        for text in public_addresses:
            try:
                address = check_address(text)
            except AddressError:
                continue
            if address not in (self.given, *told) and _may_follow(self.given, address):
                told.append(address)
        if told:
            self._met = told[:ADDRESSES_MAX]
        return self._met != before

    def next(self, lost: str = "") -> str:
        """The address to try now: each one once, in random order, the one just lost last; then all again."""
        if not self._round:
            self._round = self.all
            self._rng.shuffle(self._round)
            self._round.sort(key=lambda address: address == lost)
        return self._round.pop(0)

    def wait_s(self) -> float:
        """How long to wait before the next attempt."""
        wait_max = min(WAIT_MAX_S, WAIT_BASE_S * 2.0**self._attempt)
        self._attempt = min(self._attempt + 1, 10)
        return self._rng.uniform(0.0, wait_max)

    def connected(self) -> None:
        """A node answered: the next loss starts anew."""
        self._attempt = 0
        self._round = []
