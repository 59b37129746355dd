"""One conversation, frame by frame and second by second, without a socket or a clock."""

import json
from typing import Any

import pytest

from cli import wire
from cli.conversation import BEHIND_ANSWERS_MAX, MINE_WAIT_S, PING_AFTER_S, Conversation
from cli.counts import Counts
from cli.presses import Presses
from cli.state import MemoryState

ITEM = "tap:home"


class Talk:
    """A conversation, the items watched, what was pressed, and what the person was told."""

    def __init__(self, *items: str, state: MemoryState | None = None) -> None:
        self.now = 0.0
        self.items = items
        self.told: list[str] = []
        self.counts = Counts()
        self.presses = Presses(state or MemoryState())
        self.presses.adopt("kept")
        self.conversation = Conversation(self.presses, self.counts, lambda kind, text: self.told.append(kind))

    @property
    def tab(self) -> str:
        return self.presses.tab

    def hear(self, **frame: Any) -> None:
        self.conversation.receive(json.dumps(frame), self.now)

    def sent(self) -> list[wire.Outgoing]:
        return self.conversation.frames_to_send(self.items, self.now)

    def pressed(self) -> list[int]:
        """The targets of the presses that go out now."""
        return [frame.n for frame in self.sent() if isinstance(frame, wire.Press)]

    def one_press(self) -> wire.Press:
        """The one press that goes out now."""
        (press,) = (frame for frame in self.sent() if isinstance(frame, wire.Press))
        return press

    def greet(self, **mine: int) -> "Talk":
        """Up to the first watch; `gen` and `n` are what the node answers to it."""
        self.hear(type="hello", node="node1", token="fresh")
        self.sent()
        self.hear(type="hello", node="node1", token="kept+")
        if mine:
            self.sent()
            self.mine(**mine)
        return self

    def mine(self, gen: int, n: int = 0, item: str = ITEM) -> None:
        self.hear(type="mine", tallies={item: {"gen": gen, "n": n}})

    def press(self, presses: int = 1) -> list[int]:
        self.presses.press(ITEM, presses)
        return self.pressed()

    def answer(self, number: int, n: int, **more: Any) -> None:
        self.hear(type="pressed", id=number, item=ITEM, gen=0, n=n, count=n, **more)

    def refuse(self, number: int, code: str, **more: Any) -> None:
        self.hear(type="error", id=number, code=code, message="", **more)


def test_our_token_is_said_after_the_nodes_hello_and_nothing_before() -> None:
    talk = Talk(ITEM)
    talk.presses.press(ITEM)
    assert talk.sent() == []
    talk.hear(type="hello", node="node1", token="fresh")
    assert talk.sent() == [wire.SayHello("kept", talk.tab)]
    assert talk.sent() == []
    talk.hear(type="hello", node="node1", token="kept+")
    assert talk.sent() == [wire.Watch([ITEM])]
    assert talk.presses.adopt("") == "kept+", "signed anew"


def test_a_press_waits_for_the_generation() -> None:
    talk = Talk(ITEM).greet()
    assert talk.press() == []
    talk.mine(gen=3)
    assert talk.sent() == [wire.Press(1, ITEM, 1, 3, talk.tab)]


def test_a_press_does_not_wait_for_ever() -> None:
    talk = Talk(ITEM).greet()
    assert talk.press() == []
    talk.now = MINE_WAIT_S
    assert talk.sent() == [wire.Press(1, ITEM, 1, None, talk.tab)]


def test_an_absolute_target_is_sent_once() -> None:
    talk = Talk().greet()
    assert talk.press(5) == [5]
    assert talk.pressed() == []
    assert talk.press() == [6]


def test_a_press_is_saved_when_the_copies_exist() -> None:
    talk = Talk().greet()
    talk.press()
    talk.answer(1, 1, copies=0, wanted=1)
    assert (talk.presses.unsaved, talk.counts.shown(ITEM, 0.0)) == (1, 1)
    talk.answer(1, 1, copies=1, wanted=1)
    assert talk.presses.unsaved == 0


def test_the_second_answers_count_is_no_news() -> None:
    talk = Talk().greet()
    talk.press()
    talk.answer(1, 1, copies=0, wanted=1)
    talk.hear(type="counts", counts={ITEM: 9})
    talk.answer(1, 1, copies=1, wanted=1)
    assert talk.counts.shown(ITEM, 0.0) == 9


def test_the_answer_to_an_older_press_withdraws_nothing() -> None:
    talk = Talk().greet()
    talk.press()
    talk.press()
    talk.answer(1, 1, copies=1, wanted=1)
    assert talk.pressed() == []
    assert talk.presses.unsaved == 1


def test_a_partial_grant_sends_the_rest_when_the_node_says() -> None:
    talk = Talk().greet()
    talk.press(10)
    talk.answer(1, 4, copies=0, wanted=1, retry_after=0.5)
    talk.now = 0.4
    assert talk.pressed() == []
    talk.answer(1, 4, copies=1, wanted=1, retry_after=0.5)
    talk.now = 0.5
    assert talk.pressed() == [10], "the second answer delays nothing again"
    assert talk.told == ["rate_limited"]


@pytest.mark.parametrize("code", ["rate_limited", "read_only"])
def test_a_delayed_press_is_sent_again_when_the_node_says(code: str) -> None:
    talk = Talk().greet()
    talk.press(3)
    talk.refuse(1, code, retry_after=2.0)
    assert talk.told == [code]
    talk.now = 1.9
    assert talk.pressed() == []
    talk.now = 2.0
    assert talk.pressed() == [3]


def test_a_wait_for_the_budget_is_progress() -> None:
    talk = Talk().greet()
    talk.press(3)
    talk.refuse(1, "rate_limited", retry_after=2.0)
    assert talk.conversation.progress_at == 2.0


def test_a_reset_makes_what_was_sent_before_void() -> None:
    talk = Talk(ITEM).greet(gen=0)
    talk.press(3)
    talk.mine(gen=2)
    assert (talk.presses.unsaved, talk.told) == (0, ["reset"])
    talk.refuse(1, "reset")
    assert talk.told == ["reset"], "that is known already"
    assert talk.press() == [1]


def test_a_node_that_stays_behind_is_believed_in_the_end() -> None:
    state = MemoryState()
    earlier = Presses(state)
    earlier.learn((ITEM, earlier.tab), 4, 0)
    earlier.press(ITEM, 3)
    talk = Talk(ITEM, state=state).greet(gen=1)
    for _ in range(BEHIND_ANSWERS_MAX):
        assert talk.told == []
        assert talk.presses.unsaved == 3
        press = talk.one_press()
        assert (press.gen, press.n, press.tab) == (4, 3, earlier.tab)
        talk.refuse(press.id, "behind", retry_after=0.1)
        assert talk.pressed() == [], "not before the node says"
        talk.now += 0.1
    assert (talk.told, talk.presses.unsaved) == (["reset"], 0)
    assert talk.press() == [1]


def test_a_node_that_was_behind_takes_the_press_once_it_knows_the_generation() -> None:
    state = MemoryState()
    earlier = Presses(state)
    earlier.learn((ITEM, earlier.tab), 2, 0)
    earlier.press(ITEM, 3)
    talk = Talk(ITEM, state=state).greet(gen=1)
    talk.refuse(talk.one_press().id, "behind", retry_after=0.1)
    talk.mine(gen=2)
    talk.now += 0.1
    press = talk.one_press()
    assert (press.gen, press.n, press.tab) == (2, 3, earlier.tab)
    talk.hear(type="pressed", id=press.id, item=ITEM, gen=2, n=3, count=3, copies=1, wanted=1)
    assert (talk.presses.unsaved, talk.told) == (0, [])


def test_a_refused_token_costs_the_visitor_and_the_connection() -> None:
    talk = Talk(ITEM)
    talk.presses.press(ITEM)
    talk.hear(type="hello", node="node1", token="fresh")
    talk.sent()
    talk.hear(type="error", code="bad_token", message="")
    assert (talk.told, talk.presses.unsaved) == (["bad_token"], 0)
    assert talk.conversation.leave_at <= talk.now
    assert talk.presses.adopt("another") == "another"


def test_an_erased_visitor_is_forgotten_under_the_token_it_has_now() -> None:
    talk = Talk(ITEM).greet(gen=0)
    assert talk.presses.token == "kept+"
    talk.press()
    talk.hear(type="error", code="bad_token", message="", erased=True)
    assert (talk.told, talk.presses.unsaved, talk.presses.token) == (["bad_token"], 0, "")
    assert talk.conversation.leave_at <= talk.now


def test_the_refused_presses_of_an_erased_visitor_are_no_news() -> None:
    talk = Talk(ITEM).greet(gen=0)
    talk.press()
    talk.hear(type="error", code="bad_token", message="", erased=True)
    talk.presses.adopt("another")
    talk.hear(type="error", id=1, code="bad_token", message="")
    assert (talk.told, talk.presses.token) == (["bad_token"], "another")


def test_who_wished_to_be_erased_is_not_told_of_it() -> None:
    talk = Talk(ITEM).greet(gen=0)
    talk.presses.leaving = talk.presses.token
    talk.hear(type="error", code="bad_token", message="", erased=True)
    assert (talk.told, talk.presses.token) == ([], "")


def test_a_saved_tally_is_pressed_again_on_a_node_that_lacks_it() -> None:
    state = MemoryState()
    saved = Presses(state)
    saved.take(saved.press("once:a").key, wire.Pressed("once:a", 0, 1, 1))
    talk = Talk("once:a", state=state).greet()
    assert talk.sent() == [wire.Watch(["once:a"])], "not before the node has told"
    talk.mine(gen=0, item="once:a")
    assert talk.sent() == [wire.Press(1, "once:a", 1, 0)]


def test_presses_of_an_earlier_run_go_out_under_its_tab() -> None:
    state = MemoryState()
    earlier = Presses(state)
    earlier.press(ITEM, 7)
    talk = Talk(ITEM, state=state).greet()
    assert wire.Press(1, ITEM, 7, None, earlier.tab) in talk.sent()


def test_a_node_that_never_stops_talking_hears_of_us_too() -> None:
    talk = Talk(ITEM).greet(gen=0)
    talk.now = PING_AFTER_S
    talk.hear(type="counts", counts={ITEM: 3})
    assert talk.sent() == [wire.Ping()]
    assert talk.sent() == []
    talk.hear(type="pong")


def test_frames_of_later_versions_are_skipped() -> None:
    talk = Talk().greet()
    talk.hear(type="viewers", viewers={ITEM: 3})
    talk.hear(type="counts", counts={ITEM: 3}, news=True)
    assert talk.counts.shown(ITEM, 0.0) == 3


@pytest.mark.parametrize("text", ["", "[]", "7", '{"type":7}', '{"type":"counts","counts":3}', '{"counts":{}}'])
def test_what_is_no_frame_is_the_nodes_mistake(text: str) -> None:
    with pytest.raises(wire.WireError):
        Talk().conversation.receive(text, 0.0)


def test_no_frame_is_over_four_kibibytes() -> None:
    items = [f"tap:{number:03}{'x' * 197}" for number in range(100)]
    frames = Talk(*items).greet().sent()
    assert max(len(wire.encode(frame)) for frame in frames) <= 4096
    assert sum(len(frame.items) for frame in frames if isinstance(frame, wire.Watch)) == 100


def test_items_no_longer_looked_at_are_unwatched() -> None:
    talk = Talk(ITEM, "once:a").greet()
    talk.sent()
    talk.items = ("once:a",)
    assert talk.sent() == [wire.Unwatch([ITEM])]
