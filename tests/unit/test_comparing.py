"""Two ledgers that differ say only what differs, and are equal when nobody says anything more (R11)."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.comparing import Steps, say_our_rows, say_what_we_have, say_where_we_differ
from cluster.core.compare import CUT_ROWS, LEAF_ROWS, whole
from cluster.core.offers import Page, Range, Repair
from cluster.core.press import Erasure, Reset
from cluster.core.rows import Row
from cluster.core.sums import ItemSums
from cluster.core.wire import Compare, Mend, Message, decode, encode, unpack
from cluster.ledger import Ledger, open_ledger
from tests.unit.ledgers import assert_sums_are_right, commit_rows, in_memory, rows_of
from tests.unit.replicas import rows_above
from tests.unit.tables import ELSEWHERE, HERE, HOME, POST, THERE, actor, header, press, row, visitor


class Comparison:
    """Two ledgers and what they have said to each other, carried by hand until nobody says anything."""

    def __init__(self, one: Ledger, other: Ledger) -> None:
        self.sides = (one, other)
        self.said: list[Message] = []
        self.repairs = 0
        self.way: deque[tuple[int, Message]] = deque()

    def run(self) -> None:
        """The other's digest has come to the first, and differs."""
        one, other = self.sides
        differing = [
            bucket for bucket, pair in enumerate(zip(one.buckets, other.buckets, strict=True)) if pair[0] != pair[1]
        ]
        self._say(0, say_what_we_have(one, differing))
        while self.way:
            side, message = self.way.popleft()
            self._hear(side, message)
            assert len(self.said) < 1000, "they never stop talking"

    def _say(self, side: int, steps: Steps) -> None:
        for message in steps:
            if message is not None:
                self.said.append(message)
                self.way.append((1 - side, decode(encode(message))))

    def _hear(self, side: int, message: Message) -> None:
        ledger = self.sides[side]
        if isinstance(message, Compare):
            self._say(side, say_where_we_differ(ledger, message.spans))
        elif isinstance(message, Mend):
            self.repairs += ledger.commit([Repair(unpack(message.block))], b"%016d" % side, {}).repairs
            self._say(side, say_our_rows(ledger, message.asked))

    @property
    def rows_sent(self) -> int:
        return sum(len(message.block.rows) for message in self.said if isinstance(message, Mend))

    @property
    def spans_sent(self) -> int:
        return sum(len(message.spans) for message in self.said if isinstance(message, Compare))

    def assert_equal(self) -> None:
        one, other = self.sides
        assert list(one.buckets) == list(other.buckets)
        assert {each.key: (each.gen, each.n) for each in current_rows(one)} == {
            each.key: (each.gen, each.n) for each in current_rows(other)
        }
        for side in self.sides:
            assert_sums_are_right(side)


def current_rows(ledger: Ledger) -> list[Row]:
    return [each for each in rows_of(ledger) if each.gen == ledger.sums(each.item).gen]


@pytest.fixture
def ledgers() -> Iterator[tuple[Ledger, Ledger]]:
    opened = in_memory(), in_memory()
    yield opened
    for each in opened:
        each.close()


Pair = tuple[Ledger, Ledger]


def compared(ledgers: Pair, *, swapped: bool = False) -> Comparison:
    """Both directions end equal; which of the two begins is chance."""
    comparison = Comparison(*(reversed(ledgers) if swapped else ledgers))
    comparison.run()
    comparison.assert_equal()
    return comparison


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the rows are many."""
    monkeypatch.setattr("cluster.comparing.LEAF_ROWS", LEAF_ROWS // 10)
    monkeypatch.setattr("cluster.comparing.CUT_ROWS", CUT_ROWS // 10)


either_begins = pytest.mark.parametrize("swapped", [False, True], ids=["one begins", "the other begins"])


def test_equal_ledgers_say_nothing(ledgers: Pair) -> None:
    for ledger in ledgers:
        commit_rows(ledger, [*rows_above(1100, THERE), row(3, item=POST), row(1, item="tap:z")])
    assert compared(ledgers).said == []
    sums = ledgers[0].sums(HOME)
    assert list(say_where_we_differ(ledgers[1], [whole(HOME, sums)])) == [None]


@either_begins
def test_one_row_that_is_missing(ledgers: Pair, swapped: bool) -> None:
    for ledger in ledgers:
        commit_rows(ledger, rows_above(10, THERE))
    ledgers[1].commit([press(1, who=99)], ELSEWHERE, {})
    comparison = compared(ledgers, swapped=swapped)
    assert comparison.rows_sent <= 22, "the item's rows, once each way"
    assert comparison.repairs == 0, "nobody's head had claimed it"


def test_a_row_that_the_heads_had_claimed_is_a_repair(ledgers: Pair) -> None:
    rows = rows_above(10, THERE)
    ledgers[0].commit([Range(THERE, 0, 10, rows)], HERE, {})
    ledgers[1].commit([Range(THERE, 0, 10, rows[:-1])], HERE, {})
    assert compared(ledgers).repairs == 1


@either_begins
def test_rows_that_differ_on_both_sides(ledgers: Pair, swapped: bool) -> None:
    ledgers[0].commit([press(5), press(1, who=2), press(1, who=3)], HERE, {})
    ledgers[1].commit([press(4), press(2, who=2), press(1, who=4)], THERE, {})
    compared(ledgers, swapped=swapped)
    assert ledgers[0].sums(HOME).count == 9


def test_an_item_that_one_side_does_not_have_at_all(ledgers: Pair) -> None:
    commit_rows(ledgers[0], [row(3, item=POST), row(2)])
    assert compared(ledgers).rows_sent == 2
    assert ledgers[1].sums(POST).count == 1


def test_who_has_nothing_there_says_nothing_and_the_others_digest_begins(ledgers: Pair) -> None:
    commit_rows(ledgers[0], [row(3, item=POST)])
    begun = Comparison(ledgers[1], ledgers[0])
    begun.run()
    assert begun.said == []
    compared(ledgers)


def test_many_rows_that_one_side_does_not_have_at_all(ledgers: Pair) -> None:
    commit_rows(ledgers[0], rows_above(2500, THERE))
    assert compared(ledgers).rows_sent == 2500


@either_begins
def test_of_three_thousand_rows_one_differs(ledgers: Pair, swapped: bool) -> None:
    for ledger in ledgers:
        commit_rows(ledger, rows_above(3000, THERE))
    ledgers[0].commit([press(2, who=1777)], HERE, {})
    comparison = compared(ledgers, swapped=swapped)
    assert comparison.rows_sent == 2 * CUT_ROWS, "one part, each way"
    assert len(comparison.said) == 4, comparison.said
    assert comparison.spans_sent <= 1 + 3000 // CUT_ROWS + 1


@either_begins
@pytest.mark.usefixtures("small_parts")
def test_parts_of_many_rows_are_cut_again(ledgers: Pair, swapped: bool) -> None:
    commit_rows(ledgers[0], rows_above(300, THERE))
    commit_rows(ledgers[1], rows_above(300, THERE)[::5])
    comparison = compared(ledgers, swapped=swapped)
    assert comparison.rows_sent <= 300 + 3 * 60
    assert all(len(each.block.rows) <= LEAF_ROWS // 10 for each in comparison.said if isinstance(each, Mend))


@either_begins
def test_a_generation_that_one_side_has_not_heard_of(ledgers: Pair, swapped: bool) -> None:
    for ledger in ledgers:
        commit_rows(ledger, rows_above(20, THERE))
    ledgers[0].commit([Reset(HOME), press(3, gen=1)], HERE, {})
    compared(ledgers, swapped=swapped)
    assert ledgers[1].sums(HOME) == ledgers[0].sums(HOME)
    assert (ledgers[1].sums(HOME).gen, ledgers[1].sums(HOME).count) == (1, 3)


@either_begins
@pytest.mark.usefixtures("small_parts")
def test_a_reset_of_many_rows_that_one_side_has_not_heard_of(ledgers: Pair, swapped: bool) -> None:
    for ledger in ledgers:
        commit_rows(ledger, rows_above(250, THERE))
    ledgers[0].commit([Reset(HOME)], HERE, {})
    compared(ledgers, swapped=swapped)
    assert ledgers[1].sums(HOME).gen == 1
    assert ledgers[1].sums(HOME).count == 0


@either_begins
def test_an_erasure_that_one_side_has_not_heard_of(ledgers: Pair, swapped: bool) -> None:
    ledgers[0].commit([Erasure(visitor(1)), Erasure(visitor(2))], HERE, {})
    ledgers[1].commit([Erasure(visitor(2))], THERE, {})
    compared(ledgers, swapped=swapped)
    assert ledgers[1].erased == ledgers[0].erased
    assert len(ledgers[1].erased) == 2


def test_rows_of_an_older_generation_are_not_compared(ledgers: Pair) -> None:
    """They wait to be removed on one side, and are gone on the other."""
    ledgers[0].commit([press(3), Page([header(1)])], HERE, {})
    ledgers[1].commit([Page([header(1)])], HERE, {})
    assert compared(ledgers).said == []
    assert ledgers[0].rows_of(HOME, b"", b"", 10) == [header(1)]


def test_a_row_that_an_older_one_precedes_is_found(ledgers: Pair) -> None:
    """A page of the table may hold rows of older generations only, and is then no end."""
    commit_rows(ledgers[0], rows_above(30, THERE))
    ledgers[0].commit([Page([header(1), row(4, 99, who=31, gen=1)])], HERE, {})
    found = ledgers[0].rows_of(HOME, actor(1), b"", 10)
    assert [each.actor for each in found] == [actor(31)]


def test_what_a_bucket_holds_is_said_in_messages_of_a_thousand_items(
    ledgers: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.comparing.SPANS_MAX", 2)
    monkeypatch.setattr("cluster.ledger_table.bucket_of", lambda item: 7)
    commit_rows(ledgers[0], [row(1, item=f"tap:{number}") for number in range(5)])
    said = list(say_what_we_have(ledgers[0], [7]))
    assert [len(each.spans) for each in said if isinstance(each, Compare)] == [2, 2, 1]
    assert all(
        ledgers[1].sums(span.item) == ItemSums()
        for each in said
        if isinstance(each, Compare)
        for span in each.spans
    )


@pytest.mark.usefixtures("small_parts")
def test_a_long_cut_is_said_in_several_messages(ledgers: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.comparing.SPANS_MAX", 2)
    for ledger in ledgers:
        commit_rows(ledger, rows_above(300, THERE))
    ledgers[0].commit([press(2, who=177)], HERE, {})
    comparison = compared(ledgers)
    assert comparison.rows_sent == 2 * CUT_ROWS // 10
    assert max(len(each.spans) for each in comparison.said if isinstance(each, Compare)) == 2


def test_what_was_mended_is_on_disk(tmp_path: Path) -> None:
    one, other = open_ledger(tmp_path / "one"), open_ledger(tmp_path / "other")
    one.commit([press(3), press(1, item=POST), Erasure(visitor(9))], HERE, {})
    compared((one, other))
    buckets = list(one.buckets)
    for folder, ledger in (("one", one), ("other", other)):
        ledger.close()
        reopened = open_ledger(tmp_path / folder)
        assert list(reopened.buckets) == buckets
        assert_sums_are_right(reopened)
        reopened.close()
