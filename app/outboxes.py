"""What is sent within one turn of the loop leaves in one write per connection, at its end."""

import asyncio
from typing import Protocol


class Filled(Protocol):
    """A connection with something to send."""

    def flush(self) -> None:
        """Write all of it now."""


class Outboxes:
    """Those of all connections of one loop. `flush` may be called before the turn ends: whoever writes past an
    outbox must, for order.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._filled: list[Filled] = []

    def add(self, connection: Filled) -> None:
        """Its outbox was empty, and is not any more."""
        if not self._filled:
            self._loop.call_soon(self.flush)
        self._filled.append(connection)

    def flush(self) -> None:
        filled, self._filled = self._filled, []
        left = iter(filled)
        try:
            for connection in left:
                connection.flush()
        except BaseException:
            # A defect of one must not leave others' words behind.
            for connection in left:
                self.add(connection)
            raise
