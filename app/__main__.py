"""`python -m app` runs one node, with settings from the environment.

Exit codes: 0 after SIGTERM or SIGINT, 1 after a failure, 2 for mistakes in the settings, 3 if it cannot start.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Sequence

import structlog
from aiohttp import web

from app import logs
from app.process import run_node
from app.settings import Settings, SettingsError, read_settings, unknown_variables
from app.watchdog import Watchdog
from cluster.surface import Budget, ClusterSettings, Engine, StartError

EXIT_SETTINGS = 2
EXIT_START = 3


def main() -> int:
    if len(sys.argv) > 1:
        print("python -m app takes no arguments; docs/operations.md lists its LIKE_… variables", file=sys.stderr)
        return EXIT_SETTINGS
    try:
        settings = read_settings(os.environ)
    except SettingsError as wrong:
        print(wrong, file=sys.stderr)
        return EXIT_SETTINGS
    logs.configure()
    log = structlog.get_logger("app")
    for name, meant in unknown_variables(os.environ).items():
        log.warning("settings.unknown", variable=name, did_you_mean=meant)
    try:
        return _run(settings)
    except StartError as wrong:
        print(f"This node cannot start: {wrong}", file=sys.stderr)
        return EXIT_START


def _run(settings: Settings) -> int:
    _calm_collector()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner, Watchdog(runner.get_loop()):
        return runner.run(run_node(settings, _make_engine))


def _calm_collector() -> None:
    """A collection of all objects stops the loop, for a tenth of a second where ten thousand browsers are here.

    What is here from the start is never garbage. What comes and goes with a connection forms no rings (`app.live`
    sees to it), so it needs no collector; what does, elsewhere, is found while it is young.
    """
    gc.freeze()
    gc.set_threshold(2_000, 10, 10_000)


def _make_engine(settings: ClusterSettings, budget: Budget | None, routes: Sequence[web.RouteDef]) -> Engine:
    from cluster.node import Node  # noqa: PLC0415 - only a process needs the real engine

    return Node(settings, budget=budget, routes=routes)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one: it is not made for Windows."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
