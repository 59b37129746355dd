"""What is asked of a node over HTTP, from resets to imports. The only place that knows their fields.

1. A node answers within some seconds: at the commit, and when the copies exist or cannot be waited for any longer.
   Only a backup may take long: nothing comes until the node's copy is complete.
2. Whatever goes wrong is a `NotDoneError`, which says whether the same may be asked again, and whether it may have
   been done all the same.
3. No redirect is followed: the token goes to the address that was asked and nowhere else.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from cli.addresses import trouble_with
from cli.exit_codes import ExitCode

ANSWER_S: Final = 10.0
# A copy of some 100 GB; a node that dies meanwhile ends the connection sooner.
BACKUP_S: Final = 3600.0
# Where an answer does not say when to ask again.
RETRY_AFTER_S: Final = 0.5
# Too many requests; and what nginx or a node says that cannot do it now.
_PASSING: Final = frozenset((429, 502, 503, 504))
_NOTHING_DONE: Final = frozenset(("read_only", "rate_limited"))

_T = TypeVar("_T")


class Reset(msgspec.Struct, frozen=True):
    """A reset that was done: the item's generation now, and how many other nodes of those wanted have it."""

    gen: int
    count: int
    copies: int
    wanted: int


class Flagged(msgspec.Struct, frozen=True):
    """Whether an item is frozen now, and how many other nodes of those wanted know it."""

    is_set: bool
    copies: int
    wanted: int


class Erased(msgspec.Struct, frozen=True):
    """An erasure that was done, and how many other nodes of those wanted know of it."""

    copies: int
    wanted: int


class Imported(msgspec.Struct, frozen=True):
    """Visitors of an import have pressed: the item's count now, and how many of the nodes wanted have it.

    `added`: by how much they raised the count; a node of an older version does not say it.
    """

    item: str
    count: int
    copies: int
    wanted: int
    added: int | None = None


class _Item(msgspec.Struct, frozen=True):
    gen: int


class _Problem(msgspec.Struct, frozen=True):
    """RFC 9457, with the members that the nodes add."""

    detail: str = ""
    code: str = ""
    gen: int | None = None
    retry_after: float | None = None


class NotDoneError(Exception):
    """The message says why, for people. `status` 0: nobody answered."""

    def __init__(self, why: str, status: int = 0, problem: _Problem = _Problem()) -> None:  # noqa: B008 - frozen
        super().__init__(why)
        self.status = status
        self.code = problem.code
        self.gen = problem.gen
        self.is_passing = status == 0 or status in _PASSING
        self.may_be_done = self.is_passing and status != 429 and problem.code not in _NOTHING_DONE
        self.exit_code = _exit_code_of(status)
        self.retry_after_s = RETRY_AFTER_S if problem.retry_after is None else max(0.0, problem.retry_after)


def _exit_code_of(status: int) -> ExitCode:
    if status == 0:
        return ExitCode.NO_NODE
    return ExitCode.NODE_REFUSES if status in (401, 403, 404, 405) else ExitCode.NOT_SAVED


async def generation_of(http: aiohttp.ClientSession, address: str, item: str) -> int:
    return (await _ask(http, "GET", f"{address}/api/items/{quote(item, safe='')}", "", _Item)).gen


async def reset(http: aiohttp.ClientSession, address: str, item: str, token: str, *, gen: int) -> Reset:
    """End this generation of the item, and no later one."""
    url = f"{address}/api/admin/items/{quote(item, safe='')}/reset"
    return await _ask(http, "POST", url, token, Reset, {"gen": gen})


async def freeze(http: aiohttp.ClientSession, address: str, item: str, token: str, *, wanted: bool) -> Flagged:
    """Freeze the item, or let it be pressed again; the same again changes nothing."""
    verb = "freeze" if wanted else "unfreeze"
    return await _ask(http, "POST", f"{address}/api/admin/items/{quote(item, safe='')}/{verb}", token, Flagged)


async def erase(http: aiohttp.ClientSession, address: str, token: str) -> Erased:
    """Forget the visitor who has this token; asked again, it is the same erasure."""
    return await _ask(http, "DELETE", f"{address}/api/visitor", token, Erased)


async def bring_in(http: aiohttp.ClientSession, address: str, token: str, wish: dict[str, Any]) -> Imported:
    """Counts that were made elsewhere; the same again changes nothing."""
    return await _ask(http, "POST", f"{address}/api/admin/import", token, Imported, wish)


async def export(http: aiohttp.ClientSession, address: str, token: str, form: str) -> AsyncIterator[bytes]:
    """The counts of all items, piece by piece. Raises `NotDoneError`, also where it breaks off."""
    headers = {"Authorization": f"Bearer {token}"}
    patience = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_S, sock_read=ANSWER_S)
    url = f"{address}/api/admin/export?format={form}"
    try:
        async with http.get(url, headers=headers, allow_redirects=False, timeout=patience) as answer:
            if answer.status != 200:
                raise _refused(answer, await answer.read())
            async for piece in answer.content.iter_any():
                yield piece
    except (OSError, TimeoutError, aiohttp.ClientError) as error:
        raise NotDoneError(trouble_with(address, error)) from error


@asynccontextmanager
async def backup(http: aiohttp.ClientSession, address: str, token: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """A complete copy of this node's ledger, to be read. Raises `NotDoneError` before there is one."""
    patience = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_S, sock_read=BACKUP_S)
    # What comes is what the digest is of.
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
    try:
        answer = await http.get(
            f"{address}/api/admin/backup", headers=headers, allow_redirects=False, timeout=patience
        )
        if answer.status != 200:
            raise _refused(answer, await answer.read())
    except (OSError, TimeoutError, aiohttp.ClientError) as error:
        raise NotDoneError(trouble_with(address, error)) from error
    async with answer:
        yield answer


async def _ask(
    http: aiohttp.ClientSession, method: str, url: str, token: str, answer_type: type[_T], body: Any = None
) -> _T:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = URL(url, encoded=True)
    try:
        async with (
            asyncio.timeout(ANSWER_S),
            http.request(method, address, headers=headers, json=body, allow_redirects=False) as answer,
        ):
            content = await answer.read()
    except (OSError, TimeoutError, aiohttp.ClientError) as error:
        raise NotDoneError(trouble_with(str(address.origin()), error)) from error
    if answer.status != 200:
        raise _refused(answer, content)
    try:
        return msgspec.json.decode(content, type=answer_type)
    except msgspec.DecodeError as error:
        raise NotDoneError(f"{address.origin()} answered something else: {error}", answer.status) from error


def _refused(answer: aiohttp.ClientResponse, content: bytes) -> NotDoneError:
    problem = _problem_of(content)
    why = problem.detail or f"{answer.url.origin()} answered HTTP {answer.status}"
    return NotDoneError(why, answer.status, problem)


def _problem_of(content: bytes) -> _Problem:
    """What the node says of it; nothing where nginx answered."""
    try:
        return msgspec.json.decode(content, type=_Problem)
    except msgspec.DecodeError:
        return _Problem()
