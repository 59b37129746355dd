"""Health and readiness, on whichever listener they are served."""

from typing import Any

from aiohttp import web

from app.metrics import Metrics
from app.probes import Probes
from tests.unit.sites import Site


async def test_alive_and_ready(site: Site) -> None:
    for path, state in (("/healthz", "alive"), ("/readyz", "ready")):
        async with site.client.get(path) as answer:
            assert (answer.status, (await answer.json())["state"]) == (200, state)


async def test_not_ready_while_starting_leaving_or_read_only(site: Site) -> None:
    for state in ("starting", "leaving", "read_only"):
        site.engine.state = state
        async with site.client.get("/readyz") as answer:
            assert (answer.status, (await answer.json())["state"]) == (503, state)
        async with site.client.get("/healthz") as answer:
            assert answer.status == 200


async def test_a_listener_without_the_application_serves_them_before_there_is_an_engine(
    aiohttp_client: Any,
) -> None:
    app = web.Application()
    app.router.add_routes(Probes(Metrics()).routes())
    client = await aiohttp_client(app)
    async with client.get("/readyz") as answer:
        assert (answer.status, (await answer.json())["state"]) == (503, "starting")
    for path in ("/healthz", "/metrics"):
        async with client.get(path) as answer:
            assert answer.status == 200
