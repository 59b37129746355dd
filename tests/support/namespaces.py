"""A network of namespaces on this machine: one per name, joined by a bridge, whose wires can be cut.

    edge    10.a.b.100  the bridge, nginx
    node1   10.a.b.1    … and so on, one namespace and one wire each
    (here)  10.a.b.254  the test itself, on a wire of its own

1. What is cut is cut in one direction, in the namespace of the receiver: `cut(a, b)` drops what a sends to b.
2. The bridge is in a namespace too, so that deleting the namespaces leaves nothing behind.
3. Their names carry the test's process id: what a killed run left is removed by the next one.

Needs root, `ip` and `iptables`.
"""

import os
import random
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.support.place import Place

EDGE: Final = "edge"
_PREFIX: Final = "likefaults"
_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class Network:
    """`with Network(("node1", "node2")) as network: network.cut("node1", "node2")`."""

    def __init__(self, names: tuple[str, ...]) -> None:
        choose = random.SystemRandom()
        self._subnet = f"10.{choose.randrange(100, 250)}.{choose.randrange(256)}"
        self._tag = f"{_PREFIX}-{os.getpid()}-{choose.randrange(1 << 16):04x}"
        self._own_wire = f"lf{self._tag.rpartition('-')[2]}{os.getpid() % 1000}"
        self.names = names
        self._hosts = {name: f"{self._subnet}.{number}" for number, name in enumerate(names, start=1)}
        self._hosts[EDGE] = f"{self._subnet}.100"

    def __enter__(self) -> Self:
        remove_leftovers()
        try:
            self._make()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    @property
    def own_address(self) -> str:
        """Where what this test listens on is reached from inside."""
        return f"{self._subnet}.254"

    def place(self, name: str) -> Place:
        """Where to start what belongs to this name."""
        return Place(self._hosts[name], ("ip", "netns", "exec", self._space(name)), has_own_ports=True)

    def cut(self, sender: str, receiver: str) -> None:
        """Drop what the one sends to the other, from now on and on connections that are open too."""
        self._filter(receiver, sender)

    def lose(self, sender: str, receiver: str, share: float) -> None:
        """Drop this share of the packets on their way, at random."""
        self._filter(receiver, sender, "-m", "statistic", "--mode", "random", "--probability", str(share))

    def dropped(self) -> int:
        """How many packets were, by what is cut and lossy now."""
        lines = [
            line.split()
            for name in (EDGE, *self.names)
            for line in self._inside(name, "iptables", "-w", "-nvxL", "INPUT").splitlines()
        ]
        return sum(int(words[0]) for words in lines if "DROP" in words[2:3])

    def heal(self) -> None:
        """Drop nothing any more."""
        for name in (EDGE, *self.names):
            self._inside(name, "iptables", "-w", "-F", "INPUT")

    def remove(self) -> None:
        # The kernel would remove it with the other end, but later.
        if Path("/sys/class/net", self._own_wire).exists():
            _run("ip", "link", "delete", self._own_wire)
        for name in (*self.names, EDGE):
            _remove_space(self._space(name))

    def _make(self) -> None:
        for name in (EDGE, *self.names):
            _run("ip", "netns", "add", self._space(name))
            _run("ip", "-n", self._space(name), "link", "set", "lo", "up")
        self._at_edge("link", "add", "hub", "type", "bridge")
        self._at_edge("addr", "add", f"{self._hosts[EDGE]}/24", "dev", "hub")
        self._at_edge("link", "set", "hub", "up")
        for number, name in enumerate(self.names, start=1):
            space = self._space(name)
            self._plug_in(f"wire{number}", "wire", space)
            _run("ip", "-n", space, "addr", "add", f"{self._hosts[name]}/24", "dev", "wire")
            _run("ip", "-n", space, "link", "set", "wire", "up")
        self._plug_in("own", self._own_wire, None)
        _run("ip", "addr", "add", f"{self.own_address}/24", "dev", self._own_wire)
        _run("ip", "link", "set", self._own_wire, "up")

    def _plug_in(self, socket: str, wire: str, space: str | None) -> None:
        """A wire between the bridge and a namespace; None is the one that this test is in."""
        where = ["netns", space] if space else ["netns", str(os.getpid())]
        self._at_edge("link", "add", socket, "type", "veth", "peer", "name", wire, *where)
        self._at_edge("link", "set", socket, "master", "hub")
        self._at_edge("link", "set", socket, "up")

    def _filter(self, receiver: str, sender: str, *match: str) -> None:
        rule = ("-A", "INPUT", "-s", self._hosts[sender], *match, "-j", "DROP")
        self._inside(receiver, "iptables", "-w", *rule)

    def _inside(self, name: str, *command: str) -> str:
        return _run("ip", "netns", "exec", self._space(name), *command)

    def _at_edge(self, *words: str) -> None:
        _run("ip", "-n", self._space(EDGE), *words)

    def _space(self, name: str) -> str:
        return f"{self._tag}-{name}"


def remove_leftovers() -> None:
    """Namespaces, and what still runs in them, of runs that were killed before they could remove them."""
    for line in _run("ip", "netns", "list").splitlines():
        space = line.split()[0]
        prefix, _, rest = space.partition("-")
        if prefix == _PREFIX and not Path("/proc", rest.partition("-")[0]).exists():
            _remove_space(space)


def _remove_space(space: str) -> None:
    """With every process in it. One that was never made is no mistake: making them may have failed half-way."""
    if not Path("/run/netns", space).exists():
        return
    for pid in _run("ip", "netns", "pids", space).split():
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(int(pid), signal.SIGKILL)
    _run("ip", "netns", "delete", space)


def _run(*command: str) -> str:
    done = subprocess.run(
        command, env=os.environ | {"PATH": _PATH}, capture_output=True, text=True, check=False, timeout=20
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout
