"""What peers say to each other: MessagePack arrays, one message per binary WebSocket frame.

The only module that knows the peers' wire format. `docs/protocol.md` lists the messages.

1. A message begins with its number; further elements of later versions are ignored, for a message goes no further.
2. A row is relayed, so nothing of it may be dropped: what later versions append to a row travels in its last
   element, `ext`, a byte string that holds the appended fields as MessagePack (R15).
3. Items and origins of a block are named once and then by index. A range of own rows goes in columns to whoever
   understands it: ten presses of an item take 27 bytes each.
4. What cannot be decoded raises `MalformedError`: the sender's fault, and the link closes (R13). So does a head or
   range out of bounds, which no ledger could store. A row out of bounds is the merge's business.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Annotated, Final, TypeVar

import msgspec

from cluster.core.items import SEQ_MAX
from cluster.core.rows import ORIGIN_LENGTH, Row
from cluster.core.stamps import STAMP_LENGTH

T = TypeVar("T")

PROTOCOL_MIN: Final = 1
PROTOCOL_MAX: Final = 1
# Understands Digest, Compare and Mend (R11).
DIGEST: Final = "digest"
# Understands LeanPush.
LEAN: Final = "lean"
# Understands Watching.
VIEWERS: Final = "viewers"
FEATURES: Final[tuple[str, ...]] = (DIGEST, LEAN, VIEWERS)
MESSAGE_BYTES_MAX: Final = 1 << 20
HANDSHAKE_BYTES_MAX: Final = 2048
PAGE_ROWS: Final = 1000
# Every start of a node leaves an origin behind for ever. A head and its stamp take 37 bytes at most, so these fit.
HEADS_MAX: Final = 20_000
# Some 400 KB with the longest names.
VIEWED_MAX: Final = 2000

Origin = Annotated[bytes, msgspec.Meta(min_length=ORIGIN_LENGTH, max_length=ORIGIN_LENGTH)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=SEQ_MAX)]
# Of a head, as the run that it is of gave it out (R10); b"" where it passed a node of the first version.
Stamp = Annotated[bytes, msgspec.Meta(max_length=STAMP_LENGTH)]


class MalformedError(Exception):
    """A peer sent bytes that are no message of this protocol."""


class WireRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A row whose item and origin are indices into its block."""

    item: int
    actor: bytes
    gen: int
    n: int
    origin: int
    seq: int
    ext: bytes = b""


class Block(msgspec.Struct, array_like=True, frozen=True):
    """Rows, with the items and origins that they name."""

    items: list[str]
    origins: list[bytes]
    rows: list[WireRow]


class Hello(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """Who speaks, and a nonce for the other side's proof. A feature is used where both sides name it."""

    protocol_min: int
    protocol_max: int
    features: list[str]
    name: str
    ledger: bytes
    origin: bytes
    nonce: bytes
    advertise: str
    cluster_port: int
    public_address: str
    version: str


class Proof(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """HMAC-SHA256 of the handshake under the peer key."""

    mac: bytes


class Have(msgspec.Struct, array_like=True, frozen=True, tag=3):
    """Heads of the sender, at most 20,000: all once per link, then the changed ones; an entry replaces the earlier
    one (R7). `stamp` is of the receiver's origin, if its head is among them (R10)."""

    heads: dict[Origin, Seq]
    stamp: Stamp = b""


class Push(msgspec.Struct, array_like=True, frozen=True, tag=4):
    """A range of one origin's commits (R4), and the stamp of `to`. The only message that a full queue may drop."""

    origin: Origin
    start: Seq
    to: Seq
    block: Block
    stamp: Stamp = b""


class LeanPush(msgspec.Struct, array_like=True, frozen=True, tag=14):
    """The same in columns, each with one element a row, and without what is the same in all of them.

    `places` are indices into `items`; `seqs` are counted from `start`; `exts` are of those rows that have one.
    """

    origin: Origin
    start: Seq
    to: Seq
    stamp: Stamp
    items: list[str]
    places: list[int]
    actors: list[bytes]
    gens: list[int]
    ns: list[int]
    seqs: list[int]
    exts: dict[int, bytes]


class Pull(msgspec.Struct, array_like=True, frozen=True, tag=5):
    """Send me every row above the heads I announced on this link (R5)."""

    id: int


class Rows(msgspec.Struct, array_like=True, frozen=True, tag=6):
    """A page of a pull's answer; empty pages show that a scan goes on."""

    id: int
    block: Block


class End(msgspec.Struct, array_like=True, frozen=True, tag=7):
    """The end of a pull's answer: the sender's heads above the asker's, taken before the first page.

    At most 20,000 of them: who still lacks some asks again. `stamps` are theirs, in their order, or none.
    """

    id: int
    heads: dict[Origin, Seq]
    stamps: list[Stamp] = []


class Peers(msgspec.Struct, array_like=True, frozen=True, tag=8):
    """Cluster addresses of the nodes that the sender is linked with."""

    addresses: list[str]


class Status(msgspec.Struct, array_like=True, frozen=True, tag=9):
    """How the sender is: its state, and how many browsers watch there.

    For people, and absent from nodes of the first version: since when it runs (Unix time by its clock), how many
    presses it was asked for since, the digest of all it holds, and the names of the nodes it is linked to.
    """

    state: str
    watchers: int
    since: float = 0.0
    presses: int = 0
    digest: bytes = b""
    links: tuple[str, ...] = ()


class Alive(msgspec.Struct, array_like=True, frozen=True, tag=10):
    """The sign of life that each end of an open link gives every second."""


class Digest(msgspec.Struct, array_like=True, frozen=True, tag=11):
    """The digests of the sender's 1,024 buckets, 16 bytes each (R11)."""

    buckets: bytes


class Span(msgspec.Struct, array_like=True, frozen=True):
    """The rows of an item with start <= actor < stop, where stop b"" is the end: their number and their digest."""

    item: str
    start: bytes
    stop: bytes
    rows: int
    digest: bytes


class Compare(msgspec.Struct, array_like=True, frozen=True, tag=12):
    """What the sender has in these spans; where the receiver has something else, it says so (R11)."""

    spans: list[Span]


class Mend(msgspec.Struct, array_like=True, frozen=True, tag=13):
    """Rows of the sender in a span that differs, and the spans of which it wants the receiver's rows."""

    block: Block
    asked: list[Span]


class Watching(msgspec.Struct, array_like=True, frozen=True, tag=15):
    """How many browsers watch items at the sender, at most 2,000: all once per link, then the changed ones."""

    viewers: dict[str, Annotated[int, msgspec.Meta(ge=0, le=SEQ_MAX)]]


Message = (
    Hello
    | Proof
    | Have
    | Push
    | LeanPush
    | Pull
    | Rows
    | End
    | Peers
    | Status
    | Alive
    | Digest
    | Compare
    | Mend
    | Watching
)

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    return _encoder.encode(message)


def decode(data: bytes) -> Message:
    """The message in one frame. Raises MalformedError."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise MalformedError(f"{len(data)} bytes are more than {MESSAGE_BYTES_MAX}")
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(str(error)) from error


def pack(rows: Iterable[Row]) -> Block:
    """A block of these rows, in their order."""
    items: dict[str, int] = {}
    origins: dict[bytes, int] = {}
    packed = [
        WireRow(
            items.setdefault(row.item, len(items)),
            row.actor,
            row.gen,
            row.n,
            origins.setdefault(row.origin, len(origins)),
            row.seq,
            row.ext,
        )
        for row in rows
    ]
    return Block(list(items), list(origins), packed)


def unpack(block: Block) -> list[Row]:
    """The rows of a block. Raises MalformedError for an index that the block does not have, or too many rows."""
    items, origins = block.items, block.origins
    if len(block.rows) > PAGE_ROWS:
        raise MalformedError(f"{len(block.rows)} rows in one block")
    rows = []
    for row in block.rows:
        if not (0 <= row.item < len(items) and 0 <= row.origin < len(origins)):
            raise MalformedError("a row names an item or origin that its block does not have")
        rows.append(Row(items[row.item], row.actor, row.gen, row.n, origins[row.origin], row.seq, row.ext))
    return rows


def pages(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    """The rows cut into pages of at most 1,000."""
    for first in range(0, len(rows), PAGE_ROWS):
        yield rows[first : first + PAGE_ROWS]


def parts(entries: Mapping[T, int], most: int = HEADS_MAX) -> Iterable[dict[T, int]]:
    """Heads, or what else a message has so many of at most, cut into parts for one each."""
    left = iter(entries.items())
    while part := dict(islice(left, most)):
        yield part


def above(heads: Mapping[bytes, int], base: Mapping[bytes, int]) -> dict[bytes, int]:
    """The entries of `heads` that lie above those of `base`."""
    return {origin: head for origin, head in heads.items() if head > base.get(origin, 0)}
