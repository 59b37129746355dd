"""One conversation, frame by frame and second by second, without a socket or a clock."""

import json
from typing import Any

import pytest

from cli import events, wire
from cli.conversation import BEHIND_ANSWERS_MAX, MINE_WAIT_S, PING_AFTER_S, SILENT_AFTER_S, Conversation
from cli.tallies import Tally

TAB = "t1"
ITEM = "tap:home"
KEY = (ITEM, TAB)


class Talk:
    """A conversation, the items watched and the tallies to press."""

    def __init__(self, *items: str) -> None:
        self.now = 0.0
        self.items = items
        self.tallies: list[Tally] = []
        self.conversation = Conversation(tab=TAB, now=0.0)

    def hear(self, **frame: Any) -> list[events.Event]:
        return self.conversation.receive(json.dumps(frame), self.now)

    def sent(self) -> list[wire.Outgoing]:
        return self.conversation.frames_to_send(self.items, self.tallies, self.now)

    def presses(self) -> list[wire.Press]:
        return [frame for frame in self.sent() if isinstance(frame, wire.Press)]

    def greet(self) -> "Talk":
        self.hear(type="hello", node="node1", token="fresh")
        self.conversation.go_by("kept")
        self.sent()
        self.hear(type="hello", node="node1", token="kept+")
        return self

    def press(self, n: int, *, saved: int = 0, gen: int | None = 0) -> list[wire.Press]:
        self.tallies = [Tally(ITEM, TAB, gen, n, saved)]
        return self.presses()

    def answer(self, number: int, n: int, **more: Any) -> list[events.Event]:
        return self.hear(type="pressed", id=number, item=ITEM, gen=0, n=n, count=n, **more)


def test_our_token_is_said_after_the_nodes_hello_and_nothing_before() -> None:
    talk = Talk(ITEM)
    talk.tallies = [Tally(ITEM, TAB, 0, 1)]
    assert talk.sent() == []
    assert talk.hear(type="hello", node="node1", token="fresh") == [events.Offered("fresh")]
    talk.conversation.go_by("kept")
    assert talk.sent() == [wire.SayHello("kept", TAB)]
    assert talk.hear(type="hello", node="node1", token="kept+") == [events.Greeted("node1", "kept", "kept+")]
    assert talk.sent() == [wire.Watch([ITEM])]


def test_a_press_waits_for_the_generation() -> None:
    talk = Talk(ITEM).greet()
    talk.tallies = [Tally(ITEM, TAB, None, 1)]
    assert talk.presses() == []
    talk.hear(type="mine", tallies={ITEM: {"gen": 3, "n": 0}})
    assert talk.presses() == [wire.Press(1, ITEM, 1, 3, TAB)]


def test_a_press_does_not_wait_for_ever() -> None:
    talk = Talk(ITEM).greet()
    talk.tallies = [Tally(ITEM, TAB, None, 1)]
    assert talk.presses() == []
    assert talk.conversation.next_wake_at(0.0) <= MINE_WAIT_S
    talk.now = MINE_WAIT_S
    assert talk.presses() == [wire.Press(1, ITEM, 1, None, TAB)]


def test_an_absolute_target_is_sent_once() -> None:
    talk = Talk().greet()
    assert [frame.n for frame in talk.press(5)] == [5]
    assert talk.press(5) == []
    assert [frame.n for frame in talk.press(6)] == [6]


def test_a_press_is_saved_when_the_copies_exist() -> None:
    talk = Talk().greet()
    talk.press(1)
    first, second = talk.answer(1, 1, copies=0, wanted=1), talk.answer(1, 1, copies=1, wanted=1)
    assert [(event.is_first, event.is_saved) for event in first + second] == [(True, False), (False, True)]
    assert talk.answer(1, 1, copies=2, wanted=1) == [], "the last answer was given"


def test_the_answer_to_an_older_press_withdraws_nothing() -> None:
    talk = Talk().greet()
    talk.press(1)
    talk.press(2)
    talk.answer(1, 1, copies=1, wanted=1)
    assert talk.press(2, saved=1) == []


def test_a_partial_grant_sends_the_rest_when_the_node_says() -> None:
    talk = Talk().greet()
    talk.press(10)
    assert talk.answer(1, 4, retry_after=0.5)[0].retry_after == 0.5
    assert talk.press(10, saved=4) == []
    assert talk.conversation.next_wake_at(0.0) == 0.5
    talk.now = 0.5
    assert [frame.n for frame in talk.press(10, saved=4)] == [10]


def test_a_second_answer_to_a_partial_grant_delays_nothing_again() -> None:
    talk = Talk().greet()
    talk.press(10)
    talk.answer(1, 4, copies=0, wanted=1, retry_after=0.5)
    talk.now = 0.4
    talk.answer(1, 4, copies=1, wanted=1, retry_after=0.5)
    talk.now = 0.5
    assert [frame.n for frame in talk.press(10, saved=4)] == [10]


@pytest.mark.parametrize("code", ["rate_limited", "read_only"])
def test_a_delayed_press_is_sent_again_when_the_node_says(code: str) -> None:
    talk = Talk().greet()
    talk.press(3)
    assert talk.hear(type="error", id=1, code=code, message="", retry_after=2.0) == [events.Delayed(KEY, code, 2.0)]
    talk.now = 1.9
    assert talk.press(3) == []
    talk.now = 2.0
    assert [frame.n for frame in talk.press(3)] == [3]


def test_a_reset_makes_what_was_sent_before_void() -> None:
    talk = Talk(ITEM).greet()
    talk.sent()
    talk.hear(type="mine", tallies={ITEM: {"gen": 0, "n": 0}})
    talk.press(3)
    assert talk.hear(type="mine", tallies={ITEM: {"gen": 2, "n": 0}}) == [
        events.Reset(ITEM, 2),
        events.Learned(KEY, 2, 0),
    ]
    assert talk.hear(type="error", id=1, code="reset", message="") == [], "that is known already"
    assert [frame.n for frame in talk.press(1, gen=2)] == [1]


def test_a_reset_of_an_item_that_is_not_watched_is_learned_from_the_refusal() -> None:
    talk = Talk().greet()
    talk.press(3)
    assert talk.hear(type="error", id=1, code="reset", message="") == [events.Reset(ITEM, 1)]


def test_a_node_that_stays_behind_is_believed_in_the_end() -> None:
    talk = Talk(ITEM).greet()
    talk.sent()
    talk.hear(type="mine", tallies={ITEM: {"gen": 1, "n": 0}})
    seen: list[events.Event] = []
    for number in range(1, BEHIND_ANSWERS_MAX + 1):
        assert [frame.id for frame in talk.press(3, gen=4)] == [number]
        seen += talk.hear(type="error", id=number, code="behind", message="", retry_after=0.1)
        talk.now += 0.1
    assert seen[:-1] == [events.Delayed(KEY, "behind", 0.1)] * (BEHIND_ANSWERS_MAX - 1)
    assert seen[-1] == events.Reset(ITEM, 1)


def test_a_refused_token_is_answered_with_the_fresh_one() -> None:
    talk = Talk()
    talk.hear(type="hello", node="node1", token="fresh")
    talk.conversation.go_by("kept")
    talk.sent()
    assert talk.hear(type="error", code="bad_token", message="") == [events.TokenRefused("kept", "fresh")]
    assert not talk.conversation.is_open
    talk.conversation.go_by("fresh")
    assert talk.sent() == [wire.SayHello("fresh", TAB)]


def test_a_node_that_refuses_its_own_token_is_left() -> None:
    talk = Talk()
    talk.hear(type="hello", node="node1", token="fresh")
    talk.conversation.go_by("fresh")
    talk.sent()
    with pytest.raises(wire.WireError):
        talk.hear(type="error", code="bad_token", message="")


def test_a_saved_tally_is_pressed_again_on_a_node_that_lacks_it() -> None:
    talk = Talk("once:a").greet()
    talk.sent()
    talk.tallies = [Tally("once:a", "", 0, 1, 1)]
    assert talk.presses() == [], "not before the node has told"
    talk.hear(type="mine", tallies={"once:a": {"gen": 0, "n": 0}})
    assert talk.presses() == [wire.Press(1, "once:a", 1, 0)]


def test_presses_of_an_earlier_run_go_out_under_its_tab() -> None:
    talk = Talk(ITEM).greet()
    talk.tallies = [Tally(ITEM, "earlier", 0, 7)]
    assert talk.presses() == [wire.Press(1, ITEM, 7, 0, "earlier")]


def test_a_quiet_node_is_pinged_and_then_left() -> None:
    talk = Talk().greet()
    talk.sent()
    talk.now = PING_AFTER_S
    assert talk.sent() == [wire.Ping()]
    assert talk.sent() == []
    assert not talk.conversation.is_silent(talk.now)
    talk.now = SILENT_AFTER_S
    assert talk.conversation.is_silent(talk.now)


def test_any_frame_is_a_sign_of_life() -> None:
    talk = Talk().greet()
    talk.now = SILENT_AFTER_S - 1
    talk.hear(type="pong")
    talk.now = SILENT_AFTER_S + 1
    assert not talk.conversation.is_silent(talk.now)


def test_frames_of_later_versions_are_skipped() -> None:
    talk = Talk().greet()
    assert talk.hear(type="viewers", viewers={ITEM: 3}) == []
    assert talk.hear(type="counts", counts={ITEM: 3}, news=True) == [events.Counted({ITEM: 3})]


@pytest.mark.parametrize("text", ["", "[]", "7", '{"type":7}', '{"type":"counts","counts":3}', '{"counts":{}}'])
def test_what_is_no_frame_is_the_nodes_mistake(text: str) -> None:
    with pytest.raises(wire.WireError):
        Conversation(tab=TAB, now=0.0).receive(text, 0.0)


def test_no_frame_is_over_four_kibibytes() -> None:
    items = [f"tap:{number:03}{'x' * 197}" for number in range(100)]
    talk = Talk(*items).greet()
    frames = talk.sent()
    assert max(len(wire.encode(frame)) for frame in frames) <= 4096
    assert sum(len(frame.items) for frame in frames if isinstance(frame, wire.Watch)) == 100


def test_items_no_longer_looked_at_are_unwatched() -> None:
    talk = Talk(ITEM, "once:a").greet()
    talk.sent()
    talk.items = ("once:a",)
    assert talk.sent() == [wire.Unwatch([ITEM])]
