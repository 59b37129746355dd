"""What a load did and saw, in order: JSON Lines, one event each, written as it happens.

    {"at":12.031,"is":"sent","who":3,"item":"tap:kill-1","actor":"5f…","n":41}      a press: the new target
    {"at":12.038,"is":"saved","who":3,"item":"tap:kill-1","actor":"5f…","n":41}     acknowledged, all copies there
    {"at":12.050,"is":"shown","who":7,"item":"tap:kill-1","count":911}              a count above all earlier ones
    {"at":12.050,"is":"fell","who":7,"item":"tap:kill-1","count":900}               a lower one than just before
    {"at":13.100,"is":"lost","who":3,"why":"…","silent_s":5.1}                      a connection ended
    {"at":13.300,"is":"connected","who":3,"node":"node2"}
    {"at":13.300,"is":"refused","who":3,"code":"read_only"}
    {"at":12.000,"is":"mark","say":"healed"}                                        what the test did

Times are monotonic seconds since the history began. Read by `checker`, and by whoever looks into a red run.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

Event = dict[str, Any]

HEALED: Final = "healed"


class History:
    """Open until `close`; `fresh_events` reads back what was written."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._began_at = clock()
        self._file = path.open("w")
        self._read_to = 0
        self._highest: dict[str, int] = {}

    @property
    def now(self) -> float:
        return self._clock() - self._began_at

    def add(self, kind: str, **fields: object) -> None:
        event = {"at": round(self.now, 4), "is": kind, **fields}
        self._file.write(json.dumps(event, separators=(",", ":")) + "\n")

    def show(self, who: int, item: str, count: int) -> None:
        """A visitor was shown this count: an event only if it is above all earlier ones of its item."""
        if count > self._highest.get(item, -1):
            self._highest[item] = count
            self.add("shown", who=who, item=item, count=count)

    def mark(self, say: str) -> None:
        self.add("mark", say=say)
        self._file.flush()

    def fresh_events(self) -> Iterator[Event]:
        """What was written since the last call."""
        self._file.flush()
        with self.path.open("rb") as lines:
            lines.seek(self._read_to)
            for line in lines:
                self._read_to += len(line)
                yield json.loads(line)

    def close(self) -> None:
        self._file.close()
