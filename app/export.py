"""All items and their counts, for an operator: a page at a time, or all of them as JSON Lines or CSV.

1. Only with the admin token, and each of them is one line of the log: the audit. It names no address.
2. An export is read page by page, each as of one moment, while the node goes on; it names no visitor. A backup has
   everything.
3. One that breaks off breaks its connection off: whoever has its proper end has all of it.
"""

import csv
import io
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import structlog
from aiohttp import web

from app import admin, asking, keys, presses
from app.api import json_response
from app.problems import RefusedError
from cluster.surface import FROZEN, Engine, ItemState, Place

PAGE_ITEMS: Final = 500
BEGIN: Final[Place] = (0, "")

_log = structlog.get_logger(__name__)


async def items(request: web.Request) -> web.Response:
    """A page: from `place` on, which the page before has named."""
    admin.check_admin(request)
    listed = await asking.list_items(request.app[keys.DESK].engine, _place_of(request), PAGE_ITEMS)
    rest = f"{listed.rest[0]}:{listed.rest[1]}" if listed.rest is not None else None
    engine = request.app[keys.DESK].engine
    shown = [shown_item(engine, item, state) for item, state in listed.items]
    _log.info("items.listed", items=len(shown))
    return json_response({"items": shown, "next": rest})


async def item(request: web.Request) -> web.Response:
    name = presses.item_of(request)
    admin.check_admin(request)
    engine = request.app[keys.DESK].engine
    state = (await asking.read(engine, [name])).items[name]
    _log.info("items.listed", items=1)
    return json_response(shown_item(engine, name, state))


def _place_of(request: web.Request) -> Place:
    bucket, _, after = request.query.get("place", "0:").partition(":")
    if not bucket.isdecimal() or len(bucket) > 4:
        raise RefusedError("bad_message", "place is what the page before has named as next")
    return int(bucket), after


def shown_item(engine: Engine, item: str, state: ItemState) -> dict[str, str | int]:
    """As an operator's list has it."""
    return _item(item, state) | {"frozen": item in engine.flags(FROZEN)}


def _item(item: str, state: ItemState) -> dict[str, str | int]:
    return {"item": item, "gen": state.gen, "count": state.count}


async def export(request: web.Request) -> web.StreamResponse:
    admin.check_admin(request)
    form = request.query.get("format", "jsonl")
    if form not in ("jsonl", "csv"):
        raise RefusedError("bad_message", "format is jsonl or csv")
    answer = web.StreamResponse(headers={"Cache-Control": "no-store"})
    answer.content_type = "application/jsonl" if form == "jsonl" else "text/csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="likes.{form}"'
    await answer.prepare(request)
    number = 0
    try:
        await answer.write(b"item,gen,count\r\n" if form == "csv" else b"")
        async for page in _pages(request.app[keys.DESK].engine):
            number += len(page)
            await answer.write(_lines(page, form))
        await answer.write_eof()
    except (RefusedError, ConnectionResetError) as broken:
        # The answer has begun, so no other one can say it; or nobody reads it any more.
        problem = broken.code if isinstance(broken, RefusedError) else "gone"
        _log.warning("items.export_broken", items=number, problem=problem)
        if request.transport is not None:
            request.transport.abort()
        return answer
    _log.info("items.exported", items=number, format=form)
    return answer


async def _pages(engine: Engine) -> AsyncIterator[list[tuple[str, ItemState]]]:
    place: Place | None = BEGIN
    while place is not None:
        listed = await asking.list_items(engine, place, PAGE_ITEMS)
        yield listed.items
        place = listed.rest


def _lines(page: list[tuple[str, ItemState]], form: str) -> bytes:
    if form == "jsonl":
        return b"".join(msgspec.json.encode(_item(item, state)) + b"\n" for item, state in page)
    text = io.StringIO()
    csv.writer(text).writerows((item, state.gen, state.count) for item, state in page)
    return text.getvalue().encode()
