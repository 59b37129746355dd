"""What a browser's connection (`app.connection`) and its session know of each other, and the hub of the one."""

from collections.abc import Callable
from typing import Protocol

# Says how many bytes the socket took. Raises OSError where it took none.
Write = Callable[[bytes], int]


class Outlet(Protocol):
    """Where a session's frames go.

    `write` is of its socket: whoever uses it does so only while the outlet is not backed up, after the outboxes
    were flushed, and lets it keep what the socket did not take.
    """

    @property
    def write(self) -> Write:
        """The same each time."""

    @property
    def is_backed_up(self) -> bool:
        """Whether something waits until the client has read more."""

    def send(self, frame: bytes) -> None:
        """At the end of this turn of the loop, joined with what else was sent in it."""

    def keep(self, rest: bytes) -> None:
        """What the socket did not take of a frame."""

    def backlog_bytes(self) -> int:
        """How much waits."""

    def untaken_bytes(self) -> int:
        """The same, and what the socket holds that has not come to the client."""

    def close(self, code: int) -> None:
        """Say why, and let go."""


class Conversation(Protocol):
    """Whose messages these are: what a connection tells its session."""

    work: int
    unanswered: int

    def receive(self, text: bytes) -> None:
        """A message of the client."""

    def fell_behind(self) -> None:
        """The client does not read what it is sent: it is backed up."""

    def caught_up(self) -> None:
        """It has: nothing waits any more."""

    def end(self) -> None:
        """Nothing is heard or sent any more; called once."""
