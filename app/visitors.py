"""Visitors and their tokens, and the actors that follow from a visitor and a tab (docs/design.md).

A token is the visitor's 10 random bytes, signed. It says nothing else, does not expire, and is stored nowhere.

1. The first key signs, every key verifies: a new secret is put in front, the old one stays until its tokens
   have been signed anew.
2. No key enters an actor: presses stay the visitor's when secrets change.
3. Keys of different purposes do not verify each other's tokens: a form's token is not a visitor's.
"""

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from itsdangerous import BadSignature, Signer

from cluster.core.items import ACTOR_LENGTH, VISITOR_LENGTH, belongs_to_visitor

_TAB_HASH_LENGTH: Final = ACTOR_LENGTH - VISITOR_LENGTH
_WHOLE_VISITOR: Final = bytes(_TAB_HASH_LENGTH)


class TokenError(Exception):
    """The token was not signed with a key of this cluster, or its visitor was erased."""


class Tokens:
    """Signs and verifies tokens with the keys of one purpose, the signing key first."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        # itsdangerous signs with the last key of its list.
        self._signer = Signer(
            list(reversed(keys)), salt=b"like", key_derivation="hmac", digest_method=hashlib.sha256
        )

    def sign(self, visitor: bytes) -> str:
        return self._signer.sign(urlsafe_b64encode(visitor).rstrip(b"=")).decode("ascii")

    def verify(self, token: str) -> bytes:
        """The visitor, or `TokenError`."""
        try:
            text = self._signer.unsign(token.encode())
            visitor = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        except (BadSignature, ValueError) as wrong:
            raise TokenError from wrong
        if len(visitor) != VISITOR_LENGTH:
            raise TokenError
        return visitor


def new_visitor() -> bytes:
    return secrets.token_bytes(VISITOR_LENGTH)


def new_tab() -> str:
    return secrets.token_urlsafe(9)


def visitor_of(actor: bytes) -> bytes:
    return actor[:VISITOR_LENGTH]


def actor_of(item: str, visitor: bytes, tab: str) -> bytes:
    """Whose presses on this item a press of this visitor's tab raises."""
    if belongs_to_visitor(item):
        return visitor + _WHOLE_VISITOR
    return visitor + _tab_hash(tab)


@lru_cache(maxsize=4096)
def _tab_hash(tab: str) -> bytes:
    return hashlib.blake2b(tab.encode(), digest_size=_TAB_HASH_LENGTH).digest()
