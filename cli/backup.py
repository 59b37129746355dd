"""`backup FILE`: a copy of a node's ledger, over HTTP, while the node goes on.

1. It is asked of the very address that was given; no redirect is followed with the admin token.
2. FILE is whole or not there (`cli.whole_file`): it gets its name when its length and its digest (RFC 9530) are
   those that the node named before the first byte.
3. Without `--replace`, a FILE that is there stays as it is.
"""

import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

import aiohttp

from cli import api
from cli.addresses import trouble_with
from cli.api import NotDoneError
from cli.arguments import Options
from cli.exit_codes import ExitCode, UsageError
from cli.screen import Screen, copy_line
from cli.whole_file import FileError, whole_file

PIECE_BYTES: Final = 256 * 1024
DRAW_EVERY_S: Final = 0.1

_Show = Callable[[int, int | None], None]


async def back_up(options: Options, screen: Screen, admin_token: Callable[[], str]) -> ExitCode:
    """Take the backup and say so; `admin_token` may raise `UsageError`."""
    assert options.command is not None, "only a command is run"
    file = Path(options.command.paths[0])
    try:
        token = admin_token()
        check_free(file, replaces=options.command.replaces)
        size, digest = await _take(options.address, token, file, screen)
    except UsageError as error:
        return complain(screen, str(error), "usage", ExitCode.USAGE)
    except FileError as error:
        return complain(screen, f"no backup: {error}", "backup", ExitCode.NOT_SAVED)
    except NotDoneError as error:
        return complain(screen, _explained(error), "backup", error.exit_code)
    screen.show_backup(str(file), size, digest.hex())
    return ExitCode.OK


def check_free(file: Path, *, replaces: bool) -> None:
    if file.exists() and not replaces:
        raise UsageError(f"{file} is there already: name another file, or say --replace")


def complain(screen: Screen, text: str, kind: str, code: ExitCode) -> ExitCode:
    screen.complain(text, kind)
    return code


def _explained(error: NotDoneError) -> str:
    if error.status in (404, 405):
        return (
            "no backup: this address gives none. Ask the node itself, since nginx passes no backup on, and set "
            "LIKE_ADMIN_TOKEN on it"
        )
    return f"no backup: {error}"


async def _take(address: str, token: str, file: Path, screen: Screen) -> tuple[int, bytes]:
    """Write FILE; its size and digest. Raises `FileError`, `NotDoneError`."""
    with screen.live_line() as live:

        def show(done: int, size: int | None) -> None:
            if live is not None:
                live.update(copy_line(address, done, size), refresh=True)

        # Before the node is asked, which would make its copy for nothing.
        with whole_file(file) as part:
            show(0, None)
            async with aiohttp.ClientSession() as http, api.backup(http, address, token) as answer:
                return await _receive(answer, part, show)


async def _receive(answer: aiohttp.ClientResponse, part: IO[bytes], show: _Show) -> tuple[int, bytes]:
    size, wanted = answer.content_length, _digest_named(answer)
    if size is None or wanted is None:
        raise FileError(f"{answer.url.origin()} answered something else than a backup")
    hashed, done, draw_at = sha256(), 0, 0.0
    async for piece in _pieces(answer):
        part.write(piece)
        hashed.update(piece)
        done += len(piece)
        if time.monotonic() >= draw_at:
            show(done, size)
            draw_at = time.monotonic() + DRAW_EVERY_S
    if done != size or hashed.digest() != wanted:
        raise FileError("what arrived is not what the node has sent: something between changes it; ask again")
    return size, wanted


async def _pieces(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.content.iter_chunked(PIECE_BYTES):
            yield piece
    except (OSError, TimeoutError, aiohttp.ClientError) as error:
        why = trouble_with(str(answer.url.origin()), error)
        raise FileError(f"it broke off half-way ({why}): ask again") from error


def _digest_named(answer: aiohttp.ClientResponse) -> bytes | None:
    """The SHA-256 of the whole, as RFC 9530 writes it."""
    for member in answer.headers.get("Repr-Digest", "").split(","):
        name, _, value = member.strip().partition("=")
        if name == "sha-256" and value.startswith(":") and value.endswith(":"):
            with suppress(ValueError):
                return base64.b64decode(value.strip(":"), validate=True)
    return None
