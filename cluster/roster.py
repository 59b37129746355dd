"""Which nodes this one has seen, for people: names, addresses and states behind `Engine.status`.

Nothing here decides anything; replication knows peers by link, ledger and origin.
"""

from typing import Final

import msgspec

from cluster.core.replica import Replica
from cluster.core.wire import Hello, Status
from cluster.lag import Lag
from cluster.membership import FORGET_AFTER_S, join_address
from cluster.surface import ClusterSettings, NodeStatus

UNREACHABLE: Final = "unreachable"


class Seen(msgspec.Struct, frozen=True):
    """A peer as it introduced itself, where it can be dialled, and when a link to it was last open."""

    peer: Hello
    address: str
    at: float


class Roster:
    """The peers linked now, by link, and those linked lately, by ledger."""

    def __init__(self, settings: ClusterSettings) -> None:
        self._settings = settings
        self._linked: dict[int, Seen] = {}
        self._seen: dict[bytes, Seen] = {}
        self._lag = Lag()

    def opened(self, link: int, peer: Hello, dialled: str, now: float) -> None:
        """A peer has proven the secret; `dialled` is the address we dialled, or only its host if it dialled us."""
        address = peer.advertise or dialled
        if not peer.advertise and ":" not in dialled.rpartition("]")[2]:
            address = join_address(dialled, peer.cluster_port)
        self._linked[link] = Seen(peer, address, now)
        self._note(self._linked[link])

    def closed(self, link: int, now: float) -> None:
        """A link has ended."""
        if (seen := self._linked.pop(link, None)) is not None:
            self._note(Seen(seen.peer, seen.address, now))

    def _note(self, seen: Seen) -> None:
        """Remember a peer, in place of whoever had its address before."""
        others = {ledger: known for ledger, known in self._seen.items() if known.address != seen.address}
        self._seen = {**others, seen.peer.ledger: seen}

    def peer_of(self, link: int) -> Hello | None:
        seen = self._linked.get(link)
        return seen.peer if seen else None

    def addresses(self) -> list[str]:
        """The cluster addresses of the peers linked now, each once."""
        return sorted({seen.address for seen in self._linked.values()})

    def beat(self, replica: Replica, now: float) -> None:
        """Note where this node is, every half second."""
        self._lag.note(replica.heads, now)

    def own_status(self, replica: Replica, state: str, watchers: int, since: float, presses: int) -> Status:
        names = {seen.peer.name for seen in self._linked.values()}
        return Status(state, watchers, since, presses, replica.digest, tuple(sorted(names)))

    def status(self, replica: Replica, configured: dict[str, bytes | None], now: float) -> list[NodeStatus]:
        """This node first, then its peers by name; `configured`: static addresses and who answered there."""
        linked = self._linked_statuses(replica, now)
        unreachable = {
            seen.address: self._unreachable(seen)
            for ledger, seen in self._seen.items()
            if ledger not in linked and (now - seen.at < FORGET_AFTER_S or seen.address in configured)
        }
        known = {seen.address for seen in self._seen.values()}
        origins = {seen.peer.origin for seen in self._seen.values()}
        for address, origin in configured.items():
            if address not in known and origin not in origins:
                unreachable[address] = NodeStatus(address, False, UNREACHABLE, "", address, 0, 0, "")
        peers = [*linked.values(), *unreachable.values()]
        return [self._own(replica), *sorted(peers, key=lambda node: (node.name, node.cluster_address))]

    def _own(self, replica: Replica) -> NodeStatus:
        own, status = self._settings, replica.status
        address = own.advertise or join_address(own.host, own.port)
        base = NodeStatus(own.name, True, status.state, own.public_address, address, 0, 0, own.version)
        return _with(base, status)

    def _linked_statuses(self, replica: Replica, now: float) -> dict[bytes, NodeStatus]:
        found: dict[bytes, NodeStatus] = {}
        for link, session in replica.open_sessions().items():
            if (seen := self._linked.get(link)) is not None:
                peer, rows = seen.peer, session.lag_rows(replica.heads)
                lag_s = self._lag.of(session.heads, now)
                base = NodeStatus(
                    peer.name, False, "", peer.public_address, seen.address, rows, 0, peer.version, lag_s
                )
                found[peer.ledger] = _with(base, session.status)
        return found

    def _unreachable(self, seen: Seen) -> NodeStatus:
        peer = seen.peer
        return NodeStatus(peer.name, False, UNREACHABLE, peer.public_address, seen.address, 0, 0, peer.version)


def _with(base: NodeStatus, said: Status) -> NodeStatus:
    """What the node itself says of how it is."""
    return msgspec.structs.replace(base, **msgspec.structs.asdict(said))
