"""The presser owns its number: rules of `cli.tallies`, `cli.presses` and `cli.counts`, without any node."""

import pytest

from cli.counts import HOLD_BACK_S, Counts
from cli.presses import Presses
from cli.state import MemoryState
from cli.tallies import Tallies, Tally, TallyFullError, newest


def test_a_press_raises_the_tally_by_one() -> None:
    tallies = Tallies()
    tallies.press(Tally("tap:home", "t1"), 1)
    assert tallies.press(Tally("tap:home", "t1"), 1).n == 2


def test_a_press_builds_on_what_the_caller_knows() -> None:
    """A run whose saved taps were swept from the file must not begin at 1 again."""
    assert Tallies().press(Tally("tap:home", "t1", gen=0, n=7, saved=7), 1).n == 8


def test_claps_end_at_fifty() -> None:
    tallies = Tallies()
    held = tallies.press(Tally("clap:talk"), 50)
    with pytest.raises(TallyFullError):
        tallies.press(held, 1)


def test_a_late_note_changes_nothing() -> None:
    tallies = Tallies()
    tallies.press(Tally("tap:home", "t1"), 5)
    tallies.settle(Tally("tap:home", "t1"), gen=0, n=5)
    tallies.settle(Tally("tap:home", "t1"), gen=0, n=3)
    assert tallies.get("tap:home", "t1").saved == 5


def test_a_note_without_generation_belongs_to_the_one_that_has_one() -> None:
    one, other = Tally("once:a", n=3), Tally("once:a", gen=2, n=1, saved=1)
    assert newest(one, other) == Tally("once:a", gen=2, n=3, saved=1) == newest(other, one)


def test_a_later_generation_wins_over_a_larger_number() -> None:
    old, new = Tally("once:a", gen=0, n=9), Tally("once:a", gen=1, n=1)
    assert newest(old, new) == new == newest(new, old)


def test_what_others_of_the_visitor_pressed_is_not_ours_to_save() -> None:
    tallies = Tallies()
    assert tallies.learn(Tally("clap:talk"), gen=0, n=10).unsaved == 0


def test_an_unsaved_choice_is_pressed_again_over_another_parity() -> None:
    tallies = Tallies()
    liked = tallies.press(Tally("once:a", gen=0), 1)
    assert liked.choice is True
    # Another tab of this visitor liked (1) and took it back (2) before our 1 arrived.
    assert tallies.learn(liked, gen=0, n=2).n == 3


def test_an_unsaved_choice_is_content_with_the_same_parity() -> None:
    tallies = Tallies()
    liked = tallies.press(Tally("once:a", gen=0), 1)
    assert tallies.learn(liked, gen=0, n=3).n == 3


def test_an_acknowledged_choice_is_not_pressed_again() -> None:
    tallies = Tallies()
    liked = tallies.press(Tally("once:a", gen=0), 1)
    settled = tallies.settle(liked, gen=0, n=1)
    assert settled.choice is None
    assert tallies.learn(settled, gen=0, n=2).n == 2


def test_an_answer_larger_than_asked_settles_only_what_it_says() -> None:
    """The node holds 2 (taken back) where we asked for 1 (liked): 3 goes out, and is not saved yet."""
    tallies = Tallies()
    liked = tallies.press(Tally("once:a", gen=0), 1)
    now = tallies.settle(liked, gen=0, n=2)
    assert (now.n, now.saved, now.choice) == (3, 2, True)


def test_a_reset_makes_older_presses_void_and_counts_them() -> None:
    tallies = Tallies([Tally("tap:a", "t1", gen=0, n=5, saved=2), Tally("tap:a", "t2", gen=1, n=4)])
    assert tallies.forget_before("tap:a", 1) == 3
    assert tallies.get("tap:a", "t1") == Tally("tap:a", "t1", gen=1)
    assert tallies.get("tap:a", "t2").n == 4


def test_a_refused_press_is_withdrawn_to_what_is_saved() -> None:
    tallies = Tallies([Tally("once:a", gen=0, n=3, saved=2, choice=True)])
    tallies.withdraw(Tally("once:a", gen=0))
    assert tallies.get("once:a", "") == Tally("once:a", gen=0, n=2, saved=2)


def test_only_what_another_run_can_use_is_kept() -> None:
    saved_tap, unsaved_tap = Tally("tap:a", "t1", 0, 5, 5), Tally("tap:a", "t2", 0, 5, 4)
    saved_like = Tally("once:a", "", 0, 1, 1)
    assert Tallies([saved_tap, unsaved_tap, saved_like]).without_settled_taps() == [unsaved_tap, saved_like]


def test_two_runs_never_take_one_number_for_two_claps() -> None:
    state = MemoryState()
    one, other = Presses(state), Presses(state)
    one.press("clap:talk", 10)
    assert other.press("clap:talk").n == 11


def test_the_next_run_finds_what_was_not_saved() -> None:
    state = MemoryState()
    killed = Presses(state)
    killed.press("tap:home", 3)
    assert [(tally.item, tally.tab, tally.n) for tally in Presses(state)] == [("tap:home", killed.tab, 3)]


def test_a_full_tab_is_followed_by_a_new_one() -> None:
    presses = Presses(MemoryState())
    full = presses.press("tap:home", 1 << 20)
    more = presses.press("tap:home")
    assert more.n == 1
    assert more.tab != full.tab
    assert presses.unsaved == (1 << 20) + 1


def test_own_presses_count_until_an_answer_has_them() -> None:
    presses = Presses(MemoryState())
    tally = presses.press("tap:home", 3)
    assert presses.uncounted("tap:home") == 3
    presses.take(tally.key, 0, 2, is_saved=False)
    assert presses.uncounted("tap:home") == 1
    presses.learn(tally.key, 0, 0)
    assert presses.uncounted("tap:home") == 3, "a node that lacks them counts without them"


def test_taking_a_like_back_counts_down() -> None:
    presses = Presses(MemoryState())
    presses.learn(("once:a", ""), 0, 1)
    presses.choose("once:a", False)
    assert presses.uncounted("once:a") == -1


def test_presses_made_before_any_node_told_the_generation_belong_to_it() -> None:
    state = MemoryState()
    Presses(state).press("tap:home", 2)
    run = Presses(state)
    run.learn(("tap:home", run.tab), 4, 0)
    assert [tally.gen for tally in Presses(state) if tally.n] == [4]


def test_a_first_press_is_written_down_with_its_generation() -> None:
    state = MemoryState()
    run = Presses(state)
    run.learn(("tap:home", run.tab), 4, 0)
    run.press("tap:home")
    assert [tally.gen for tally in Presses(state)] == [4]


def test_a_quicker_run_keeps_its_new_visitor() -> None:
    state = MemoryState()
    slow, quick = Presses(state), Presses(state)
    assert slow.adopt("old") == "old"
    quick.forget_visitor("old", "fresh1")
    quick.press("clap:talk", 2)
    assert slow.forget_visitor("old", "fresh2") == ("fresh1", 0)
    assert [tally.n for tally in Presses(state)] == [2]


def test_a_lower_count_is_held_back_after_a_reconnect_and_no_longer() -> None:
    counts = Counts()
    counts.arrive({"tap:home": 10})
    counts.reconnected(now=100.0)
    counts.arrive({"tap:home": 8})
    assert counts.shown("tap:home", 101.0) == 10
    assert counts.shown("tap:home", 100.0 + HOLD_BACK_S) == 8


def test_within_one_connection_every_count_is_the_truth() -> None:
    counts = Counts()
    counts.reconnected(now=100.0)
    counts.arrive({"once:a": 10})
    counts.arrive({"once:a": 9})
    assert counts.shown("once:a", 100.5) == 9


def test_a_reset_may_lower_a_count_at_once() -> None:
    counts = Counts()
    counts.arrive({"tap:home": 10})
    counts.reconnected(now=100.0)
    counts.reset("tap:home")
    counts.arrive({"tap:home": 0})
    assert counts.shown("tap:home", 100.1) == 0
