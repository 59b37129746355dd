"""A range of one origin's rows (R4) as a push, and back: in columns for whoever understands them, else a block."""

from collections.abc import Collection

from cluster.core.offers import Range
from cluster.core.rows import Row
from cluster.core.wire import LEAN, PAGE_ROWS, LeanPush, MalformedError, Push, encode, pack, unpack


class Pushed:
    """A range of own rows as its peers get it: in each form encoded once, if anybody gets that."""

    def __init__(self, own: Range) -> None:
        self._own = own
        self._forms: dict[bool, bytes] = {}

    def to(self, features: Collection[str]) -> bytes:
        """For a peer with these features."""
        is_lean = LEAN in features
        if is_lean not in self._forms:
            self._forms[is_lean] = encode(lean_push_of(self._own) if is_lean else push_of(self._own))
        return self._forms[is_lean]


def push_of(rows: Range) -> Push:
    """A range of own rows, for any peer."""
    return Push(rows.origin, rows.start, rows.to, pack(rows.rows), rows.stamp)


def lean_push_of(own: Range) -> LeanPush:
    """A range of own rows, for a peer that understands it."""
    rows, start = own.rows, own.start
    items: dict[str, int] = {}
    return LeanPush(
        own.origin,
        start,
        own.to,
        own.stamp,
        places=[items.setdefault(row.item, len(items)) for row in rows],
        items=list(items),
        actors=[row.actor for row in rows],
        gens=[row.gen for row in rows],
        ns=[row.n for row in rows],
        seqs=[row.seq - start for row in rows],
        exts={place: row.ext for place, row in enumerate(rows) if row.ext},
    )


def range_in(push: Push | LeanPush, link: int) -> Range:
    """What was pushed on this link. Raises MalformedError."""
    rows = unpack(push.block) if isinstance(push, Push) else _rows_in(push)
    return Range(push.origin, push.start, push.to, rows, link, push.stamp)


def _rows_in(push: LeanPush) -> list[Row]:
    if len(push.places) > PAGE_ROWS:
        raise MalformedError(f"{len(push.places)} rows in one push")
    if push.places and not 0 <= min(push.places) <= max(push.places) < len(push.items):
        raise MalformedError("a row names an item that its push does not have")
    items, origin, start, ext_of = push.items, push.origin, push.start, push.exts.get
    columns = zip(push.places, push.actors, push.gens, push.ns, push.seqs, strict=True)
    try:
        return [
            Row(items[place], actor, gen, n, origin, start + seq, ext_of(number, b""))
            for number, (place, actor, gen, n, seq) in enumerate(columns)
        ]
    except ValueError as error:
        raise MalformedError("the columns of a push are not of one length") from error
