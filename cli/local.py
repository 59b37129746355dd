"""The local launcher, `python -m cli.local`, behind `make run`: a cluster behind one address on this machine.

It starts the nodes of its plan (`local_plan`) as processes of their own (`child`), and before them nginx with the
project's configuration (`nginx_entry`) or, where that is not installed, a forwarder in this process
(`forwarder`). It says where everything is, starts again what ends, and ends all of it on Ctrl-C or SIGTERM.
Everything it writes stays under its folder, `.data`.

A node that no restart mends ends all of it at the start; later, it is tried again and again: a disk may get room.

Exit codes: 0 stopped as told, 1 it could not start (the reason is printed), 2 usage.
"""

import argparse
import asyncio
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp

from cli.child import Child
from cli.forwarder import Forwarder
from cli.local_plan import ENTRY_PORT_MAX, HOST, REPOSITORY, NodePlan, Plan
from cli.nginx_entry import find_nginx, prepare_nginx

READY_WITHIN_S: Final = 30.0
POLL_S: Final = 0.1
# A node has 10 s from SIGTERM to its end; a second more, then it is killed, so that all is over within 12 s.
STOP_NODES_S: Final = 11.0
STOP_ENTRY_S: Final = 1.0
# A node's exit codes that would come again at each start, and what to do; docs/operations.md has all.
HOPELESS: Final = {
    2: "correct these variables, which docs/operations.md explains, and start again",
    3: "do what it says, for which docs/runbook.md has more, and start again",
}


class LaunchError(Exception):
    """It cannot start; the message says what to do."""


class Launcher:
    """One cluster on this machine, from `run` to its end."""

    def __init__(self, plan: Plan, *, may_use_nginx: bool) -> None:
        self._plan = plan
        self._may_use_nginx = may_use_nginx
        self._tasks: dict[Child, asyncio.Task[str]] = {}
        self._nodes: list[Child] = []
        self._forwarder: Forwarder | None = None

    async def run(self, told_to_stop: asyncio.Event) -> None:
        """Until it is told to stop. Raises `LaunchError` if it could not start."""
        with _own_secret(self._plan.secret_file):
            _check_ports(self._plan)
            living = asyncio.create_task(self._live())
            waiting = asyncio.create_task(told_to_stop.wait())
            try:
                await asyncio.wait((living, waiting), return_when=asyncio.FIRST_COMPLETED)
                if living.done():
                    living.result()
            finally:
                living.cancel()
                await asyncio.wait([living])
                await self._stop()

    async def _live(self) -> None:
        self._plan.logs.mkdir(parents=True, exist_ok=True)
        for node in self._plan.nodes:
            env = self._plan.environment(node, os.environ)
            self._nodes.append(self._start(node.name, [sys.executable, "-m", "app"], env, HOPELESS))
        entry = await self._start_entry()
        if not await self._are_all_ready():
            say(f"not every node is ready after {READY_WITHIN_S:.0f} s: see {self._plan.logs}")
        for child in self._nodes:
            child.is_settled = True
        _introduce(self._plan, entry, [child.pid for child in self._nodes])
        # They run until they are told to stop; one that ends otherwise shows a mistake in this program.
        done, _ = await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _are_all_ready(self) -> bool:
        """Before `READY_WITHIN_S`. Raises `LaunchError` as soon as one cannot be."""
        ready = asyncio.create_task(_wait_until_all_ready(self._plan.nodes))
        either: list[asyncio.Future[Any]] = [ready, *self._tasks.values()]
        try:
            await asyncio.wait(either, timeout=READY_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks.values():
                if task.done():
                    raise LaunchError(task.result())
            if ready.done():
                ready.result()
            return ready.done()
        finally:
            ready.cancel()

    def _start(self, name: str, command: Sequence[str], env: dict[str, str], hopeless: Mapping[int, str]) -> Child:
        log = self._plan.logs / f"{name}.log"
        log.unlink(missing_ok=True)
        child = Child(name, command, env=env, log=log, say=say)
        self._tasks[child] = asyncio.create_task(child.run(hopeless), name=name)
        return child

    async def _start_entry(self) -> str:
        """nginx or the forwarder; returns which, in words."""
        if self._may_use_nginx and (program := find_nginx()) is not None:
            try:
                command = prepare_nginx(program, self._plan, self._plan.folder / "nginx")
            except subprocess.CalledProcessError as error:
                say(f"nginx is installed but cannot be used, so a simple forwarder stands in: {error.stderr}")
            else:
                self._start("nginx", command, dict(os.environ), {})
                return "nginx"
        self._forwarder = Forwarder([(HOST, node.port) for node in self._plan.nodes])
        await self._forwarder.start(HOST, self._plan.port)
        return "a round-robin forwarder"

    async def _stop(self) -> None:
        """The nodes first, so that they can tell their visitors through the entry; then the entry."""
        say("stopping")
        await self._end(self._nodes, STOP_NODES_S)
        if self._forwarder is not None:
            self._forwarder.stop()
        await self._end([child for child in self._tasks if child not in self._nodes], STOP_ENTRY_S)

    async def _end(self, children: Sequence[Child], within_s: float) -> None:
        if not children:
            return
        for child in children:
            child.stop()
        await asyncio.wait([self._tasks[child] for child in children], timeout=within_s)
        for child in children:
            if not self._tasks[child].done():
                say(f"{child.name} did not end within {within_s:g} s: killed")
                child.kill()
        await asyncio.wait([self._tasks[child] for child in children])


@contextmanager
def _own_secret(path: Path) -> Iterator[None]:
    """Make the nodes' secret where there is none, and keep a second launcher out of its folder meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LaunchError(f"another launcher runs on {path.parent}: stop it, or use another --data") from error
        if not file.read():
            file.write(secrets.token_hex(32))
            file.flush()
        yield


def _check_ports(plan: Plan) -> None:
    taken = [f"  {port} ({purpose})" for port, purpose in plan.ports().items() if not _can_bind(port)]
    if taken:
        raise LaunchError("\n".join(["already taken:", *taken, "end what listens there, or choose another --port"]))


def _can_bind(port: int) -> bool:
    """As servers do, so that connections of an earlier run in TIME_WAIT are not in the way."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


async def _wait_until_all_ready(nodes: Sequence[NodePlan]) -> None:
    await asyncio.gather(*map(_wait_until_ready, nodes))


async def _wait_until_ready(node: NodePlan) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0)) as http:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with http.get(f"http://{node.address}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(POLL_S)


def _introduce(plan: Plan, entry: str, pids: Sequence[int | None]) -> None:
    address = "" if plan.port == 8080 else f" --address {plan.entry}"
    say(f"\n{len(plan.nodes)} nodes behind one address ({entry})\n")
    say(f"  open      {plan.entry}")
    for node, pid in zip(plan.nodes, pids, strict=True):
        say(f"  {node.name}     http://{node.address}   {'does not run' if pid is None else f'PID {pid}'}")
    say(f"  admin     {plan.about_admin(os.environ)}")
    say(f"  terminal  {sys.executable} -m cli{address}")
    say(f"  logs      {plan.logs}/")
    say("  stop      Ctrl-C\n")


def say(text: str) -> None:
    """To the person who started it, at once even where a pipe buffers, and nowhere if they are gone."""
    with suppress(OSError):
        print(text, flush=True)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cli.local", description="A cluster on this machine.")
    parser.add_argument("--port", type=int, default=8080, help="of the one address (%(default)s)")
    parser.add_argument("--data", type=Path, default=REPOSITORY / ".data", help="folder for all state (.data)")
    parser.add_argument("--no-nginx", action="store_true", help="use the forwarder even where nginx is installed")
    given = parser.parse_args(arguments)
    if not 1 <= given.port <= ENTRY_PORT_MAX:
        parser.error(f"--port: 1 to {ENTRY_PORT_MAX}, since the nodes take ports 10,000 above it")
    return given


async def _run(launcher: Launcher) -> None:
    told_to_stop = asyncio.Event()
    # SIGHUP: the terminal was closed; the nodes have sessions of their own and would stay.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    await launcher.run(told_to_stop)


def main() -> int:
    """Returns the exit code."""
    given = _parse(sys.argv[1:])
    try:
        asyncio.run(_run(Launcher(Plan(given.port, given.data.absolute()), may_use_nginx=not given.no_nginx)))
    except LaunchError as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
