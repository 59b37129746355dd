"""The JSON API: counts, presses with a bearer token, and a visitor's erasure.

1. The API knows no cookie: who presses is in `Authorization`, or a fresh visitor whose token is returned.
2. Answers are of this moment and never cached; what they say is what `/live` says in the same words.
"""

from typing import Any

import msgspec
from aiohttp import web

from app import asking, guards, keys, presses, wire
from app.desk import Desk, tally_in
from app.problems import RefusedError
from app.top import top_of
from app.visitors import actor_of, new_visitor
from cluster.surface import FROZEN, ItemState


async def item(request: web.Request) -> web.Response:
    name = presses.item_of(request)
    desk = request.app[keys.DESK]
    visitor = _visitor_of(request, desk)
    if visitor is None:
        state = (await asking.read(desk.engine, [name])).items[name]
        return json_response(_said_of(name, state, desk))
    actor = actor_of(name, visitor, request.query.get("tab", ""))
    snapshot = await asking.read(desk.engine, [name], [(name, actor)])
    state, mine = snapshot.items[name], tally_in(snapshot, name, actor)
    return json_response({**_said_of(name, state, desk), "mine": mine})


def _said_of(name: str, state: ItemState, desk: Desk) -> dict[str, Any]:
    engine = desk.engine
    viewers, is_frozen = engine.viewers.total(name), name in engine.flags(FROZEN)
    return {"item": name, "gen": state.gen, "count": state.count, "viewers": viewers, "frozen": is_frozen}


async def items(request: web.Request) -> web.Response:
    names = presses.items_named(request)
    snapshot = await asking.read(request.app[keys.DESK].engine, names)
    return json_response({"counts": {name: snapshot.items[name].count for name in names}})


async def top(request: web.Request) -> web.Response:
    """The largest counts first: of the items that are named, or of what was pressed lately, on any node."""
    found = await top_of(request, presses.items_named(request))
    return json_response({"items": [{"item": name, "count": count} for name, count in found]})


async def press(request: web.Request) -> web.Response:
    presses.check_may_press_with_token(request)
    name = presses.item_of(request)
    desk = request.app[keys.DESK]
    visitor = _visitor_of(request, desk)
    try:
        wish = wire.decode_press_body(await request.read())
    except wire.MessageError as wrong:
        raise RefusedError("bad_message", str(wrong)) from wrong
    if visitor is not None:
        return json_response(await presses.press(request, "api", visitor, name, wish))
    fresh = new_visitor()
    pressed = await presses.press(request, "api", fresh, name, wish)
    return json_response(msgspec.structs.replace(pressed, token=desk.tokens.sign(fresh)))


async def erase(request: web.Request) -> web.Response:
    """Whoever holds the token may say it again, also once it is good for nothing else: until the copies exist."""
    presses.check_may_press_with_token(request)
    desk = request.app[keys.DESK]
    visitor = presses.visitor_behind(desk.tokens.verify, guards.bearer_token(request) or "")
    answer = await asking.erase(desk.engine, visitor)
    if answer.refusal is not None:
        raise presses.refusal_of(desk, answer.refusal)
    return json_response(wire.Erased(copies=answer.copies, wanted=answer.wanted))


def _visitor_of(request: web.Request, desk: Desk) -> bytes | None:
    """None without Authorization; a `RefusedError` with one that is not a token of ours."""
    token = guards.bearer_token(request)
    return None if token is None else presses.visitor_behind(desk.visitor_behind, token)


def json_response(answer: Any) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(answer), content_type="application/json", headers={"Cache-Control": "no-store"}
    )
