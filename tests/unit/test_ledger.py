"""The ledger: a restart gives back exactly what was committed, and nobody else writes to it (R2)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from cluster import ledger_lookup
from cluster.core.offers import Adoption, Page, Range
from cluster.core.press import Erasure, ItemState, Reset, Tally
from cluster.core.rows import Row
from cluster.core.stamps import stamp_after
from cluster.core.sums import bucket_of, sums_of
from cluster.ledger import SCAN_ROWS, Ledger, LedgerFullError, open_ledger
from cluster.ledger_file import SCHEMA_VERSION
from cluster.ledger_table import Table
from cluster.surface import Place, StartError
from tests.unit.ledgers import Open, assert_sums_are_right, change_behind_its_back, count, rows_of
from tests.unit.replicas import rows_above
from tests.unit.tables import ELSEWHERE, HERE, HOME, POST, THERE, actor, erasure, press, row, visitor

# -- what was committed


def test_a_restart_gives_back_exactly_what_was_committed(reopen: Open) -> None:
    ledger = reopen()
    ledger.commit([press(3), press(1, item=POST)], HERE, {})
    ledger.commit([Range(THERE, 0, 5, [row(7, seq=5, who=2)]), Page([row(1, seq=9, who=3)])], HERE, {})
    before = (ledger.id, ledger.heads, ledger.seqs, rows_of(ledger), ledger.read([HOME, POST], [(HOME, actor(2))]))
    ledger = reopen()
    after = (ledger.id, ledger.heads, ledger.seqs, rows_of(ledger), ledger.read([HOME, POST], [(HOME, actor(2))]))
    assert after == before
    assert before[1:3] == ({HERE: 2, THERE: 5}, {HERE: 2, THERE: 9})
    assert before[4].items == {HOME: ItemState(0, 11), POST: ItemState(0, 1)}
    assert before[4].tallies == {(HOME, actor(2)): Tally(0, 7)}


def test_what_later_versions_append_survives_a_restart(reopen: Open) -> None:
    reopen().commit([Page([Row(HOME, actor(1), 0, 1, THERE, 1, b"\x00\xff later")])], HERE, {})
    assert rows_of(reopen())[0].ext == b"\x00\xff later"


def test_every_ledger_has_an_id_of_its_own(tmp_path: Path) -> None:
    one, other = open_ledger(tmp_path / "one"), open_ledger(tmp_path / "other")
    assert one.id != other.id
    assert len(one.id) == 16
    one.close()
    other.close()


def test_changes_are_those_of_the_merge(ledger: Ledger) -> None:
    changes = ledger.commit([press(3), press(5)], HERE, {})
    assert [outcome.n for outcome in changes.outcomes] == [3, 5]
    assert ledger.commit([press(4)], HERE, {}).rows == {}
    assert ledger.heads == {HERE: 2}


def test_what_was_rolled_back_is_not_remembered(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums of items are kept between commits."""
    ledger.commit([press(3)], HERE, {})
    ledger.read([HOME], [])

    def fill_up(self: Table, changed: object) -> None:
        raise apsw.FullError

    with monkeypatch.context() as full:
        full.setattr(Table, "_write_buckets", fill_up)
        with pytest.raises(LedgerFullError):
            ledger.commit([press(9), press(2, who=2)], HERE, {})
    assert ledger.read([HOME], []).items[HOME] == ItemState(0, 3)
    ledger.commit([press(4)], HERE, {})
    assert_sums_are_right(ledger)
    assert count(ledger) == 4


def test_a_commit_that_fails_at_its_very_end_is_not_remembered(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.commit([Range(THERE, 0, 5, [row(7, seq=5, who=2)], stamp=b"pushed..")], HERE, {})
    before = (dict(ledger.heads), dict(ledger.seqs), dict(ledger.stamps), list(ledger.buckets), rows_of(ledger))

    @contextmanager
    def fill_up(self: Ledger) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        yield
        self._db.execute("ROLLBACK")
        raise apsw.FullError

    with monkeypatch.context() as full:
        full.setattr(Ledger, "_transaction", fill_up)
        with pytest.raises(LedgerFullError):
            ledger.commit([Range(THERE, 5, 9, [row(8, seq=9, who=2)], stamp=b"later..."), press(9)], HERE, {})
    assert (ledger.heads, ledger.seqs, ledger.stamps, ledger.buckets, rows_of(ledger)) == before


def test_more_items_than_are_kept_in_mind_have_right_sums_too(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_lookup, "KNOWN_MAX", 3)
    for n in range(1, 4):
        for number in range(10):
            ledger.commit([press(n, item=f"tap:{number}")], HERE, {})
    assert_sums_are_right(ledger)
    assert {state.count for state in ledger.read([f"tap:{number}" for number in range(10)], []).items.values()} == {
        3
    }


def test_budgets_reach_the_merge(ledger: Ledger) -> None:
    assert ledger.commit([press(9)], HERE, {actor(1)[:10]: 4}).outcomes[0].n == 4


def test_item_sums_on_disk_are_those_of_the_rows(reopen: Open) -> None:
    ledger = reopen()
    for seq in range(1, 30):
        ledger.commit([Page([row(seq % 7 + 1, seq=seq, who=seq % 5)]), press(seq, who=seq % 3)], HERE, {})
    ledger = reopen()
    assert ledger.sums(HOME) == sums_of(0, rows_of(ledger))


def test_a_reset_is_kept(reopen: Open) -> None:
    ledger = reopen()
    ledger.commit([press(5), press(6, who=2)], HERE, {})
    ledger.commit([Page([Row(HOME, b"", 2, 0, THERE, 1)])], HERE, {})
    ledger = reopen()
    assert ledger.read([HOME], [(HOME, actor(1))]).items[HOME] == ItemState(2, 0)
    assert ledger.read([], [(HOME, actor(1))]).tallies == {(HOME, actor(1)): Tally(2, 0)}
    assert rows_of(ledger) == [Row(HOME, b"", 2, 0, THERE, 1)]
    assert ledger.commit([press(1, gen=2)], HERE, {}).outcomes[0].count == 1


def test_buckets_and_erasures_are_kept(reopen: Open) -> None:
    ledger = reopen()
    ledger.commit([press(5), press(1, item=POST), Erasure(visitor(2)), Reset("clap:x")], HERE, {})
    before = list(ledger.buckets)
    ledger = reopen()
    assert (list(ledger.buckets), ledger.erased) == (before, {erasure(2).actor})
    assert_sums_are_right(ledger)
    assert ledger.commit([press(1, who=2)], HERE, {}).outcomes[0].refusal == "erased"


def test_an_erasure_row_is_kept_and_scanned(reopen: Open) -> None:
    erased = Row("", b"v" * 16, 0, 1, THERE, 1)
    reopen().commit([Page([erased])], HERE, {})
    assert rows_of(reopen()) == [erased]


@pytest.mark.parametrize("pages", [((9,), (3,)), ((9, 3),), ((3, 9, 4),), ((9,), (3, 4))])
def test_the_highest_seq_held_of_an_origin_never_falls(reopen: Open, pages: tuple[tuple[int, ...], ...]) -> None:
    ledger = reopen()
    for seqs in pages:
        ledger.commit([Page([row(1, seq=seq, who=seq) for seq in seqs])], HERE, {})
    assert ledger.seqs == {THERE: 9}
    assert reopen().seqs == {THERE: 9}


def test_the_stamps_of_heads_are_kept_with_them(reopen: Open) -> None:
    ledger = reopen()
    ledger.commit([Range(THERE, 0, 5, [], stamp=b"pushed.."), press(1)], HERE, {})
    ledger.commit([Adoption({}, {ELSEWHERE: 3, THERE: 4}, {ELSEWHERE: b"adopted.", THERE: b"an older"})], HERE, {})
    kept = {THERE: b"pushed..", ELSEWHERE: b"adopted.", HERE: stamp_after(b"", [row(1, origin=HERE)])}
    assert ledger.stamps == kept
    assert reopen().stamps == kept
    reopen().commit([Range(THERE, 5, 6, []), Page([row(1, seq=9)])], HERE, {})
    assert reopen().stamps == kept | {THERE: b""}


def test_adopted_heads_are_kept(reopen: Open) -> None:
    reopen().commit([Adoption({}, {THERE: 5, ELSEWHERE: 7})], HERE, {})
    assert reopen().heads == {THERE: 5, ELSEWHERE: 7}


def test_what_was_never_pressed_is_zero(ledger: Ledger) -> None:
    snapshot = ledger.read([HOME], [(POST, actor(1))])
    assert (snapshot.items, snapshot.tallies) == ({HOME: ItemState()}, {(POST, actor(1)): Tally()})


def test_items_of_a_bucket_are_given_in_their_order_and_the_one_without_name_first(ledger: Ledger) -> None:
    bucket = bucket_of("")
    names = [name for number in range(20_000) if bucket_of(name := f"tap:{number}") == bucket]
    ledger.commit([Erasure(visitor(9)), *(press(1, item=name) for name in names)], HERE, {})
    assert [item for item, _ in ledger.items_of(bucket, None, 100)] == ["", *sorted(names)]
    assert [item for item, _ in ledger.items_of(bucket, "", 3)] == sorted(names)[:3]
    assert ledger.items_of(bucket, max(names), 100) == []


# -- scans


def test_a_scan_gives_every_row_once_in_key_order(ledger: Ledger) -> None:
    rows = rows_above(2 * SCAN_ROWS + 10, THERE)
    ledger.commit([Page(rows[:SCAN_ROWS]), Page(rows[SCAN_ROWS:])], HERE, {})
    first, after = ledger.scan((0, b""), {})
    assert len(first) == SCAN_ROWS
    assert after is not None
    found = rows_of(ledger)
    assert found == sorted(rows, key=lambda each: each.actor)


def test_a_scan_leaves_out_what_lies_at_or_below_its_base(ledger: Ledger) -> None:
    ledger.commit([Page([row(1, seq=seq, who=seq) for seq in (1, 2, 3)]), press(1, who=9)], HERE, {})
    rows, after = ledger.scan((0, b""), {THERE: 2})
    assert [(each.origin, each.seq) for each in rows] == [(THERE, 3), (HERE, 1)]
    assert after is None


def test_a_scan_sees_what_is_committed_while_it_goes_on(ledger: Ledger) -> None:
    ledger.commit([Page(rows_above(SCAN_ROWS + 5, THERE))], HERE, {})
    _, after = ledger.scan((0, b""), {})
    assert after is not None
    ledger.commit([press(7, who=SCAN_ROWS + 5)], HERE, {})
    rows, _ = ledger.scan(after, {})
    assert [each.n for each in rows if each.actor == actor(SCAN_ROWS + 5)] == [7]


def test_a_scan_leaves_out_rows_of_older_generations(ledger: Ledger) -> None:
    ledger.commit([press(5), press(1, item=POST), Reset(HOME), press(2, who=2)], HERE, {})
    assert [(each.key, each.gen) for each in rows_of(ledger)] == [
        ((HOME, b""), 1),
        ((HOME, actor(2)), 1),
        ((POST, actor(1)), 0),
    ]


# -- one writer


def test_a_second_opener_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="in use by another node"):
        open_ledger(tmp_path)
    assert count(ledger) == 0


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot be written"):
        open_ledger(tmp_path / "file" / "ledger")


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(reopen: Open, tmp_path: Path) -> None:
    reopen().close()
    change_behind_its_back(tmp_path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    for _ in range(2):
        with pytest.raises(StartError, match="newer version"):
            open_ledger(tmp_path)
    change_behind_its_back(tmp_path, f"PRAGMA user_version = {SCHEMA_VERSION}")


def test_a_file_that_is_no_ledger_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(StartError, match="backup"):
        open_ledger(tmp_path)


def test_all_items_are_listed_once_however_few_at_a_time(ledger: Ledger) -> None:
    items = {f"tap:{number}": number for number in range(1, 40)}
    ledger.commit([press(n, item=item) for item, n in items.items()], HERE, {})
    ledger.commit([Erasure(visitor(9))], HERE, {})
    for limit in (1, 7, 100):
        found: list[tuple[str, ItemState]] = []
        place: Place | None = (0, "")
        while place is not None:
            listed = ledger.list_items(place, limit)
            assert len(listed.items) <= limit
            found += listed.items
            place = listed.rest
        assert {item: state.count for item, state in found} == items
        assert len(found) == len(items)
