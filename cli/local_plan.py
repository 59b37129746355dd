"""The launcher's plan: which node listens where, keeps what, and knows whom. Pure: nothing is started here.

entry            http://localhost:PORT               nginx or the forwarder
node N           127.0.0.1:PORT+10000+N              its public port, behind the entry
                 127.0.0.1:PORT+10100+N              its cluster port, for its peers
.data/           secret, nodeN/ (its ledger), logs/, nginx/
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

HOST: Final = "127.0.0.1"
NODES_MAX: Final = 9
ENTRY_PORT_MAX: Final = 65_535 - 10_100 - NODES_MAX
_PUBLIC_OFFSET: Final = 10_000
_CLUSTER_OFFSET: Final = 10_100
# One address cannot be that of three nodes; and LIKE_ADDRESS is the terminal client's.
_NOT_FOR_NODES: Final = ("LIKE_CLUSTER_ADVERTISE", "LIKE_ADDRESS")


class NodePlan(msgspec.Struct, frozen=True):
    """One node. Addresses are `host:port`."""

    name: str
    port: int
    cluster_port: int
    data_dir: Path

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def cluster_address(self) -> str:
        return f"{HOST}:{self.cluster_port}"


class Plan(msgspec.Struct, frozen=True):
    """All of it. `folder` is where state stays."""

    port: int
    folder: Path
    nodes: tuple[NodePlan, ...]

    @property
    def entry(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def secret_file(self) -> Path:
        return self.folder / "secret"

    def ports(self) -> dict[int, str]:
        """Every port that must be free, and what for."""
        ports = {self.port: "the entry"}
        for node in self.nodes:
            ports |= {node.port: f"{node.name}, public", node.cluster_port: f"{node.name}, for its peers"}
        return ports

    def environment(self, node: NodePlan, inherited: Mapping[str, str]) -> dict[str, str]:
        """The settings of one node. What the person set and this plan does not decide, such as
        LIKE_PRESS_RATE, reaches the nodes as it is; so does a LIKE_SECRET of theirs.
        """
        peers = [peer.cluster_address for peer in self.nodes if peer is not node]
        settings = {
            "LIKE_NODE_NAME": node.name,
            "LIKE_HOST": HOST,
            "LIKE_PORT": str(node.port),
            "LIKE_PUBLIC_ADDRESS": f"http://{node.address}",
            "LIKE_CLUSTER_HOST": HOST,
            "LIKE_CLUSTER_PORT": str(node.cluster_port),
            "LIKE_DATA_DIR": str(node.data_dir),
            "LIKE_PEERS": ",".join(peers),
            "PYTHONUNBUFFERED": "1",
        }
        if "LIKE_SECRET" not in inherited and "LIKE_SECRET_FILE" not in inherited:
            settings["LIKE_SECRET_FILE"] = str(self.secret_file)
        kept = {name: value for name, value in inherited.items() if name not in _NOT_FOR_NODES}
        return kept | settings


def make_plan(*, nodes: int, port: int, folder: Path) -> Plan:
    """A plan for so many nodes behind one port."""

    def node(number: int) -> NodePlan:
        name = f"node{number}"
        return NodePlan(name, port + _PUBLIC_OFFSET + number, port + _CLUSTER_OFFSET + number, folder / name)

    return Plan(port, folder, tuple(node(number) for number in range(1, nodes + 1)))
