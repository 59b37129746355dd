"""Nodes that are linked, what passes between them, and nginx before them."""

import contextlib
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.machine import LOAD_CORE, REPOSITORY, SERVER_CORE
from bench.servers import READY_WITHIN_S, Server, free_port, metrics_on, serving
from bench.subjects import NO_BUDGETS, node_command

SECRET: Final = "benchmark benchmark benchmark benchmark"
WITHIN_S: Final = 120.0


class ClusterNode:
    """A node of a cluster while it runs. `cluster_port` is where its peer and its metrics are."""

    def __init__(self, server: Server, cluster_port: int) -> None:
        self.server, self.cluster_port = server, cluster_port

    def figures(self) -> dict[str, float]:
        """Its metrics without labels."""
        return metrics_on(self.cluster_port)


@contextlib.contextmanager
def cluster_node(
    folder: Path,
    ports: tuple[int, int],
    peers: Sequence[int],
    core: int,
    settings: Mapping[str, str] | None = None,
    within_s: float = READY_WITHIN_S,
) -> Iterator[ClusterNode]:
    """`ports` are its public and its cluster port, `peers` are the others' cluster ports; ready `within_s`."""
    port, cluster_port = ports
    env = {
        "LIKE_NODE_NAME": folder.name,
        "LIKE_PORT": str(port),
        "LIKE_CLUSTER_PORT": str(cluster_port),
        "LIKE_DATA_DIR": str(folder / "data"),
        "LIKE_PEERS": ",".join(f"127.0.0.1:{peer}" for peer in peers),
        "LIKE_SECRET": SECRET,
        # One answer to a press, not a second one for its copy: what is counted is presses.
        "LIKE_ACK_COPIES": "0",
        "PYTHONPATH": str(REPOSITORY),
        **NO_BUDGETS,
        **(settings or {}),
    }
    with serving(node_command(), port, folder, env=env, core=core, within_s=within_s) as server:
        yield ClusterNode(server, cluster_port)


@contextlib.contextmanager
def mesh(
    folder: Path, cores: Sequence[int], settings: Mapping[str, str] | None = None
) -> Iterator[tuple[ClusterNode, ...]]:
    """As many nodes as cores, `a`, `b`, …, each linked to all others; what is in their `data` folders is theirs."""
    ports = [(free_port(), free_port()) for _ in cores]
    names = "abcdefgh"[: len(cores)]
    with contextlib.ExitStack() as stack:
        nodes: list[ClusterNode] = []
        for name, own, core in zip(names, ports, cores, strict=True):
            # Of two that dial each other, a link in use may have to make room for the one that came late.
            peers = [cluster_port for _, cluster_port in ports[: len(nodes)]]
            nodes.append(stack.enter_context(cluster_node(folder / name, own, peers, core, settings)))
        for node in nodes:
            wait_until(lambda node=node: node.figures()["like_links"] == len(nodes) - 1, "all nodes to be linked")  # type: ignore[misc]
        yield tuple(nodes)


@contextlib.contextmanager
def pair(
    folder: Path, *, cores: tuple[int, int] = (LOAD_CORE, SERVER_CORE), settings: Mapping[str, str] | None = None
) -> Iterator[tuple[ClusterNode, ClusterNode]]:
    """Two of them."""
    with mesh(folder, cores, settings) as (a, b):
        yield a, b


def wait_until(is_so: Callable[[], bool], what: str, within_s: float = WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {within_s:g} s for {what}")
        time.sleep(0.02)


def link_bytes(nodes: tuple[ClusterNode, ...]) -> int:
    """What the links between these nodes have carried so far, both ways, WebSocket framing included.

    Both ends of a connection are sockets of this machine, and each counts what it has sent (`ss`, bytes_sent).
    """
    ports = " or ".join(f"sport = :{node.cluster_port} or dport = :{node.cluster_port}" for node in nodes)
    command = ["ss", "-tinH", "state", "established", f"( {ports} )"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sum(map(int, re.findall(r"\bbytes_sent:(\d+)", said)))


@contextlib.contextmanager
def nginx_before(nodes: tuple[ClusterNode, ...], folder: Path, core: int = SERVER_CORE) -> Iterator[Server]:
    """nginx with the project's configuration, one worker."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if program is None:
        raise RuntimeError("nginx is not installed. On Debian: apt install nginx-light")
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    text = (
        (REPOSITORY / "nginx" / "nginx.conf").read_text().replace("worker_processes auto;", "worker_processes 1;")
    )
    (folder / "nginx.conf").write_text(text)
    (folder / "listen.conf").write_text(f"listen 127.0.0.1:{port} sndbuf=32k;\n")
    lines = [
        f"server 127.0.0.1:{node.server.port} {how};"
        for node in nodes
        for how in ("max_fails=1 fail_timeout=2s", "backup max_fails=0")
    ]
    (folder / "nodes.conf").write_text("\n".join(lines) + "\n")
    command = [program, "-e", "stderr", "-p", str(folder), "-c", "nginx.conf"]
    with serving(command, port, folder, core=core) as server:
        yield server
