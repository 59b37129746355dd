"""Stand-ins for what `app` meets at its edges: an engine over plain dicts, and a clock.

`FakeEngine` commits at the end of the loop's turn, unless a test holds it; copies come when the test says so.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cluster.core.flags import note
from cluster.core.items import counted, erasure_key
from cluster.core.viewers import Viewers
from cluster.surface import (
    ALLOWED,
    FROZEN,
    Answer,
    BackupError,
    Changed,
    Erasure,
    Flag,
    ItemState,
    Listed,
    NodeStatus,
    Place,
    Press,
    Reset,
    Snapshot,
    Tally,
    Wish,
)

Reply = Callable[[Answer], None]


class FakeEngine:
    def __init__(self, budget: Any = None) -> None:
        self.budget = budget
        self.table: dict[tuple[str, bytes], Tally] = {}
        self.gens: dict[str, int] = {}
        self.erased: set[bytes] = set()
        self.names: dict[str, set[str]] = {FROZEN: set(), ALLOWED: set()}
        self.wanted = 0
        self.is_holding = False
        self.is_hanging = False
        self.is_read_only = False
        self.has_links = True
        self.state = "ready"
        self.watchers = 0
        self.viewers = Viewers()
        self.peers_state = "unreachable"
        self.presses: list[Press] = []
        self.forgotten: list[Hashable] = []
        self.happened: list[str] = []
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.ready = asyncio.Event()
        self.ready.set()
        self.backup = b"a ledger"
        self.backup_problem = ""
        self.may_end_backup = asyncio.Event()
        self.may_end_backup.set()
        self._hung: list[Callable[[], None]] = []
        self._queue: list[tuple[Wish, Reply, Hashable]] = []
        self._owed: dict[tuple[Hashable, Hashable], tuple[Reply, Answer]] = {}
        self._subscribers: list[Callable[[Changed], None]] = []

    async def start(self) -> None:
        self.happened.append("start")

    async def wait_until_ready(self) -> None:
        await self.ready.wait()

    async def stop(self) -> None:
        self.happened.append("stop")

    def set_leaving(self) -> None:
        self.happened.append("leaving")

    def set_watchers(self, watchers: int) -> None:
        self.watchers = watchers

    def subscribe(self, on_changed: Callable[[Changed], None]) -> None:
        self._subscribers.append(on_changed)

    async def back_up(self, target: Path) -> None:
        """Write what the test wants a copy to hold, when it says so."""
        if self.backup_problem:
            raise BackupError(self.backup_problem)
        with target.open("xb") as file:
            file.write(self.backup)
        await self.may_end_backup.wait()

    def forget(self, owner: Hashable) -> None:
        self.forgotten.append(owner)
        self._owed = {key: owed for key, owed in self._owed.items() if key[0] != owner}

    def counters(self) -> dict[str, float]:
        return {"commits_total": 3.0, "links": 2.0}

    def status(self) -> list[NodeStatus]:
        return [
            NodeStatus(
                "node1",
                True,
                self.state,
                "http://node1",
                "10.0.0.1:9000",
                0,
                self.watchers,
                "0.1.0",
                since=time.time() - 60,
                presses=12,
                digest=b"\xd1" * 16,
                links=("node2",),
            ),
            NodeStatus("node2", False, self.peers_state, "", "10.0.0.2:9000", 7, 0, "0.1.0", lag_s=0.25),
        ]

    def flags(self, item: str) -> set[str]:
        return self.names[item]

    def is_erased(self, visitor: bytes) -> bool:
        return visitor in self.erased

    def wish(self, wish: Wish, reply: Reply, owner: Hashable) -> None:
        if isinstance(wish, Press):
            self.presses.append(wish)
        self._queue.append((wish, reply, owner))
        if not self.is_holding:
            asyncio.get_running_loop().call_soon(self.commit)

    def read(
        self, items: Sequence[str], tallies: Sequence[tuple[str, bytes]], deliver: Callable[[Snapshot], None]
    ) -> None:
        def between_commits() -> None:
            held = {key: self.table.get(key, Tally()) for key in tallies}
            deliver(Snapshot({item: self.item(item) for item in items}, held))

        if self.is_hanging:
            self._hung.append(between_commits)
        else:
            asyncio.get_running_loop().call_soon(between_commits)

    def list_items(self, place: Place, limit: int, deliver: Callable[[Listed], None]) -> None:
        """By name, all in one bucket."""
        if self.is_hanging:
            return
        names = sorted({item for item, _ in self.table if item > place[1]})
        page = [(item, self.item(item)) for item in names[:limit]]
        rest = (0, page[-1][0]) if len(names) > limit else None
        asyncio.get_running_loop().call_soon(lambda: deliver(Listed(page, rest)))

    def recover(self) -> None:
        """The ledger answers again, and what it was asked meanwhile."""
        self.is_hanging = False
        hung, self._hung = self._hung, []
        for answer in hung:
            answer()

    def commit(self) -> None:
        """What was queued, in one commit: first the change is told, then the answers."""
        queue, self._queue = self._queue, []
        changed = Changed({}, {})
        answers = []
        for wish, reply, owner in queue:
            taken, changed = self._do(wish, changed)
            answers.append((reply, owner, wish, taken))
        self.tell(changed)
        for reply, owner, wish, taken in answers:
            answer = msgspec.structs.replace(taken, count=self.item(taken.item).count)
            if not answer.is_last:
                self._owed[owner, _subject_of(wish)] = (reply, answer)
            reply(answer)

    def make_copies(self) -> None:
        """Other ledgers hold everything that was committed."""
        owed, self._owed = self._owed, {}
        for reply, answer in owed.values():
            reply(msgspec.structs.replace(answer, copies=self.wanted))

    def put_reset(self, item: str) -> None:
        """A peer's reset, committed here."""
        self.gens[item] = self.gens.get(item, 0) + 1
        self.tell(Changed({item: self.item(item)}, {}))

    def put_flag(self, item: str, name: str, *, is_set: bool = True) -> None:
        """A peer's flag, committed here."""
        note(self.names, {(item, name): is_set})
        self.tell(Changed({}, {}, flags={(item, name): is_set}))

    def put_erasure(self, visitor: bytes) -> None:
        """A peer's erasure, committed here."""
        self.tell(self._forget_presses(visitor))

    def put(self, item: str, actor: bytes, n: int) -> None:
        """A peer's row, committed here."""
        tally = self.table[item, actor] = Tally(self.gens.get(item, 0), n)
        self.tell(Changed({item: self.item(item)}, {(item, actor): tally}))

    def tell(self, changed: Changed) -> None:
        for on_changed in self._subscribers:
            on_changed(changed)

    def item(self, item: str) -> ItemState:
        gen = self.gens.get(item, 0)
        own = [tally.n for (name, _), tally in self.table.items() if name == item and tally.gen == gen]
        return ItemState(gen, sum(counted(item, n) for n in own))

    def _do(self, wish: Wish, changed: Changed) -> tuple[Answer, Changed]:
        """What becomes of a wish, and of what the commit changes."""
        match wish:
            case Press():
                return self._take(wish, changed), changed
            case Reset(item):
                self.gens[item] = self.gens.get(item, 0) + (not self.is_read_only)
                changed.items[item] = self.item(item)
                return self._answer(item, self.gens[item], 0), changed
            case Erasure(visitor):
                gone = Changed({}, {}) if self.is_read_only else self._forget_presses(visitor)
                changed = Changed(changed.items | gone.items, changed.tallies, changed.erased | gone.erased)
                return self._answer("", 0, 1), changed
            case Flag():
                if not self.is_read_only:
                    note(self.names, {(wish.item, wish.name): wish.is_set})
                    changed = Changed(
                        changed.items, changed.tallies, changed.erased, {(wish.item, wish.name): wish.is_set}
                    )
                return self._answer(wish.item, 0, 1 if wish.is_set else 2), changed
        raise AssertionError(wish)

    def _answer(self, item: str, gen: int, n: int) -> Answer:
        if self.is_read_only:
            return Answer(item, 0, 0, 0, 0, 0, "read_only")
        return Answer(item, gen, n, 0, 0, self.wanted)

    def _forget_presses(self, visitor: bytes) -> Changed:
        gone = [key for key in self.table if key[1].startswith(visitor)]
        for key in gone:
            del self.table[key]
        self.erased.add(visitor)
        return Changed({item: self.item(item) for item, _ in gone}, {}, frozenset({erasure_key(visitor)}))

    def _take(self, press: Press, changed: Changed) -> Answer:
        gen = self.gens.get(press.item, 0)
        tally = self.table.get((press.item, press.actor), Tally(gen, 0))
        n = tally.n if tally.gen == gen else 0
        refusal = self._refusal(press, gen)
        target = press.n or n + 1
        if refusal is None and target > n:
            granted = self._granted(press, target - n)
            refusal = None if granted else "rate_limited"
            n += granted
        if refusal is not None:
            return Answer(press.item, gen, n, 0, 0, 0, refusal)
        self.table[press.item, press.actor] = changed.tallies[press.item, press.actor] = Tally(gen, n)
        changed.items[press.item] = self.item(press.item)
        return Answer(press.item, gen, n, 0, 0, self.wanted)

    def _refusal(self, press: Press, gen: int) -> Any:
        if self.is_read_only:
            return "read_only"
        if press.actor[:10] in self.erased:
            return "erased"
        if press.gen is None or press.gen == gen:
            return "frozen" if press.item in self.names[FROZEN] else None
        return "reset" if press.gen < gen else "behind"

    def _granted(self, press: Press, presses: int) -> int:
        """Once costs 1, all or nothing; others what is left to all who pay."""
        is_once = press.item.startswith("once:")
        is_debut = (press.item, press.actor) not in self.table
        payers = [*press.payers, *([press.debut] if press.debut and is_debut else [])]
        if self.budget is None or not payers:
            return presses
        allowed = min(self.budget.allowance(payer) for payer in payers)
        granted = min(allowed, presses) if not is_once else presses * (allowed > 0)
        for payer in payers:
            self.budget.spend(payer, min(granted, 1) if is_once or payer == press.debut else granted)
        return int(granted)


def _subject_of(wish: Wish) -> Hashable:
    """What the newest wish of an owner is owed its second answer for."""
    return (wish.item, wish.actor) if isinstance(wish, Press) else wish


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
