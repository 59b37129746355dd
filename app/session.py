"""One browser's conversation with this node: messages in, frames out. It never sees the socket.

1. A session begins as a fresh visitor with a tab of its own; a `hello` makes it somebody else. When its visitor is
   erased it begins afresh, and takes presses after the next `hello` only: what was on its way is the erased one's.
2. Between registering a watch and asking the engine to read there is no await, so no change is missed.
3. A press is answered through `reply`, at the commit and perhaps once more when the copies exist; of one item
   and actor the engine owes a session only the newest second answer.
4. An error answers one message and changes nothing. `FAULTS_MAX` mistakes within `FAULTS_WINDOW_S` end it.
5. `unanswered` counts what the engine still has to do for this session, and `work` all that it was ever asked to
   do; `app.live` stops reading from a client that asks for more than the engine can do, or too fast (`app.pace`),
   and notes here since when.

Made and fed by `app.live`, on the loop's thread.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

import msgspec

from app import wire
from app.audience import Watcher
from app.desk import Desk, tally_in
from app.outlet import Outlet
from app.pace import ITEMS_PER_WORK
from app.refusals import ERASED, REFUSALS, error
from app.visitors import TokenError, actor_of, new_tab, new_visitor
from cluster.core.items import is_pressable, tally_max
from cluster.surface import Answer, Snapshot

ITEMS_MAX: Final = 100
FAULTS_MAX: Final = 20
FAULTS_WINDOW_S: Final = 10.0
# All of a tab's are one actor's.
_ANY_TAP: Final = "tap:"


class Session:
    """`receive` takes every text frame of the client; `end` is called once, when it may be told nothing more."""

    __slots__ = (
        "__weakref__", "_desk", "_faults", "_has_ended", "_is_afresh", "_network", "_outlet", "_tab", "_watcher",
        "is_catching_up", "unanswered", "unread_since", "work",
    )  # fmt: skip

    def __init__(self, desk: Desk, outlet: Outlet, network: bytes = b"") -> None:
        """`network` is where its presses come from (`app.guards`)."""
        self._desk = desk
        self._network = network
        self._outlet = outlet
        self._tab = new_tab()
        # When the newest mistakes were made; most clients make none.
        self._faults: deque[float] | None = None
        self._watcher = Watcher(outlet, new_visitor(), self._begin_afresh)
        self._has_ended = False
        self._is_afresh = False
        self.unanswered = self.work = 0
        self.is_catching_up = False
        self.unread_since: float | None = None
        desk.hub.add(self._watcher)
        self._say_hello()

    def receive(self, text: bytes) -> None:
        self.work += 1
        try:
            message = wire.decode(text)
        except wire.MessageError as wrong:
            self._refuse("bad_message", message_id=wrong.id, detail=str(wrong))
            return
        match message:
            case wire.PressWish():
                self._press(message)
            case wire.Ping():
                self._outlet.send(_PONG)
            case wire.Hello():
                self._hello(message)
            case wire.Watch():
                self._watch(message.items)
            case wire.Unwatch():
                self._desk.hub.unwatch(self._watcher, message.items)

    def follow_taps(self) -> None:
        """Its tab presses elsewhere: it is told of its taps before the count that includes them."""
        self._desk.hub.follow_taps(self._watcher, self._actor(_ANY_TAP))

    def leave(self, after_s: float) -> None:
        """This node is about to stop: the client is to go elsewhere after so many seconds."""
        self._outlet.send(wire.frame(wire.Leaving(after_s)))

    def fell_behind(self) -> None:
        self._desk.hub.fell_behind(self._watcher)

    def caught_up(self) -> None:
        self._desk.hub.caught_up(self._watcher)

    def end(self) -> None:
        """What the engine still answers goes nowhere."""
        self._has_ended = True
        self._desk.hub.remove(self._watcher)
        self._desk.engine.forget(self)

    def _say_hello(self) -> None:
        token = self._desk.tokens.sign(self._watcher.visitor)
        self._outlet.send(wire.frame(wire.NodeHello(node=self._desk.node, token=token)))
        if self._watcher.items:
            self._read(list(self._watcher.items), self._deliver_mine)

    def _begin_afresh(self) -> None:
        """Its visitor was erased. The error says so, since a client could take it for the answer to its hello."""
        self._desk.hub.set_visitor(self._watcher, new_visitor())
        self._tab = new_tab()
        self._is_afresh = True
        self._tell(ERASED)
        self._say_hello()

    def _hello(self, message: wire.Hello) -> None:
        if message.token is not None:
            try:
                visitor = self._desk.visitor_behind(message.token)
            except TokenError:
                self._refuse("bad_token")
                return
            self._desk.hub.set_visitor(self._watcher, visitor)
            self._is_afresh = False
        self._tab = message.tab or self._tab
        self._say_hello()

    def _watch(self, items: Sequence[str]) -> None:
        wanted = [item for item in dict.fromkeys(items) if is_pressable(item)]
        if len(wanted) < len(set(items)):
            # The others of its frame are somebody's buttons, too.
            self._refuse("bad_item")
        new = [item for item in wanted if item not in self._watcher.items]
        room = ITEMS_MAX - len(self._watcher.items)
        if len(new) > room:
            self._refuse("too_many_items")
            beyond = set(new[room:])
            wanted = [item for item in wanted if item not in beyond]
        self._desk.hub.watch(self._watcher, wanted)
        self._read(wanted, self._deliver_watched)

    def _read(self, items: Sequence[str], deliver: Callable[[Sequence[str], Snapshot], None]) -> None:
        """Deliver these items and this session's tallies of them."""
        cost = 1 + len(items) // ITEMS_PER_WORK

        def answered(snapshot: Snapshot) -> None:
            self.unanswered -= cost
            if not self._has_ended:
                deliver(items, snapshot)

        self.unanswered += cost
        self.work += cost
        self._desk.engine.read(items, [(item, self._actor(item)) for item in items], answered)

    def _actor(self, item: str) -> bytes:
        return actor_of(item, self._watcher.visitor, self._tab)

    def _deliver_watched(self, items: Sequence[str], snapshot: Snapshot) -> None:
        self._desk.hub.learn(snapshot.items)
        watched = [item for item in items if item in self._watcher.items]
        if watched:
            counts = {item: snapshot.items[item].count for item in watched}
            self._outlet.send(wire.frame(wire.Counts(counts)))
            self._deliver_mine(watched, snapshot)
            self._outlet.send(self._desk.hub.viewers_frame(watched))

    def _deliver_mine(self, items: Iterable[str], snapshot: Snapshot) -> None:
        """What was read for somebody else, whom this session was when it asked, is left out."""
        found = {item: tally_in(snapshot, item, self._actor(item)) for item in items}
        mine = {item: tally for item, tally in found.items() if tally is not None}
        if mine:
            self._outlet.send(wire.frame(wire.Mine(mine)))

    def _press(self, wish: wire.PressWish) -> None:
        if self._is_afresh:
            self._tell(error("bad_token", message_id=wish.id))
            return
        if not is_pressable(wish.item):
            self._refuse("bad_item", message_id=wish.id)
            return
        if wish.n is not None and not 1 <= wish.n <= tally_max(wish.item):
            self._refuse("bad_tally", message_id=wish.id)
            return
        ledger = self._desk.ledger
        if (hindrance := ledger.hindrance(self.unanswered)) is not None:
            self._refuse(hindrance, message_id=wish.id)
            return
        visitor = self._watcher.visitor
        actor = actor_of(wish.item, visitor, wish.tab or self._tab)
        self.unanswered += 1
        ledger.waiting += 1
        press = self._desk.press_of(wish.item, actor, self._network, wish)
        self._desk.engine.wish(press, _Reply(self, wish, visitor), self)

    def answer(self, wish: wire.PressWish, visitor: bytes, answer: Answer, *, is_first: bool) -> None:
        """What became of a press that this visitor of the session made."""
        if is_first:
            self.unanswered -= 1
            self._desk.ledger.waiting -= 1
            self._desk.metrics.count_press("live", answer, wish.n)
        if self._has_ended:
            return
        if answer.refusal is None:
            self._outlet.send(wire.frame(self._desk.pressed(answer, visitor, self._network, wish.n, wish.id)))
        elif answer.refusal == "reset":
            self._read([wish.item], partial(self._deliver_reset, wish.id))
        elif answer.refusal == "frozen":
            self._tell(error("frozen", message_id=wish.id, n=answer.n))
        elif answer.refusal == "erased":
            self._tell(error("bad_token", message_id=wish.id))
        else:
            retry_after_s = self._desk.retry_after_s(answer, visitor, self._network)
            self._refuse(answer.refusal, message_id=wish.id, retry_after_s=retry_after_s)

    def _deliver_reset(self, message_id: int | None, items: Sequence[str], snapshot: Snapshot) -> None:
        self._deliver_mine(items, snapshot)
        self._refuse("reset", message_id=message_id)

    def _refuse(
        self,
        code: str,
        *,
        message_id: int | None = None,
        detail: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self._tell(error(code, detail=detail, message_id=message_id, retry_after_s=retry_after_s))
        if REFUSALS[code].is_fault:
            self._note_fault()

    def _tell(self, refusal: wire.Error) -> None:
        """What is no mistake of this client, whatever the code says of others."""
        self._desk.metrics.refused.labels(refusal.code).inc()
        self._outlet.send(wire.frame(refusal))

    def _note_fault(self) -> None:
        now = self._desk.clock()
        if self._faults is None:
            self._faults = deque(maxlen=FAULTS_MAX + 1)
        self._faults.append(now)
        if len(self._faults) > FAULTS_MAX and now - self._faults[0] <= FAULTS_WINDOW_S:
            self._outlet.close(wire.CLOSE_PROTOCOL_VIOLATION)


class _Reply(msgspec.Struct, eq=False):
    """Where the engine answers one press: once or twice."""

    session: Session
    wish: wire.PressWish
    visitor: bytes
    is_first: bool = True

    def __call__(self, answer: Answer) -> None:
        is_first, self.is_first = self.is_first, False
        self.session.answer(self.wish, self.visitor, answer, is_first=is_first)


_PONG: Final = wire.frame(wire.Pong())
