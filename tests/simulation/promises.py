"""How a promise is found broken, and which rows are alike."""

from collections.abc import Callable

from cluster.core.rows import Row

Version = Callable[[Row | None], object]


def tally_of(row: Row | None) -> tuple[int, int] | None:
    """What counts of a row."""
    return (row.gen, row.n) if row else None


def whole(row: Row | None) -> Row | None:
    """All of a row, to its last byte of `ext`."""
    return row


class ViolationError(AssertionError):
    """A promise was broken; not to be mistaken for a scenario that did not get where it wanted."""


def promise(kept: object, broken: str) -> None:
    """Assert one of the cluster's promises."""
    if not kept:
        raise ViolationError(broken)
