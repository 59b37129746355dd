"""Where a session's frames go in a test, and how to read them."""

import sys
from collections.abc import Callable
from typing import Any

import msgspec


class FakeOutlet:
    """Keeps what was sent, what of it was pushed, and what waits until `room` says that the client reads again."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.pushes: list[bytes] = []
        self.room = sys.maxsize
        self.waiting = b""
        self.in_socket = 0
        self.on_behind: Callable[[], None] = _nobody
        self.on_caught_up: Callable[[], None] = _nobody
        self.closed_with: int | None = None

    def write(self, data: bytes) -> int:
        assert not self.is_backed_up, "nothing is written past what waits"
        if self.room == 0:
            raise BlockingIOError
        self.sent.append(data)
        self.pushes.append(data)
        return min(len(data), self.room)

    @property
    def is_backed_up(self) -> bool:
        return bool(self.waiting)

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)

    def keep(self, rest: bytes) -> None:
        self.waiting = rest
        self.on_behind()

    def drain(self) -> None:
        self.room, self.waiting = sys.maxsize, b""
        self.on_caught_up()

    def backlog_bytes(self) -> int:
        return len(self.waiting)

    def untaken_bytes(self) -> int:
        return len(self.waiting) + self.in_socket

    def close(self, code: int) -> None:
        self.closed_with = code

    def messages(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What the client would read, and forget it."""
        found = [message for frames in self.sent for message in unframe(frames)]
        self.sent.clear()
        return [message for message in found if kind is None or message["type"] == kind]


def _nobody() -> None:
    """Whom an outlet tells that nobody watches."""


def unframe(data: bytes) -> list[dict[str, Any]]:
    """The JSON messages of whole, unmasked text frames (RFC 6455, section 5.2)."""
    messages = []
    while data:
        assert data[0] == 0x81, "a whole text frame"
        size, start = data[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        messages.append(msgspec.json.decode(data[start : start + size]))
        data = data[start + size :]
    return messages
