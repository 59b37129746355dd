"""The public port: who is at the door when it closes is still let in."""

import asyncio
import errno
import os
import resource
import socket

import pytest
from aiohttp import web

from app import listener as listener_module
from app.listener import Listener
from cluster.surface import StartError
from tests.unit.sites import until
from tests.unit.test_app_process import free_port


@pytest.fixture
async def runner() -> web.AppRunner:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    return runner


def no_refusal(reason: str) -> None:
    raise AssertionError(f"turned away: {reason}")


def knock(port: int, path: str = "/") -> socket.socket:
    """Connect and ask, without letting the loop turn: the kernel has the connection, the node has not."""
    visitor = socket.create_connection(("127.0.0.1", port), timeout=5)
    visitor.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
    return visitor


def answer_to(visitor: socket.socket) -> bytes:
    with visitor:
        return b"".join(iter(lambda: visitor.recv(4096), b""))


async def test_who_is_at_the_door_is_served(runner: web.AppRunner) -> None:
    port = free_port()
    listener = Listener(runner, no_refusal)
    await listener.open("127.0.0.1", port)
    visitors = [knock(port) for _ in range(50)]
    await listener.close()
    answers = await asyncio.gather(*(asyncio.to_thread(answer_to, visitor) for visitor in visitors))
    assert all(answer.endswith(b"hello") for answer in answers)
    with pytest.raises(ConnectionRefusedError):
        knock(port)
    await runner.cleanup()


async def test_a_page_behind_a_crowd_at_the_door_does_not_wait_for_its_handshakes(
    runner: web.AppRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr(listener_module, "TAKEN_PER_TURN", 10)
    listener = Listener(runner, no_refusal)
    let_in: list[bytes] = []

    def note(connection: socket.socket) -> None:
        with connection:
            let_in.append(connection.recv(9))

    monkeypatch.setattr(listener._admission, "_let_in", note)
    await listener.open("127.0.0.1", port)
    visitors = [knock(port, "/live") for _ in range(100)]
    visitors.append(knock(port, "/page"))
    await until(lambda: b"GET /page" in let_in)
    assert let_in.index(b"GET /page") <= 12
    await until(lambda: len(let_in) == len(visitors))
    await listener.close()
    for visitor in visitors:
        visitor.close()
    await runner.cleanup()


async def test_every_address_of_a_name_is_opened(runner: web.AppRunner) -> None:
    port = free_port()
    listener = Listener(runner, no_refusal)
    await listener.open("localhost", port)
    assert {address[1] for address in listener.addresses} == {port}
    await listener.close()
    await runner.cleanup()


async def test_a_port_that_is_taken_opens_nothing(runner: web.AppRunner) -> None:
    listener = Listener(runner, no_refusal)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(StartError, match="cannot be bound"):
            await listener.open("127.0.0.1", taken.getsockname()[1])
        assert not listener.addresses
    await runner.cleanup()


async def test_without_memory_for_one_more_it_pauses_and_goes_on(
    runner: web.AppRunner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener_module, "PAUSE_S", 0.05)
    port = free_port()
    listener = Listener(runner, no_refusal)
    await listener.open("127.0.0.1", port)
    (door,) = listener._doors
    tries = 0

    def take_in(_door: socket.socket, _at_most: int) -> list[socket.socket]:
        nonlocal tries
        tries += 1
        raise OSError(errno.ENOBUFS, "No buffer space available")

    with monkeypatch.context() as full:
        full.setattr(listener_module, "_take_in", take_in)
        visitor = knock(port)
        await until(lambda: tries == 3)
    assert (await asyncio.to_thread(answer_to, visitor)).endswith(b"hello")
    said = [record for record in caplog.records if record.getMessage() == "listener.pauses"]
    assert len(said) == tries, "one line for each pause, not for each turn of the loop"
    assert door.fileno() != -1
    await listener.close()
    await runner.cleanup()


async def test_without_a_file_for_one_more_those_who_come_are_sent_away_at_once(
    runner: web.AppRunner, caplog: pytest.LogCaptureFixture
) -> None:
    refused: list[str] = []
    port = free_port()
    listener = Listener(runner, refused.append)
    await listener.open("127.0.0.1", port)
    visitors = [knock(port) for _ in range(3)]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    fillers = [os.dup(0) for _ in range(3)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(fillers) + 1, before[1]))
    try:
        while True:
            fillers.append(os.dup(0))
    except OSError:
        answers = await asyncio.gather(*(asyncio.to_thread(answer_to, visitor) for visitor in visitors))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for each in fillers:
            os.close(each)
    assert all(answer.startswith(b"HTTP/1.1 503") for answer in answers)
    assert refused == ["files"] * 3
    assert not [record for record in caplog.records if record.getMessage() == "listener.pauses"]
    assert (await asyncio.to_thread(answer_to, knock(port))).endswith(b"hello")
    await listener.close()
    await runner.cleanup()
