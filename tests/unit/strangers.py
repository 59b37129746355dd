"""Who connects to a node and does not stay."""

import socket
from typing import Final

HANDSHAKE: Final = (
    "GET {path} HTTP/1.1\r\nHost: node\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def ask_and_leave(port: int, path: str) -> None:
    """Ask for a WebSocket and be gone before anybody has read it, as all who came while a node was frozen."""
    with socket.create_connection(("127.0.0.1", port)) as gone:
        gone.sendall(HANDSHAKE.format(path=path).encode())
