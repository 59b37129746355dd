"""How many browsers watch each item in the whole cluster: each node's own numbers, added up.

1. A node says its own numbers only, so nobody is counted twice, however the nodes are linked.
2. They are absolute, and end with their link: a dead node's are gone when its link is given up.
3. All go when a link opens, and later what has changed since (`cluster.peering` says when).

Nothing of it is stored, and no rule of replication rests on it.
"""

from collections.abc import Callable, Mapping

import msgspec

from cluster.core.items import is_item


class _Peer(msgspec.Struct):
    """What one ledger's node has said, on its newest link."""

    link: int
    viewers: dict[str, int] = {}


class Viewers:
    """One node's, over all its runs."""

    def __init__(self) -> None:
        self._own: dict[str, int] = {}
        self._peers: dict[bytes, _Peer] = {}
        # What was told of it last: who comes and goes within a second is no news.
        self._untold: dict[str, int] = {}
        self._changed: dict[str, int] = {}
        self._subscribers: list[Callable[[dict[str, int]], None]] = []

    def subscribe(self, on_viewers: Callable[[dict[str, int]], None]) -> None:
        self._subscribers.append(on_viewers)

    def change_own(self, item: str, by: int) -> None:
        """So many browsers more watch this item here."""
        before, total = self._own.get(item, 0), self.total(item)
        _put(self._own, item, before + by)
        self._untold.setdefault(item, before)
        self._changed.setdefault(item, total)

    @property
    def own(self) -> Mapping[str, int]:
        """What a new link is told."""
        return self._own

    def take_untold(self) -> dict[str, int]:
        """Own numbers that have changed since the last time."""
        untold, self._untold = self._untold, {}
        return {item: now for item, before in untold.items() if (now := self._own.get(item, 0)) != before}

    def total(self, item: str) -> int:
        """In the whole cluster."""
        return self._own.get(item, 0) + sum(peer.viewers.get(item, 0) for peer in self._peers.values())

    def publish(self) -> None:
        """Tell the subscribers of the totals that may have changed since the last time."""
        changed, self._changed = self._changed, {}
        totals = {item: now for item, before in changed.items() if (now := self.total(item)) != before}
        if totals:
            for subscriber in self._subscribers:
                subscriber(totals)

    # -- links

    def open_link(self, link: int, ledger: bytes) -> None:
        """What this node said before, on an older link or as an earlier run, is over."""
        self._forget(ledger)
        self._peers[ledger] = _Peer(link)

    def close_link(self, link: int) -> None:
        for ledger in [ledger for ledger, peer in self._peers.items() if peer.link == link]:
            self._forget(ledger)

    def hear(self, link: int, viewers: Mapping[str, int]) -> None:
        """What the node on this link says; what it says of no item is left out."""
        peer = next((peer for peer in self._peers.values() if peer.link == link), None)
        if peer is None:
            return
        for item in filter(is_item, viewers):
            self._changed.setdefault(item, self.total(item))
            _put(peer.viewers, item, viewers[item])

    def _forget(self, ledger: bytes) -> None:
        if ledger in self._peers:
            for item in self._peers[ledger].viewers:
                self._changed.setdefault(item, self.total(item))
            del self._peers[ledger]


def _put(viewers: dict[str, int], item: str, number: int) -> None:
    if number:
        viewers[item] = number
    else:
        viewers.pop(item, None)
