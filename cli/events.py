"""What a frame of a node means to this client: what `conversation` returns, `presses` and `session` act on."""

import msgspec

from cli import wire
from cli.tallies import Key


class Offered(msgspec.Struct, frozen=True):
    """The node's first frame, with a fresh token: answer with `go_by`, that token or the one that is kept."""

    fresh: str


class Greeted(msgspec.Struct, frozen=True):
    """The node took the token we said, and signed it anew."""

    node: str
    said: str
    token: str


class TokenRefused(msgspec.Struct, frozen=True):
    """The token we said is no longer good: forget it, the tallies and the queue, and `go_by` the fresh one."""

    said: str
    fresh: str


class Counted(msgspec.Struct, frozen=True):
    counts: dict[str, int]


class Learned(msgspec.Struct, frozen=True):
    """What the node holds of this client's tally."""

    key: Key
    gen: int
    n: int


class Taken(msgspec.Struct, frozen=True):
    """A press is committed; `is_saved` once it has the copies. `retry_after` if only a part was taken.

    Only the first answer's count is news: it comes before any `counts` that includes the press, the second after.
    """

    key: Key
    answer: wire.Pressed
    is_first: bool
    is_saved: bool
    retry_after: float | None


class Delayed(msgspec.Struct, frozen=True):
    """A press was not taken and will be sent again: `rate_limited`, `read_only`, `behind`."""

    key: Key
    code: str
    retry_after: float


class Refused(msgspec.Struct, frozen=True):
    """A press was refused for good; or, without a key, something else that we said."""

    key: Key | None
    code: str
    message: str


class Reset(msgspec.Struct, frozen=True):
    """The item was reset: tallies of a generation before `gen` count no more."""

    item: str
    gen: int


class Left(msgspec.Struct, frozen=True):
    """The node is about to stop: reconnect elsewhere after so many seconds."""

    after: float


Event = Offered | Greeted | TokenRefused | Counted | Learned | Taken | Delayed | Refused | Reset | Left
