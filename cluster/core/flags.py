"""What operators set for the whole cluster, and take back: which items are frozen, which origins are allowed.

A flag is a row like a tally's, so it is stored, relayed, compared and repaired as they are. Its item is one of the
two below, its actor the hash of the flag's name, its `ext` the name. It is set while n is odd: of two changes the
later one counts, and where two nodes had not heard of each other, the one at which it was changed more often. A
version that does not know flags takes them for a kind that it does not count (R15).
"""

from collections.abc import Collection, Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

import msgspec

from cluster.core.items import ACTOR_LENGTH, TALLY_MAX
from cluster.core.rows import Row

FROZEN: Final = "flag:frozen"
ALLOWED: Final = "flag:allowed"
FLAGS: Final = frozenset((FROZEN, ALLOWED))
# With what MessagePack puts before it, what an `ext` has room for.
NAME_BYTES_MAX: Final = 253

_names: Final = msgspec.msgpack.Decoder(str)

# The names that are set, by the item that says so.
Names = Mapping[str, Collection[str]]
NONE_SET: Final[Names] = MappingProxyType(dict.fromkeys(FLAGS, ()))
# The item of a flag, and its name.
FlagName = tuple[str, str]


def flag_actor(name: str) -> bytes:
    """Under which actor the flag of this name stands."""
    return blake2b(name.encode(), digest_size=ACTOR_LENGTH).digest()


def ext_of(name: str) -> bytes:
    return msgspec.msgpack.encode(name)


def name_of(row: Row) -> str | None:
    """The name of the flag in this row; None where it says none of its own, as no version of ours writes it."""
    try:
        name = _names.decode(row.ext)
    except ValueError:  # msgspec's own, and that of text that is none.
        return None
    return name if flag_actor(name) == row.actor else None


def is_set(n: int) -> bool:
    return n % 2 == 1


def next_n(n: int, *, wanted: bool) -> int:
    """The n that says so, where n stands, or 0 where nothing does; the same if that says so already.

    So it is, too, where a flag was changed a million times: it stays.
    """
    if n and is_set(n) == wanted:
        return n
    after = n + 1 if is_set(n + 1) == wanted else n + 2
    return after if after <= TALLY_MAX else n


def note(names: Mapping[str, set[str]], changed: Mapping[FlagName, bool]) -> None:
    """These are set now, or are not any more."""
    for (item, name), is_now_set in changed.items():
        if is_now_set:
            names[item].add(name)
        else:
            names[item].discard(name)


def set_among(rows: Collection[Row]) -> set[str]:
    """The names that these rows set."""
    return {name for row in rows if is_set(row.n) and (name := name_of(row)) is not None}
