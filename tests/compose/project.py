"""The compose file, started as an operator starts it, and what a test does to its containers."""

import json
import secrets
import shutil
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.compose.engine import SEARCH_PATH, CommandError, Engine, run
from tests.support.ports import free_port
from tests.support.process import REPOSITORY

UP_WITHIN_S: Final = 170.0

_GET: Final = "import sys, urllib.request as web; print(web.urlopen(sys.argv[1], timeout=3).read().decode())"


class Project:
    """One project of its own name and port; `down` leaves neither container nor volume nor network."""

    def __init__(self, engine: Engine) -> None:
        self.name = f"liketest{secrets.token_hex(3)}"
        self.port = free_port()
        self.admin_token = secrets.token_hex(16)
        self._engine = engine
        # Its own secrets: what a .env file on this machine says must not decide what is tested.
        self._env = {
            **engine.env, "COMPOSE_PROJECT_NAME": self.name, "PUBLIC_PORT": str(self.port), "LIKE_SECRET": "",
            "LIKE_ADMIN_TOKEN": self.admin_token,
        }  # fmt: skip
        self._command = _compose_command(engine)

    @property
    def address(self) -> str:
        """Where nginx answers on this machine."""
        return f"http://127.0.0.1:{self.port}"

    def compose(self, *arguments: str, stdin: bytes | None = None, timeout_s: float = UP_WITHIN_S) -> str:
        command = [*self._command, "--project-directory", str(REPOSITORY), *arguments]
        return run(command, env=self._env, timeout_s=timeout_s, stdin=stdin)

    def type(self, commands: str, folder: Path) -> str:
        """What a shell prints that an operator has open in this folder, with this project as the one meant."""
        compose = " ".join([*self._command, "--project-directory", str(REPOSITORY)])
        typed = f'docker() {{ shift; command {compose} "$@"; }}\ncd "{folder}"\n{commands}'
        return run(["sh", "-ec", typed], env=self._env, timeout_s=UP_WITHIN_S)

    def up(self, *services: str, recreate: bool = False) -> None:
        self.compose("up", "--detach", *(["--force-recreate", "--no-deps"] if recreate else []), *services)

    def down(self) -> None:
        self.compose("--profile", "cli", "down", "--volumes", "--timeout", "1")

    def kill(self, service: str) -> None:
        """SIGKILL to the container's process."""
        self._engine.docker("kill", self.container(service))

    def remove(self, service: str) -> None:
        """The container is gone, its volume is not."""
        self.compose("rm", "--force", "--stop", service)

    def container(self, service: str) -> str:
        """The id of the service's container, running or not."""
        wanted = [f"label=com.docker.compose.{key}" for key in (f"project={self.name}", f"service={service}")]
        filters = [word for each in wanted for word in ("--filter", each)]
        return self._engine.docker("ps", "--all", "--quiet", *filters).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        return dict(json.loads(self._engine.docker("inspect", self.container(service)))[0])

    def get_json(self, service: str, path: str) -> Any:
        """What this container's node answers, asked from inside it."""
        address = f"http://127.0.0.1:8080{path}"
        return json.loads(self._engine.docker("exec", self.container(service), "python", "-c", _GET, address))

    def count(self, service: str, item: str) -> int:
        return int(self.get_json(service, f"/api/items/{quote(item, safe='')}")["count"])

    def is_ready(self, service: str) -> bool:
        try:
            nodes = self.get_json(service, "/api/nodes")["nodes"]
        except (CommandError, ValueError):
            return False
        return any(node["name"] == service and node["state"] == "ready" for node in nodes)

    def cli(self, *arguments: str, stdin: bytes | None = None) -> str:
        """The terminal client in a container of its own."""
        return self.compose("run", "--rm", "-T", "cli", *arguments, stdin=stdin, timeout_s=60)

    def give_secret(self, secret: str) -> None:
        """Run the one-shot service as it is run when .env has this secret."""
        self.compose("run", "--rm", "-T", "-e", f"LIKE_SECRET={secret}", "secret")

    def secret(self) -> str:
        """What the nodes are given."""
        read = "from pathlib import Path; print(Path('/secret/secret').read_text())"
        return self.compose("run", "--rm", "-T", "secret", "python", "-c", read).strip()

    def logs(self) -> str:
        return self.compose("logs", "--no-color")


def _compose_command(engine: Engine) -> list[str]:
    if shutil.which("docker-compose", path=SEARCH_PATH):
        return ["docker-compose"]
    engine.docker("compose", "version")
    return ["docker", "compose"]
