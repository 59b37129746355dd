"""An operator at a terminal, who does what the runbook says, as written."""

import asyncio
import os
from pathlib import Path
from typing import Final

from tests.support.cluster import Cluster
from tests.support.documents import Document, make_workplace
from tests.support.node import Node

RUNBOOK: Final = Document("docs/runbook.md")
DONE_WITHIN_S: Final = 30.0


class Operator:
    """Of one cluster, whose admin token it has in a file."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.place = make_workplace(folder / "operator")
        self.backup = self.place / "backup.db"
        self._token = self.place / "admin-token"
        self._token.write_text(cluster.admin_token)

    async def do(self, heading: str, node: Node, *, step: int = 0) -> str:
        """The command below this heading, about this node; what it prints."""
        code, said = await self.run(RUNBOOK.commands(heading)[step], node)
        assert code == 0, said
        return said

    async def run(self, command: str, node: Node) -> tuple[int, str]:
        """The exit code of a shell's command, and what it prints, complaints included."""
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LIKE_")},
            "NODE": node.address,
            "DATA": str(node.data_dir),
            "TOKEN": str(self._token),
            "BACKUP": str(self.backup),
            "XDG_STATE_HOME": str(self.place / "state"),
        }
        process = await asyncio.create_subprocess_exec(
            *("sh", "-ec", command),
            cwd=self.place,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said, _ = await asyncio.wait_for(process.communicate(), DONE_WITHIN_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None, "it has ended"
        return process.returncode, said.decode()
