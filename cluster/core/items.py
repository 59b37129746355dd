"""Items, their kinds, and what a tally of each kind adds to its item's count.

An item is written `kind:name`. The kind decides who the actor is, how far a tally may grow, and how tallies
make a count:

| kind   | actor               | count of an item       | largest n |
|--------|---------------------|------------------------|-----------|
| `tap`  | one tab             | sum of n               | 2^20      |
| `once` | the visitor         | how many n are odd     | 2^20      |
| `clap` | the visitor         | sum of n               | 50        |

In `once`, n = 1, 2, 3, … is like, taken back, liked again: a causal-length set (Yu & Rostad, "A Low-Cost
Set CRDT Based on Causal Lengths", 2020).

Rows of a kind that this version does not know are stored and relayed but not counted (R15), so `is_item` says
whether an item is of legal form, and `is_pressable` whether this version can count it.
"""

import re
from functools import lru_cache
from hashlib import blake2b
from typing import Final

TALLY_MAX: Final = 1 << 20
CLAP_MAX: Final = 50
GEN_MAX: Final = (1 << 53) - 1
SEQ_MAX: Final = (1 << 53) - 1
NAME_LENGTH_MAX: Final = 200
ACTOR_LENGTH: Final = 16
VISITOR_LENGTH: Final = 10

_KIND_LENGTH_MAX: Final = 16
_LENGTH_MAX: Final = _KIND_LENGTH_MAX + len(":") + NAME_LENGTH_MAX
_LARGEST: Final = {"tap": TALLY_MAX, "once": TALLY_MAX, "clap": CLAP_MAX}
_FORM: Final = re.compile(
    rf"([a-z]{{1,{_KIND_LENGTH_MAX}}}):([A-Za-z0-9._~/@%-]{{1,{NAME_LENGTH_MAX}}})\Z", re.ASCII
)


@lru_cache(maxsize=1024)
def kind_of(item: str) -> str:
    """The kind of an item of legal form."""
    return item.partition(":")[0]


def is_item(item: str) -> bool:
    """Whether this is `kind:name` of legal form, of a known kind or not."""
    return len(item) <= _LENGTH_MAX and _is_of_form(item)


@lru_cache(maxsize=4096)
def _is_of_form(item: str) -> bool:
    """Names that are too long never come here, or a peer's could fill the memory."""
    match = _FORM.match(item)
    if match is None:
        return False
    return not any(part in ("", ".", "..") for part in match[2].split("/"))


@lru_cache(maxsize=1024)
def is_pressable(item: str) -> bool:
    """Whether this version of the program knows how to count the item."""
    return is_item(item) and kind_of(item) in _LARGEST


@lru_cache(maxsize=1024)
def tally_max(item: str) -> int:
    """The largest tally that one actor may have on this item; 2^20 where the kind is unknown."""
    return _LARGEST.get(kind_of(item), TALLY_MAX)


def counted(item: str, n: int) -> int:
    """What one tally of n adds to the count of its item; 0 where the kind is unknown."""
    kind = kind_of(item)
    if kind == "once":
        return n & 1
    return n if kind in _LARGEST else 0


@lru_cache(maxsize=1024)
def belongs_to_visitor(item: str) -> bool:
    """Whether the actor is the whole visitor (`once`, `clap`) rather than one tab (`tap`)."""
    return kind_of(item) != "tap"


def erasure_key(visitor: bytes) -> bytes:
    """What an erasure row says of a visitor: BLAKE2b-128 of its id. The id itself is not kept (R12)."""
    return blake2b(visitor, digest_size=ACTOR_LENGTH).digest()
