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


async def test_what_nginx_reads_into_a_kibibyte_fits_there(site: Site) -> None:
    """It keeps that much for each watcher (`proxy_buffer_size`); an answer with longer headers would be a 502."""
    bare, no_key = {}, {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    site.engine.state = "read_only"
    asked = [("/readyz", bare), ("/live", bare), ("/live", no_key)]
    answers = [await site.client.get(path, headers=headers) for path, headers in asked]
    site.engine.state = "ready"
    answers.append(await site.client.get("/readyz"))
    assert [answer.status for answer in answers] == [503, 426, 400, 200]
    for answer in answers:
        assert (
            len("HTTP/1.1 200 \r\n") + 64 + sum(len(name) + len(value) + 4 for name, value in answer.raw_headers)
            < 1024
        )
