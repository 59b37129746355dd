"""Rows about what is around the nodes: their clocks, and nginx."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Final

from tests.faults.lab import Lab
from tests.faults.row import ALL_BACK_WITHIN_S, Fault
from tests.support.node import Node
from tests.support.waiting import wait_for

YEAR_DAYS: Final = 365
PEACE_S: Final = 70.0


async def _days_off(lab: Lab, node: Node) -> int:
    """How far the node's clock is from ours, by the Date that it sends."""
    async with lab.cluster.session.get(f"{node.address}/healthz") as answer:
        date = parsedate_to_datetime(answer.headers["Date"])
    return round((date - datetime.now(UTC)).total_seconds() / 86_400)


async def jump_clocks(lab: Lab) -> str:
    """A year ahead on one node and back on the other, the other way round, and right again."""
    for days in (YEAR_DAYS, -YEAR_DAYS, 0):
        for node, ahead in zip(lab.nodes[:2], (days, -days), strict=True):
            lab.machines[node.name].set(clock_days=ahead)
            await wait_for(partial(_is_off, lab, node, ahead), 5, f"{node.name}'s clock to jump")
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
    rounds = lab.form.pick(1, 10)
    for _ in range(rounds):
        await lab.nginx.kill()
        await lab.press_for(lab.random.uniform(0.1, 1.0))
        await lab.nginx.start()
        lab.healed()
        await lab.audit_between()
        await wait_for(lambda: lab.load.is_connected, 20, "everybody to be back")
    return f"{rounds} kills"


async def rest(lab: Lab) -> str:
    """A difference is looked into when two digests in a row, 30 s apart, have shown it."""
    await lab.press_for(PEACE_S)
    lab.load.pause()
    await lab.press_for(PEACE_S)
    differing = [(await lab.figures(node))["like_buckets_differing"] for node in lab.nodes]
    assert not any(differing), f"digests differ in {differing} buckets"
    return f"{2 * PEACE_S:g} s, the second half without a press; no bucket differs"


PEACE: Final = Fault(
    "peace",
    "nothing, after all of the above",
    "no digest finds anything that a head had claimed",
    rest,
    is_long_only=True,
)
ROWS: Final = (
    Fault(
        "clock-jump",
        "the clocks of two nodes jump a year ahead and back, in opposite directions (LD_PRELOAD)",
        "nothing: no clock takes part in a merge",
        jump_clocks,
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
        "visitors reconnect, after a pause that doubles while nobody answers",
        kill_nginx,
        equal_within_s=ALL_BACK_WITHIN_S,
        saved_within_s=ALL_BACK_WITHIN_S,
        outage_within_s=ALL_BACK_WITHIN_S,
    ),
)
