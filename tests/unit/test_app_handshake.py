"""The handshake: what it has to say, what is answered, and that aiohttp keeps nothing of the connection."""

import asyncio
import gc
import socket
from typing import Any

import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from app import keys
from app import live as live_module
from app.handshake import take_over
from tests.unit.sites import Site, until

# RFC 6455, section 1.3.
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
RIGHT = {
    "Host": "here",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}

pytestmark = pytest.mark.usefixtures("no_traceback")


async def shake(
    site: Site, ahead: bytes = b"", http: str = "1.1", **headers: str | None
) -> tuple[str, dict[str, str], socket.socket]:
    """The status and headers of the answer, and the connection."""
    said = RIGHT | {name.replace("_", "-"): value for name, value in headers.items()}  # type: ignore[operator]
    # A header in several lines has a line feed between their values.
    lines = [f"{name}: {line}" for name, value in said.items() if value is not None for line in value.split("\n")]
    request = "\r\n".join([f"GET /live HTTP/{http}", *lines, "", ""]).encode(errors="surrogateescape") + ahead
    loop = asyncio.get_running_loop()
    browser = socket.socket()
    browser.setblocking(False)
    await loop.sock_connect(browser, (site.client.host, site.client.port))
    await loop.sock_sendall(browser, request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = await asyncio.wait_for(loop.sock_recv(browser, 4096), 5)
        assert part, "closed without an answer"
        answer += part
    head = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    answered = dict(line.lower().split(": ", 1) for line in head[1:])
    return head[0].split()[1], answered, browser


async def test_the_answer_is_that_of_the_rfc(site: Site) -> None:
    status, headers, browser = await shake(site)
    assert (status, headers["sec-websocket-accept"]) == ("101", ACCEPT.lower())
    assert (headers["upgrade"], headers["connection"]) == ("websocket", "upgrade")
    assert "sec-websocket-extensions" not in headers
    browser.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Upgrade": "WebSocket", "Connection": "UPGRADE"},
        {"Upgrade": "h2c, websocket"},
        {"Connection": "keep-alive\nupgrade"},
        {"Content_Length": "0"},
    ],
)
async def test_words_of_headers_are_read_in_any_case_and_of_all_lines(site: Site, headers: dict[str, str]) -> None:
    status, _, browser = await shake(site, **headers)
    assert status == "101"
    browser.close()


async def test_an_older_http_has_no_websocket(site: Site) -> None:
    status, _, browser = await shake(site, http="1.0")
    assert status == "400"
    browser.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upgrade": None}, "426"),
        ({"Upgrade": "h2c"}, "426"),
        ({"Connection": "keep-alive"}, "400"),
        ({"Connection": None}, "400"),
        ({"Sec_WebSocket_Version": "8"}, "426"),
        ({"Sec_WebSocket_Version": None}, "426"),
        ({"Sec_WebSocket_Key": None}, "400"),
        ({"Sec_WebSocket_Key": "dGhlIHNhbXBsZQ=="}, "400"),
        ({"Sec_WebSocket_Key": "not base64 at all!!!!!!=="}, "400"),
        ({"Sec_WebSocket_Key": "\udcff" + KEY[1:]}, "400"),
        ({"Sec_WebSocket_Key": "é" + KEY[1:]}, "400"),
        ({"Sec_WebSocket_Key": f"{KEY}\n{KEY}"}, "400"),
        ({"Sec_WebSocket_Version": "13\n8"}, "426"),
        ({"Content_Length": "3"}, "400"),
        ({"Transfer_Encoding": "chunked"}, "400"),
    ],
)
async def test_what_is_no_handshake_is_refused(site: Site, headers: dict[str, str | None], status: str) -> None:
    answered, said, browser = await shake(site, **headers)
    assert answered == status
    if "Sec_WebSocket_Version" in headers:
        assert said["sec-websocket-version"] == "13"
    assert not site.client.app[keys.LIVE]._sessions
    browser.close()


async def test_what_a_client_sends_ahead_of_the_answer_is_heard(site: Site) -> None:
    ping = b'{"type":"ping"}'
    frame = bytes((0x81, 0x80 | len(ping))) + bytes(4) + ping
    _, _, browser = await shake(site, ahead=frame[:9])
    (session,) = site.client.app[keys.LIVE]._sessions.values()
    await asyncio.get_running_loop().sock_sendall(browser, frame[9:])
    await until(lambda: session.work == 1, "the message that came in two parts")
    browser.close()


async def test_a_connection_that_aiohttp_has_stopped_is_heard(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(request: web.Request, transport: asyncio.Transport, *more: Any) -> bytes:
        transport.pause_reading()
        return take_over(request, transport, *more)

    monkeypatch.setattr(live_module, "take_over", stopped)
    browser = await site.browser()
    await browser.hear("hello")
    await browser.say(type="ping")
    await asyncio.wait_for(browser.hear("pong"), 5)


async def test_aiohttp_keeps_nothing_of_a_connection_that_was_taken_over(site: Site) -> None:
    browser = await site.browser()
    await browser.hear("hello")
    await asyncio.sleep(0)
    assert not site.client.server.handler.connections
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is RequestHandler]
    await browser.socket.close()
