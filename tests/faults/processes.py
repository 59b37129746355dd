"""Rows about a node's process: killed, frozen, restarted, upgraded, short of memory or of descriptors."""

from tests.faults.lab import Fault, Lab


async def kill(lab: Lab) -> str:
    """A round may meet a node that is still starting: then its start is what is cut off."""
    before = lab.supervisor.restarted
    while lab.supervisor.restarted - before < lab.form.kills:
        node = lab.pick_node()
        if node.is_running:
            await node.kill()
        await lab.press_for(lab.random.uniform(0.2, 1.0))
    await lab.wait_until_whole()
    return f"{lab.supervisor.restarted - before} restarts"


KILL = Fault(
    "kill",
    "SIGKILL to a node at a random moment, again and again, also while it starts",
    "nobody loses an acknowledged press; visitors reconnect",
    kill,
)
