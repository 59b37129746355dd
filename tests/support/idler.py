"""Answers 200 to every request and does nothing else: what this machine needs for an answer from a process that has
nothing to do. `python -m tests.support.idler PORT`; runs until it is ended.

Twice a second it says what one connection costs here, the median until now, in microseconds of its processor time:
made, asked and answered on loopback, with what else a handshake is made of.
"""

import asyncio
import contextlib
import hmac
import json
import socket
import statistics
import sys
import time
from typing import Final

TELL_S: Final = 0.5
ROUNDS: Final = 10
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_ANSWER)
    writer.close()


def connect_once(door: socket.socket) -> None:
    with socket.create_connection(door.getsockname()) as ours:
        theirs, _ = door.accept()
        with theirs:
            ours.sendall(json.dumps({"token": hmac.digest(b"secret", b"visitor", "sha256").hex()}).encode())
            theirs.sendall(json.dumps(json.loads(theirs.recv(4096))).encode())
            ours.recv(4096)


def connection_us() -> float:
    with socket.create_server(("127.0.0.1", 0)) as door:
        began_ns = time.thread_time_ns()
        for _ in range(ROUNDS):
            connect_once(door)
        return (time.thread_time_ns() - began_ns) / ROUNDS / 1000


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    async with server:
        with contextlib.suppress(BrokenPipeError):
            costs_us: list[float] = []
            while True:
                costs_us.append(connection_us())
                print(json.dumps({"connection_us": round(statistics.median(costs_us), 1)}), flush=True)
                await asyncio.sleep(TELL_S)


if __name__ == "__main__":
    asyncio.run(main())
