"""The one place where the parts of the web application meet.

`build_app` takes what was made outside (settings, engine, budget, metrics, probes) and returns an application
that can be served by any runner; `app.process` serves it in a node's process, the tests in theirs.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp_jinja2
import jinja2
import msgspec
from aiohttp import web

from app import guards, keys, live
from app.budget import Budgets
from app.desk import Desk
from app.hub import Hub
from app.ledger_watch import LedgerWatch, refuse_while_stalled
from app.metrics import Metrics
from app.origins import Origins
from app.outboxes import Outboxes
from app.probes import Probes
from app.problems import answer_problems
from app.routes import ADMIN_ROUTES, PAGE_ROUTES, ROUTES
from app.settings import Settings
from app.top import Top
from app.visitors import Tokens
from cluster.surface import FROZEN, Engine

# Forms and press bodies are far smaller.
BODY_BYTES_MAX: Final = 8 * 1024
TEMPLATES: Final = Path(__file__).parent / "templates"


class Tools(msgspec.Struct, frozen=True):
    """What the engine needs before it is made, and the application after it."""

    budget: Budgets
    metrics: Metrics
    probes: Probes


def build_tools(settings: Settings) -> Tools:
    metrics = Metrics()
    clock = asyncio.get_running_loop().time
    return Tools(Budgets(settings.limits, clock), metrics, Probes(metrics))


def build_app(settings: Settings, engine: Engine, tools: Tools) -> web.Application:
    clock = asyncio.get_running_loop().time
    outboxes = Outboxes(asyncio.get_running_loop())
    frozen = partial(engine.flags, FROZEN)
    hub = Hub(tools.metrics, clock, engine.set_watchers, engine.viewers, frozen, outboxes.flush)
    engine.subscribe(hub.on_changed)
    desk = Desk(
        node=settings.cluster.name,
        engine=engine,
        hub=hub,
        ledger=LedgerWatch(engine),
        tokens=Tokens(settings.visitor_keys),
        budget=tools.budget,
        metrics=tools.metrics,
        clock=clock,
    )
    app = web.Application(
        middlewares=[answer_problems, guards.refuse_unreadable, guards.answer_preflights, refuse_while_stalled],
        client_max_size=BODY_BYTES_MAX,
    )
    app[keys.SETTINGS] = settings
    app[keys.DESK] = desk
    app[keys.ORIGINS] = Origins(settings.allowed_origins, engine)
    browsers = app[keys.LIVE] = live.Live(desk, outboxes)
    tools.probes.attach(engine, {"stalled": lambda: desk.ledger.is_stalled, "full": lambda: browsers.is_full})
    app[keys.FORM_TOKENS] = Tokens(settings.form_keys)
    top = app[keys.TOP] = Top(clock, lambda: engine.flags(FROZEN))
    engine.subscribe(top.on_changed)
    app[keys.LOOKING] = []
    app[keys.RESETTING] = asyncio.Lock()
    app[keys.BACKING_UP] = asyncio.Lock()
    app[keys.FAILED] = asyncio.get_running_loop().create_future()
    admin_routes = ADMIN_ROUTES if settings.admin_token else ()
    app.router.add_routes([*ROUTES, *admin_routes, *tools.probes.routes(), *PAGE_ROUTES])
    app.on_response_prepare.append(guards.add_headers)
    app.on_response_prepare.append(live.let_go)
    app.cleanup_ctx.append(_background)
    aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(TEMPLATES), auto_reload=False)
    return app


async def _background(app: web.Application) -> AsyncIterator[None]:
    """What runs for as long as the application does. A task that ends by itself is a programmer's error."""
    desk = app[keys.DESK]
    tasks = [
        asyncio.create_task(desk.hub.run(app[keys.SETTINGS].push_interval_ms), name="hub"),
        asyncio.create_task(app[keys.LIVE].sweep(), name="sweep"),
        asyncio.create_task(desk.metrics.watch_loop(), name="loop_lag"),
        asyncio.create_task(desk.ledger.run(), name="ledger_watch"),
    ]
    for task in tasks:
        task.add_done_callback(partial(_note_end, app[keys.FAILED]))
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _note_end(failed: asyncio.Future[str], task: asyncio.Task[None]) -> None:
    if not task.cancelled() and not failed.done():
        failed.set_result(f"the task {task.get_name()} ended: {task.exception()!r}")
