"""Reads variables of the environment, and remembers every mistake instead of stopping at the first.

1. An empty variable is an unset one, as compose files pass them on.
2. `NAME_FILE` stands for a secret `NAME` read from that file; both at once are a mistake.
3. A secret's value is never part of a mistake.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import msgspec

from app.guards import Network

_HOST_PORT: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})\Z")


class Mistake(msgspec.Struct, frozen=True):
    variable: str
    value: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.variable}={self.value}: {self.allowed}"


class Environment:
    """Each method returns the variable's value, or the default after noting a mistake."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.mistakes: list[Mistake] = []

    def text(self, name: str, default: str, is_allowed: Callable[[str], bool], allowed: str) -> str:
        value = self._variables.get(name, "").strip()
        if not value:
            return default
        if is_allowed(value):
            return value
        self.mistake(name, repr(value), allowed)
        return default

    def words(self, name: str, is_allowed: Callable[[str], bool], allowed: str) -> tuple[str, ...]:
        """A comma-separated list."""
        found = tuple(word.strip() for word in self._variables.get(name, "").split(",") if word.strip())
        for word in found:
            if not is_allowed(word):
                self.mistake(name, repr(word), allowed)
        return found

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name, str(default), _is_whole(low, high), f"a whole number from {low} to {high}")
        return int(value)

    def number(self, name: str, default: float, high: float) -> float:
        return float(self.text(name, str(default), _is_number(high), f"a number from 0 to {high:g}"))

    def secret(self, name: str) -> str:
        """From the variable or from the file that `NAME_FILE` names; empty if neither is set."""
        value, path = self._variables.get(name, "").strip(), self._variables.get(f"{name}_FILE", "").strip()
        if value and path:
            self.mistake(f"{name}_FILE", repr(path), f"set only one of {name} and {name}_FILE")
        if value or not path:
            return value
        try:
            value = Path(path).read_text().strip()
        except (OSError, UnicodeError) as wrong:
            self.mistake(f"{name}_FILE", repr(path), f"a readable file with the secret ({wrong})")
            return ""
        if not value:
            self.mistake(f"{name}_FILE", repr(path), "the file is empty: it must hold the secret")
        return value

    def mistake(self, name: str, value: str, allowed: str) -> None:
        self.mistakes.append(Mistake(name, value, allowed))


# It goes into headers: nothing but what a host may have.
_WEB_ADDRESS: Final = re.compile(
    r"https?://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII | re.IGNORECASE
)
_WITH_DEFAULT_PORT: Final = re.compile(r"http:.*:80|https:.*:443", re.IGNORECASE)


def is_host_port(value: str) -> bool:
    match = _HOST_PORT.match(value)
    return match is not None and 1 <= int(match[2]) <= 65535


def is_peer(value: str) -> bool:
    return is_host_port(value.removeprefix("dns:"))


def is_web_address(value: str) -> bool:
    """`http://host[:port]` or `https://host[:port]`."""
    match = _WEB_ADDRESS.fullmatch(value)
    return match is not None and 1 <= int(match[1] or 1) <= 65535


def is_origin(value: str) -> bool:
    """A web address as a browser writes it in `Origin` (RFC 6454): without a default port. Case is nothing."""
    return is_web_address(value) and not _WITH_DEFAULT_PORT.fullmatch(value)


def network(value: str) -> Network | None:
    try:
        return ip_network(value)
    except ValueError:
        return None


def _is_whole(low: int, high: int) -> Callable[[str], bool]:
    return lambda value: re.fullmatch(r"[0-9]{1,12}", value) is not None and low <= int(value) <= high


def _is_number(high: float) -> Callable[[str], bool]:
    form = r"[0-9]{1,12}(\.[0-9]{1,6})?"
    return lambda value: re.fullmatch(form, value) is not None and float(value) <= high
