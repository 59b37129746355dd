"""Who is let in, who waits, and who is sent away, over real sockets."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator

import pytest

from app import admission as admission_module
from app.admission import Admission
from tests.unit.sites import until

HANDSHAKE = b"GET /live HTTP/1.1\r\nHost: here\r\n\r\n"
PROBE = b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"


class Hall:
    """An admission with its outcomes, and the sockets on both sides."""

    def __init__(self, files_max: int = 1 << 20) -> None:
        self.let_in: list[socket.socket] = []
        self.refused: list[str] = []
        self.admission = Admission(self.let_in.append, self.refused.append, files_max)
        self.sockets: list[socket.socket] = []

    def arrive(self, word: bytes = b"") -> socket.socket:
        """A visitor who has said this; the visitor's side."""
        visitor, node = _pair()
        self.sockets += [visitor, node]
        if word:
            visitor.sendall(word)
        self.admission.arrive(node)
        return visitor

    def close(self) -> None:
        self.admission.let_all_in()
        for each in self.sockets:
            each.close()


def _pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of one TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        visitor = socket.create_connection(server.getsockname())
        node, _ = server.accept()
    visitor.settimeout(5)
    node.setblocking(False)
    return visitor, node


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    hall = Hall()
    yield hall
    hall.close()


async def test_a_probe_goes_past_the_line(hall: Hall) -> None:
    for _ in range(20):
        hall.arrive(HANDSHAKE)
    hall.arrive(PROBE)
    assert len(hall.let_in) == 1
    await until(lambda: len(hall.let_in) == 21)


async def test_of_those_in_line_a_few_are_let_in_per_turn_in_order(hall: Hall) -> None:
    for _ in range(10):
        hall.arrive(HANDSHAKE)
    sizes = []
    for _ in range(6):
        sizes.append(len(hall.let_in))
        await asyncio.sleep(0)
    assert sizes[:4] == [0, 4, 8, 10]
    assert hall.let_in == hall.sockets[1::2]


async def test_while_more_are_at_the_door_one_handshake_is_let_in_per_turn(hall: Hall) -> None:
    for _ in range(10):
        hall.arrive(HANDSHAKE)
    sizes = []
    for is_crowded in (True, True, False, False):
        if is_crowded:
            hall.admission.hold_handshakes()
        await asyncio.sleep(0)
        sizes.append(len(hall.let_in))
    assert sizes == [1, 2, 6, 10]


async def test_who_has_said_nothing_is_let_in_at_the_first_word(hall: Hall) -> None:
    visitor = hall.arrive()
    await asyncio.sleep(0)
    assert hall.let_in == []
    visitor.sendall(PROBE)
    await until(lambda: hall.let_in)


async def test_who_says_nothing_for_too_long_is_closed(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission_module, "LOOK_S", 0.01)
    monkeypatch.setattr(admission_module, "FIRST_WORD_S", 0.05)
    silent = [hall.arrive() for _ in range(3)]
    for visitor in silent:
        assert await asyncio.to_thread(visitor.recv, 1) == b""
    assert hall.let_in == []


async def test_a_line_that_is_too_long_is_closed_with_503(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission_module, "LINE_MAX", 5)
    visitors = [hall.arrive(HANDSHAKE) for _ in range(7)]
    assert hall.refused == ["line", "line"]
    for visitor in visitors[5:]:
        answer = visitor.recv(1000)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: " in answer
        assert visitor.recv(1000) == b""
    await until(lambda: len(hall.let_in) == 5)


async def test_where_too_many_files_are_open_even_a_probe_is_sent_away() -> None:
    hall = Hall(files_max=3)
    visitor = hall.arrive(PROBE)
    assert visitor.recv(1000).startswith(b"HTTP/1.1 503 ")
    assert hall.refused == ["files"]
    hall.close()


async def test_the_number_of_a_new_file_is_the_lowest_free_one() -> None:
    """What rule 3 rests on."""
    with socket.socket() as first, socket.socket() as second:
        lower = first.fileno()
        assert second.fileno() < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        first.close()
        with socket.socket() as third:
            assert third.fileno() == lower


async def test_who_has_given_up_in_line_is_passed_over(hall: Hall) -> None:
    gone = [hall.arrive(HANDSHAKE) for _ in range(9)]
    for visitor in gone:
        visitor.close()
    hall.arrive(HANDSHAKE)
    await until(lambda: hall.let_in)
    assert hall.let_in == [hall.sockets[-1]]
    assert all(node.fileno() == -1 for node in hall.sockets[1:-2:2])


async def test_who_is_gone_before_a_word_costs_nothing(hall: Hall) -> None:
    visitor = hall.arrive()
    visitor.close()
    await until(lambda: hall.sockets[1].fileno() == -1)
    assert hall.let_in == []


async def test_when_the_port_closes_nobody_waits_any_more(hall: Hall) -> None:
    for word in (HANDSHAKE,) * 6 + (b"",) * 2:
        hall.arrive(word)
    hall.admission.let_all_in()
    assert len(hall.let_in) == 8
