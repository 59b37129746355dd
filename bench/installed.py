"""The peers' own packages, installed beside the benchmark's results. What cannot be had is left out, and said."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

from bench.compiled import PLACE

PEERS: Final = Path(__file__).with_name("peers")
# Made when all packages of a folder are there.
INSTALLED: Final = "installed"
_PACKAGES: Final = ("picows", "python-socketio", "socketify", "starlette", "uvicorn")
_NCHAN: Final = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
_NCHAN_CONF: Final = """\
load_module {module};
daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 30000; pid nginx.pid;
error_log stderr error;
events {{ worker_connections 29000; use epoll; multi_accept on; }}
http {{
  access_log off; keepalive_requests 100000000; tcp_nodelay on; nchan_shared_memory_size 256M;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /sub {{ nchan_subscriber websocket; nchan_channel_id t; nchan_subscriber_first_message newest; }}
    location /pub {{
      nchan_publisher websocket http; nchan_channel_id t; nchan_message_buffer_length 20; nchan_message_timeout 10s;
    }}
  }}
}}
"""


class MissingError(Exception):
    """A peer cannot be had on this machine; the message says what it needs."""


@cache
def python() -> Path:
    """A Python with the peers' packages."""
    folder, wanted = PLACE / "peers-python", PEERS / "requirements.txt"
    made = folder / "bin" / "python"
    if not _is_installed(folder, wanted):
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(str(made), "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", str(wanted))
        (folder / INSTALLED).touch()
    return made


@cache
def node_folder() -> Path:
    """A folder with the peers' servers for Node and their packages."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise MissingError("node and npm (Debian: apt install nodejs npm)")
    # npm takes a link for another package.
    folder = PLACE.resolve() / "peers-node"
    folder.mkdir(parents=True, exist_ok=True)
    for file in (*PEERS.glob("*.js"), *PEERS.glob("package*.json")):
        shutil.copy(file, folder)
    if not _is_installed(folder, PEERS / "package-lock.json"):
        _run("npm", "ci", "--loglevel=error", "--no-fund", "--no-audit", "--prefix", str(folder))
        (folder / INSTALLED).touch()
    return folder


def versions() -> dict[str, str]:
    """Of the peers' packages and programs, as far as they are named or found here."""
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)", (PEERS / "requirements.txt").read_text(), re.MULTILINE))
    packages = {name: pinned[name] for name in _PACKAGES}
    found: dict[str, str] = packages | json.loads((PEERS / "package.json").read_text())["dependencies"]
    for program, pattern in (("node", r"v(\S+)"), ("nginx", r"nginx/(\S+)")):
        if path := shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin"):
            done = subprocess.run([path, "-v"], capture_output=True, text=True, check=False)
            found[program] = "".join(re.findall(pattern, done.stdout + done.stderr))
    return found


def nchan_command(port: int) -> list[str]:
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if not program or not _NCHAN.exists():
        raise MissingError("nginx with nchan (Debian: apt install nginx-light libnginx-mod-nchan)")
    folder = PLACE / "nchan"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nginx.conf").write_text(_NCHAN_CONF.format(module=_NCHAN, port=port))
    return [program, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]


def _is_installed(folder: Path, wanted: Path) -> bool:
    """Whether all of it is: an installation that failed leaves half of itself behind."""
    mark = folder / INSTALLED
    return mark.exists() and mark.stat().st_mtime >= wanted.stat().st_mtime


def _run(*command: str) -> None:
    if said := _fault(*command):
        raise MissingError(said)


@cache
def _fault(*command: str) -> str:
    """What is wrong, or "": what could not be had is not asked for again by every row."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = f"{Path(command[0]).name} {command[1]}: {done.stderr.strip()[:300]}"
    return said if done.returncode else ""
