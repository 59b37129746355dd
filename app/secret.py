"""The cluster's secret: where it comes from, and the keys that follow from it.

1. One key per purpose, derived: who learns one of them learns neither the secret nor another.
2. A node that names no peers may make its own secret, once; it is kept beside the ledger, for its owner only.
3. A secret's value is in no message and no log.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

SECRET_BYTES_MIN: Final = 32
FILE_NAME: Final = "secret"


def derive(secret: bytes, purpose: str) -> bytes:
    """HKDF-Expand (RFC 5869) for one block: the secret is long enough to need no extraction."""
    return hmac.digest(secret, b"distributed-event-handler/" + purpose.encode() + b"\x01", hashlib.sha256)


def derive_all(all_secrets: Sequence[str], purpose: str) -> tuple[bytes, ...]:
    """In the secrets' order: the first one's key signs."""
    return tuple(derive(each.encode(), purpose) for each in all_secrets)


def read_or_make(folder: Path) -> str:
    """The secret kept in this folder, made if there is none yet. OSError if that cannot be done."""
    path = folder / FILE_NAME
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(path, secrets.token_urlsafe(SECRET_BYTES_MIN))
    return path.read_text().strip()


def _write_whole(path: Path, text: str) -> None:
    """The whole file or none, readable by its owner only, also after a power cut."""
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
