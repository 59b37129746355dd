"""`/healthz`, `/readyz` and `/metrics`, on the public listener and on the cluster's.

Alive: the loop answers. Ready: the engine has caught up and takes presses, and nothing hinders this node from
serving one browser more. They are routes of their own, without the application's keys, because the cluster listener
is the engine's and knows nothing of `app`.
"""

from collections.abc import Callable, Mapping

from aiohttp import web

from app.metrics import CONTENT_TYPE, Metrics
from cluster.surface import Engine


class Probes:
    """Made before the engine, which serves these routes too; `attach` tells of it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._engine: Engine | None = None
        self._hindrances: Mapping[str, Callable[[], bool]] = {}

    def attach(self, engine: Engine, hindrances: Mapping[str, Callable[[], bool]]) -> None:
        """`hindrances`: what keeps a node from being ready although its engine is, by the state's name."""
        self._engine, self._hindrances = engine, hindrances
        self._metrics.collect_from(engine.counters)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
            web.get("/metrics", self._show_metrics),
        ]

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"state": "alive"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        state = self._state()
        return web.json_response({"state": state}, status=200 if state == "ready" else 503)

    def _state(self) -> str:
        state = self._engine.state if self._engine is not None else "starting"
        if state != "ready":
            return state
        return next((name for name, is_so in self._hindrances.items() if is_so()), state)

    async def _show_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.page(), headers={"Content-Type": CONTENT_TYPE})
