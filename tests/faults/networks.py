"""Rows about the network between the nodes, and between them and nginx."""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from tests.faults.lab import NODES, Lab
from tests.faults.row import Fault
from tests.support.delays import SlowWire
from tests.support.namespaces import EDGE
from tests.support.node import Node
from tests.support.waiting import wait_for

LATENCY_S: Final = 0.2
# A link that is silent is given up after 5 s (docs/architecture.md).
LINK_TIMEOUT_S: Final = 6.0
# A look at what is missing every 2 s (R7), and the pull.
RELAYED_WITHIN_S: Final = 6.0


def cut(lab: Lab, wires: Iterable[tuple[str, str]], *, is_one_way: bool = False) -> None:
    for sender, receiver in wires:
        lab.network.cut(sender, receiver)
        if not is_one_way:
            lab.network.cut(receiver, sender)


async def _cut_for(lab: Lab, seconds: float, wires: Iterable[tuple[str, str]], *, is_one_way: bool = False) -> None:
    cut(lab, wires, is_one_way=is_one_way)
    await lab.press_for(seconds)
    lab.network.heal()
    lab.healed()


async def partition(lab: Lab) -> str:
    times = lab.form.pick((2.0,), (2.0, LINK_TIMEOUT_S, 30.0))
    for seconds in times:
        await _cut_for(lab, seconds, [("node1", "node2"), ("node1", "node3")])
        await lab.wait_until_whole()
        await lab.audit_between()
    return f"cut for {', '.join(f'{each:g}' for each in times)} s"


async def alone(lab: Lab) -> str:
    """Every node for itself: nobody has a peer to copy to, so nothing is acknowledged until it is healed."""
    seconds = lab.form.pick(3.0, 30.0)
    cut(lab, [("node1", "node2"), ("node1", "node3"), ("node2", "node3")])
    await lab.press_for(1.0)  # what was confirmed before may still be on its way to a visitor
    acknowledged = lab.load.acknowledged
    await lab.press_for(seconds - 1.0)
    meanwhile = lab.load.acknowledged - acknowledged
    lab.network.heal()
    lab.healed()
    assert meanwhile == 0, f"{meanwhile} presses were acknowledged without a copy"
    return f"cut for {seconds:g} s, no press acknowledged meanwhile"


async def one_way(lab: Lab) -> str:
    seconds = lab.form.pick(2.0, 20.0)
    for wires in ([("node1", "node2"), ("node1", "node3")], [("node2", "node1"), ("node3", "node1")]):
        cut(lab, wires, is_one_way=True)
        await lab.press_for(seconds)
        if seconds > LINK_TIMEOUT_S:
            links = (await lab.figures(lab.nodes[0]))["like_links"]
            assert links == 0, f"node1 has {links:g} links after {seconds:g} s"
        lab.network.heal()
        lab.healed()
        await lab.wait_until_whole()
        await lab.audit_between()
    return f"{seconds:g} s out only, {seconds:g} s in only"


async def bridge(lab: Lab) -> str:
    """Longer than until the link is given up: else what was sent meanwhile would arrive by itself."""
    seconds = lab.form.pick(LINK_TIMEOUT_S, 30.0)
    first, _, third = lab.nodes
    cut(lab, [(first.name, third.name)])
    await lab.press_for(seconds)
    relayed = [await _arrives(lab, *way) for way in ((first, third), (third, first))]
    lab.network.heal()
    lab.healed()
    return f"cut for {seconds:g} s; all {min(relayed):,} tallies of one were at the other meanwhile, over node2"


async def _arrives(lab: Lab, sender: Node, receiver: Node) -> int:
    """Wait until the one holds all that the other holds now; how many tallies that is."""
    held = await lab.table(sender)

    async def is_there() -> bool:
        there = await lab.table(receiver)
        return all(there.get(key, (0, 0)) >= tally for key, tally in held.items())

    await wait_for(is_there, RELAYED_WITHIN_S, f"what {sender.name} holds to be at {receiver.name} too")
    return len(held)


async def flapping(lab: Lab) -> str:
    rounds = lab.form.pick(3, 60)
    for _ in range(rounds):
        node = lab.random.choice(NODES)
        others = [(node, other) for other in NODES if other != node]
        await _cut_for(lab, lab.random.uniform(0.1, 1.0), others, is_one_way=lab.random.random() < 0.3)
        await lab.press_for(lab.random.uniform(0.1, 0.5))
    return f"{rounds} cuts of up to a second"


async def vanish(lab: Lab) -> str:
    """No packet to or from this machine, whoever it is with: nobody is told, everybody has to find out."""
    seconds = lab.form.pick(LINK_TIMEOUT_S, 30.0)
    await _cut_for(lab, seconds, [("node1", each) for each in (EDGE, "node2", "node3")])
    return f"gone for {seconds:g} s"


async def half_open(lab: Lab) -> str:
    """The node dies while its farewells are dropped: the others hold connections to a process that is no more."""
    node = lab.nodes[0]
    rounds = lab.form.pick(1, 5)
    for _ in range(rounds):
        with lab.supervisor.released(node):
            cut(lab, [(node.name, other) for other in (EDGE, "node2", "node3")])
            await node.kill()
            node.start()
            await lab.press_for(lab.form.pick(2.0, 20.0))
            lab.network.heal()
            lab.healed()
        await lab.load.wait_for_presses(500, 20)
        await lab.wait_until_whole()
        await lab.audit_between()
    return f"{rounds} deaths that nobody was told of"


async def lose(lab: Lab, percent: int) -> str:
    """Between the nodes and from nginx to them, in every direction."""
    for receiver in NODES:
        for sender in (*NODES, EDGE):
            if sender != receiver:
                lab.network.lose(sender, receiver, percent / 100)
    before = lab.load.acknowledged
    seconds = lab.form.pick(1, 30)
    await lab.press_for(seconds)
    dropped = lab.network.dropped()
    lab.network.heal()
    assert dropped, "no packet was lost"
    rate = (lab.load.acknowledged - before) / seconds
    return f"{dropped:,} packets lost; {rate:,.0f} presses a second were acknowledged meanwhile"


async def slow_wires(lab: Lab) -> None:
    """Every node is reached by its peers through a slow wire only."""
    host = lab.network.own_address
    lab.wires = AsyncExitStack()
    wires = [
        await lab.wires.enter_async_context(SlowWire(host, node.cluster_address, LATENCY_S)) for node in lab.nodes
    ]
    addresses = {node.name: wire.address for node, wire in zip(lab.nodes, wires, strict=True)}
    await _restart_with(lab, addresses)


async def fast_wires(lab: Lab) -> None:
    await _restart_with(lab, {node.name: node.cluster_address for node in lab.nodes})
    await lab.wires.aclose()


async def _restart_with(lab: Lab, addresses: dict[str, str]) -> None:
    """All at once: a node that still knows the old ways would tell of them."""
    with lab.supervisor.released(*lab.nodes):
        await asyncio.gather(*(node.stop() for node in lab.nodes))
        for node in lab.nodes:
            peers = [address for name, address in addresses.items() if name != node.name]
            node.settings |= {"LIKE_PEERS": ",".join(peers), "LIKE_CLUSTER_ADVERTISE": addresses[node.name]}
            node.start()
        await lab.wait_until_whole()


async def latency(lab: Lab) -> str:
    before = lab.load.acknowledged
    seconds = lab.form.pick(2, 30)
    await lab.press_for(seconds)
    rate = (lab.load.acknowledged - before) / seconds
    return f"{rate:,.0f} presses a second were acknowledged meanwhile"


ROWS: Final = (
    Fault(
        "partition",
        "node1 is cut off from both peers (iptables), not from nginx",
        "presses are taken on both sides; node1's are acknowledged once it is healed",
        partition,
    ),
    Fault(
        "all-alone",
        "no node reaches another; nginx reaches all",
        "presses are taken, nothing is acknowledged until it is healed",
        alone,
    ),
    Fault(
        "one-way",
        "what node1 sends to its peers is dropped; later what they send to it",
        "links are given up after 5 s of silence at the latest",
        one_way,
    ),
    Fault("bridge", "node1 and node3 are cut off from each other, node2 sees both", "node2 relays", bridge),
    Fault("flapping", "one node after the other is cut off and back within a second", "as a partition", flapping),
    Fault(
        "vanished",
        "node1 is cut off from its peers and from nginx",
        "its visitors are elsewhere within 10 s",
        vanish,
    ),
    Fault(
        "half-open",
        "node1 is killed while its packets are dropped, and started again before they pass",
        "peers give the dead links up and take the new ones",
        half_open,
    ),
    *(
        Fault(
            f"loss-{percent}",
            f"{percent} % of all packets to the nodes are lost (iptables statistic)",
            "slower, nothing else",
            partial(lose, percent=percent),
        )
        for percent in (1, 5, 20)
    ),
    Fault(
        "latency",
        f"links take {LATENCY_S * 1000:.0f} ms longer in each direction (a proxy before every node)",
        "acknowledgements come later and for more presses at once, since only a visitor's newest press is owed one",
        latency,
        prepare=slow_wires,
        restore=fast_wires,
    ),
)
