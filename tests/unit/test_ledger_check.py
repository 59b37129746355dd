"""What the disk has changed is never handed on: the next start checks the whole ledger (R13)."""

from collections.abc import Iterator

import apsw
import pytest
from structlog.testing import capture_logs

from cluster.core.offers import Adoption, Page, Range
from cluster.core.press import Erasure, Reset
from cluster.core.sums import ItemSums, bucket_of
from cluster.ledger import Ledger, LedgerError
from cluster.ledger_table import Table
from cluster.surface import StartError
from tests.unit.ledgers import (
    assert_sums_are_right,
    count,
    go_whole_round,
    in_memory,
    rows_of,
    sql,
    start_again,
)
from tests.unit.tables import ELSEWHERE, HERE, HOME, POST, THERE, actor, erasure, header, press, row, visitor


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """Presses of three visitors on one item, one on an item that was reset, an erased visitor; of two origins."""
    made = in_memory()
    made.commit([Range(THERE, 0, 3, [row(1, seq=seq, who=seq) for seq in (1, 2, 3)])], HERE, {})
    made.commit([Reset(POST), press(1, item=POST, who=5), Erasure(visitor(9))], HERE, {})
    go_whole_round(made)
    assert not made.round.is_wanted
    yield made
    made.close()


def assert_suspect(ledger: Ledger) -> Ledger:
    """It takes and gives nothing more, and its next start checks the whole; what that start makes of it."""
    for use in (lambda: ledger.commit([press(1, who=7)], HERE, {}), lambda: ledger.read([HOME], [])):
        with pytest.raises(LedgerError, match="next start checks the whole"):
            use()  # type: ignore[no-untyped-call]
    assert ledger._table.meta("suspect") == 1
    return assert_checked(ledger)


def assert_checked(ledger: Ledger) -> Ledger:
    """The next start checks the whole, and the one after it nothing."""
    with capture_logs() as logs:
        checked = start_again(ledger)
    assert [each["event"] for each in logs] == ["ledger.checking", "ledger.checked"]
    assert set(checked.heads) <= origins_of_new_headers(ledger), "all others are dropped"
    assert checked.round.is_wanted
    assert_sums_are_right(checked)
    with capture_logs() as logs:
        again = start_again(ledger)
    assert logs == []
    assert (again.heads, rows_of(again)) == (checked.heads, rows_of(checked))
    go_whole_round(again)
    return again


def origins_of_new_headers(ledger: Ledger) -> set[object]:
    """Those whose only rows are headers, one for every seq up to the head."""
    found = sql(
        ledger,
        "SELECT o.origin FROM origins o JOIN tallies t ON t.origin_id = o.id "
        "GROUP BY o.id HAVING max(length(t.actor)) = 0 AND count(*) = o.head",
    )
    return {origin for (origin,) in found}


def quarantine(ledger: Ledger) -> list[tuple[object, ...]]:
    return sql(ledger, "SELECT item, actor, n, fault FROM quarantine")


# -- rows


def test_a_spoilt_row_is_put_aside_and_pulled_again(ledger: Ledger) -> None:
    sql(ledger, "UPDATE tallies SET n = 517 WHERE actor = ?", actor(2))
    with pytest.raises(LedgerError, match="does not fit its checksum"):
        ledger.commit([press(9, who=2)], HERE, {})
    checked = assert_suspect(ledger)
    assert quarantine(checked) == [(HOME, actor(2), 517, "it does not fit its checksum")]
    assert checked.quarantined == 1
    assert count(checked) == 2
    checked.commit([Page([row(1, 2, who=2)]), Adoption({}, {THERE: 3})], ELSEWHERE, {})
    assert (count(checked), checked.heads) == (3, {THERE: 3})


def test_a_row_out_of_bounds_is_put_aside_though_its_checksum_is_right(ledger: Ledger) -> None:
    bad = row(51, 2, item="clap:x", who=2)
    (number,) = (n for (n,) in sql(ledger, "SELECT id FROM origins WHERE origin = ?", THERE))
    ledger.commit([press(1, item="clap:x", who=2)], HERE, {})
    checksum = ledger._table.checksums.of_row(bad)
    sql(ledger, "UPDATE tallies SET n = 51, origin_id = ?, seq = 2, checksum = ? WHERE seq = 4", number, checksum)
    with pytest.raises(LedgerError, match="out of bounds"):
        rows_of(ledger)
    checked = assert_suspect(ledger)
    assert [fault for *_, fault in quarantine(checked)] == ["illegal key, or n out of bounds for it"]
    assert checked.sums("clap:x") == ItemSums()


def test_all_that_is_spoilt_is_put_aside_at_once(ledger: Ledger) -> None:
    sql(ledger, "UPDATE tallies SET n = 'x', ext = 7 WHERE n = 1")
    with pytest.raises(LedgerError):
        ledger.read([], [(HOME, actor(1))])
    checked = assert_suspect(ledger)
    assert checked.quarantined == 5
    assert checked.sums(POST).gen == 1, "the item's own row still knows it"
    assert checked.erased == set(), "the erasure row was spoilt too, and comes back from a peer"


def test_rows_whose_item_is_none_are_put_aside(ledger: Ledger) -> None:
    sql(ledger, "UPDATE tallies SET item_id = 77 WHERE seq = 2 AND actor = ?", actor(2))
    with pytest.raises(LedgerError, match="not those of its rows"):
        go_whole_round(ledger)
    checked = assert_suspect(ledger)
    assert quarantine(checked) == [(None, actor(2), 1, "its item is none")]
    assert count(checked) == 2


def test_what_was_put_aside_stays_for_a_person_to_look_at(ledger: Ledger) -> None:
    for who in (1, 2):
        sql(ledger, "UPDATE tallies SET n = 517 WHERE actor = ?", actor(who))
        with pytest.raises(LedgerError):
            rows_of(ledger)
        ledger = start_again(ledger)
        assert ledger.quarantined == who


# -- sums, items, buckets


def test_spoilt_sums_are_made_anew_from_sound_rows(ledger: Ledger) -> None:
    sql(ledger, "UPDATE items SET count = 3000 WHERE item = ?", HOME)
    with pytest.raises(LedgerError, match="the sums of 'tap:home'"):
        ledger.read([HOME], [])
    checked = assert_suspect(ledger)
    assert (count(checked), checked.quarantined) == (3, 0)


def test_sums_that_were_never_right_are_noticed_by_a_round(ledger: Ledger) -> None:
    """Their checksum fits: a defect, or a lost write."""
    number, sums = ledger._table.item(HOME) or (0, ItemSums())
    ledger._table.write_sums(number, HOME, ItemSums(sums.gen, sums.count + 1, sums.rows, sums.digest))
    with pytest.raises(LedgerError, match="not those of its rows"):
        go_whole_round(ledger)
    assert count(assert_suspect(ledger)) == 3


def test_a_spoilt_generation_is_known_from_the_rows(ledger: Ledger) -> None:
    before = ledger.sums(POST)
    sql(ledger, "UPDATE items SET gen = 9 WHERE item = ?", POST)
    with pytest.raises(LedgerError):
        ledger.read([POST], [])
    assert assert_suspect(ledger).sums(POST) == before


def test_a_generation_is_kept_though_no_row_of_it_is_sound(ledger: Ledger) -> None:
    sql(ledger, "UPDATE tallies SET seq = seq + 100 WHERE item_id = (SELECT id FROM items WHERE item = ?)", POST)
    with pytest.raises(LedgerError):
        rows_of(ledger)
    checked = assert_suspect(ledger)
    assert (checked.sums(POST).gen, checked.sums(POST).count) == (1, 0)
    assert checked.commit([Page([row(5, item=POST)])], HERE, {}).rows == {}, "rows of gen 0 do not come back"


def test_a_generation_whose_header_was_spoilt_is_known_to_whoever_comes_later(ledger: Ledger) -> None:
    """It was the only row of its generation: without another one two nodes would differ for ever."""
    ledger.commit([Reset(HOME)], HERE, {})
    sql(ledger, "UPDATE tallies SET seq = 77 WHERE item_id = (SELECT id FROM items WHERE item = ?)", HOME)
    with pytest.raises(LedgerError):
        rows_of(ledger)
    checked = assert_suspect(ledger)
    (again,) = checked.rows_of(HOME, b"", b"", 10)
    assert (again.gen, again.actor, checked.heads) == (1, b"", {again.origin: 1})
    assert again.origin not in (HERE, THERE), "it is the commit of nobody else"
    later = in_memory()
    later.commit([press(7)], ELSEWHERE, {})
    later.commit([Page(rows_of(checked)), Adoption({}, checked.heads)], ELSEWHERE, {})
    assert later.sums(HOME) == checked.sums(HOME)


def test_rows_of_older_generations_are_not_counted_again(ledger: Ledger) -> None:
    ledger.commit([Page([header(2, item=HOME), row(4, 9, gen=2)])], HERE, {})
    sql(ledger, "UPDATE items SET digest = zeroblob(16) WHERE item = ?", HOME)
    with pytest.raises(LedgerError):
        ledger.sums(HOME)
    checked = assert_suspect(ledger)
    assert (checked.sums(HOME).gen, count(checked)) == (2, 4)
    assert {each.actor for each in rows_of(checked) if each.item == HOME} == {b"", actor(1)}, "swept"


def test_a_spoilt_bucket_is_noticed_by_a_round_and_made_anew(ledger: Ledger) -> None:
    sql(ledger, "UPDATE buckets SET digest = zeroblob(16)")
    with pytest.raises(LedgerError, match="bucket"):
        go_whole_round(ledger)
    assert assert_suspect(ledger).quarantined == 0


@pytest.mark.parametrize("change", ["DELETE FROM buckets", "UPDATE buckets SET digest = 'x'"])
def test_a_bucket_that_is_none_is_noticed_by_a_commit(ledger: Ledger, change: str) -> None:
    sql(ledger, f"{change} WHERE id = ?", bucket_of(HOME))
    with pytest.raises(LedgerError, match="bucket"):
        ledger.commit([press(1, who=7)], HERE, {})
    assert_suspect(ledger)


def test_content_that_nothing_expects_makes_the_next_start_check_the_whole(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be met again at the next start, and at every one after it."""
    with monkeypatch.context() as patch:
        patch.setattr(Table, "write", lambda self, changes, ids: int.from_bytes(None, "big"))  # type: ignore[call-overload]
        with pytest.raises(LedgerError, match="NoneType"):
            ledger.commit([press(1, who=7)], HERE, {})
    assert_suspect(ledger)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM buckets WHERE id = 3",
        "UPDATE buckets SET id = 5000 WHERE id = 3",
        "UPDATE buckets SET digest = 'x'",
        "UPDATE buckets SET digest = zeroblob(15) WHERE id = 3",
    ],
)
def test_buckets_that_are_none_are_made_anew_at_the_start(ledger: Ledger, statement: str) -> None:
    sql(ledger, statement)
    assert count(assert_checked(ledger)) == 3


# -- origins


def test_a_spoilt_head_is_dropped_at_the_start_and_no_row_with_it(ledger: Ledger) -> None:
    sql(ledger, "UPDATE origins SET head = 900 WHERE origin = ?", THERE)
    checked = assert_checked(ledger)
    assert (checked.quarantined, count(checked)) == (0, 3)
    assert checked.seqs == {HERE: 3, THERE: 3}


def test_rows_of_a_spoilt_origin_are_put_aside(ledger: Ledger) -> None:
    sql(ledger, "UPDATE origins SET origin = ? WHERE origin = ?", b"T" + THERE[1:], THERE)
    checked = assert_checked(ledger)
    assert (checked.quarantined, count(checked), checked.sums(POST).count) == (3, 0, 1)


@pytest.mark.parametrize("origin", ["a text", 7, b"short"])
def test_an_origin_that_is_none_goes_with_its_rows(ledger: Ledger, origin: object) -> None:
    sql(ledger, "UPDATE origins SET origin = ? WHERE origin = ?", origin, THERE)
    checked = assert_checked(ledger)
    assert (checked.quarantined, count(checked), set(checked.seqs)) == (3, 0, {HERE})


@pytest.mark.parametrize("seq", ["x", 1.5, -9, 1 << 60])
def test_the_highest_seq_of_an_origin_is_that_of_its_sound_rows(ledger: Ledger, seq: object) -> None:
    """One that is too high would make every answer to a pull a scan, for ever."""
    sql(ledger, "UPDATE origins SET seq_max = ? WHERE origin = ?", seq, THERE)
    sql(ledger, "UPDATE tallies SET seq = ? WHERE seq = 3 AND n = 1 AND actor = ?", seq, actor(3))
    assert assert_checked(ledger).seqs == {HERE: 3, THERE: 2}


# -- suspicion


def test_a_suspicion_without_ground_costs_nothing_but_the_heads(ledger: Ledger) -> None:
    before = rows_of(ledger)
    ledger._table.set_meta("suspect", 1)
    checked = assert_checked(ledger)
    assert (rows_of(checked), checked.quarantined, checked.erased) == (before, 0, {erasure(9).actor})


def test_a_check_that_fails_midway_has_changed_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    sql(ledger, "UPDATE tallies SET n = 517 WHERE actor = ?", actor(2))
    with pytest.raises(LedgerError):
        rows_of(ledger)
    tables = ("tallies", "items", "origins", "buckets", "meta", "quarantine")
    before = {table: sql(ledger, f"SELECT * FROM {table}") for table in tables}

    def fail(self: Table, key: str, value: object) -> None:
        raise apsw.FullError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(Table, "set_meta", fail)
        with pytest.raises(StartError, match="Free space"):
            start_again(ledger)
    assert {table: sql(ledger, f"SELECT * FROM {table}") for table in tables} == before
    assert assert_checked(ledger).quarantined == 1
