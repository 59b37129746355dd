"""What an operator sets for the whole cluster over HTTP: items that are frozen, origins that are allowed.

1. Each change is one line of the log, the audit, and the same again changes nothing (`cluster.core.flags`).
2. A change holds at a node from the moment on at which it hears of it, mostly within milliseconds; presses that
   were taken before count.
3. Origins that the settings of a node name are its own affair: they are shown, and cannot be taken back here.
4. All origins stand in one header of each frame (`app.guards`), and have to fit into what a proxy takes of one.
"""

from typing import Final

import structlog
from aiohttp import web

from app import admin, asking, keys, presses, wire
from app.api import json_response
from app.environment import is_origin
from app.export import shown_item
from app.origins import ORIGINS_LENGTH_MAX
from app.problems import RefusedError
from cluster.surface import ALLOWED, FROZEN, Flag, is_set

ORIGIN: Final = (
    "an origin is written https://example.org, as a browser writes it: no path, no slash at the end, no :443"
)

_log = structlog.get_logger(__name__)


async def freeze(request: web.Request) -> web.Response:
    """The item's count stays as it is."""
    return await _set_frozen(request, is_frozen=True)


async def unfreeze(request: web.Request) -> web.Response:
    return await _set_frozen(request, is_frozen=False)


async def _set_frozen(request: web.Request, *, is_frozen: bool) -> web.Response:
    presses.check_may_press(request)
    # Before the token, as `app.admin` says.
    item = presses.item_of(request)
    admin.check_admin(request)
    done = await _set(request, Flag(FROZEN, item, is_frozen))
    _log.info("item.frozen" if is_frozen else "item.unfrozen", item=item)
    return json_response(done)


async def frozen(request: web.Request) -> web.Response:
    """All items that are, also those that nobody has pressed."""
    admin.check_admin(request)
    engine = request.app[keys.DESK].engine
    items = sorted(engine.flags(FROZEN))
    states = (await asking.read(engine, items)).items
    _log.info("items.frozen_listed", items=len(items))
    return json_response({"items": [shown_item(engine, item, states[item]) for item in items]})


async def origins(request: web.Request) -> web.Response:
    admin.check_admin(request)
    known = request.app[keys.ORIGINS]
    _log.info("origins.listed")
    return json_response({"settings": sorted(known.listed), "allowed": sorted(known.allowed)})


async def allow(request: web.Request) -> web.Response:
    """An origin, or not any more: what is connected from there stays so until it ends."""
    presses.check_may_press(request)
    admin.check_admin(request)
    try:
        wish = wire.decode_origin_body(await request.read())
    except wire.MessageError as wrong:
        raise RefusedError("bad_message", str(wrong)) from wrong
    origin = wish.origin.lower()
    if not is_origin(origin):
        raise RefusedError("bad_message", ORIGIN)
    known = request.app[keys.ORIGINS]
    if wish.allowed and origin not in known and len(" ".join([*known.all, origin])) > ORIGINS_LENGTH_MAX:
        raise RefusedError("too_many_origins")
    done = await _set(request, Flag(ALLOWED, origin, wish.allowed))
    _log.info("origin.allowed" if wish.allowed else "origin.disallowed", origin=origin)
    return json_response(done)


async def _set(request: web.Request, wish: Flag) -> wire.Flagged:
    desk = request.app[keys.DESK]
    try:
        answer = await asking.flag(desk.engine, wish)
    except RefusedError:
        # It may be done all the same.
        _log.warning("flag.unanswered", of=wish.item, name=wish.name, wanted=wish.is_set)
        raise
    if answer.refusal is not None:
        raise presses.refusal_of(desk, answer.refusal)
    return wire.Flagged(name=wish.name, is_set=is_set(answer.n), copies=answer.copies, wanted=answer.wanted)
