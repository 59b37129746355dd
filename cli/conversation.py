"""One conversation with one node, from connect to close (DESIGN.md section 5). Pure: no socket, clock or file.

`session` feeds it every frame (`receive`), asks what to send (`frames_to_send`), applies the events it returns to
the tallies, and sleeps until `next_wake_at`. It knows what this node was sent and what it answered; it forgets
everything with the connection, while the tallies live on.

1. The node says hello first, with a fresh token (`Offered`); the caller says which token to go by (`go_by`), we
   say it with our tab, and press only after the node took it: a press never counts for the wrong visitor.
2. A press of a watched item waits for `mine`, which tells its generation, but at most `MINE_WAIT_S`.
3. An absolute target is sent once per connection; again only after `retry_after`, or when it grew.
4. Answers come by id; a newer press of the same tally supersedes the older ones.
5. A tally not acknowledged on this connection is pressed again once the node has told what it holds: this
   restores what a node lost, and makes a failover read its own writes.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from cli import wire
from cli.events import Counted, Delayed, Event, Greeted, Learned, Left, Offered, Refused, Reset, Taken, TokenRefused
from cli.tallies import Key, Tally

MINE_WAIT_S: Final = 1.0
PING_AFTER_S: Final = 2.5
# Two pings may go unanswered. A frozen node is left after this, so people are back within ten seconds.
SILENT_AFTER_S: Final = 6.0
# A node that does not say when is asked again after this.
RETRY_AFTER_S: Final = 1.0
# From then on it is the node that is right about the generation (section 5, `behind`).
BEHIND_ANSWERS_MAX: Final = 15
ITEMS_PER_FRAME_MAX: Final = 15


class _Asked(msgspec.Struct, frozen=True):
    key: Key
    gen: int | None
    n: int


class Conversation:
    """What was said on one connection, by one tab."""

    def __init__(self, *, tab: str, now: float) -> None:
        self.node = ""
        self.is_open = False
        self._tab = tab
        self._fresh = ""
        self._token = ""
        self._said = ""
        self._heard_at = now
        self._pinged_at = now
        self._watched: dict[str, float] = {}
        self._gens: dict[str, int] = {}
        self._told: set[Key] = set()
        self._last_id = 0
        self._asked: dict[int, _Asked] = {}
        self._answered: set[int] = set()
        self._newest: dict[Key, int] = {}
        self._sent: dict[Key, int] = {}
        self._saved: dict[Key, int] = {}
        self._retry_at: dict[Key, float] = {}
        self._behind: dict[Key, int] = {}

    # what arrives

    def receive(self, text: str | bytes, now: float) -> list[Event]:
        """What a frame means. Raises `wire.WireError` for what is no frame of the protocol."""
        self._heard_at = now
        match wire.decode(text):
            case wire.Hello() as hello:
                return self._greet(hello)
            case wire.Counts(counts):
                return [Counted(counts)]
            case wire.Mine(tallies):
                return [event for item, mine in tallies.items() for event in self._learn(item, mine)]
            case wire.Leaving(after):
                return [Left(after)]
            case wire.Pressed() | wire.Error() as answer:
                return self._take(answer, now) if isinstance(answer, wire.Pressed) else self._refuse(answer, now)
        return []

    def _greet(self, hello: wire.Hello) -> list[Event]:
        self.node = hello.node
        if not self._said:
            self._fresh = hello.token
            return [Offered(hello.token)]
        self.is_open = True
        return [Greeted(hello.node, self._said, hello.token)]

    def go_by(self, token: str) -> None:
        """Say this token: the answer to `Offered` and `TokenRefused`."""
        self._token = token

    def _learn(self, item: str, mine: wire.MyTally) -> list[Event]:
        key = self._key(item)
        risen = mine.gen > self._gens.get(item, 0)
        self._gens[item] = max(mine.gen, self._gens.get(item, 0))
        self._told.add(key)
        reset = [self._reset(item, mine.gen)] if risen else []
        return [*reset, Learned(key, mine.gen, mine.n)]

    def _take(self, answer: wire.Pressed, now: float) -> list[Event]:
        asked = self._asked.get(answer.id or 0)
        if asked is None:
            return []
        is_saved = answer.copies >= answer.wanted
        key = asked.key
        self._behind.pop(key, None)
        is_first = answer.id not in self._answered
        self._answered.add(answer.id or 0)
        retry_after = None
        if self._newest[key] == answer.id:
            if answer.n < asked.n and self._sent[key] == asked.n:
                retry_after = self._retry(key, answer.retry_after, now)
            elif answer.n >= asked.n:
                self._sent[key] = max(self._sent[key], answer.n)
        if is_saved:
            self._saved[key] = max(self._saved.get(key, 0), answer.n)
            self._forget_asked(key, answer.id or 0)
        return [Taken(key, answer, is_first, is_saved, retry_after)]

    def _refuse(self, error: wire.Error, now: float) -> list[Event]:
        if error.code == "bad_token":
            return self._refuse_token()
        asked = self._asked.get(error.id or 0)
        if asked is None:
            # An answer to what a reset or another visitor made void is no news.
            return [Refused(None, error.code, error.message)] if error.id is None else []
        match error.code:
            case "rate_limited" | "read_only":
                return [Delayed(asked.key, error.code, self._retry(asked.key, error.retry_after, now))]
            case "behind":
                return [self._wait_for_gen(asked, error, now)]
            case "reset":
                return [self._reset(asked.key[0], max(self._gens.get(asked.key[0], 0), (asked.gen or 0) + 1))]
            case _:
                return [Refused(asked.key, error.code, error.message)]

    def _refuse_token(self) -> list[Event]:
        if self._said == self._fresh:
            raise wire.WireError("the node refuses a token that it has just made")
        self.is_open = False
        said, self._said = self._said, ""
        for noted in (self._told, self._asked, self._newest, self._sent, self._saved, self._retry_at, self._behind):
            noted.clear()
        return [TokenRefused(said, self._fresh)]

    def _wait_for_gen(self, asked: _Asked, error: wire.Error, now: float) -> Event:
        answers = self._behind[asked.key] = self._behind.get(asked.key, 0) + 1
        if answers >= BEHIND_ANSWERS_MAX:
            return self._reset(asked.key[0], self._gens.get(asked.key[0], 0))
        return Delayed(asked.key, error.code, self._retry(asked.key, error.retry_after, now))

    def _reset(self, item: str, gen: int) -> Event:
        """What was sent and saved in another generation says nothing about this one."""
        for noted in (self._newest, self._sent, self._saved, self._retry_at, self._behind):
            for key in [key for key in noted if key[0] == item]:
                del noted[key]
        self._asked = {number: asked for number, asked in self._asked.items() if asked.key[0] != item}
        return Reset(item, gen)

    def _retry(self, key: Key, after: float | None, now: float) -> float:
        wait = RETRY_AFTER_S if after is None else max(after, 0.0)
        self._sent[key] = 0
        self._retry_at[key] = now + wait
        return wait

    def _forget_asked(self, key: Key, up_to: int) -> None:
        for number in [number for number, asked in self._asked.items() if asked.key == key and number <= up_to]:
            del self._asked[number]
            self._answered.discard(number)

    # what to send

    def frames_to_send(self, items: Iterable[str], tallies: Iterable[Tally], now: float) -> list[wire.Outgoing]:
        """What is due now: watches of `items`, presses of `tallies`, a ping."""
        frames: list[wire.Outgoing] = []
        if self._token and not self._said:
            self._said = self._token
            frames.append(wire.SayHello(self._said, self._tab))
        if self.is_open:
            frames += self._watches(set(items), now)
            frames += [frame for tally in tallies for frame in self._press(tally, now)]
        if frames:
            self._pinged_at = now
        elif now - max(self._heard_at, self._pinged_at) >= PING_AFTER_S:
            self._pinged_at = now
            frames.append(wire.Ping())
        return frames

    def _watches(self, items: set[str], now: float) -> list[wire.Outgoing]:
        gone = sorted(set(self._watched) - items)
        new = sorted(items - set(self._watched))
        for item in gone:
            del self._watched[item]
        self._watched |= dict.fromkeys(new, now)
        frames: list[wire.Outgoing] = [wire.Unwatch(gone)] if gone else []
        starts = range(0, len(new), ITEMS_PER_FRAME_MAX)
        return frames + [wire.Watch(new[start : start + ITEMS_PER_FRAME_MAX]) for start in starts]

    def _press(self, tally: Tally, now: float) -> list[wire.Outgoing]:
        key = tally.key
        is_news = tally.n > max(self._sent.get(key, 0), self._saved.get(key, 0))
        is_due = is_news and (tally.unsaved or key in self._told)
        if not is_due or now < max(self._retry_at.get(key, 0.0), self._mine_deadline(key)):
            return []
        gen = self._gens.get(tally.item) if tally.gen is None else tally.gen
        self._last_id += 1
        self._asked[self._last_id] = _Asked(key, gen, tally.n)
        self._newest[key] = self._last_id
        self._sent[key] = tally.n
        return [wire.Press(self._last_id, tally.item, tally.n, gen, tally.tab)]

    def _mine_deadline(self, key: Key) -> float:
        """Until when a press waits for `mine`; 0 if it has come, or will not come."""
        if key in self._told or key != self._key(key[0]) or key[0] not in self._watched:
            return 0.0
        return self._watched[key[0]] + MINE_WAIT_S

    def _key(self, item: str) -> Key:
        return Tally(item, self._tab).key if item.startswith("tap:") else (item, "")

    # time

    def is_silent(self, now: float) -> bool:
        """Whether the node has said nothing for so long that the connection is to be given up."""
        return now - self._heard_at >= SILENT_AFTER_S

    def next_wake_at(self, now: float) -> float:
        """When to look again even if nothing arrives."""
        waits = [at for at in self._retry_at.values() if at > now]
        waits += [at + MINE_WAIT_S for at in self._watched.values() if at + MINE_WAIT_S > now]
        ping_at = max(self._heard_at, self._pinged_at) + PING_AFTER_S
        return min([ping_at, self._heard_at + SILENT_AFTER_S, *waits])
