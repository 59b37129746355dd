"""One link between two nodes: who is there, proof of the secret, and signs of life.

    opened -- Hello sent --> greeting -- Hello received, Proof sent --> proving -- Proof received --> open

Both ends run the same machine; only the word in their proof differs (`dialer`, `listener`), so that a proof
cannot be sent back to its maker. The proof is HMAC-SHA256(peer key, role, both Hello frames as sent, each with
its length before it), so it covers versions, features, names, ledgers, origins and nonces.

1. Before the other side has proven the secret nothing but Hello and Proof is read, at most 2 KiB a frame, for 5 s.
2. A link that fails says why in a `LinkError`; its message is sent to the peer as the close reason.
3. Both ends of an open link say `Alive` every second; a link is given up after 5 s without any message.

The link neither sends nor waits: `receive` and `tick` leave bytes in `outbox`, and the owner sends them.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Literal

import msgspec

from cluster.core.rows import ORIGIN_LENGTH
from cluster.core.wire import (
    FEATURES,
    HANDSHAKE_BYTES_MAX,
    PROTOCOL_MAX,
    PROTOCOL_MIN,
    Alive,
    Hello,
    MalformedError,
    Message,
    Proof,
    decode,
    encode,
)

HANDSHAKE_S: Final = 5.0
ALIVE_EVERY_S: Final = 1.0
SILENT_AFTER_S: Final = 5.0
LEDGER_LENGTH: Final = 16
NONCE_LENGTH: Final = 32

Phase = Literal["greeting", "proving", "open"]


class LinkError(Exception):
    """The link must be closed. `code` is a word for logs and metrics, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says of itself in Hello."""

    name: str
    ledger: bytes
    origin: bytes
    advertise: str = ""
    cluster_port: int = 0
    public_address: str = ""
    version: str = ""


class Link:
    """The state of one link. `peer` is the other side's Hello, to be believed once the link is open."""

    def __init__(
        self, identity: Identity, *, is_dialer: bool, nonce: bytes, keys: Sequence[bytes], now: float
    ) -> None:
        self.is_dialer = is_dialer
        self.phase: Phase = "greeting"
        self.peer: Hello | None = None
        self.outbox: list[bytes] = []
        self._identity = identity
        self._keys = keys
        self._opened_at = now
        self._received_at = now
        self._alive_at = now
        self._own_hello = encode(_hello(identity, nonce))
        self._peer_hello = b""
        self.outbox.append(self._own_hello)

    @property
    def is_open(self) -> bool:
        return self.phase == "open"

    def receive(self, data: bytes, now: float) -> Message | None:
        """Take one frame; the message it holds, or None if it was the link's own business.

        Raises LinkError if the link must close.
        """
        self._received_at = now
        if self.phase != "open":
            self._shake_hands(data)
            return None
        try:
            message = decode(data)
        except MalformedError as error:
            raise LinkError("malformed", f"malformed message: {error}") from error
        if isinstance(message, Hello | Proof):
            raise LinkError("malformed", "a handshake message on an open link")
        return None if isinstance(message, Alive) else message

    def tick(self, now: float) -> None:
        """Give up on a silent peer, and let it hear of us. Raises LinkError."""
        if not self.is_open:
            if now - self._opened_at >= HANDSHAKE_S:
                raise LinkError("timeout", f"no proof of the secret within {HANDSHAKE_S:g} s")
            return
        if now - self._received_at >= SILENT_AFTER_S:
            raise LinkError("timeout", f"silent for {SILENT_AFTER_S:g} s")
        if now - self._alive_at >= ALIVE_EVERY_S:
            self._alive_at = now
            self.outbox.append(encode(Alive()))

    # -- the handshake

    def _shake_hands(self, data: bytes) -> None:
        if len(data) > HANDSHAKE_BYTES_MAX:
            raise LinkError("malformed", f"more than {HANDSHAKE_BYTES_MAX} bytes before the proof of the secret")
        try:
            message = decode(data)
        except MalformedError as error:
            raise LinkError("malformed", f"malformed handshake: {error}") from error
        if self.phase == "greeting" and isinstance(message, Hello):
            self._greet(message, data)
        elif self.phase == "proving" and isinstance(message, Proof):
            self._verify(message)
        else:
            raise LinkError("malformed", f"{type(message).__name__} is not expected while {self.phase}")

    def _greet(self, hello: Hello, data: bytes) -> None:
        if len(hello.origin) != ORIGIN_LENGTH or len(hello.ledger) != LEDGER_LENGTH:
            raise LinkError("malformed", "origin or ledger of wrong length")
        if len(hello.nonce) != NONCE_LENGTH:
            raise LinkError("malformed", "nonce of wrong length")
        if hello.origin == self._identity.origin:
            raise LinkError("self", "this address leads back to this node itself")
        if not (hello.protocol_min <= PROTOCOL_MAX and hello.protocol_max >= PROTOCOL_MIN):
            raise LinkError(
                "version",
                f"{hello.name} speaks versions {hello.protocol_min} to {hello.protocol_max}, "
                f"this node {PROTOCOL_MIN} to {PROTOCOL_MAX}: upgrade the older one",
            )
        self.peer, self._peer_hello, self.phase = hello, data, "proving"
        self.outbox.append(encode(Proof(self._proof(self._keys[0], by_dialer=self.is_dialer))))

    def _verify(self, proof: Proof) -> None:
        expected = [self._proof(key, by_dialer=not self.is_dialer) for key in self._keys]
        if not any(hmac.compare_digest(proof.mac, mac) for mac in expected):
            assert self.peer is not None, "proving comes after greeting"
            raise LinkError(
                "wrong_secret",
                f"{self.peer.name} and this node do not have the same LIKE_SECRET: give all nodes of a cluster one",
            )
        self.phase = "open"

    def _proof(self, key: bytes, *, by_dialer: bool) -> bytes:
        dialer, listener = self._own_hello, self._peer_hello
        if not self.is_dialer:
            dialer, listener = listener, dialer
        transcript = b"".join(
            len(part).to_bytes(4, "big") + part
            for part in (b"dialer" if by_dialer else b"listener", dialer, listener)
        )
        return hmac.digest(key, transcript, sha256().name)


def _hello(identity: Identity, nonce: bytes) -> Hello:
    return Hello(
        PROTOCOL_MIN,
        PROTOCOL_MAX,
        list(FEATURES),
        identity.name,
        identity.ledger,
        identity.origin,
        nonce,
        identity.advertise,
        identity.cluster_port,
        identity.public_address,
        identity.version,
    )
