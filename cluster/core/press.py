"""A press as the engine takes it, and the public state that presses make.

These values cross the border to `app` (through `cluster.surface`) and are what the merge speaks of.
"""

import msgspec


class Press(msgspec.Struct, frozen=True):
    """A wish: "my tally on this item is at least n".

    `actor` has 16 bytes: the visitor id (10) and 6 zeros, or 6 bytes of the tab's hash.
    `gen` None means the node's. `n` None means one more than this actor has, queued presses included.
    The caller has checked the item (`is_pressable`), and 1 <= n <= `tally_max(item)`.
    """

    item: str
    actor: bytes
    gen: int | None = None
    n: int | None = None


class ItemState(msgspec.Struct, frozen=True):
    """The generation and the count of one item."""

    gen: int = 0
    count: int = 0


class Tally(msgspec.Struct, frozen=True):
    """One actor's presses on one item."""

    gen: int = 0
    n: int = 0
