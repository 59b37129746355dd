"""The life of one node's process: start, wait until ready, serve, leave.

1. The public port is bound only when the engine is ready, and closed first when it is to stop, so a balancer
   never sends anybody to a node that cannot serve.
2. Then every browser is told to leave, and the engine stops last: it commits what was taken and serves its
   peers until they have it.
3. From the signal to the end it takes at most `STOP_S_MAX`; what hangs longer is left to the ledger's promise.
4. An engine that can promise nothing any more ends the process: a supervisor starts it anew.

`app.__main__` calls `run_node` and exits with what it returns.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from aiohttp import http_parser, web

from app import __version__, backup, files, keys
from app.admission import Reason
from app.listener import Listener
from app.main import Tools, build_app, build_tools
from app.settings import Settings
from cluster.surface import Budget, ClusterSettings, Engine, StartError

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
STOP_S_MAX: Final = 9.0
# How long requests in work may take once the browsers have left.
REQUESTS_S_MAX: Final = 1.0
# Longer than nginx keeps an idle connection to a node, 60 s; half a request is cut after it, too.
IDLE_S_MAX: Final = 75.0

EngineFactory = Callable[[ClusterSettings, Budget | None, Sequence[web.RouteDef]], Engine]

_log = structlog.get_logger(__name__)


async def run_node(settings: Settings, make_engine: EngineFactory) -> int:
    """Until a signal or a failure; returns the exit code. Raises `StartError` with what to do."""
    check_parser()
    files.raise_limit()
    stop = _stop_signal()
    tools = build_tools(settings)
    budget = tools.budget if tools.budget.is_limited else None
    engine = make_engine(settings.cluster, budget, tools.probes.routes())
    _log.info("node.starting", node=settings.cluster.name, version=__version__)
    await engine.start()
    # Before it is ready, which it may never be for want of the room that this gives back.
    await asyncio.to_thread(backup.remove_leftovers, Path(settings.cluster.data_dir))
    async with AsyncExitStack() as parts:
        parts.push_async_callback(engine.stop)
        if not await _wait_until_ready(engine, stop):
            return _ended(stop, [engine.failed])
        runner = web.AppRunner(
            build_app(settings, engine, tools),
            access_log=None,
            shutdown_timeout=REQUESTS_S_MAX,
            keepalive_timeout=IDLE_S_MAX,
        )
        parts.push_async_callback(runner.cleanup)
        await runner.setup()
        listener = Listener(runner, partial(_note_refusal, runner.app, tools))
        parts.push_async_callback(_send_away, runner, listener, engine)
        await listener.open(settings.host, settings.port)
        failures = [engine.failed, runner.app[keys.FAILED]]
        await asyncio.wait([stop, *failures], return_when=asyncio.FIRST_COMPLETED)
        overdue = asyncio.get_running_loop().call_later(STOP_S_MAX, _give_up)
        code = _ended(stop, failures)
    overdue.cancel()
    _log.info("node.stopped")
    return code


def _note_refusal(app: web.Application, tools: Tools, reason: Reason) -> None:
    tools.metrics.count_turned_away(reason)
    if reason == "files":
        app[keys.LIVE].note_without_files()


def check_parser() -> None:
    """aiohttp's Python parser lets requests be smuggled past a proxy: only the C one may serve."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise StartError(
            "aiohttp's C HTTP parser is not loaded: unset AIOHTTP_NO_EXTENSIONS, or install aiohttp from a wheel"
        )


async def _send_away(runner: web.AppRunner, listener: Listener, engine: Engine) -> None:
    """No new connections, and the open ones go elsewhere.

    Before aiohttp's own shutdown: from its beginning on it drops what browsers still send, and they press until
    they have left.
    """
    await listener.close()
    engine.set_leaving()
    await runner.app[keys.LIVE].leave()


async def _wait_until_ready(engine: Engine, stop: asyncio.Future[str]) -> bool:
    """False if it was stopped, or failed, before it was ready."""
    ready = asyncio.ensure_future(engine.wait_until_ready())
    either: list[asyncio.Future[Any]] = [ready, stop, engine.failed]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if ready.done():
        await ready
        return True
    ready.cancel()
    return False


def _ended(stop: asyncio.Future[str], failures: Sequence[asyncio.Future[str]]) -> int:
    for failed in failures:
        if failed.done():
            _log.error("node.failed", reason=failed.result())
            return EXIT_FAILED
    _log.info("node.leaving", signal=stop.result())
    return EXIT_OK


def _give_up() -> None:
    """What is acknowledged is on disk: a supervisor's patience matters more than a clean end."""
    _log.error("node.stop_overdue", seconds=STOP_S_MAX)
    os._exit(EXIT_FAILED)


def _stop_signal() -> asyncio.Future[str]:
    """Resolves with the name of the first SIGTERM or SIGINT; later ones change nothing."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[str] = loop.create_future()

    def on_signal(number: signal.Signals) -> None:
        if not stop.done():
            stop.set_result(number.name)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stop
