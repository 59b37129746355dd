"""The entry where nginx is installed: the project's own configuration, with this machine's nodes.

nginx runs without privileges in a folder of its own under `.data`; `nginx/nginx.conf` says what it expects there.
"""

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from cli.local_plan import Plan


class NginxError(Exception):
    """nginx does not take the configuration; the message is what it said."""


def find_nginx() -> str | None:
    """The program, or None. Debian keeps it where a user's PATH does not look."""
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


async def prepare_nginx(program: str, plan: Plan, hosts: Sequence[str], configuration: Path) -> list[str]:
    """Write nginx's folder, let nginx check it, and return the command that runs it. Raises `NginxError`."""
    prefix = plan.folder / "nginx"
    prefix.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(configuration, prefix / "nginx.conf")
    nodes = [
        f"server {node.address} max_fails=1 fail_timeout=2s;\nserver {node.address} backup max_fails=0;\n"
        for node in plan.nodes
    ]
    (prefix / "nodes.conf").write_text("".join(nodes))
    listens = [f"listen {f'[{host}]' if ':' in host else host}:{plan.port};\n" for host in hosts]
    (prefix / "listen.conf").write_text("".join(listens))
    command = [program, "-e", "stderr", "-p", f"{prefix}/", "-c", "nginx.conf"]
    checking = await asyncio.create_subprocess_exec(
        *command, "-t", "-q", stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await checking.communicate()
    if checking.returncode != 0:
        raise NginxError(said.decode(errors="replace").strip())
    return command
