"""The links of a simulated node: what `cluster.peering` does with sockets, done with pipes."""

from typing import TYPE_CHECKING, Any

from cluster.comparing import Steps, say_our_rows, say_what_we_have, say_where_we_differ
from cluster.core.events import Asked, Close, Compared, Differs, Fenced, Offered, Opened, Send, Wanted
from cluster.core.push import FEW_JOIN_S
from cluster.core.rows import Row
from cluster.core.wire import Message
from cluster.ledger import Cursor
from tests.simulation.network import CLOSED, Pipe

if TYPE_CHECKING:
    from tests.simulation.node import SimNode


FENCED_FOR_NOTHING = "fenced, and was never put back"


class SimLinks:
    """The pipes of one node's run, by link number."""

    def __init__(self, node: "SimNode") -> None:
        self._node, self._world = node, node.world
        self._number = 0
        self.begin()

    def begin(self) -> None:
        self.pipes: dict[int, Pipe] = {}
        self._dialled: dict[int, str] = {}
        self._flush_wanted = False

    def end(self) -> None:
        """The process is gone; its machine's kernel tells the others, if the news can travel."""
        for pipe in list(self.pipes.values()):
            pipe.close()

    def close_all(self) -> None:
        for link in list(self.pipes):
            self.break_link(link)

    def new_link(self, pipe: Pipe) -> int:
        self._number += 1
        self.pipes[self._number] = pipe
        return self._number

    def connected(self, link: int, peer: str, *, is_dialer: bool) -> None:
        if self._node.engine.is_read_only:
            self._disconnect(link)
            return
        if is_dialer:
            self._dialled[link] = peer
        nonce = self._world.random.randbytes(32)
        self._node.replica.open_link(link, is_dialer=is_dialer, nonce=nonce, now=self._node.now)
        self.carry_out()

    def take_frame(self, link: int, data: bytes) -> None:
        if self._node.is_frozen:
            self._node.hold_back(lambda: self.take_frame(link, data))
        elif data == CLOSED:
            self._node.replica.close_link(link)
            self._disconnect(link)
        elif link in self.pipes:
            self._node.replica.receive(link, data, self._node.now)
            self.carry_out()

    def _disconnect(self, link: int) -> None:
        pipe = self.pipes.pop(link, None)
        self._dialled.pop(link, None)
        if pipe is not None:
            pipe.close()

    def break_link(self, link: int) -> None:
        """The connection breaks, for both ends if the news can travel."""
        self._node.replica.close_link(link)
        self._disconnect(link)

    def dial(self, peer: "SimNode") -> None:
        if (
            not self._node.engine.is_read_only
            and peer.name not in self._dialled.values()
            and not self._is_linked(peer)
        ):
            self._node.network.connect(self._node, peer)

    def _is_linked(self, peer: "SimNode") -> bool:
        sessions = self._node.replica.open_sessions().values()
        return peer.is_up and any(session.peer.origin == peer.origin for session in sessions)

    # -- what the replica wants done

    def carry_out(self) -> None:
        replica = self._node.replica
        while events := replica.events:
            replica.events = []
            for event in events:
                if self._node.is_up:
                    self._do(event)
        if not self._flush_wanted and self._has_joined(replica):
            self._flush_wanted = True
            self._node.later(FEW_JOIN_S, self._flush)

    def _has_joined(self, replica: Any) -> bool:
        """Whether something is held back to be joined; the first version has another word for it."""
        if hasattr(replica, "has_joined"):
            return bool(replica.has_joined)
        return replica.due_in_s(self._node.now) is not None

    def _do(self, event: Any) -> None:
        """By the event's name, which nodes of another version have too."""
        getattr(self, f"_on_{type(event).__name__.lower()}")(event)

    def _on_send(self, event: Send) -> None:
        if (pipe := self.pipes.get(event.link)) is not None:
            pipe.send(event.data, may_drop=event.may_drop)

    def _on_offered(self, event: Offered) -> None:
        self._node.engine.add(event.offer)

    def _on_close(self, event: Close) -> None:
        self._world.seen[f"closed a link: {event.code}"] += 1
        self._disconnect(event.link)

    def _on_settled(self, event: Any) -> None:
        event.owed.reply(event.owed.outcome, event.copies)

    def _on_fenced(self, event: Fenced) -> None:
        if not self._node.is_put_back:
            self._world.seen[FENCED_FOR_NOTHING] += 1
        self._node.exit("fenced")

    def _on_opened(self, event: Opened) -> None:
        """Nobody here keeps a roster."""

    def _say(self, link: int, message: Message) -> None:
        if (pipe := self.pipes.get(link)) is not None:
            pipe.send(self._node.engine.wire.encode(message), may_drop=False)

    # -- pulls

    def _on_asked(self, asked: Asked) -> None:
        if asked.rows is None:
            self._world.seen["pull answered by a scan"] += 1
            self._scan(asked, (0, b""))
        else:
            self._world.seen["pull answered from the ring"] += 1
            self._send_rows(asked, list(asked.rows))
            self.send_end(asked)

    def _send_rows(self, asked: Asked, rows: list[Row]) -> None:
        wire = self._node.engine.wire
        for page in wire.pages(rows):
            self._say(asked.link, wire.Rows(asked.id, wire.pack(page)))

    def send_end(self, asked: Asked) -> None:
        if asked.rows is None and hasattr(asked, "late"):
            self._world.seen["header or erasure sent behind a scan"] += len(asked.late)
            self._send_rows(asked, asked.late)
            self._node.replica.holdings.end_scan(asked)
        stamps = [asked.stamps] if hasattr(asked, "stamps") else []
        self._say(asked.link, self._node.engine.wire.End(asked.id, asked.heads, *stamps))

    def _scan(self, asked: Asked, after: Cursor) -> None:
        """The writer thread reads a page; the loop sends it later, when it has heard of the commits before it."""

        def read() -> None:
            rows, cursor = self._node.ledger.scan(after, asked.base)
            self._node.later(self._world.between(0.005, 0.03), lambda: self._send_page(asked, rows, cursor))

        self._node.engine.with_ledger(read)

    def _send_page(self, asked: Asked, rows: list[Row], cursor: Cursor | None) -> None:
        self._send_rows(asked, rows)
        if cursor is None:
            self.send_end(asked)
        else:
            self._scan(asked, cursor)

    # -- comparisons

    def _on_differs(self, event: Differs) -> None:
        self._world.seen["digest differs"] += 1
        self._step(event.link, say_what_we_have(self._node.ledger, event.buckets))

    def _on_compared(self, event: Compared) -> None:
        self._step(event.link, say_where_we_differ(self._node.ledger, event.spans))

    def _on_wanted(self, event: Wanted) -> None:
        self._step(event.link, say_our_rows(self._node.ledger, event.spans))

    def _step(self, link: int, steps: Steps) -> None:
        def take() -> None:
            message = next(steps, steps)
            if message is not steps and link in self.pipes:
                if message is not None:
                    self._say(link, message)  # type: ignore[arg-type]
                self._node.later(self._world.between(0.0005, 0.005), lambda: self._step(link, steps))

        self._node.engine.with_ledger(take)

    # -- time

    def _flush(self) -> None:
        self._flush_wanted = False
        self.tick()

    def tick(self) -> None:
        self._node.replica.tick(self._node.now)
        self.carry_out()

    def look(self) -> None:
        self._node.replica.look(self._node.now, self._world.random.random())
        self.carry_out()

    def tell_digest(self) -> None:
        if not hasattr(self._node.replica, "tell_digest"):
            return
        self._node.replica.tell_digest()
        self.carry_out()
