"""What restarts nodes in production: one that ends with a failure is started again, as systemd's `on-failure` does.

A node that ends with code 2 or 3 has told its operator what to do and is not started again, nor is one that was
told to stop. Beside a test that stops or kills nodes itself it must be told to look away: `released`.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from tests.support.node import Node

# systemd's RestartSec is 0.1 s by default.
RESTART_AFTER_S: Final = 0.1
LOOK_EVERY_S: Final = 0.05
_FOR_AN_OPERATOR: Final = (0, 2, 3)


class Supervisor:
    """Looks after these nodes for as long as the context is open."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = list(nodes)
        self.restarts = {node.name: 0 for node in nodes}
        self.codes: list[int] = []
        self._released: set[str] = set()
        self._down_for_s: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    @contextlib.contextmanager
    def released(self, *nodes: Node) -> Iterator[None]:
        """These nodes are the test's own business while the body runs."""
        names = {node.name for node in nodes} - self._released
        self._released |= names
        try:
            yield
        finally:
            self._released -= names

    @property
    def restarted(self) -> int:
        return sum(self.restarts.values())

    def needs_operator(self, node: Node) -> bool:
        """Whether the node has ended and said what a person has to do."""
        return not node.is_running and node.exit_code in _FOR_AN_OPERATOR

    async def _look(self) -> None:
        while True:
            for node in self.nodes:
                self._look_after(node)
            await asyncio.sleep(LOOK_EVERY_S)

    def _look_after(self, node: Node) -> None:
        if node.is_running or node.name in self._released or node.exit_code in (None, *_FOR_AN_OPERATOR):
            self._down_for_s[node.name] = 0.0
            return
        self._down_for_s[node.name] = self._down_for_s.get(node.name, 0.0) + LOOK_EVERY_S
        if self._down_for_s[node.name] >= RESTART_AFTER_S:
            assert node.exit_code is not None, "it has ended"
            self.codes.append(node.exit_code)
            self.restarts[node.name] += 1
            node.start()
