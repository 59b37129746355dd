"""What peers may know of a run's commits, and how the stamps travel (R10)."""

from cluster.core.offers import Range
from cluster.core.press import Erasure, Reset
from cluster.core.rows import Row
from cluster.core.stamps import STAMP_LENGTH, Stamps, stamp_after
from cluster.core.wire import End, Have, LeanPush, Pull, Push, pack
from tests.unit.replicas import Side, carry, cut, linked, open_link, pushes, talk
from tests.unit.tables import ELSEWHERE, HERE, HOME, POST, THERE, Table, actor, press, row, visitor

ONE, TWO, OTHER = b"1 stamp.", b"2 stamp.", b"another."


def kept(*commits: tuple[int, bytes]) -> Stamps:
    stamps = Stamps(0, commits_max=4)
    for head, stamp in commits:
        stamps.add(head, stamp)
    return stamps


def test_of_a_run_that_has_committed_nothing_nobody_knows_anything() -> None:
    assert kept().judge(0, b"") == "own"
    assert kept().judge(1, b"") == "another"


def test_a_commit_is_known_by_its_stamp_or_comes_without_one() -> None:
    stamps = kept((1, ONE), (3, TWO))
    assert [stamps.judge(*each) for each in ((1, ONE), (3, TWO), (3, b""))] == ["own"] * 3
    assert [stamps.judge(*each) for each in ((1, TWO), (3, ONE), (3, OTHER))] == ["another"] * 3


def test_a_head_inside_a_commit_or_above_all_is_of_another_run() -> None:
    stamps = kept((1, ONE), (3, TWO))
    assert [stamps.judge(head, b"") for head in (2, 4)] == ["another", "another"]


def test_a_head_that_is_too_old_is_neither_believed_nor_held_against_anybody() -> None:
    stamps = kept(*((head, ONE) for head in range(1, 6)))
    assert [stamps.judge(head, OTHER) for head in range(7)] == ["own"] + ["too_old"] * 2 + ["another"] * 4
    assert [stamps.judge(head, ONE) for head in range(3, 6)] == ["own"] * 3


def stamps_of(*commits: list[object]) -> list[bytes]:
    """The stamp of the table's run after each of these commits."""
    table = Table()
    return [table.commit(*offers).stamps.get(HERE, b"") for offers in commits]  # type: ignore[arg-type]


def test_runs_that_differ_anywhere_have_other_stamps_from_there_on() -> None:
    one = stamps_of(*([press(1, who=who)] for who in (1, 2, 3, 4)))
    other = stamps_of(*([press(1, who=who)] for who in (1, 9, 3, 4)))
    assert one[0] == other[0]
    assert len({*one, *other}) == 7
    assert {len(stamp) for stamp in one} == {STAMP_LENGTH}
    assert one == stamps_of(*([press(1, who=who)] for who in (1, 2, 3, 4)))


def test_every_sort_of_own_row_makes_a_stamp_and_what_others_wrote_makes_none() -> None:
    made = stamps_of([press(1)], [press(2)], [Reset(HOME)], [Erasure(visitor(3))], [press(1, item=POST)])
    assert len({*made, b""}) == 6
    assert stamps_of([Range(THERE, 0, 1, [row(1)])]) == [b""]


def test_a_row_that_is_offered_again_makes_a_stamp_of_its_own_though_no_digest_changes() -> None:
    """Of an origin that died (R9): what is counted stays as it was."""
    one, other = Table(), Table()
    for table in (one, other):
        table.take(row(1, 5, who=1), row(1, 5, who=2))
    first, second = one.commit(press(1, who=1)), other.commit(press(1, who=2))
    assert first.buckets == second.buckets == {}
    assert first.heads == second.heads == {HERE: 1}
    assert first.stamps != second.stamps


def test_any_column_of_a_row_changes_the_stamp() -> None:
    rows = [row(1), row(2), row(1, 2), row(1, gen=1), row(1, who=2), row(1, item=POST), row(1, origin=ELSEWHERE)]
    made = [stamp_after(b"", [each]) for each in rows] + [stamp_after(b"", rows), stamp_after(ONE, rows)]
    assert len(set(made)) == 9


# -- on their way


def stamp_of(side: Side) -> bytes:
    """Of its own head."""
    return side.replica.holdings.stamps[side.origin]


def test_a_push_brings_its_stamp_and_the_confirmation_brings_it_back() -> None:
    ann, ben = Side("a"), Side("b")
    linked(ann, ben)
    ann.press(1)
    (push,) = pushes(ann)
    assert push.stamp == stamp_of(ann)
    carry(ann, ben)
    assert ben.replica.holdings.stamps == {ann.origin: push.stamp}
    ben.tick(0.01)
    (have,) = [each for each in ben.said() if isinstance(each, Have)]
    assert have == Have({ann.origin: 1}, push.stamp)


def test_a_peer_is_told_the_stamp_of_its_own_head_only() -> None:
    ann, ben = Side("a"), Side("b")
    linked(ann, ben)
    ann.commit(Range(THERE, 0, 1, [row(1)], 1, b"8 bytes."))
    ann.tick(0.02)
    assert [each.stamp for each in ann.said() if isinstance(each, Have)] == [b""]


def test_whoever_relays_a_head_relays_its_stamp() -> None:
    ann, ben, cid = Side("a"), Side("b"), Side("c")
    linked(ann, ben)
    ann.press(1)
    talk(ann, ben)
    linked(ben, cid, link=2)
    assert cid.replica.holdings.stamps == {ann.origin: stamp_of(ann)}


def test_an_answer_to_a_pull_brings_it_too() -> None:
    ann, ben = Side("a"), Side("b")
    ann.press(1)
    ann.press(2)
    linked(ann, ben)
    assert ann.fenced == []
    assert ben.replica.holdings.stamps == {ann.origin: stamp_of(ann)}
    assert ann.replica.copies.count(ann.origin, 2) == 1


def test_a_head_that_came_without_a_stamp_has_none_any_more() -> None:
    ben = Side("b")
    ben.table.commit()
    ben.table.stamps[HERE] = b"8 bytes."
    ben.table.hear(HERE, 0, 1, row(1))
    assert ben.table.stamps[HERE] == b""


# -- rolled back


def rolled_back() -> tuple[Side, Side]:
    """ann has gone on from before her first commit, which ben knows, with another one."""
    ann, ben = Side("a"), Side("b")
    linked(ann, ben)
    ann.press(1, who=7)
    talk(ann, ben)
    cut(ann, ben)
    again = Side("a")
    return again, ben


def test_a_run_that_went_past_what_a_peer_knows_is_fenced_by_it() -> None:
    ann, ben = rolled_back()
    ann.press(1)
    ann.press(2)
    open_link(ben, ann, link=2)
    talk(ann, ben, link=2)
    assert "b knows commit 1 of this run, which has made another one in its place" in ann.fenced[0]
    assert ann.replica.copies.count(ann.origin, 1) == 0


def test_a_run_whose_commits_others_know_is_fenced_by_who_knows_another_one() -> None:
    ann, ben = rolled_back()
    dan = Side("d")
    linked(dan, ann)
    ann.press(1)
    open_link(ben, ann, link=2)
    talk(ann, ben, link=2)
    assert "which has made another one in its place" in ann.fenced[0]
    assert ann.replica.copies.count(ann.origin, 1) == 0


def asking() -> tuple[Side, Pull]:
    """ann has made a commit, and asks ben."""
    ann, ben = Side("a"), Side("b")
    linked(ann, ben)
    ann.press(1)
    ann.replica.pull(1, ann.now)
    ann.carry_out()
    (pull,) = [each for each in ann.said() if isinstance(each, Pull)]
    return ann, pull


def test_an_answer_that_knows_another_commit_fences_too() -> None:
    ann, pull = asking()
    ann.receive(1, End(pull.id, {THERE: 4, ann.origin: 1}, [b"", b"another."]))
    assert len(ann.fenced) == 1
    assert ann.table.heads.get(THERE, 0) == 0


def test_an_answer_that_knows_this_very_commit_does_not() -> None:
    ann, pull = asking()
    ann.receive(1, End(pull.id, {THERE: 4, ann.origin: 1}, [b"", stamp_of(ann)]))
    assert ann.fenced == []
    assert ann.table.heads[THERE] == 4
    assert ann.count(HOME) == 1


def test_a_push_of_our_own_origin_raises_no_head_and_fences() -> None:
    ann, ben = Side("a"), Side("b")
    linked(ann, ben)
    ann.press(1)
    ann.receive(1, Push(ann.origin, 0, 1, pack([]), stamp_of(ann)))
    assert (ann.fenced, ann.table.heads[ann.origin]) == ([], 1)
    ann.receive(1, Push(ann.origin, 0, 9, pack([]), OTHER))
    assert (len(ann.fenced), ann.table.heads[ann.origin]) == (1, 1)


# -- copies of a run's own ledger


def test_whoever_has_a_copy_of_our_ledger_fences_nobody() -> None:
    """A backup, or a copy of the folder, of any moment: also of one that no peer was told of."""
    ann = Side("a")
    ann.press(1)
    ann.press(2)
    copy = Side("c")
    copy.table.rows, copy.table.items = dict(ann.table.rows), dict(ann.table.items)
    copy.table.heads, copy.table.stamps = dict(ann.table.heads), dict(ann.table.stamps)
    copy.table.buckets = list(ann.table.buckets)
    copy.begin()
    ann.press(3)
    linked(copy, ann)
    assert (ann.fenced, copy.fenced) == ([], [])
    assert copy.count(HOME) == 3


# -- older than what is kept


def test_who_comes_back_after_very_long_is_sent_all_of_this_run() -> None:
    ann, ben = Side("a"), Side("b")
    linked(ann, ben)
    ann.press(1, who=1)
    talk(ann, ben)
    cut(ann, ben)
    ann.replica.stamps._commits_max = 2
    for who in (2, 3, 4):
        ann.press(1, who=who)
    ben.table.rows.clear()  # of another run's commit 1, say
    linked(ben, ann, link=2)
    assert ann.fenced == []
    assert set(ben.table.rows) == {(HOME, actor(who)) for who in (1, 2, 3, 4)}
    assert ann.replica.copies.count(ann.origin, 4) == 1


def test_an_answer_that_takes_longer_than_its_stamp_is_remembered_is_believed_all_the_same() -> None:
    """Else a peer that catches up under load would be sent everything again and again."""
    ann, ben = Side("a"), Side("b")
    ann.replica.stamps._commits_max = 2
    ann.press(1, who=1)
    open_link(ben, ann)
    while not ben.replica.open_sessions():
        carry(ben, ann)
        carry(ann, ben)
    carry(ben, ann)  # the question, and the answer waits
    for who in range(2, 9):
        ann.press(1, who=who)
    assert ann.replica.stamps.judge(1, stamp_of(ann)) == "too_old"
    carry(ann, ben, drop=LeanPush)
    ben.tick(0.02)
    carry(ben, ann)
    assert ann.replica.copies.count(ann.origin, 1) == 1
    talk(ann, ben)
    assert ann.replica.copies.count(ann.origin, 8) == 1
    assert (ann.fenced, ben.count(HOME)) == ([], 8)


def test_a_spoilt_row_of_our_origin_is_no_future_of_ours() -> None:
    ann, ben = Side("a"), Side("b")
    linked(ann, ben)
    spoilt = Row(HOME, actor(3), 0, 1 << 40, ann.origin, 9)
    ann.receive(1, Push(THERE, 0, 1, pack([spoilt])))
    assert (ann.fenced, ann.count(HOME)) == ([], 0)
