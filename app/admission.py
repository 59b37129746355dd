"""Who of those at the public port is let in now, who waits a moment, and who is sent away.

A hall of people whose node has just died comes within a second, and each handshake takes half a millisecond: served
as they come, ten thousand of them keep the loop from anything else for seconds. So handshakes stand in a line, and
everything else (probes, pages, presses) goes past it.

1. A connection is let in when it has said its first word, which tells a handshake from the rest. One that says
   nothing for `FIRST_WORD_S` is closed, and costs no more than its file until then.
2. Of those in line `HANDSHAKES_PER_TURN` are let in at every turn of the loop, but only one while more are at the
   door than are taken in at once: who comes for a page stands behind them there. Where `LINE_MAX` stand already, or
   `files_max` files are open, the next one is answered 503 and closed: it would give up before its turn. Who has
   given up is passed over: work for those who left would make the others leave too.
3. The kernel gives every connection the lowest free number, so its number says how many files are open.

Fed by `app.listener`, on the loop's thread.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

FIRST_WORD_S: Final = 10.0
LOOK_S: Final = 1.0
HANDSHAKES_PER_TURN: Final = 4
# Two seconds of work; a page waits five for its hello.
LINE_MAX: Final = 4000

Reason = Literal["files", "line"]

_ESTABLISHED: Final = 1  # linux/tcp_states.h
# What brings a watcher, by as much of it as tells: a stream stands in for a handshake.
_WATCHERS: Final = (b"GET /live", b"GET /api/stream")
_WORD_BYTES: Final = max(map(len, _WATCHERS))
_SENT_AWAY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class Admission:
    """`let_in` takes a connection whose turn it is; `on_refused` hears why one was sent away."""

    def __init__(
        self, let_in: Callable[[socket.socket], None], on_refused: Callable[[Reason], None], files_max: int
    ) -> None:
        self._let_in = let_in
        self._on_refused = on_refused
        self._files_max = files_max
        self._loop = asyncio.get_running_loop()
        self._line: deque[socket.socket] = deque()
        self._silent: dict[socket.socket, float] = {}
        self._next_look: asyncio.TimerHandle | None = None
        self._is_free = True

    def arrive(self, connection: socket.socket) -> bool:
        """A new connection, non-blocking. Whether it was let in at once."""
        if connection.fileno() >= self._files_max:
            self.send_away(connection, "files")
            return False
        word = _first_word(connection)
        if word is not None:
            return self._place(connection, word)
        self._loop.add_reader(connection, self._spoke, connection)
        self._silent[connection] = self._loop.time() + FIRST_WORD_S
        self._look_soon()
        return False

    def hold_handshakes(self) -> None:
        """For one turn: there are more at the door."""
        self._is_free = False

    def let_all_in(self) -> None:
        """The port closes: nobody waits any more."""
        for connection in self._silent:
            self._loop.remove_reader(connection)
        waiting = [*self._line, *self._silent]
        self._line.clear()
        self._silent.clear()
        if self._next_look is not None:
            self._next_look.cancel()
        for connection in waiting:
            self._let_in(connection)

    def _place(self, connection: socket.socket, word: bytes) -> bool:
        """By its first word; "" is from one that is gone."""
        if not word:
            connection.close()
        elif word.startswith(_WATCHERS):
            self._stand_in_line(connection)
        else:
            self._let_in(connection)
            return True
        return False

    def _spoke(self, connection: socket.socket) -> None:
        word = _first_word(connection)
        if word is not None:
            self._loop.remove_reader(connection)
            del self._silent[connection]
            self._place(connection, word)

    def _stand_in_line(self, connection: socket.socket) -> None:
        if len(self._line) >= LINE_MAX:
            self.send_away(connection, "line")
            return
        self._line.append(connection)
        if len(self._line) == 1:
            self._loop.call_soon(self._advance)

    def _advance(self) -> None:
        let_in = 0
        at_most = HANDSHAKES_PER_TURN if self._is_free else 1
        self._is_free = True
        while self._line and let_in < at_most:
            connection = self._line.popleft()
            if _has_left(connection):
                connection.close()
            else:
                self._let_in(connection)
                let_in += 1
        if self._line:
            self._loop.call_soon(self._advance)

    def send_away(self, connection: socket.socket, reason: Reason) -> None:
        self._on_refused(reason)
        with connection:
            try:
                connection.recv(4096)  # or closing would reset the connection, and the answer be lost
                connection.send(_SENT_AWAY)
            except OSError:
                return  # It hears by the close.

    def _look_soon(self) -> None:
        if self._next_look is None:
            self._next_look = self._loop.call_later(LOOK_S, self._close_silent)

    def _close_silent(self) -> None:
        """The oldest come first."""
        self._next_look = None
        now = self._loop.time()
        for connection, deadline in list(self._silent.items()):
            if deadline > now:
                self._look_soon()
                return
            self._loop.remove_reader(connection)
            del self._silent[connection]
            connection.close()


def _first_word(connection: socket.socket) -> bytes | None:
    """Left where it is, for whoever serves it. None if there is none yet, empty if there will be none."""
    try:
        return connection.recv(_WORD_BYTES, socket.MSG_PEEK)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _has_left(connection: socket.socket) -> bool:
    """Whether the other side has closed. Its request is still to be read, so reading would not tell."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED
