"""What `app` knows of `cluster`: these types and nothing else.

`app` presses, reads, listens and asks for the cluster's state through the `Engine` protocol. The engine behind
it is `cluster.node.Node`; another may stand there later, and unit tests of `app` use a fake.

1. Everything here is called on the loop's thread, and every callback runs there, synchronously.
2. Callbacks run in commit order: what `read` delivers is the state between two commits, and the next `Changed`
   is what the commit after it changed. So a caller that registers itself and calls `read` in the same turn
   misses nothing, if it lets a later `Changed` win over an earlier delivery.
3. Counts and tallies are absolute. An item never pressed has gen 0 and count 0.
4. For one commit, `Changed` comes before the `Answer`s that rest on it.
"""

import asyncio
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from cluster.core.flags import ALLOWED, FROZEN, is_set
from cluster.core.press import Erasure, Flag, ItemState, Payer, Press, Reset, Tally, Wish

__all__ = [
    "ALLOWED",
    "FROZEN",
    "Answer",
    "BackupError",
    "Budget",
    "Changed",
    "ClusterSettings",
    "Engine",
    "Erasure",
    "Flag",
    "ItemState",
    "Listed",
    "NodeStatus",
    "Payer",
    "Place",
    "Press",
    "Refusal",
    "Reset",
    "Snapshot",
    "StartError",
    "Tally",
    "Viewing",
    "Wish",
    "is_set",
]

# Where a list of items goes on: a bucket, and the item behind which, if not at its beginning.
Place = tuple[int, str]

Refusal = Literal["rate_limited", "reset", "behind", "read_only", "erased", "frozen"]


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What became of a press, after the commit.

    Without `refusal`: `n` is the actor's tally now. It is lower than asked if the visitor's budget took only a
    part, higher if the actor had more already. `copies` other ledgers hold it. The answer is the last one when
    copies >= wanted; before that, another follows as soon as the copies exist.
    With `refusal` nothing was taken, `gen` and `n` are the item's and the actor's, and no other answer follows;
    `read_only` knows neither, and says 0. `erased`: the visitor is, so its presses are taken by nobody.
    `frozen`: the item is, and this press would have changed its count.
    After a reset, gen is the new one, and n and count are 0. After an erasure, item is "" and n is 1. After a flag,
    item is that of flags, and n is odd where it is set.
    """

    item: str
    gen: int
    n: int
    count: int
    copies: int
    wanted: int
    refusal: Refusal | None = None

    @property
    def is_last(self) -> bool:
        return self.refusal is not None or self.copies >= self.wanted


class Tallied(Protocol):
    """A tally, or what has one."""

    @property
    def gen(self) -> int:
        """Of which generation of its item it is."""

    @property
    def n(self) -> int:
        """How many presses."""


class Listed(msgspec.Struct, frozen=True):
    """Some of all items ever pressed, in an order of the engine's own, and where the rest begins, if any."""

    items: list[tuple[str, ItemState]]
    rest: Place | None


class Changed(msgspec.Struct, frozen=True):
    """What one commit changed: items with their new state, and the tallies behind it, by (item, actor).

    `erased`: the `erasure_key` of each visitor that this commit erased. `flags`: those that it has changed, by
    their item and name, and whether they are set now.
    """

    items: dict[str, ItemState]
    tallies: Mapping[tuple[str, bytes], Tallied]
    erased: frozenset[bytes] = frozenset()
    flags: Mapping[tuple[str, str], bool] = {}


class Snapshot(msgspec.Struct, frozen=True):
    """The state between two commits: every item and every (item, actor) that was asked for."""

    items: dict[str, ItemState]
    tallies: dict[tuple[str, bytes], Tally]


class NodeStatus(msgspec.Struct, frozen=True):
    """One node of the cluster as this node sees it.

    state: `ready`, `starting`, `read_only`, `leaving`, or, of a peer without a link, `unreachable`.
    lag_rows, lag_s: how many rows this node has that the other has not confirmed, and how long it has the oldest of
    its own among them; 0 for this node itself.
    public_address: where browsers and terminal clients reach that node, or "" if it does not say.
    since: when it started, in Unix time by its own clock; presses: for how many it was asked since then.
    digest: of all it holds, equal where all rows are. links: the names of nodes that it is linked to.
    What an unreachable node, or one of the first version, does not say is 0 or empty.
    """

    name: str
    is_self: bool
    state: str
    public_address: str
    cluster_address: str
    lag_rows: int
    watchers: int
    version: str
    lag_s: float = 0.0
    since: float = 0.0
    presses: int = 0
    digest: bytes = b""
    links: tuple[str, ...] = ()


class Budget(Protocol):
    """How many presses may still be made; kept by `app`, asked and told by the engine.

    Asked once per payer and commit, before the commit; told what was really taken after it (R3).
    """

    def allowance(self, payer: Payer) -> int:
        """For how many presses this one may pay now: >= 0."""

    def spend(self, payer: Payer, presses: int) -> None:
        """The presses that a commit has just taken."""


class Viewing(Protocol):
    """How many browsers watch each item in the whole cluster: exact to a second while all links are up."""

    def change_own(self, item: str, by: int) -> None:
        """So many more watch this item here, or fewer."""

    def total(self, item: str) -> int:
        """In the whole cluster."""

    def subscribe(self, on_viewers: Callable[[dict[str, int]], None]) -> None:
        """Call this at most once a second with the items of which the total may have changed, and what it is."""


class Engine(Protocol):
    """A replicated, durable table of tallies."""

    @property
    def viewers(self) -> Viewing:
        """Who watches, here and elsewhere."""

    async def start(self) -> None:
        """Open the ledger, bind the cluster port and begin to link. Raises `StartError` with what to do."""

    async def wait_until_ready(self) -> None:
        """Until one whole pull was adopted, or 5 s passed without a peer that answers."""

    async def stop(self) -> None:
        """Commit what was taken, serve the peers until they have it (at most 3 s), close links and ledger."""

    def wish(self, wish: Wish, reply: Callable[[Answer], None], owner: Hashable) -> None:
        """Queue this for the next commit. `reply` is called once or twice (see `Answer`).

        Of one owner (a connection, an HTTP request), item and actor only the newest press is still owed its
        second answer, so a node whose peers are away for a week owes no more than its connections can show.
        After a `Reset` the item's tallies count no more. An `Erasure` is of all presses of a visitor, on every node
        and for good: counts fall as a walk over the ledger comes by, some 100,000 rows a second, and `Changed`
        tells of that. A `Flag` that is so already stays.
        """

    def flags(self, item: str) -> Collection[str]:
        """The names of the flags of this item that are set, as this node knows."""

    def is_erased(self, visitor: bytes) -> bool:
        """Whether this node knows that the visitor was erased."""

    async def back_up(self, target: Path) -> None:
        """Write a consistent copy of the ledger into this new file, while the node goes on.

        Raises `BackupError`, with what to do, if no copy was made.
        """

    def forget(self, owner: Hashable) -> None:
        """Owe this owner nothing more: it is gone."""

    def read(
        self, items: Sequence[str], tallies: Sequence[tuple[str, bytes]], deliver: Callable[[Snapshot], None]
    ) -> None:
        """Read item states and tallies between two commits."""

    def list_items(self, place: Place, limit: int, deliver: Callable[[Listed], None]) -> None:
        """So many items from there on, each page as of one moment. All begins at (0, "")."""

    def subscribe(self, on_changed: Callable[[Changed], None]) -> None:
        """Call this after every commit that changed something."""

    def status(self) -> list[NodeStatus]:
        """This node first, then every peer it knows, by name."""

    def set_watchers(self, watchers: int) -> None:
        """How many browsers watch here; told to the peers at most twice a second."""

    def set_leaving(self) -> None:
        """Tell the peers that this node is about to stop."""

    @property
    def state(self) -> str:
        """This node's own state, as in `NodeStatus`."""

    @property
    def has_links(self) -> bool:
        """Whether any peer is linked now, so that copies can come to be soon."""

    @property
    def failed(self) -> asyncio.Future[str]:
        """Resolves when the engine can promise nothing any more and the process must exit (R14).

        The result is the reason, in words for the operator.
        """

    def counters(self) -> dict[str, float]:
        """Figures for the metrics page, by metric name without prefix; a name in `_total` only grows."""


class BackupError(Exception):
    """No copy was made; the message tells the operator what to do."""


class StartError(Exception):
    """The node cannot start; the message tells the operator what to do. Exit code 3."""


class ClusterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine has to know; read from the environment by `app.settings`.

    peers: `host:port` and `dns:name:port`, not yet resolved. keys: the peer keys, the first one proves, all verify.
    ack_copies: None means 1 from the moment another node is known, else 0.
    """

    name: str
    host: str
    port: int
    advertise: str
    public_address: str
    data_dir: str
    peers: tuple[str, ...]
    keys: tuple[bytes, ...]
    ack_copies: int | None
    version: str
