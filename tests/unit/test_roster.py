"""The roster: which nodes this one has seen, and what it says of them."""

import msgspec
import pytest

from cluster.core.copies import Copies
from cluster.core.holdings import Holdings
from cluster.core.link import Identity
from cluster.core.replica import Replica
from cluster.core.sums import BUCKETS
from cluster.core.viewers import Viewers
from cluster.core.wire import Have, Hello, Status
from cluster.lag import Lag
from cluster.membership import FORGET_AFTER_S
from cluster.roster import Roster
from cluster.surface import ClusterSettings, NodeStatus
from tests.unit.replicas import Side, linked
from tests.unit.tables import HERE, THERE

SETTINGS = ClusterSettings(
    name="a",
    host="10.0.0.1",
    port=9000,
    advertise="",
    public_address="http://a",
    data_dir="",
    peers=(),
    keys=(b"k" * 32,),
    ack_copies=None,
    version="1.0",
)


def hello(letter: str, **changes: object) -> Hello:
    greeting = Hello(1, 1, [], letter, letter.upper().encode() * 16, letter.encode() * 16, b"", "", 9000, "", "1.0")
    return msgspec.structs.replace(greeting, public_address=f"http://{letter}", **changes)


@pytest.fixture
def roster() -> Roster:
    return Roster(SETTINGS)


def nobody_linked() -> Replica:
    identity = Identity(name="a", ledger=b"A" * 16, origin=b"a" * 16)
    holdings = Holdings({}, stamps={}, floor={}, buckets=[0] * BUCKETS)
    return Replica(identity, SETTINGS.keys, holdings, copies=Copies(b"A" * 16), viewers=Viewers())


def statuses(
    roster: Roster, *, configured: dict[str, bytes | None] | None = None, now: float = 0
) -> list[NodeStatus]:
    return roster.status(nobody_linked(), configured or {}, now)


def test_this_node_stands_first(roster: Roster) -> None:
    replica = nobody_linked()
    replica.set_status(Status("ready", 7))
    own = roster.status(replica, {}, 0)[0]
    assert own == NodeStatus("a", True, "ready", "http://a", "10.0.0.1:9000", 0, 7, "1.0")


@pytest.mark.parametrize(
    ("dialled", "changes", "address"),
    [
        ("b.example:9000", {}, "b.example:9000"),
        ("10.0.0.2", {}, "10.0.0.2:9000"),
        ("10.0.0.2", {"cluster_port": 9001}, "10.0.0.2:9001"),
        ("[::1]", {}, "[::1]:9000"),
        ("[::1]:9005", {}, "[::1]:9005"),
        ("10.0.0.2", {"advertise": "b:7000"}, "b:7000"),
        ("x:9000", {"advertise": "b:7000"}, "b:7000"),
    ],
)
def test_a_peer_is_found_where_it_says_or_where_it_came_from(
    roster: Roster, dialled: str, changes: dict[str, object], address: str
) -> None:
    roster.opened(1, hello("b", **changes), dialled, 0)
    assert roster.addresses() == [address]


def test_two_links_to_one_peer_are_one_address(roster: Roster) -> None:
    roster.opened(1, hello("b"), "b:9000", 0)
    roster.opened(2, hello("b"), "b:9000", 0)
    roster.opened(3, hello("c"), "c:9000", 0)
    assert roster.addresses() == ["b:9000", "c:9000"]


def test_a_peer_whose_link_has_ended_is_unreachable_and_forgotten_after_ten_minutes(roster: Roster) -> None:
    roster.opened(1, hello("b"), "b:9000", 0)
    roster.closed(1, 50)
    assert roster.addresses() == []
    assert roster.peer_of(1) is None
    found = statuses(roster, now=50 + FORGET_AFTER_S - 1)[1]
    assert found == NodeStatus("b", False, "unreachable", "http://b", "b:9000", 0, 0, "1.0")
    assert len(statuses(roster, now=50 + FORGET_AFTER_S)) == 1


def test_a_configured_peer_is_never_forgotten(roster: Roster) -> None:
    roster.opened(1, hello("b"), "b:9000", 0)
    roster.closed(1, 0)
    found = statuses(roster, configured={"b:9000": b"b" * 16}, now=1e9)
    assert [(node.name, node.state) for node in found[1:]] == [("b", "unreachable")]


def test_a_configured_address_that_never_answered_is_shown_as_such(roster: Roster) -> None:
    found = statuses(roster, configured={"nobody:9000": None})
    assert found[1] == NodeStatus("nobody:9000", False, "unreachable", "", "nobody:9000", 0, 0, "")


def test_a_configured_address_of_a_node_that_is_known_by_another_is_not_shown_twice(roster: Roster) -> None:
    roster.opened(1, hello("b", advertise="10.0.0.2:9000"), "b:9000", 0)
    roster.closed(1, 1)
    assert len(statuses(roster, configured={"b:9000": b"b" * 16}, now=2)) == 2


def test_a_node_that_came_back_with_an_empty_disk_takes_the_place_of_its_old_self(roster: Roster) -> None:
    roster.opened(1, hello("b"), "b:9000", 0)
    roster.closed(1, 1)
    roster.opened(2, hello("b", ledger=b"new ledger of b!"), "b:9000", 2)
    roster.closed(2, 3)
    assert [node.name for node in statuses(roster, now=4)] == ["a", "b"]


def test_linked_peers_are_listed_by_name_with_their_state_and_lag(roster: Roster) -> None:
    ann, cid, ben = Side("a"), Side("c"), Side("b")
    for link, peer in ((1, cid), (2, ben)):
        linked(ann, peer, link)
        roster.opened(link, ann.replica.sessions[link].peer, f"{peer.origin[:1].decode()}:9000", 0)
    ann.receive(2, Status("read_only", 5))
    ann.replica.heads[THERE] = 9
    ann.receive(1, Have({THERE: 4}))
    found = roster.status(ann.replica, {}, 0)
    assert [(node.name, node.state, node.lag_rows, node.watchers) for node in found[1:]] == [
        ("b", "read_only", 9, 5),
        ("c", "starting", 5, 0),
    ]


def test_how_long_a_peer_is_behind_is_since_we_took_what_it_has_not_confirmed() -> None:
    lag = Lag()
    for now, head in ((0.0, 0), (0.5, 10), (1.0, 10), (1.5, 30)):
        lag.note({HERE: head}, now)
    behind = [lag.of({HERE: confirmed}, 2.0) for confirmed in (30, 29, 10, 9, 0)]
    assert behind == [0.0, 0.5, 0.5, 1.5, 1.5]


def test_what_others_took_counts_too_and_each_origin_has_its_own_numbers() -> None:
    lag = Lag()
    lag.note({HERE: 1000}, 0.0)
    lag.note({HERE: 1000, THERE: 1}, 5.0)
    assert lag.of({HERE: 1000}, 6.0) == 1.0
    assert lag.of({HERE: 999, THERE: 1}, 6.0) == 6.0
    assert lag.of({HERE: 1000, THERE: 1}, 6.0) == 0.0
