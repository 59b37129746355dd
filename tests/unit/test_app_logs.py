"""Logs: JSON where nobody reads along, and never a visitor's address or token."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from app import logs
from tests.unit.sites import Site, until


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging as it was before the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_of_json_with_its_fields() -> None:
    stream = io.StringIO()
    logs.configure(stream)
    structlog.get_logger("cluster.links").warning("link.lost", peer="node2", lag=12)
    logging.getLogger("elsewhere").info("said %s", "so")
    event, foreign = lines_of(stream)
    assert (event["event"], event["level"], event["peer"], event["lag"]) == ("link.lost", "warning", "node2", 12)
    assert event["timestamp"].endswith("Z")
    assert foreign["event"] == "said so"


def test_a_traceback_is_a_field_of_its_event() -> None:
    stream = io.StringIO()
    logs.configure(stream)
    try:
        raise ZeroDivisionError("why")
    except ZeroDivisionError:
        structlog.get_logger("x").exception("http.failed", route="/")
    (event,) = lines_of(stream)
    assert (event["event"], event["level"]) == ("http.failed", "error")
    assert "ZeroDivisionError: why" in event["exception"]


def test_on_a_terminal_people_read_columns() -> None:
    stream = Terminal()
    logs.configure(stream)
    structlog.get_logger("x").info("node.ready", addresses=["127.0.0.1:8080"])
    assert "node.ready" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01 tls?", b"GET / HTTP/1.1\r\nCookie: like_token=secret\x00\r\n\r\n", b"\n" * 9]
)
async def test_a_malformed_request_is_one_line_without_its_bytes_or_address(site: Site, junk: bytes) -> None:
    stream = io.StringIO()
    logs.configure(stream)
    reader, writer = await asyncio.open_connection(site.client.host, site.client.port)
    writer.write(junk)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b"200" not in answer[:20]
    said = stream.getvalue()
    assert "Traceback" not in said
    assert "secret" not in said
    assert "127.0.0.1" not in said
    assert '"level": "error"' not in said


async def test_no_address_and_no_token_is_logged_by_a_visit(site: Site) -> None:
    stream = io.StringIO()
    logs.configure(stream)
    socket = await site.client.ws_connect("/live", protocols=["unknown"])
    token = (await socket.receive_json(timeout=5))["token"]
    await socket.send_json({"type": "hello", "token": token})
    await socket.close()
    await until(lambda: site.engine.forgotten)
    async with site.client.get("/", headers={"Cookie": f"like_token={token}"}):
        pass
    assert stream.getvalue() == ""


def test_a_failure_in_aiohttp_itself_keeps_its_traceback() -> None:
    stream = io.StringIO()
    logs.configure(stream)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError as wrong:
        logging.getLogger("aiohttp.server").error("from %s", "10.1.2.3", exc_info=wrong)
    (event,) = lines_of(stream)
    assert event["level"] == "error"
    assert "ZeroDivisionError" in event["exception"]
    assert "10.1.2.3" not in stream.getvalue()
