"""Rows about a node's process: killed, frozen, restarted, upgraded, short of memory or of descriptors."""

import asyncio
import resource
import signal
from functools import partial
from itertools import count
from typing import Final

from tests.faults.lab import Lab
from tests.faults.row import ALL_BACK_WITHIN_S, Fault
from tests.support.browser import Browser, ConnectionEndedError
from tests.support.node import STALLS, Node
from tests.support.process import REPOSITORY, address_space_bytes, open_descriptors
from tests.support.versions import FIRST, unpack
from tests.support.waiting import wait_for

# What comes to a node that has nothing left to give.
NEWCOMERS: Final = 100
# A promise that was broken by one kill must not be mended, unseen, by what follows.
AUDIT_EVERY: Final = 20
STALLED_IN: Final = "blocking_call"


async def kill(lab: Lab) -> str:
    """A round may meet a node that is still starting: then its start is what is cut off. One other is left to
    serve; that none is left is a row of its own."""
    before = lab.supervisor.restarted
    for number in count(1):
        if lab.supervisor.restarted - before >= lab.form.kills:
            break
        if number % AUDIT_EVERY == 0:
            await lab.audit_between()
        node = lab.pick_node()
        await wait_for(partial(another_serves, lab, node), 20, f"a node beside {node.name} to serve")
        if node.is_running:
            await node.kill()
            lab.healed()
        await lab.press_for(lab.random.uniform(0.2, 1.0))
    return f"{lab.supervisor.restarted - before} kills, each restarted"


async def another_serves(lab: Lab, node: Node) -> bool:
    states = [lab.serves(other) for other in lab.nodes if other is not node]
    return any(await asyncio.gather(*states))


async def kill_all(lab: Lab) -> str:
    rounds = lab.form.pick(1, 10)
    for _ in range(rounds):
        await asyncio.gather(*(node.kill() for node in lab.nodes))
        lab.healed()
        await lab.wait_until_whole()
        await lab.audit_between()
        await wait_for(lambda: lab.load.is_connected, 20, "everybody to be back")
        await lab.load.wait_for_presses(500, 20)
    return f"all at once, {rounds} times"


async def freeze(lab: Lab) -> str:
    times = lab.form.pick((1.0, 6.0), (1.0, 3.0, 10.0, 30.0, 60.0))
    for seconds in times:
        node = lab.pick_node()
        node.freeze()
        await lab.press_for(seconds)
        node.thaw()
        lab.healed()
        await lab.load.wait_for_presses(100, 10)
        await lab.audit_between()
    return f"frozen for {', '.join(f'{seconds:g}' for seconds in times)} s"


async def may_stall(lab: Lab) -> None:
    """A signal will stall its loop; the watchdog is the node's own."""
    node = lab.nodes[0]
    node.settings |= {"PYTHONPATH": str(STALLS), "STALL": STALLED_IN}
    await restart(lab, node)


async def stalls_no_more(lab: Lab) -> None:
    node = lab.nodes[0]
    for name in ("PYTHONPATH", "STALL"):
        del node.settings[name]
    await restart(lab, node)


async def stall(lab: Lab) -> str:
    node, rounds = lab.nodes[0], lab.form.pick(1, 3)
    for _ in range(rounds):
        restarts, lines = lab.supervisor.restarts[node.name], len(node.log_lines())
        node.send_signal(signal.SIGUSR1)
        await wait_for(lambda before=restarts: lab.supervisor.restarts[node.name] > before, 20, "the watchdog")  # type: ignore[misc]
        lab.healed()
        await lab.wait_until_whole()
        stack = [line for line in node.log_lines()[lines:] if STALLED_IN in line]
        assert stack, "the watchdog did not log where the loop hung"
        await lab.audit_between()
    return f"{rounds} times, ended by its watchdog after 10 s and restarted"


async def restart_in_turn(lab: Lab) -> str:
    before = lab.load.broken
    for node in lab.nodes * lab.form.pick(1, 5):
        await restart(lab, node)
    broken = lab.load.broken - before
    assert not broken, f"{broken} connections broke in a rolling restart"
    return f"{len(lab.nodes) * lab.form.pick(1, 5)} restarts, no connection broken"


async def restart(lab: Lab, node: Node) -> None:
    """As an operator does: told to stop, started, and the next one only when all are linked again."""
    with lab.supervisor.released(node):
        await node.stop()
        node.start()
        await lab.wait_until_whole()


async def run_the_first_version(lab: Lab) -> None:
    old = await asyncio.to_thread(unpack, FIRST, lab.folder)
    with lab.supervisor.released(*lab.nodes):
        await asyncio.gather(*(node.stop() for node in lab.nodes))
        for node in lab.nodes:
            node.wipe()
            node.program = old
            node.start()
        await lab.wait_until_whole()


async def upgrade_in_turn(lab: Lab) -> str:
    before = lab.load.broken
    for node in lab.nodes:
        node.program = REPOSITORY
        await restart(lab, node)
        await lab.load.wait_for_presses(200, 10)
    broken = lab.load.broken - before
    assert not broken, f"{broken} connections broke in a rolling upgrade"
    return f"{FIRST} to the present version on three nodes, old and new side by side, no connection broken"


async def take_memory(lab: Lab) -> str:
    """Not a byte more than it has: what it frees it may use again."""
    node = lab.pick_node()
    pid, restarts = node.pid, lab.supervisor.restarts[node.name]
    limit = (address_space_bytes(pid), resource.RLIM_INFINITY)
    before = resource.prlimit(pid, resource.RLIMIT_AS, limit)
    came = await newcomers(node.address)
    await lab.press_for(lab.form.pick(2, 20))
    ended = lab.supervisor.restarts[node.name] - restarts
    if node.is_running and node.pid == pid:
        resource.prlimit(pid, resource.RLIMIT_AS, before)
    return f"{came} of {NEWCOMERS} newcomers let in; the node {'was restarted' if ended else 'went on'}"


async def take_descriptors(lab: Lab) -> str:
    node = lab.pick_node()
    pid = node.pid
    before, broken = resource.prlimit(pid, resource.RLIMIT_NOFILE), lab.load.broken
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_descriptors(pid), before[1]))
    came = await newcomers(lab.nginx.address)
    await lab.press_for(lab.form.pick(1, 20))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    assert came == NEWCOMERS, f"{came} of {NEWCOMERS} newcomers found a node"
    assert lab.load.broken == broken, f"{lab.load.broken - broken} of those who were there lost their connection"
    return f"all of {NEWCOMERS} newcomers found another node"


async def newcomers(address: str) -> int:
    """How many of some visitors who all come at once, and stay until the last one has come, get a hello."""

    async def come() -> Browser | None:
        try:
            return await Browser.connect(address)
        except (OSError, TimeoutError, AssertionError, ConnectionEndedError):
            return None

    came = [each for each in await asyncio.gather(*(come() for _ in range(NEWCOMERS))) if each is not None]
    await asyncio.gather(*(each.close() for each in came))
    return len(came)


ROWS: Final = (
    Fault(
        "kill",
        "SIGKILL to any node at a random moment, again and again, also while it starts, while another one serves",
        "visitors reconnect; nothing acknowledged is lost",
        kill,
    ),
    Fault(
        "all-killed",
        "SIGKILL to all nodes at once",
        "they start by themselves; visitors come back with a pause that doubles",
        kill_all,
        equal_within_s=ALL_BACK_WITHIN_S,
        saved_within_s=ALL_BACK_WITHIN_S,
        outage_within_s=ALL_BACK_WITHIN_S,
    ),
    Fault(
        "freeze",
        "SIGSTOP to a node, SIGCONT later",
        "its visitors leave it within 10 s; it catches up",
        freeze,
    ),
    Fault(
        "stalled-loop",
        "the event loop of a node is in a call that never returns",
        "its visitors leave it within 10 s; the watchdog ends it with its stack in the log, and it is restarted",
        stall,
        trouble=("loop.stalled",),
        prepare=may_stall,
        restore=stalls_no_more,
    ),
    Fault(
        "rolling-restart",
        "SIGTERM to one node after the other, each started again",
        "no connection breaks",
        restart_in_turn,
    ),
    Fault(
        "rolling-upgrade",
        f"three nodes of version {FIRST}, replaced one after the other by the present one, on the same data",
        "no connection breaks; old and new hold the same",
        upgrade_in_turn,
        prepare=run_the_first_version,
        begins_afresh=True,
        # A defect of that version (docs/reliability.md).
        trouble=("The connection has been closed",),
    ),
    Fault(
        "memory",
        f"RLIMIT_AS of a node set to what it uses, and {NEWCOMERS} visitors come at once",
        "it goes on, or ends and is restarted",
        take_memory,
        trouble=("MemoryError", "out of memory", "Cannot allocate memory"),
    ),
    Fault(
        "descriptors",
        f"RLIMIT_NOFILE of a node set to what it uses, and {NEWCOMERS} visitors come at once through nginx",
        "newcomers get another node; who is connected stays",
        take_descriptors,
        trouble=("Too many open files", "accept"),
    ),
)
