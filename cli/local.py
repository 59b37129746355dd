"""The local launcher, `python -m cli.local`, behind `make run`: a cluster behind one address on this machine.

It starts the nodes of its plan (`local_plan`) as processes of their own (`child`), and before them nginx with the
project's configuration (`nginx_entry`) or, where that is not installed, a forwarder in this process
(`forwarder`). It says where everything is, starts again what ends, and ends all of it on Ctrl-C or SIGTERM.
Everything it writes stays under its folder, `.data`.

Exit codes: 0 stopped as told, 1 it could not start (the reason is printed), 2 usage.
"""

import argparse
import asyncio
import fcntl
import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp

from cli.child import Child
from cli.forwarder import Forwarder
from cli.local_plan import ENTRY_PORT_MAX, HOST, NODES_MAX, NodePlan, Plan, make_plan
from cli.nginx_entry import NginxError, find_nginx, prepare_nginx

REPOSITORY: Final = Path(__file__).resolve().parents[1]
READY_WITHIN_S: Final = 30.0
POLL_S: Final = 0.1
# A node has 10 s from SIGTERM to its end; a second more, then it is killed, so that all is over within 12 s.
STOP_NODES_S: Final = 11.0
STOP_ENTRY_S: Final = 1.0


class LaunchError(Exception):
    """It cannot start; the message says what to do."""


class Launcher:
    """One cluster on this machine, from `run` to its end."""

    def __init__(self, plan: Plan, *, may_use_nginx: bool) -> None:
        self._plan = plan
        self._may_use_nginx = may_use_nginx
        self._hosts = [HOST, "::1"] if _can_bind("::1", 0) else [HOST]
        self._nodes: list[Child] = []
        self._entry: Child | Forwarder | None = None
        self._tasks: dict[Child, asyncio.Task[None]] = {}
        self._told_to_stop = asyncio.Event()

    async def run(self) -> None:
        """Until it is told to stop. Raises `LaunchError` if it could not start."""
        loop = asyncio.get_running_loop()
        # SIGHUP: the terminal was closed; the nodes have sessions of their own and would stay.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._tell_to_stop)
        lock = self._prepare_folder()
        try:
            self._check_ports()
            self._start_nodes()
            entry = await self._start_entry()
            if await self._wait_until_ready():
                self._introduce(entry)
            await self._watch_tasks()
        finally:
            await self._stop()
            os.close(lock)

    def _tell_to_stop(self) -> None:
        if self._told_to_stop.is_set():
            say("ending everything at once")
            for child in self._tasks:
                child.kill()
        self._told_to_stop.set()

    # start

    def _prepare_folder(self) -> int:
        """Make `.data` and the secret; returns the lock that keeps a second launcher out."""
        plan = self._plan
        plan.logs.mkdir(parents=True, exist_ok=True)
        lock = os.open(plan.folder / "launcher.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise LaunchError(f"another launcher runs on {plan.folder}: stop it, or use another --data") from error
        if not plan.secret_file.exists():
            _write_secret(plan.secret_file)
        return lock

    def _check_ports(self) -> None:
        hosts = {self._plan.port: self._hosts}
        taken = [
            f"  {port} ({purpose})"
            for port, purpose in self._plan.ports().items()
            if not all(_can_bind(host, port) for host in hosts.get(port, [HOST]))
        ]
        if taken:
            raise LaunchError(
                "already taken:\n" + "\n".join(taken) + "\nend what listens there, or choose another --port"
            )

    def _start_nodes(self) -> None:
        for node in self._plan.nodes:
            env = self._plan.environment(node, os.environ)
            self._nodes.append(self._start(node.name, [sys.executable, "-m", "app"], env))

    def _start(self, name: str, command: Sequence[str], env: dict[str, str]) -> Child:
        log = self._plan.logs / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        child = Child(name, command, env=env, log=log, folder=REPOSITORY, say=say)
        self._tasks[child] = asyncio.create_task(child.run(), name=name)
        return child

    async def _start_entry(self) -> str:
        """nginx or the forwarder; returns which, in words."""
        program = find_nginx() if self._may_use_nginx else None
        if program is not None:
            configuration = REPOSITORY / "nginx" / "nginx.conf"
            try:
                command = await prepare_nginx(program, self._plan, self._hosts, configuration)
            except NginxError as error:
                say(f"nginx is installed but cannot be used, so a simple forwarder stands in: {error}")
            else:
                self._entry = self._start("nginx", command, dict(os.environ))
                return "nginx"
        forwarder = Forwarder([(HOST, node.port) for node in self._plan.nodes])
        await forwarder.start(self._hosts, self._plan.port)
        self._entry = forwarder
        return "a round-robin forwarder"

    async def _wait_until_ready(self) -> bool:
        """Until every node is ready, or it takes too long (and says which), or it is told to stop (False)."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_WITHIN_S
        stop = asyncio.create_task(self._told_to_stop.wait())
        waiting: set[asyncio.Task[Any]] = {
            asyncio.create_task(self._until_ready(node), name=node.name) for node in self._plan.nodes
        }
        while waiting and not stop.done():
            timeout = deadline - loop.time()
            done, waiting = await asyncio.wait(
                {*waiting, stop}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            waiting.discard(stop)
            for task in done - {stop}:
                task.result()
            if not done:
                late = ", ".join(sorted(task.get_name() for task in waiting))
                say(f"not ready yet after {READY_WITHIN_S:.0f} s: {late} (see {self._plan.logs})")
                break
        for task in (*waiting, stop):
            task.cancel()
        return not self._told_to_stop.is_set()

    async def _until_ready(self, node: NodePlan) -> None:
        timeout = aiohttp.ClientTimeout(total=1.0)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with http.get(f"http://{node.address}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(POLL_S)

    def _introduce(self, entry: str) -> None:
        plan = self._plan
        address = "" if plan.port == 8080 else f" --address {plan.entry}"
        say(f"\n{len(plan.nodes)} nodes behind one address ({entry})\n")
        say(f"  open      {plan.entry}")
        for node in plan.nodes:
            say(f"  {node.name}     http://{node.address}")
        say(f"  terminal  {_shown(Path(sys.executable))} -m cli{address}")
        say(f"  logs      {_shown(plan.logs)}/")
        say("  stop      Ctrl-C\n")

    # life and end

    async def _watch_tasks(self) -> None:
        """Until told to stop. A task that ends before that is a mistake in this program, and shown as one."""
        stop = asyncio.create_task(self._told_to_stop.wait())
        done, _ = await asyncio.wait((stop, *self._tasks.values()), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        for task in done:
            task.result()

    async def _stop(self) -> None:
        """The nodes first, so that they can tell their visitors through the entry; then the entry."""
        if self._tasks:
            say("stopping")
        await self._end(self._nodes, STOP_NODES_S)
        if isinstance(self._entry, Forwarder):
            await self._entry.stop()
        elif self._entry is not None:
            await self._end([self._entry], STOP_ENTRY_S)

    async def _end(self, children: Sequence[Child], within_s: float) -> None:
        tasks = [self._tasks[child] for child in children]
        for child in children:
            child.stop()
        if not tasks:
            return
        await asyncio.wait(tasks, timeout=within_s)
        for child, task in zip(children, tasks, strict=True):
            if not task.done():
                say(f"{child.name} did not end within {within_s:g} s: killed")
                child.kill()
        await asyncio.wait(tasks)


def say(text: str) -> None:
    """To the person who started it, at once even where a pipe buffers, and nowhere if they are gone."""
    with suppress(OSError):
        print(text, flush=True)


def _shown(path: Path) -> str:
    """A path as one would type it here."""
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _can_bind(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As servers do, so that connections of an earlier run in TIME_WAIT are not in the way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
    except OSError:
        return False
    return True


def _write_secret(path: Path) -> None:
    """One secret for all nodes, whole or not at all, readable by its owner only."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    new.replace(path)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cli.local", description="A cluster on this machine.")
    parser.add_argument("--nodes", type=int, default=3, help="how many nodes (%(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="of the one address (%(default)s)")
    parser.add_argument("--data", type=Path, default=REPOSITORY / ".data", help="folder for all state (.data)")
    parser.add_argument("--no-nginx", action="store_true", help="use the forwarder even where nginx is installed")
    given = parser.parse_args(arguments)
    if not 1 <= given.nodes <= NODES_MAX:
        parser.error(f"--nodes: 1 to {NODES_MAX}")
    if not 1 <= given.port <= ENTRY_PORT_MAX:
        parser.error(f"--port: 1 to {ENTRY_PORT_MAX}, since the nodes take ports 10,000 above it")
    return given


def main() -> int:
    """Returns the exit code."""
    given = _parse(sys.argv[1:])
    plan = make_plan(nodes=given.nodes, port=given.port, folder=given.data.absolute())
    try:
        asyncio.run(Launcher(plan, may_use_nginx=not given.no_nginx).run())
    except LaunchError as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
