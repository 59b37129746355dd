"""Who is measured, and how the load talks to each: our node, the floor in C, a small honest server of each peer.

A peer's server keeps its counts in memory and sends what is published to all watchers at once. It has `/sub` for
watchers, `/pub` for a publisher, and `/like` for who presses. Ours is the whole node: its watchers have watched an
item, its publisher presses, every press is a row that is on disk before anybody hears of it.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import msgspec

from bench import installed
from bench.compiled import program
from bench.machine import REPOSITORY
from bench.servers import Server, free_port, serving

FAN, JOINED, PRESS, NEW_PRESS, IDLE = "fan", "joined", "press", "new press", "idle"
# How many changes there are in a tick of the row with joined frames.
JOINED_ITEMS: Final = 16
# Rows of the ledger that new actors press on are of so many items.
ITEMS: Final = 1000

# No peer counts what a visitor or a network presses.
NO_BUDGETS: Final = {
    "LIKE_PRESS_RATE": "0",
    "LIKE_ADDRESS_RATE": "0",
    "LIKE_NEWCOMER_RATE": "0",
    "LIKE_TAB_RATE": "0",
}
# One for every visitor, of which nobody presses more.
VISITORS_BUDGETS: Final = {"LIKE_PRESS_RATE": "1000000", "LIKE_PRESS_BURST": "1000000"}
# As close to a tick for each count as the setting goes.
OWN_TICK: Final = {"LIKE_PUSH_INTERVAL_MS": "1"}

Start = Callable[[Path, Mapping[str, str]], AbstractContextManager[Server]]


class Subject(msgspec.Struct, frozen=True):
    """`talk` has the load's options for each kind of work that it can be put to; `note` what is not alike."""

    name: str
    start: Start
    talk: Mapping[str, tuple[str, ...]]
    note: str = ""


def node_command() -> list[str]:
    return [sys.executable, "-m", "app"]


@contextlib.contextmanager
def _node(folder: Path, settings: Mapping[str, str]) -> Iterator[Server]:
    """One node of this repository, alone unless the settings name peers."""
    port = free_port()
    env = {
        "LIKE_NODE_NAME": "bench",
        "LIKE_PORT": str(port),
        "LIKE_CLUSTER_PORT": str(free_port()),
        "LIKE_DATA_DIR": str(folder / "data"),
        "PYTHONPATH": str(REPOSITORY),
        **NO_BUDGETS,
        **settings,
    }
    with serving(node_command(), port, folder, env=env) as server:
        yield server


@contextlib.contextmanager
def _floor(folder: Path, settings: Mapping[str, str]) -> Iterator[Server]:
    port = free_port()
    with serving([str(program("floor")), str(port), *settings], port, folder) as server:
        yield server


def watch(*items: str) -> str:
    return msgspec.json.encode({"type": "watch", "items": items}).decode()


_LIVE: Final = ("-P", "/live", "-u", "/live")
OURS: Final = Subject(
    "this project",
    _node,
    {
        FAN: (
            *_LIVE, "-s", watch("tap:home"), "-f", '{"type":"counts"',
            "-b", '{"type":"press","id":{n},"item":"tap:home","n":{k}}',
        ),
        JOINED: (
            *_LIVE, "-s", watch(*(f"tap:home-{number}" for number in range(JOINED_ITEMS))),
            "-f", '{"type":"counts"', "-n", '"tap:', "-I", str(JOINED_ITEMS),
            "-b", '{"type":"press","id":{n},"item":"tap:home-{i}"}',
        ),
        PRESS: (
            *_LIVE, "-f", '{"type":"pressed"', "-b", '{"type":"press","id":{n},"item":"tap:home","n":{k}}',
        ),
        NEW_PRESS: (
            *_LIVE, "-f", '{"type":"pressed"', "-I", str(ITEMS),
            "-b", '{"type":"press","id":{n},"item":"tap:item-{i}","n":1,"tab":"{r}"}',
        ),
        IDLE: (*_LIVE, "-B", "-s", watch("tap:home")),
    },
)  # fmt: skip

_COUNT: Final = '{"item":"a","count":{n},"t":{t},"node":"n1"}'
_SMALL_PATHS: Final = ("-P", "/sub", "-u", "/pub", "-b", _COUNT)
_LIKE: Final = ("-P", "/like", "-b", '{"op":"like","item":"a","id":{n}}')
_SMALL: Final = {FAN: _SMALL_PATHS, JOINED: _SMALL_PATHS, PRESS: _LIKE, IDLE: ("-P", "/sub", "-B")}
FLOOR: Final = Subject("floor (C)", _floor, _SMALL, "epoll, one send() per watcher, nothing stored")

_SOCKET_IO: Final = ("-P", "/socket.io/?EIO=4&transport=websocket", "-u", "/socket.io/?EIO=4&transport=websocket")
_SOCKET_IO_HELLO: Final = ("-E", "-s", "40", "-q", "40")
_EVENTS: Final = {
    FAN: (*_SOCKET_IO, *_SOCKET_IO_HELLO, "-f", "42", "-b", f'42["pub",{_COUNT}]'),
    JOINED: (*_SOCKET_IO, *_SOCKET_IO_HELLO, "-f", "42", "-b", f'42["pub",{_COUNT}]'),
    PRESS: (*_SOCKET_IO, *_SOCKET_IO_HELLO, "-f", "43", "-b", '42{n}["like",{"op":"like","item":"a"}]'),
    IDLE: (*_SOCKET_IO, *_SOCKET_IO_HELLO, "-B"),
}


def _peer(
    name: str, command: Callable[[int], list[str]], talk: Mapping[str, tuple[str, ...]], note: str
) -> Subject:
    @contextlib.contextmanager
    def start(folder: Path, settings: Mapping[str, str]) -> Iterator[Server]:
        port = free_port()
        with serving(command(port), port, folder) as server:
            yield server

    return Subject(name, start, talk, note)


def _python(file: str) -> Callable[[int], list[str]]:
    return lambda port: [str(installed.python()), str(installed.PEERS / file), str(port)]


def _node_js(file: str) -> Callable[[int], list[str]]:
    return lambda port: ["node", str(installed.node_folder() / file), str(port)]


_NO_PRESS: Final = {work: options for work, options in _SMALL.items() if work != PRESS}
PEERS: Final = (
    _peer("aiohttp", _python("aiohttp_peer.py"), _SMALL, "uvloop, `await ws.send_str` for each"),
    _peer("starlette", _python("starlette_peer.py"), _SMALL, "uvicorn, uvloop, httptools"),
    _peer("picows", _python("picows_peer.py"), _SMALL, "uvloop"),
    _peer("socketify", _python("socketify_peer.py"), _SMALL, "µWebSockets in C++"),
    _peer("python-socketio", _python("socketio_peer.py"), _EVENTS, "on aiohttp, uvloop"),
    _peer("Node ws", _node_js("ws_peer.js"), _SMALL, "ws 8"),
    _peer("socket.io", _node_js("socketio_peer.js"), _EVENTS, "socket.io 4"),
    _peer("nchan", installed.nchan_command, _NO_PRESS, "nginx with the nchan module, in C; counts nothing"),
)
