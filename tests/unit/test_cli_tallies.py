"""The presser owns its number: rules of `cli.tally`, `cli.presses` and `cli.counts`, without any node."""

import pytest

from cli.counts import HOLD_BACK_S, Counts
from cli.presses import Outcome, Presses
from cli.state import MemoryState
from cli.tally import Tally, TallyFullError, newest
from cli.wire import Pressed

RESET = Outcome("refused", "reset")


def kept(state: MemoryState) -> list[Tally]:
    """What the next run finds."""
    return list(Presses(state))


def test_claps_end_at_fifty() -> None:
    with pytest.raises(TallyFullError):
        Tally("clap:talk", n=50).pressed(1)


def test_a_late_note_changes_nothing() -> None:
    settled = Tally("tap:home", "t1").pressed(5).settled(gen=0, n=5)
    assert settled.settled(gen=0, n=3) == settled


def test_a_note_without_generation_belongs_to_the_one_that_has_one() -> None:
    one, other = Tally("once:a", n=3), Tally("once:a", gen=2, n=1, saved=1)
    assert newest(one, other) == Tally("once:a", gen=2, n=3, saved=1) == newest(other, one)


def test_a_later_generation_wins_over_a_larger_number() -> None:
    old, new = Tally("once:a", gen=0, n=9), Tally("once:a", gen=1, n=1)
    assert newest(old, new) == new == newest(new, old)


def test_what_others_of_the_visitor_pressed_is_not_ours_to_save() -> None:
    assert Tally("clap:talk").learned(gen=0, n=10).unsaved == 0


def test_an_unsaved_choice_is_pressed_again_over_another_parity() -> None:
    liked = Tally("once:a", gen=0).pressed(1)
    # Another tab of this visitor liked (1) and took it back (2) before our 1 arrived.
    assert liked.learned(gen=0, n=2).n == 3


def test_an_unsaved_choice_is_content_with_the_same_parity() -> None:
    assert Tally("once:a", gen=0).pressed(1).learned(gen=0, n=3).n == 3


def test_an_acknowledged_choice_is_not_pressed_again() -> None:
    settled = Tally("once:a", gen=0).pressed(1).settled(gen=0, n=1)
    assert settled.learned(gen=0, n=2).n == 2


def test_an_answer_larger_than_asked_settles_only_what_it_says() -> None:
    """The node holds 2 (taken back) where we asked for 1 (liked): 3 goes out, and is not saved yet."""
    now = Tally("once:a", gen=0).pressed(1).settled(gen=0, n=2)
    assert (now.n, now.saved) == (3, 2)


def test_a_refused_press_is_withdrawn_to_what_is_saved() -> None:
    assert Tally("once:a", gen=0, n=3, saved=2).withdrawn() == Tally("once:a", gen=0, n=2, saved=2)


def test_only_what_another_run_can_use_is_kept() -> None:
    state = MemoryState()
    run = Presses(state)
    for item in ("tap:saved", "tap:unsaved", "once:saved"):
        tally = run.press(item)
        if item.endswith(":saved"):
            run.take(tally.key, Pressed(item, 0, 1, 1))
    assert [tally.item for tally in kept(state)] == ["tap:unsaved", "once:saved"]


def test_a_run_goes_on_from_its_own_saved_taps() -> None:
    """They are no longer in the file, but its next press must not begin at 1 again."""
    run = Presses(MemoryState())
    run.take(run.press("tap:home", 7).key, Pressed("tap:home", 0, 7, 7))
    assert run.press("tap:home").n == 8


def test_two_runs_never_take_one_number_for_two_claps() -> None:
    state = MemoryState()
    one, other = Presses(state), Presses(state)
    one.press("clap:talk", 10)
    assert other.press("clap:talk").n == 11


def test_the_next_run_finds_what_was_not_saved() -> None:
    state = MemoryState()
    killed = Presses(state)
    killed.press("tap:home", 3)
    assert [(tally.item, tally.tab, tally.n) for tally in kept(state)] == [("tap:home", killed.tab, 3)]


def test_a_full_tab_is_followed_by_a_new_one() -> None:
    presses = Presses(MemoryState())
    full = presses.press("tap:home", 1 << 20)
    more = presses.press("tap:home")
    assert more.n == 1
    assert more.tab != full.tab
    assert presses.unsaved == (1 << 20) + 1


def test_a_reset_makes_older_presses_void_and_counts_them() -> None:
    state = MemoryState()
    run = Presses(state)
    run.learn(("tap:a", run.tab), 0, 0)
    pressed = run.press("tap:a", 5)
    run.take(pressed.key, Pressed("tap:a", 0, 2, 2))
    assert run.reset("tap:a", 1, RESET) == 3
    assert run.mine("tap:a") == Tally("tap:a", run.tab, gen=1)
    assert run.outcome(pressed) == RESET
    assert run.reset("tap:a", 1, RESET) == 0
    assert kept(state) == []


def test_the_nodes_generation_may_be_lower_where_they_insist() -> None:
    run = Presses(MemoryState())
    run.learn(("tap:a", run.tab), 4, 0)
    run.press("tap:a")
    assert run.reset("tap:a", 1, RESET) == 0, "a node that is behind"
    assert run.give_up("tap:a", 1, RESET) == 1
    assert run.press("tap:a").gen == 1


def test_own_presses_count_until_an_answer_has_them() -> None:
    presses = Presses(MemoryState())
    tally = presses.press("tap:home", 3)
    assert presses.uncounted("tap:home") == 3
    assert presses.take(tally.key, Pressed("tap:home", 0, 2, 2, copies=0, wanted=1))
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
    assert [tally.gen for tally in kept(state)] == [4]


def test_a_first_press_is_written_down_with_its_generation() -> None:
    state = MemoryState()
    run = Presses(state)
    run.learn(("tap:home", run.tab), 4, 0)
    run.press("tap:home")
    assert [tally.gen for tally in kept(state)] == [4]


def test_a_quicker_run_keeps_its_new_visitor() -> None:
    state = MemoryState()
    slow, quick = Presses(state), Presses(state)
    assert slow.adopt("old") == "old"
    quick.forget_visitor("old", Outcome("refused", "bad_token"))
    assert quick.adopt("fresh1") == "fresh1"
    quick.press("clap:talk", 2)
    assert slow.forget_visitor("old", Outcome("refused", "bad_token")) == 0
    assert slow.adopt("fresh2") == "fresh1"
    assert [tally.n for tally in kept(state)] == [2]


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
