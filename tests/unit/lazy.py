"""A client of `/live` that does not read what it is sent."""

import asyncio
import socket

import msgspec

from app import keys
from app.connection import Connection
from tests.unit.frames import text
from tests.unit.sites import Site, until


class Lazy:
    """A client with a small buffer that reads when it is told to."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.setblocking(False)
        self._ahead = b""

    async def come(self) -> None:
        """Shake hands on `/live`, and read no more after that."""
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, (self._site.client.host, self._site.client.port))
        head = "GET /live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n"
        await loop.sock_sendall(self._socket, head.encode())
        head_bytes, _, self._ahead = (await loop.sock_recv(self._socket, 200)).partition(b"\r\n\r\n")
        assert b" 101 " in head_bytes
        await until(lambda: self._site.client.app[keys.LIVE]._sessions)

    async def watch(self, items: list[str]) -> Connection:
        """Come, and watch these."""
        await self.come()
        loop = asyncio.get_running_loop()
        for item in items:
            await loop.sock_sendall(self._socket, text(msgspec.json.encode({"type": "watch", "items": [item]})))
        known = self._site.client.app[keys.DESK].hub._audiences.items
        await until(lambda: all(item in known and known[item].state is not None for item in items))
        (connection,) = self._site.client.app[keys.LIVE]._sessions
        return connection

    async def read_counts(self, last: int) -> list[int]:
        """The count in each frame of counts, to this one."""
        loop = asyncio.get_running_loop()
        data, seen = self._ahead, list[int]()
        while not seen or seen[-1] != last:
            data += await asyncio.wait_for(loop.sock_recv(self._socket, 1 << 16), 5)
            while len(data) >= 4:
                size, start = (int.from_bytes(data[2:4]), 4) if data[1] == 126 else (data[1], 2)
                if len(data) < start + size:
                    break
                message, data = msgspec.json.decode(data[start : start + size]), data[start + size :]
                seen += {*message.get("counts", {}).values()}
        self._ahead = data
        return seen

    def end_writing(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()
