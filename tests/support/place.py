"""Where a process of a test runs: on the loopback interface, or inside a network namespace of its own."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Place:
    """`host` is the address it listens on; `enter` are the words before a command that start it there."""

    host: str = "127.0.0.1"
    enter: tuple[str, ...] = ()
    has_own_ports: bool = False


LOOPBACK: Final = Place()
