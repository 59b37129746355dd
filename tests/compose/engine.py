"""A container engine for the tests: the one that runs, or a real one started for them and stopped afterwards.

1. An engine that somebody runs is used and left running, with its own images untouched.
2. Ours keeps everything in one temporary folder and leaves neither a process, nor a bridge, nor firewall rules.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

SEARCH_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

# A table that dockerd was the first to use is not in the snapshot of the rules: this is how it looks when empty.
_EMPTY_TABLES: Final = {
    "filter": "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n",
    "nat": "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT\n",
}


class EngineError(Exception):
    """No engine runs and none can be started; the message says why."""


class CommandError(Exception):
    """A program failed; the message has the command and its last words."""


class Engine:
    """Where the engine listens, and how it is asked."""

    def __init__(self, host: str) -> None:
        self.host = host

    @property
    def env(self) -> dict[str, str]:
        # The legacy builder: Debian's engine has no other, and the Dockerfile is to be read by both.
        return {
            **os.environ, "PATH": SEARCH_PATH, "DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0",
            "COMPOSE_DOCKER_CLI_BUILD": "0",
        }  # fmt: skip

    def docker(self, *arguments: str, timeout_s: float = 120.0, stdin: bytes | None = None) -> str:
        """What `docker …` prints; `CommandError`, with what it said, if it fails."""
        return run(["docker", *arguments], env=self.env, timeout_s=timeout_s, stdin=stdin)

    def has_image(self, tag: str) -> bool:
        return bool(self.docker("image", "ls", "--quiet", tag).strip())

    def answers(self) -> bool:
        try:
            self.docker("version", timeout_s=10)
        except (CommandError, subprocess.TimeoutExpired):
            return False
        return True


class OwnEngine(Engine):
    """A dockerd of our own."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise EngineError("no container engine runs, and only root can start one")
        # Not pytest's folder: the path of a socket must stay below 108 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="like-engine-"))
        super().__init__(f"unix://{self.folder}/docker.sock")
        self._had_bridge = Path("/sys/class/net/docker0").exists()
        self._rules = run(["iptables-save"])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            "dockerd", "--host", self.host, "--data-root", f"{self.folder}/data",
            "--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/docker.pid",
        ]  # fmt: skip
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, env=self.env, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 30
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace")[-2000:]
                self.stop()
                raise EngineError(f"dockerd did not start:\n{said}")
            time.sleep(0.2)

    @property
    def log(self) -> Path:
        return self.folder / "dockerd.log"

    def stop(self) -> None:
        """End it by its pid, which ends its containerd too, and take its traces away."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if not self._had_bridge and Path("/sys/class/net/docker0").exists():
            run(["ip", "link", "delete", "docker0"])
        missing = [text for table, text in _EMPTY_TABLES.items() if f"*{table}" not in self._rules]
        run(["iptables-restore"], stdin=(self._rules + "".join(missing)).encode())
        shutil.rmtree(self.folder, ignore_errors=True)


def find_or_start_engine() -> Engine:
    """The engine that runs, else our own, which the caller has to stop."""
    running = Engine(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    if running.answers():
        return running
    own = OwnEngine()
    own.start()
    return own


def run(
    command: list[str], *, env: dict[str, str] | None = None, timeout_s: float = 120.0, stdin: bytes | None = None
) -> str:
    """What the command prints. A failure raises with its last words, which pytest then shows."""
    result = subprocess.run(
        command, env=env or {**os.environ, "PATH": SEARCH_PATH}, input=stdin, capture_output=True,
        timeout=timeout_s, check=False,
    )  # fmt: skip
    if result.returncode:
        said = (result.stdout + result.stderr).decode(errors="replace")[-4000:]
        raise CommandError(f"{' '.join(command)} ended with {result.returncode}:\n{said}")
    return result.stdout.decode(errors="replace")
