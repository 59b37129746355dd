"""Bytes that are no UTF-8 in a header: refused, and no line of the log that asks for a person."""

import asyncio

import pytest

from tests.unit.sites import WITHIN_S, Site

pytestmark = pytest.mark.usefixtures("no_traceback")

PRESS = b"POST /api/items/tap%3Aa/press HTTP/1.1"


@pytest.mark.parametrize(
    ("line", "header"),
    [
        (b"GET /get-claps HTTP/1.1", b"Referer: https://b.example/\xff"),
        (b"GET /api/stream HTTP/1.1", b"Authorization: Bearer \xff"),
        (b"GET /api/items/tap%3Aa HTTP/1.1", b"Authorization: Bearer \xff"),
        (PRESS, b"Authorization: Bearer \xff"),
        (b"GET / HTTP/1.1", b"Cookie: like_token=\xff"),
        (b"GET / HTTP/1.1", b"Origin: \xff"),
        (b"GET / HTTP/1.1", b"Host: \xff"),
    ],
)
async def test_odd_bytes_are_refused(site: Site, line: bytes, header: bytes) -> None:
    host = b"" if header.startswith(b"Host") else b"Host: likes.example\r\n"
    reader, writer = await asyncio.open_connection(site.client.host, site.client.port)
    writer.write(line + b"\r\n" + host + b"Connection: close\r\n" + header + b"\r\n\r\n")
    async with asyncio.timeout(WITHIN_S):
        answer = await reader.read()
    writer.close()
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), answer[:200]
