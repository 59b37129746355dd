"""Membership: whom to dial, when again, and whom to forget."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import pytest

from cluster import membership as module
from cluster.links import LinkEnd
from cluster.membership import BACKOFF_MAX_S, LEARNED_MAX, Membership, join_address, split_address
from tests.support.waiting import wait_for

OTHER = b"o" * 16
UNREACHABLE = LinkEnd(0, "unreachable", "nobody there")
SELF = LinkEnd(1, "self", "this address leads back to this node itself")


class Dice(Random):
    """Waits not at all, and remembers how long it might have been."""

    def __init__(self) -> None:
        super().__init__(0)
        self.caps: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        self.caps.append(b)
        return a


class Network:
    """What is dialled ends at once as `ends` says, try by try; after those it stands until the test ends it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.dice = Dice()
        self.dialled: list[str] = []
        self.ends: dict[str, list[LinkEnd]] = {}
        self.peers: dict[int, bytes] = {}
        self.linked: set[bytes] = set()
        self.names: dict[str, Sequence[str] | Exception] = {}
        self.asked_for_time = 0
        self.asked_if_linked = 0
        self._standing: dict[str, asyncio.Future[LinkEnd]] = {}

    def membership(self, *peers: str) -> Membership:
        return Membership(
            peers,
            self.dial,
            self.peers.get,
            is_linked=self.is_linked,
            resolve=self.resolve,
            random=self.dice,
            clock=self.clock,
        )

    def clock(self) -> float:
        self.asked_for_time += 1
        return self.now

    def is_linked(self, origin: bytes) -> bool:
        self.asked_if_linked += 1
        assert self.asked_if_linked < 1000, "the loop hangs"
        return origin in self.linked

    async def dial(self, address: str) -> LinkEnd:
        self.dialled.append(address)
        if ends := self.ends.get(address):
            return ends.pop(0)
        self._standing[address] = asyncio.get_running_loop().create_future()
        return await self._standing[address]

    def end(self, address: str, link: int = 0, code: str = "lost") -> None:
        self._standing.pop(address).set_result(LinkEnd(link, code, "the test ended it"))

    async def resolve(self, name: str, port: int) -> Sequence[str]:
        found = self.names[name]
        if isinstance(found, Exception):
            raise found
        return [join_address(host, port) for host in found]

    async def until_dialled(self, *addresses: str) -> None:
        await wait_for(
            lambda: sorted(self._standing) == sorted(addresses), 5, lambda: f"{addresses}, not {self.dialled}"
        )


@pytest.fixture
def network() -> Network:
    return Network()


@asynccontextmanager
async def running(membership: Membership) -> AsyncIterator[None]:
    task = asyncio.create_task(membership.run())
    yield
    assert not task.done(), "it runs until it is cancelled"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def resolve_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESOLVE_EVERY_S", 0.01)


async def test_every_configured_node_is_dialled_once_while_its_link_stands(network: Network) -> None:
    async with running(network.membership("a:1", "b:1")):
        await network.until_dialled("a:1", "b:1")
        assert sorted(network.dialled) == ["a:1", "b:1"]


async def test_a_link_that_ends_is_dialled_again(network: Network) -> None:
    async with running(network.membership("a:1")):
        await network.until_dialled("a:1")
        network.end("a:1")
        await wait_for(lambda: network.dialled == ["a:1", "a:1"], 5, "the second try")


async def test_tries_are_spread_over_a_time_that_doubles_to_five_seconds(network: Network) -> None:
    network.ends["a:1"] = 20 * [UNREACHABLE]
    async with running(network.membership("a:1")):
        await network.until_dialled("a:1")
    assert network.dice.caps[:7] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert max(network.dice.caps) == BACKOFF_MAX_S == 5.0


async def test_after_a_link_the_tries_begin_anew(network: Network) -> None:
    network.peers[7] = OTHER
    network.ends["a:1"] = [*4 * [UNREACHABLE], LinkEnd(7, "lost", "the connection ended"), UNREACHABLE]
    async with running(network.membership("a:1")):
        await network.until_dialled("a:1")
    assert network.dice.caps == [0.2, 0.4, 0.8, 1.6, 0.2, 0.4]


async def test_an_address_that_leads_back_to_this_node_is_dialled_once(
    network: Network, resolve_often: None
) -> None:
    network.ends["me:1"] = [SELF]
    membership = network.membership("me:1", "b:1")
    async with running(membership):
        await network.until_dialled("b:1")
        membership.learn(["me:1", "c:1"])
        await network.until_dialled("b:1", "c:1")
    assert network.dialled.count("me:1") == 1
    assert membership.static_others == ["b:1"]


async def test_a_node_that_knows_only_itself_knows_no_others(network: Network) -> None:
    network.ends["me:1"] = [SELF]
    membership = network.membership("me:1")
    assert membership.knows_others
    async with running(membership):
        await wait_for(lambda: not membership.knows_others, 5, "the node to know itself")


async def test_what_peers_tell_of_is_dialled(network: Network) -> None:
    membership = network.membership("a:1")
    async with running(membership):
        await network.until_dialled("a:1")
        membership.learn(["b:1", "[::1]:1"])
        await network.until_dialled("a:1", "b:1", "[::1]:1")


async def test_what_is_no_address_is_not_learned(network: Network) -> None:
    membership = network.membership()
    membership.learn(["", "b", "b:", ":1", "b:0", "b:65536", "b:x", "b:-1", "x" * 300 + ":1"])
    assert not membership.knows_others


async def test_peers_cannot_name_more_nodes_than_there_may_be(network: Network) -> None:
    membership = network.membership()
    membership.learn(f"n{number}:1" for number in range(LEARNED_MAX + 50))
    assert len(membership._wanted()) == LEARNED_MAX


async def test_a_learned_address_that_nobody_names_for_ten_minutes_is_forgotten(
    network: Network, resolve_often: None
) -> None:
    membership = network.membership("a:1")
    membership.learn(["b:1", "c:1"])
    async with running(membership):
        await network.until_dialled("a:1", "b:1", "c:1")
        network.now += 599
        membership.learn(["c:1"])
        network.now += 2
        await wait_for(lambda: "b:1" not in membership._wanted(), 5, "b to be forgotten")
        for address in ("a:1", "b:1", "c:1"):
            network.end(address)
        await network.until_dialled("a:1", "c:1")
    assert network.dialled.count("b:1") == 1


async def test_a_learned_address_whose_link_stood_until_now_is_dialled_again(
    network: Network, resolve_often: None
) -> None:
    """Two nodes that both joined by naming a third, which has been gone since, would never meet again."""
    network.peers[3] = OTHER
    membership = network.membership("a:1")
    membership.learn(["b:1"])
    async with running(membership):
        await network.until_dialled("a:1", "b:1")
        network.now += 3600
        await wait_for(lambda: "b:1" not in membership._wanted(), 5, "the forgetting")
        network.end("b:1", link=3)
        await wait_for(lambda: network.dialled.count("b:1") == 2, 5, "b to be dialled again")


async def test_an_address_of_a_node_that_is_linked_already_waits_for_that_link(network: Network) -> None:
    network.peers[3], network.linked = OTHER, {OTHER}
    membership = network.membership("a:1")
    async with running(membership):
        await network.until_dialled("a:1")
        network.end("a:1", link=3, code="duplicate")
        await wait_for(lambda: membership.origins == {"a:1": OTHER}, 5, "the duplicate")
        await asyncio.sleep(0)
        assert network.dialled == ["a:1"]
        network.linked.clear()
        membership.links_changed()
        await wait_for(lambda: network.dialled == ["a:1", "a:1"], 5, "the second try")


async def test_news_let_the_loop_turn_while_a_duplicate_waits(network: Network, resolve_often: None) -> None:
    """A waiter that found the event set went round for ever, and the one to clear it never came to run."""
    network.peers[3], network.linked = OTHER, {OTHER}
    membership = network.membership("a:1")
    async with running(membership):
        await network.until_dialled("a:1")
        network.end("a:1", link=3, code="duplicate")
        await wait_for(lambda: network.asked_if_linked, 5, "the duplicate to wait")
        # Those who wait are woken in the order in which they began to: let the task that clears be the last.
        turns = network.asked_for_time + 2
        await wait_for(lambda: network.asked_for_time > turns, 5, "two more turns of the other task")
        membership.learn(["b:1"])
        await network.until_dialled("b:1")


async def test_every_address_behind_a_name_is_dialled(network: Network) -> None:
    network.names["nodes"] = ["10.0.0.1", "10.0.0.2", "::1"]
    async with running(network.membership("dns:nodes:9000")):
        await network.until_dialled("10.0.0.1:9000", "10.0.0.2:9000", "[::1]:9000")


async def test_a_name_is_asked_again_and_its_addresses_come_and_go(network: Network, resolve_often: None) -> None:
    network.names["nodes"] = ["10.0.0.1", "10.0.0.2"]
    membership = network.membership("dns:nodes:9000")
    async with running(membership):
        await network.until_dialled("10.0.0.1:9000", "10.0.0.2:9000")
        network.names["nodes"] = ["10.0.0.2", "10.0.0.3"]
        await network.until_dialled("10.0.0.1:9000", "10.0.0.2:9000", "10.0.0.3:9000")
        network.end("10.0.0.1:9000")
        await network.until_dialled("10.0.0.2:9000", "10.0.0.3:9000")


@pytest.mark.parametrize("error", [OSError("no such name"), UnicodeError("label too long")])
async def test_a_name_that_does_not_resolve_is_asked_again(
    network: Network, resolve_often: None, error: Exception
) -> None:
    network.names["nodes"] = error
    membership = network.membership("dns:nodes:9000")
    async with running(membership):
        await asyncio.sleep(0)
        assert not membership.knows_others
        network.names["nodes"] = ["10.0.0.1"]
        await network.until_dialled("10.0.0.1:9000")
        network.names["nodes"] = error
        network.end("10.0.0.1:9000")
        await wait_for(lambda: len(network.dialled) == 2, 5, "the last known address to be kept")


async def test_the_system_resolves_names_and_keeps_addresses() -> None:
    assert "127.0.0.1:9000" in await module.resolve("localhost", 9000) + await module.resolve("127.0.0.1", 9000)
    with pytest.raises((OSError, UnicodeError)):
        await module.resolve("x" * 64, 9000)


@pytest.mark.parametrize(
    ("address", "parts"),
    [("a:1", ("a", 1)), ("[::1]:65535", ("[::1]", 65535)), ("a.b-c:9000", ("a.b-c", 9000))],
)
def test_an_address_is_host_colon_port(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts
    assert join_address(*parts) == address


def test_an_ipv6_address_is_joined_in_brackets() -> None:
    assert join_address("fe80::1", 9000) == "[fe80::1]:9000"
