"""The rules of the connection, without a node: when it tries again, what it says, to what it listens."""

from typing import Final

import pytest

from tests.browser.person import Run

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A connection over sockets that only do what a test says; `over` puts back what was there.
FAKE_SOCKETS: Final = """
    const { Connection } = await import("/static/connection.js");
    const { WebSocket } = window;
    const [sockets, sent, heard] = [[], [], []];
    let now = 0;
    performance.now = () => now;
    window.WebSocket = class {
        static OPEN = 1;
        readyState = 1;
        constructor() { sockets.push(this); }
        send(text) { sent.push([JSON.parse(text).type, now]); }
        close() {}
    };
    const connection = new Connection(location.origin, {
        onOpen: () => heard.push("open"),
        onClose: () => heard.push("close"),
        onMessage: (message) => heard.push(message.node ?? message.counts),
        onState: () => {},
    });
    connection.dial();
    const say = (socket, message) => socket.onmessage?.({ data: JSON.stringify(message) });
    const over = () => {
        connection.hangUp();
        window.WebSocket = WebSocket;
        delete performance.now;
    };
"""


async def test_retries_are_spread_and_never_more_than_10_s_apart(run: Run) -> None:
    lines = """
        const delays = (random) => [0, 1, 2, 3, 4, 5, 99].map((attempt) => timing.retryDelay(attempt, random));
        return [delays(1), delays(0)];
    """
    assert await run(lines) == [[500, 1000, 2000, 4000, 8000, 10000, 10000], [0] * 7]


async def test_45xx_and_protocol_errors_are_final_and_nothing_else(run: Run) -> None:
    final = [1002, 1003, 1007, 1008, 1009, 4500, 4502]
    passing = [1000, 1001, 1005, 1006, 1011, 1012, 1013, 4001, 4002, 4003, 4004]
    assert await run(f"return {final + passing}.filter(timing.isFinal);") == final


async def test_who_only_listens_says_something_before_the_node_takes_it_for_gone(run: Run) -> None:
    """A node ends a connection from which nothing came for 150 s, however much it had to say itself."""
    lines = """
        say(sockets[0], { type: "hello", node: "node1" });
        for (; now < 150_000; now += 1000) say(sockets[0], { type: "counts", counts: {} });
        over();
        return sent;
    """
    said = await run(FAKE_SOCKETS + lines)
    assert {kind for kind, _ in said} == {"ping"}
    assert len(said) == 3


async def test_what_comes_late_on_a_replaced_socket_changes_nothing(run: Run) -> None:
    """Neither an old number nor its end: a browser may still have had both on their way."""
    lines = """
        const [first] = sockets;
        first.onopen();
        say(first, { type: "hello", node: "node1" });
        say(first, { type: "counts", counts: 7 });
        connection.dial();
        const [, second] = sockets;
        say(first, { type: "counts", counts: 6 });
        second.onopen();
        say(second, { type: "hello", node: "node2" });
        say(second, { type: "counts", counts: 8 });
        const before = heard.length;
        first.onopen?.();
        say(first, { type: "hello", node: "node1" });
        say(first, { type: "counts", counts: 7 });
        say(first, { type: "leaving", after: 0 });
        first.onclose?.({ code: 4502 });
        const { name, node } = connection.state;
        over();
        return [heard.slice(0, before), heard.slice(before), name, node, sockets.length];
    """
    heard, late, *state = await run(FAKE_SOCKETS + lines)
    assert heard == ["open", "node1", 7, "close", "open", "node2", 8]
    assert late == ["close"], "the test's own hanging up"
    assert state == ["live", "node2", 2]
