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

REPOSITORY: Final = Path(__file__).resolve().parents[1]
HOST: Final = "127.0.0.1"
NODES: Final = 3
ENTRY_PORT_MAX: Final = 65_535 - 10_100 - NODES
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


class Plan:
    """All of it, behind this port. `folder` is where state stays."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.folder = folder
        self.entry = f"http://localhost:{port}"
        self.logs = folder / "logs"
        self.secret_file = folder / "secret"
        self.nodes = [
            NodePlan(f"node{number}", port + 10_000 + number, port + 10_100 + number, folder / f"node{number}")
            for number in range(1, NODES + 1)
        ]

    def ports(self) -> dict[int, str]:
        """Every port that must be free, and what for."""
        ports = {self.port: "the entry"}
        for node in self.nodes:
            ports |= {node.port: f"{node.name}, public", node.cluster_port: f"{node.name}, for its peers"}
        return ports

    def about_admin(self, inherited: Mapping[str, str]) -> str:
        """Whether the page for operators is there, and if not, how it comes to be; never the token."""
        if any(inherited.get(name, "").strip() for name in ("LIKE_ADMIN_TOKEN", "LIKE_ADMIN_TOKEN_FILE")):
            return f"{self.entry}/admin, with the LIKE_ADMIN_TOKEN that you have set"
        # Exported, so that who makes it can look at it, and the terminal client has it.
        return "/admin is off; export LIKE_ADMIN_TOKEN=$(openssl rand -hex 32), then make run, switches it on"

    def environment(self, node: NodePlan, inherited: Mapping[str, str]) -> dict[str, str]:
        """The settings of one node. What the person set and this plan does not decide, such as
        LIKE_PRESS_RATE, reaches the nodes as it is; so does a LIKE_SECRET of theirs.
        """
        settings = {
            "LIKE_NODE_NAME": node.name,
            "LIKE_HOST": HOST,
            "LIKE_PORT": str(node.port),
            "LIKE_PUBLIC_ADDRESS": f"http://{node.address}",
            "LIKE_CLUSTER_HOST": HOST,
            "LIKE_CLUSTER_PORT": str(node.cluster_port),
            "LIKE_DATA_DIR": str(node.data_dir),
            "LIKE_PEERS": ",".join(peer.cluster_address for peer in self.nodes if peer is not node),
        }
        if "LIKE_SECRET" not in inherited and "LIKE_SECRET_FILE" not in inherited:
            settings["LIKE_SECRET_FILE"] = str(self.secret_file)
        kept = {name: value for name, value in inherited.items() if name not in _NOT_FOR_NODES}
        return kept | settings
