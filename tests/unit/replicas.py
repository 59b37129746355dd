"""Replicas connected by hand: a test carries the frames, and may hold them, drop them or say them twice."""

import pytest

from cluster.core.copies import Copies, Owed
from cluster.core.events import (
    Asked,
    Close,
    Compared,
    Differs,
    Fenced,
    Learned,
    Offered,
    Opened,
    Send,
    Settled,
    Wanted,
)
from cluster.core.holdings import Holdings
from cluster.core.link import Identity
from cluster.core.offers import Changes, Offer
from cluster.core.press import Press
from cluster.core.replica import Replica
from cluster.core.rows import Row
from cluster.core.viewers import Viewers
from cluster.core.wire import End, Have, LeanPush, Message, Rows, decode, encode, pack
from tests.unit.tables import HOME, Table, actor

KEY = b"one secret for the whole cluster"


class Side:
    """One node: its replica, its table, and what it said on each link and did not send yet."""

    def __init__(self, letter: str, now: float = 100.0) -> None:
        self.origin = letter.encode() * 16
        self.ledger = letter.upper().encode() * 16
        self.now = now
        self.table = Table(self.origin)
        self.closed: list[Close] = []
        self.opened: list[Opened] = []
        self.learned: list[str] = []
        self.settled: list[tuple[Owed, int]] = []
        self.fenced: list[str] = []
        self.comparing: list[Differs | Compared | Wanted] = []
        self.out: dict[int, list[Send]] = {}
        self.offers: list[Offer] = []
        self.is_holding_offers = False
        self.begin()

    def begin(self) -> None:
        """A run with what the table holds."""
        identity = Identity(name=self.origin[:1].decode(), ledger=self.ledger, origin=self.origin)
        heads = self.table.heads
        holdings = Holdings(heads, stamps=self.table.stamps, floor=heads, buckets=self.table.buckets)
        self.replica = Replica(identity, [KEY], holdings, copies=Copies(self.ledger), viewers=Viewers())

    def press(self, n: int, *, item: str = HOME, who: int = 1) -> Changes:
        return self.commit(Press(item, actor(who), None, n))

    def commit(self, *offers: Offer) -> Changes:
        changes = self.table.commit(*offers)
        self.replica.committed(changes, self.now)
        self.carry_out()
        return changes

    def commit_offers(self) -> None:
        offers, self.offers = self.offers, []
        if offers:
            self.commit(*offers)

    def carry_out(self) -> None:
        while events := self.replica.events:
            self.replica.events = []
            for event in events:
                self._do(event)
        if not self.is_holding_offers:
            self.commit_offers()

    def _do(self, event: object) -> None:
        if isinstance(event, Send):
            self.out.setdefault(event.link, []).append(event)
        elif isinstance(event, Offered):
            self.offers.append(event.offer)
        elif isinstance(event, Asked):
            self._answer(event)
        elif isinstance(event, Close):
            self.closed.append(event)
        elif isinstance(event, Opened):
            self.opened.append(event)
        elif isinstance(event, Learned):
            self.learned += event.addresses
        elif isinstance(event, Settled):
            self.settled.append((event.owed, event.copies))
        elif isinstance(event, Fenced):
            self.fenced.append(event.reason)
        elif isinstance(event, Differs | Compared | Wanted):
            self.comparing.append(event)

    def _answer(self, asked: Asked) -> None:
        rows = asked.rows
        if rows is None:
            rows = [row for row in self.table.rows.values() if row.seq > asked.base.get(row.origin, 0)]
        for message in (Rows(asked.id, pack(rows)), End(asked.id, asked.heads, asked.stamps)):
            self.out.setdefault(asked.link, []).append(Send(asked.link, encode(message)))

    def receive(self, link: int, message: Message | bytes) -> None:
        data = message if isinstance(message, bytes) else encode(message)
        self.replica.receive(link, data, self.now)
        self.carry_out()

    def tick(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.replica.tick(self.now)
        self.carry_out()

    def look(self, pick: float = 0.0) -> None:
        self.replica.look(self.now, pick)
        self.carry_out()

    def said(self, link: int = 1) -> list[Message]:
        """What waits to be carried."""
        return [decode(send.data) for send in self.out.get(link, [])]

    def count(self, item: str = HOME) -> int:
        return self.table.count(item)


@pytest.fixture
def ann() -> Side:
    return Side("a")


@pytest.fixture
def ben() -> Side:
    return Side("b")


def open_link(dialer: Side, listener: Side, link: int = 1) -> None:
    for side in (dialer, listener):
        nonce = side.origin * 2
        side.replica.open_link(link, is_dialer=side is dialer, nonce=nonce, now=side.now)
        side.carry_out()


def cut(one: Side, other: Side, link: int = 1) -> None:
    """The connection breaks: what was under way is lost."""
    for side in (one, other):
        side.out.pop(link, None)
        side.replica.close_link(link)


def carry(sender: Side, receiver: Side, link: int = 1, *, drop: type | None = None, frames: int = 10_000) -> None:
    """Carry what the sender has said so far, leaving out messages of one type."""
    waiting = sender.out.get(link, [])
    sender.out[link] = waiting[frames:]
    for send in waiting[:frames]:
        if drop is None or not isinstance(decode(send.data), drop):
            receiver.receive(link, send.data)


def talk(one: Side, other: Side, link: int = 1) -> None:
    """Carry everything both ways until nobody says anything, with time for what is held back to be joined."""
    for _ in range(20):
        while one.out.get(link) or other.out.get(link):
            carry(one, other, link)
            carry(other, one, link)
        one.tick(0.02)
        other.tick(0.02)
        if not one.out.get(link) and not other.out.get(link):
            return
    raise AssertionError("they never stop talking")


def linked(one: Side, other: Side, link: int = 1) -> None:
    """An open link over which everything has been said."""
    open_link(one, other, link)
    talk(one, other, link)


def pushes(side: Side, link: int = 1) -> list[LeanPush]:
    return [message for message in side.said(link) if isinstance(message, LeanPush)]


def haves(side: Side, link: int = 1) -> list[Have]:
    return [message for message in side.said(link) if isinstance(message, Have)]


def rows_above(count: int, origin: bytes, item: str = HOME) -> list[Row]:
    """Rows of `count` visitors who pressed once each."""
    return [Row(item, actor(number), 0, 1, origin, number) for number in range(1, count + 1)]
