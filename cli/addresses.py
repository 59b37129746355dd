"""Where nodes may be found: the address the person gave, and the public addresses of the nodes met (`/api/nodes`).

It decides which one to try next and how long to wait before. Chance comes in as a `random.Random`.
"""

import random
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from cli.exit_codes import UsageError

# Full jitter: a uniform wait up to base * 2^attempt, so that a crowd does not come back all at once.
WAIT_BASE_S: Final = 0.25
WAIT_MAX_S: Final = 4.0


def check_address(text: str) -> str:
    """`http://host:port` or `https://…`, without a slash at the end; `http://` may be left out. Or `UsageError`."""
    address = (text if "://" in text else f"http://{text}").rstrip("/")
    try:
        parts = urlsplit(address)
        is_legal = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_legal = False
    if not is_legal or parts.query or parts.fragment or parts.username:
        raise UsageError(f"{text!r} is no address: write http://host:port or https://host")
    return address


def trouble_with(address: str, error: Exception) -> str:
    """Why this address could not be asked, for people."""
    match error:
        case TimeoutError():
            return f"{address} does not answer"
        case aiohttp.ClientConnectorError():
            return f"nobody answers at {address}"
        case aiohttp.ClientResponseError():
            return f"{address} answered HTTP {error.status}"
    return f"{address}: {error or type(error).__name__}"


class Addresses:
    """The addresses of one cluster, and whose turn it is."""

    def __init__(self, given: str, rng: random.Random) -> None:
        self.given = given
        self.met: list[str] = []
        self._rng = rng
        self._last = ""
        self._attempt = 0

    @property
    def all(self) -> list[str]:
        return [self.given, *self.met]

    def meet(self, public_addresses: Iterable[str]) -> None:
        """Take over what a node told of its cluster, where it told anything."""
        told = [address.rstrip("/") for address in public_addresses if self._may_follow(address)]
        self.met = [address for address in told if address != self.given] or self.met

    def _may_follow(self, told: str) -> bool:
        """Not to what no token should go to: plain http where the person gave https, and this machine where they
        gave another, since a node's idea of "localhost" is not ours.
        """
        try:
            check_address(told)
        except UsageError:
            return False
        is_weaker = self.given.startswith("https:") and not told.startswith("https:")
        return not is_weaker and (_is_here(self.given) or not _is_here(told))

    def next(self) -> str:
        """The address to try now: first the one given, then any but the one tried last, where there are more."""
        others = [address for address in self.all if address != self._last]
        self._last = self._rng.choice(others or self.all) if self._last else self.given
        return self._last

    def wait_s(self) -> float:
        """How long to wait before the next attempt."""
        wait_max = min(WAIT_MAX_S, WAIT_BASE_S * 2.0**self._attempt)
        self._attempt = min(self._attempt + 1, 10)
        return self._rng.uniform(0.0, wait_max)

    def connected(self) -> None:
        """A node answered: the next loss starts anew."""
        self._attempt = 0


def _is_here(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
