"""What the engine is asked for, and the public state that comes of it.

A wish is answered after the commit, once or twice. These values cross the border to `app` (through
`cluster.surface`) and are what the merge speaks of.
"""

import msgspec

from cluster.core.flags import NAME_BYTES_MAX, flag_actor
from cluster.core.items import erasure_key
from cluster.core.rows import Key

# Whose budget a press is charged to, as the caller's budgets know them.
Payer = bytes | str


class Press(msgspec.Struct, frozen=True, gc=False):
    """A wish: "my tally on this item is at least n".

    `actor` has 16 bytes: the visitor id (10) and 6 zeros, or 6 bytes of the tab's hash.
    `gen` None means the node's. `n` None means one more than this actor has, queued presses included.
    The caller has checked the item (`is_pressable`), and 1 <= n <= `tally_max(item)`.
    It is charged to all `payers`, and one to `debut`, if it names one, where it is this actor's first on the item.
    """

    item: str
    actor: bytes
    gen: int | None = None
    n: int | None = None
    payers: tuple[Payer, ...] = ()
    debut: bytes = b""

    @property
    def key(self) -> Key:
        return self.item, self.actor


class Reset(msgspec.Struct, frozen=True):
    """An operator's wish: the item's next generation begins, and its tallies count no more (R12)."""

    item: str

    @property
    def key(self) -> Key:
        return self.item, b""


class Erasure(msgspec.Struct, frozen=True):
    """A visitor's wish: forget me. `visitor` is the id of 10 bytes, of which only a hash is kept (R12)."""

    visitor: bytes

    @property
    def item(self) -> str:
        return ""

    @property
    def key(self) -> Key:
        return "", erasure_key(self.visitor)


class Flag(msgspec.Struct, frozen=True):
    """An operator's wish: that the flag of this name is set, or is not. `item` is one of `flags.FLAGS`.

    Raises ValueError where no row has room for the name.
    """

    item: str
    name: str
    is_set: bool

    def __post_init__(self) -> None:
        if len(self.name.encode()) > NAME_BYTES_MAX:
            raise ValueError(f"the name of a flag has at most {NAME_BYTES_MAX} bytes")

    @property
    def key(self) -> Key:
        return self.item, flag_actor(self.name)


Wish = Press | Reset | Erasure | Flag


class ItemState(msgspec.Struct, frozen=True, gc=False):
    """The generation and the count of one item."""

    gen: int = 0
    count: int = 0


class Tally(msgspec.Struct, frozen=True, gc=False):
    """One actor's presses on one item."""

    gen: int = 0
    n: int = 0
