"""One conversation with one node, from connect to close (docs/protocol.md). It has no socket and no clock.

`session` feeds it every frame (`receive`) and asks what to send (`frames_to_send`). It notes in `presses` and
`counts`, which live on, what the node says; what this node was sent and what it answered is forgotten with it.

1. The node says hello first, with a fresh token; we say ours with our tab, and press only after the node took it:
   a press never counts for the wrong visitor.
2. A press of a watched item waits for `mine`, which tells its generation, but at most `MINE_WAIT_S`.
3. An absolute target is sent once per connection; again only after `retry_after`, or when it grew.
4. Answers come by id; a newer press of the same tally supersedes the older ones.
5. A tally not acknowledged on this connection is pressed again once the node has told what it holds: this
   restores what a node lost, and makes a failover read its own writes.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from cli import wire
from cli.counts import Counts
from cli.presses import Outcome, Presses
from cli.tally import Key, Tally, key_of

MINE_WAIT_S: Final = 1.0
# A node that does not say when is asked again after this.
RETRY_AFTER_S: Final = 1.0
# From then on it is the node that is right about the generation (docs/protocol.md, `behind`).
BEHIND_ANSWERS_MAX: Final = 15
# A node closes a connection from which nothing comes, however much it has to say itself (4003).
PING_AFTER_S: Final = 30.0
ITEMS_PER_FRAME_MAX: Final = 15

Tell = Callable[[str, str], None]


class _Asked(msgspec.Struct):
    """What this node was asked of one tally: the newest press's id and target, and what came of it."""

    id: int = 0
    n: int = 0
    saved: int = 0
    retry_at: float = 0.0
    behinds: int = 0


class Conversation:
    """What was said on one connection. `tell` takes a kind and a text that the person should know."""

    def __init__(self, presses: Presses, counts: Counts, tell: Tell) -> None:
        self.node = ""
        self.is_open = False
        self.is_read_only = False
        # When the node wants us gone, and when it last got somewhere with our presses.
        self.leave_at = float("inf")
        self.progress_at = float("-inf")
        self._presses = presses
        self._counts = counts
        self._tell = tell
        self._is_limited = False
        self._tab = presses.tab
        self._token = ""
        self._said = ""
        self._watched: dict[str, float] = {}
        self._gens: dict[str, int] = {}
        self._asked: dict[Key, _Asked] = {}
        self._sent_at = 0.0
        self._last_id = 0
        self._keys: dict[int, Key] = {}

    # what arrives

    def receive(self, text: str, now: float) -> None:
        """Act on a frame. Raises `wire.WireError` for what is no frame of the protocol."""
        match wire.decode(text):
            case wire.Hello() as hello:
                self._greet(hello, now)
            case wire.Counts(counts):
                self._counts.arrive(counts)
            case wire.Mine(tallies):
                for item, mine in tallies.items():
                    self._learn(item, mine)
            case wire.Leaving(after):
                self.leave_at = now + after
            case wire.Pressed() as answer:
                self._take(answer, now)
            case wire.Error() as error:
                self._refuse(error, now)

    def _greet(self, hello: wire.Hello, now: float) -> None:
        self.node = hello.node
        if not self._said:
            self._token = self._presses.adopt(hello.token)
            return
        self.is_open = True
        self.progress_at = now
        self._presses.renew(self._said, hello.token)
        self._said = hello.token

    def _learn(self, item: str, mine: wire.MyTally) -> None:
        if mine.gen > self._gens.get(item, 0):
            self._reset(item, mine.gen)
        self._gens[item] = max(mine.gen, self._gens.get(item, 0))
        self._presses.learn(key_of(item, self._tab), mine.gen, mine.n)

    def _take(self, answer: wire.Pressed, now: float) -> None:
        key = self._keys.get(answer.id or 0)
        if key is None:
            return
        asked = self._asked[key]
        asked.behinds = 0
        self.progress_at = max(self.progress_at, now)
        # The first answer comes before any `counts` that includes the press, the second after: no news by then.
        if self._presses.take(key, answer):
            self._counts.arrive({answer.item: answer.count})
        if asked.id == answer.id:
            if answer.n < asked.n:
                self._limit(asked, answer.retry_after, now)
            asked.n = max(asked.n, answer.n)
        if answer.is_last:
            asked.saved = max(asked.saved, answer.n)
            self._keys = {id_: of for id_, of in self._keys.items() if of != key or id_ > (answer.id or 0)}

    def _refuse(self, error: wire.Error, now: float) -> None:
        key = self._keys.get(error.id or 0)
        if error.code == "bad_token":
            # With an id it is the press of a visitor that was erased, of which we were told before.
            if error.id is None:
                self._forget_visitor(now)
        elif key is not None:
            self._refuse_press(key, error, now)
        elif error.id is None:
            self._tell("refused", f"the node refused: {error.message or error.code}")

    def _refuse_press(self, key: Key, error: wire.Error, now: float) -> None:
        asked = self._asked[key]
        match error.code:
            case "rate_limited":
                self._limit(asked, error.retry_after, now)
            case "read_only":
                if not self.is_read_only:
                    self._tell("read_only", f"{self.node} cannot save at the moment: presses are kept")
                self.is_read_only = True
                self._retry(asked, error.retry_after, now)
            case "behind":
                asked.behinds += 1
                self._retry(asked, error.retry_after, now)
                if asked.behinds >= BEHIND_ANSWERS_MAX:
                    self._give_up(key[0], self._gens.get(key[0], 0))
            case _:
                text = error.message or error.code
                self._presses.refuse(key, Outcome("refused", error.code, text))
                self._tell("refused", f"the node refused: {text}")

    def _forget_visitor(self, now: float) -> None:
        """The next connection begins with a visitor that the nodes know."""
        text = "the nodes no longer know this visitor: starting afresh"
        lost = self._presses.forget_visitor(self._said, Outcome("refused", "bad_token", text))
        if self._said != self._presses.leaving:
            self._tell("bad_token", f"{text}; not saved and now void: {lost}" if lost else text)
        self.is_open = False
        self.leave_at = now

    def _reset(self, item: str, gen: int) -> None:
        self._begin_generation(item)
        self._tell_void(item, self._presses.reset(item, gen, _was_reset(item)))

    def _give_up(self, item: str, gen: int) -> None:
        """The node is right: what it does not know of was never made, or is lost."""
        self._begin_generation(item)
        self._tell_void(item, self._presses.give_up(item, gen, _was_reset(item)))

    def _begin_generation(self, item: str) -> None:
        """What was sent and saved in another generation says nothing about this one."""
        self._asked = {key: asked for key, asked in self._asked.items() if key[0] != item}
        self._keys = {id_: key for id_, key in self._keys.items() if key[0] != item}
        self._counts.reset(item)

    def _tell_void(self, item: str, lost: int) -> None:
        if lost:
            self._tell("reset", f"{item} was reset; not saved and now void: {lost}")

    def _limit(self, asked: _Asked, retry_after: float | None, now: float) -> None:
        """More presses than the nodes' budget; of a part that was taken, the rest goes out later."""
        self._retry(asked, retry_after, now)
        if not self._is_limited:
            text = f"more presses than the nodes take at once: the next go out in {asked.retry_at - now:.1f} s"
            self._tell("rate_limited", f"{text}, and so on")
        self._is_limited = True

    def _retry(self, asked: _Asked, retry_after: float | None, now: float) -> None:
        asked.n = 0
        asked.retry_at = now + (RETRY_AFTER_S if retry_after is None else max(retry_after, 0.0))
        self.progress_at = max(self.progress_at, asked.retry_at)

    # what to send

    def frames_to_send(self, items: Iterable[str], now: float) -> list[wire.Outgoing]:
        """What is due now: our hello, watches of `items`, presses, a ping after a silence of ours."""
        if self._token and not self._said:
            self._said = self._token
            return [wire.SayHello(self._said, self._tab)]
        if not self.is_open:
            return []
        frames = self._watches(set(items), now)
        frames += [self._press(tally) for tally in self._presses if self._is_due(tally, now)]
        if not frames and now >= self._sent_at + PING_AFTER_S:
            frames = [wire.Ping()]
        if frames:
            self._sent_at = now
        return frames

    def _watches(self, items: set[str], now: float) -> list[wire.Outgoing]:
        gone = sorted(set(self._watched) - items)
        new = sorted(items - set(self._watched))
        self._watched = {item: self._watched.get(item, now) for item in items}
        frames: list[wire.Outgoing] = [wire.Unwatch(gone)] if gone else []
        starts = range(0, len(new), ITEMS_PER_FRAME_MAX)
        return frames + [wire.Watch(new[start : start + ITEMS_PER_FRAME_MAX]) for start in starts]

    def _is_due(self, tally: Tally, now: float) -> bool:
        asked = self._asked.get(tally.key, _Asked())
        is_own = tally.key == key_of(tally.item, self._tab)
        is_told = is_own and tally.item in self._gens
        if is_own and not is_told and now < self._watched.get(tally.item, float("-inf")) + MINE_WAIT_S:
            return False
        is_wanted = tally.unsaved > 0 or is_told
        return is_wanted and tally.n > max(asked.n, asked.saved) and now >= asked.retry_at

    def _press(self, tally: Tally) -> wire.Press:
        self._last_id += 1
        self._keys[self._last_id] = tally.key
        asked = self._asked.setdefault(tally.key, _Asked())
        asked.id, asked.n = self._last_id, tally.n
        gen = self._gens.get(tally.item) if tally.gen is None else tally.gen
        return wire.Press(self._last_id, tally.item, tally.n, gen, tally.tab)


def _was_reset(item: str) -> Outcome:
    return Outcome("refused", "reset", f"{item} was reset")
