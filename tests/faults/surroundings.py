"""Rows about what is around the nodes: their clocks, and nginx."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from tests.faults.lab import Fault, Lab
from tests.support.node import Node
from tests.support.waiting import wait_for

YEAR_DAYS: Final = 365


def faketime_library() -> Path:
    """The one for programs with threads."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "libfaketime is not installed (Debian package faketime)"
    return found[0]


async def clocks_to_be_set(lab: Lab) -> None:
    """node1 and node2 get a clock that a file sets. The monotonic one is the machine's own, as it is when a real
    clock is set."""
    library = faketime_library()
    with lab.supervisor.released(*lab.nodes[:2]):
        for node in lab.nodes[:2]:
            await node.stop()
            _set_clock(lab, node, 0)
            node.settings |= {
                "LD_PRELOAD": f"{lab.disks[node.name].environment['LD_PRELOAD']}:{library}",
                "FAKETIME_TIMESTAMP_FILE": str(_clock(lab, node)),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1",
            }
            node.start()
        await lab.wait_until_whole()


async def clocks_of_the_machine(lab: Lab) -> None:
    with lab.supervisor.released(*lab.nodes[:2]):
        for node in lab.nodes[:2]:
            await node.stop()
            node.settings |= lab.disks[node.name].environment
            for name in [name for name in node.settings if "FAKE" in name]:
                del node.settings[name]
            node.start()
        await lab.wait_until_whole()


def _clock(lab: Lab, node: Node) -> Path:
    return lab.folder / f"{node.name}.clock"


def _set_clock(lab: Lab, node: Node, days: int) -> None:
    # Renamed into place: the node reads it at every look at the clock.
    fresh = _clock(lab, node).with_suffix(".fresh")
    fresh.write_text(f"{days * 86_400:+d}\n")
    fresh.rename(_clock(lab, node))


async def _days_off(lab: Lab, node: Node) -> int:
    """How far the node's clock is from ours, by the Date that it sends."""
    async with lab.cluster.session.get(f"{node.address}/healthz") as answer:
        date = parsedate_to_datetime(answer.headers["Date"])
    return round((date - datetime.now(UTC)).total_seconds() / 86_400)


async def jump_clocks(lab: Lab) -> str:
    """A year ahead on one node and back on the other, the other way round, and right again."""
    for days in (YEAR_DAYS, -YEAR_DAYS, 0):
        for node, ahead in zip(lab.nodes[:2], (days, -days), strict=True):
            _set_clock(lab, node, ahead)
            await wait_for(
                lambda node=node, ahead=ahead: _is_off(lab, node, ahead), 5, f"{node.name}'s clock to jump"
            )
        await lab.load.wait_for_presses(lab.form.pick(1000, 20_000), 60)
    return "jumps of one and of two years, forth and back, under load"


async def _is_off(lab: Lab, node: Node, days: int) -> bool:
    return await _days_off(lab, node) == days


async def reload_nginx(lab: Lab) -> str:
    before = lab.load.broken
    rounds = lab.form.pick(3, 20)
    for _ in range(rounds):
        await lab.nginx.reload()
        await lab.load.wait_for_presses(lab.form.pick(300, 2000), 20)
    # The old workers close their connections 60 s after a reload (nginx.conf).
    await lab.press_for(lab.form.pick(0, 70))
    broken = lab.load.broken - before
    return f"{rounds} reloads, {broken} connections ended by an old worker"


async def kill_nginx(lab: Lab) -> str:
    rounds = lab.form.pick(2, 20)
    for _ in range(rounds):
        await lab.nginx.kill()
        await lab.press_for(lab.random.uniform(0.1, 1.0))
        await lab.nginx.start()
        await lab.load.wait_for_presses(300, 20)
    return f"{rounds} kills"


ROWS: Final = (
    Fault(
        "clock-jump",
        "the clocks of two nodes jump a year ahead and back, in opposite directions (faketime)",
        "nothing: no clock takes part in a merge",
        jump_clocks,
        prepare=clocks_to_be_set,
        restore=clocks_of_the_machine,
    ),
    Fault(
        "nginx-reload",
        "SIGHUP to nginx, again and again",
        "connections live on for 60 s, then their pages reconnect",
        reload_nginx,
    ),
    Fault(
        "nginx-kill",
        "SIGKILL to nginx and its workers, started again within a second",
        "visitors reconnect; nothing acknowledged is lost",
        kill_nginx,
    ),
)
