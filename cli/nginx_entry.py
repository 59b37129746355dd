"""The entry where nginx is installed: the project's own configuration, with this machine's nodes.

nginx runs without privileges in a folder of its own under `.data`; `nginx/nginx.conf` says what it expects there.
"""

import os
import shutil
import subprocess
from pathlib import Path

from cli.local_plan import HOST, REPOSITORY, Plan


def find_nginx() -> str | None:
    """The program, or None. Debian keeps it where a user's PATH does not look."""
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def prepare_nginx(program: str, plan: Plan, folder: Path) -> list[str]:
    """Write nginx's folder, let nginx check it, and return the command that runs it.

    Raises `CalledProcessError` with what nginx said where it does not take the configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(REPOSITORY / "nginx" / "nginx.conf", folder / "nginx.conf")
    nodes = [
        f"server {node.address} max_fails=1 fail_timeout=2s;\nserver {node.address} backup max_fails=0;\n"
        for node in plan.nodes
    ]
    (folder / "nodes.conf").write_text("".join(nodes))
    (folder / "listen.conf").write_text(f"listen {HOST}:{plan.port} sndbuf=32k;\n")
    command = [program, "-e", "stderr", "-p", f"{folder}/", "-c", "nginx.conf"]
    subprocess.run([*command, "-t", "-q"], stderr=subprocess.PIPE, text=True, check=True)  # noqa: S603 - nginx
    return command
