"""What is wrong with a history, given what the nodes hold at its end: pure functions.

    lost       an acknowledged tally that a node does not hold
    doubled    a tally, or a count, above what was pressed
    shown      a visitor saw a count that was never true: above all presses so far, or falling
    diverged   nodes that hold different tallies, or a count that is not the sum of its tallies
    stalled    a press that was not acknowledged within the deadline after the fault was healed, or a visitor who
               was without a connection for too long

`Presses` takes the history; everything else asks what it made of it. A clean run has no findings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cluster.core.items import counted, kind_of
from tests.faults.history import HEALED, Event

# (item, actor in hexadecimal digits)
Key = tuple[str, str]
# key → (gen, n)
Table = Mapping[Key, tuple[int, int]]

# Findings of one kind that are named; a broken run has thousands.
NAMED_MAX: Final = 5


@dataclass(frozen=True)
class Finding:
    """One thing that must not be."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


@dataclass
class Presses:
    """What a history says so far. `saved_after` holds (sent at, saved at) of every acknowledged target."""

    sent: dict[Key, int] = field(default_factory=dict)
    saved: dict[Key, int] = field(default_factory=dict)
    saved_after: dict[Key, list[tuple[float, float]]] = field(default_factory=dict)
    # (target, sent at) of what is not acknowledged yet.
    unsaved: dict[Key, list[tuple[int, float]]] = field(default_factory=dict)
    shown: list[Finding] = field(default_factory=list)
    healed_at: float = 0.0
    ended_at: float = 0.0
    outages_s: list[float] = field(default_factory=list)
    # How many acknowledgements there were: one stands for all presses of its tally until then.
    answers: int = 0
    # Visitor → when it was last heard of, of those who are without a connection.
    away_since: dict[int, float] = field(default_factory=dict)
    _pressed: dict[str, int] = field(default_factory=dict)

    @property
    def acknowledged(self) -> int:
        """How many presses were acknowledged: a tally of n is n of them."""
        return sum(self.saved.values())

    @property
    def longest_outage_s(self) -> float:
        """The longest that a visitor was without a connection."""
        return max([*self.outages_s, *(self.ended_at - at for at in self.away_since.values())], default=0.0)

    @property
    def longest_wait_s(self) -> float:
        """The longest that a visitor waited for "saved", also while the fault lasted."""
        return max((saved - sent for waits in self.saved_after.values() for sent, saved in waits), default=0.0)

    def take(self, events: Iterable[Event]) -> None:
        """Go on with what was written since."""
        for event in events:
            self.ended_at = event["at"]
            getattr(self, f"_{event['is']}")(event)

    def _sent(self, event: Event) -> None:
        key, n = (event["item"], event["actor"]), event["n"]
        before = self.sent.get(key, 0)
        if n > before:
            self.sent[key] = n
            self._pressed[event["item"]] = self._pressed.get(event["item"], 0) + n - before
            self.unsaved.setdefault(key, []).append((n, event["at"]))

    def _saved(self, event: Event) -> None:
        key, n = (event["item"], event["actor"]), event["n"]
        self.saved[key] = max(n, self.saved.get(key, 0))
        self.answers += 1
        waiting = self.unsaved.pop(key, [])
        done = [(at, event["at"]) for target, at in waiting if target <= n]
        self.saved_after.setdefault(key, []).extend(done)
        if len(done) < len(waiting):
            self.unsaved[key] = [(target, at) for target, at in waiting if target > n]

    def _shown(self, event: Event) -> None:
        item, pressed = event["item"], self._pressed.get(event["item"], 0)
        if event["count"] > pressed:
            what = f"{item} was {event['count']} at {event['at']} s, and pressed {pressed} times"
            self.shown.append(Finding("shown", what))

    def _fell(self, event: Event) -> None:
        if kind_of(event["item"]) != "once":
            what = f"{event['item']} fell to {event['count']} at {event['at']} s for visitor {event['who']}"
            self.shown.append(Finding("shown", what))

    def _lost(self, event: Event) -> None:
        """Since it was last heard of: a frozen node is lost when it falls silent, not when that is noticed."""
        self.away_since.setdefault(event["who"], event["at"] - event["silent_s"])

    def _connected(self, event: Event) -> None:
        if (since := self.away_since.pop(event["who"], None)) is not None:
            self.outages_s.append(event["at"] - since)

    def _refused(self, event: Event) -> None:
        """What was refused is sent again, and waits on."""

    def _mark(self, event: Event) -> None:
        if event["say"] == HEALED:
            self.healed_at = event["at"]


def presses_of(events: Iterable[Event]) -> Presses:
    """What a whole history says."""
    presses = Presses()
    presses.take(events)
    return presses


def lost(saved: Mapping[Key, int], tables: Mapping[str, Table]) -> list[Finding]:
    """What was acknowledged, and is less on some node."""
    return [
        Finding("lost", f"{node} holds {_n(table, key)} of {key}, acknowledged was {n}")
        for node, table in tables.items()
        for key, n in saved.items()
        if _n(table, key) < n
    ]


def doubled(presses: Presses, tables: Mapping[str, Table]) -> list[Finding]:
    """Tallies above what was sent; also of actors that never pressed, on an item of this history."""
    items = {item for item, _ in presses.sent}
    return [
        Finding("doubled", f"{node} holds {n} of {key}, sent was {presses.sent.get(key, 0)}")
        for node, table in tables.items()
        for key, (_, n) in table.items()
        if key[0] in items and n > presses.sent.get(key, 0)
    ]


def miscounted(tables: Mapping[str, Table], counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Counts that are not the sum of the tallies behind them."""
    findings = []
    for node, shown in counts.items():
        sums = dict.fromkeys(shown, 0)
        for (item, _), (_, n) in tables[node].items():
            if item in sums:
                sums[item] += counted(item, n)
        findings += [
            Finding("diverged", f"{node} shows {shown[item]} for {item}, its tallies make {sums[item]}")
            for item in shown
            if shown[item] != sums[item]
        ]
    return findings


def diverged(tables: Mapping[str, Table]) -> list[Finding]:
    """Keys that not every node holds alike."""
    keys = set().union(*tables.values())
    findings = []
    for key in sorted(keys):
        held = {node: table.get(key) for node, table in tables.items()}
        if len(set(held.values())) > 1:
            findings.append(Finding("diverged", f"{key}: (gen, n) is {held}"))
    return findings


def stalled(presses: Presses, within_s: float) -> list[Finding]:
    """Presses that waited longer than this, counted from the healing where they were sent before it."""
    late = [
        Finding("stalled", f"{key} sent at {sent_at} s was acknowledged at {saved_at} s")
        for key, waits in presses.saved_after.items()
        for sent_at, saved_at in waits
        if saved_at - max(sent_at, presses.healed_at) > within_s
    ]
    never = [
        Finding("stalled", f"{key} sent at {sent_at} s is not acknowledged at {presses.ended_at} s")
        for key, waiting in presses.unsaved.items()
        for _, sent_at in waiting
    ]
    return late + never


def stranded(presses: Presses, within_s: float) -> list[Finding]:
    """Visitors who found no node for longer than this, during the fault too."""
    longest_s = presses.longest_outage_s
    if longest_s <= within_s:
        return []
    return [Finding("stalled", f"a visitor was without a connection for {longest_s:.1f} s")]


def named(findings: Iterable[Finding]) -> list[str]:
    """The first few of each kind, and how many more there are."""
    by_kind: dict[str, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    said = []
    for kind, several in by_kind.items():
        said += [str(finding) for finding in several[:NAMED_MAX]]
        if len(several) > NAMED_MAX:
            said.append(f"{kind}: {len(several) - NAMED_MAX} more")
    return said


def _n(table: Table, key: Key) -> int:
    return table.get(key, (0, 0))[1]
