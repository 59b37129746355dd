"""The page with the button, and the form behind it: complete without JavaScript.

1. The cookie `like_token` is set only by a press, and names the visitor of later ones.
2. The form carries a fresh visitor (used if no cookie came), a tab made for this rendering, and the absolute
   target: submitting it twice is one press.
3. A press ends on a page that this module names, never on one that the request names.
4. A page is the visitor's own, and in their language: it is not cached without asking.
5. Why a press was not taken is said in the query by its code, and by the page in words of its own.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

import aiohttp_jinja2
import msgspec
from aiohttp import web

from app import asking, guards, keys, presses, wire
from app.desk import tally_in
from app.problems import RefusedError
from app.texts import texts_of
from app.top import top_of
from app.visitors import TokenError, actor_of, new_tab, new_visitor
from cluster.core.items import belongs_to_visitor, kind_of, tally_max
from cluster.surface import FROZEN, Snapshot

HOME_ITEM: Final = "tap:home"
EXAMPLES: Final = ("once:article", "clap:talk")
COOKIE: Final = "like_token"
# Of presses in a frame, where no script runs; scripts have a token of their own there, and other pages another.
FRAME_COOKIE: Final = "like_frame"
COOKIE_MAX_AGE_S: Final = 400 * 24 * 3600
FORM_FIELDS_MAX: Final = 10


async def home(request: web.Request) -> web.Response:
    return await _render(request, HOME_ITEM, EXAMPLES, page="home")


async def item_page(request: web.Request) -> web.Response:
    return await _render(request, presses.item_of(request), ())


async def embed(request: web.Request) -> web.Response:
    """The button alone, for a frame on a page of others."""
    item = presses.item_in(request, after="embed")
    return await _render(request, item, (), template="embed.html", page="embed")


async def event(request: web.Request) -> web.Response:
    """The same for a hall."""
    item, named = presses.item_in(request, after="event"), presses.items_named(request)
    top = await top_of(request, named)
    return await _render(request, item, (), template="event.html", page="event", named=named, top=top)


async def overlay(request: web.Request) -> web.Response:
    """The number alone, on nothing, for streaming software."""
    item = presses.item_in(request, after="overlay")
    return await _render(request, item, (), template="overlay.html", page="overlay")


async def press(request: web.Request) -> web.Response:
    """The form's target."""
    presses.check_may_press(request)
    item = presses.item_of(request)
    page = _page_of(request, item)
    try:
        visitor = await _press(request, item)
    except RefusedError as problem:
        return see(_page_of(request, item, notice=problem.code))
    answer = see(page)
    is_https = guards.is_https(request, request.app[keys.SETTINGS].trusted_proxies)
    token = request.app[keys.DESK].tokens.sign(visitor)
    if is_https and page.startswith("/embed/"):
        # In a frame on another site a browser keeps only what says so, and apart from what it keeps elsewhere. No
        # Python before 3.14 has a word for it.
        kept = f"Max-Age={COOKIE_MAX_AGE_S}; Path=/; SameSite=None; Secure; Partitioned"
        answer.headers.add("Set-Cookie", f"{FRAME_COOKIE}={token}; {kept}")
    else:
        answer.set_cookie(COOKIE, token, max_age=COOKIE_MAX_AGE_S, samesite="Lax", secure=is_https)
    return answer


def _page_of(request: web.Request, item: str, **query: str) -> str:
    """Where a press leads back to."""
    name, page = quote(item, safe=""), request.query.get("page", "")
    if page == "event":
        return f"/event/{name}" + _query(item=presses.items_named(request), **query)
    return {"home": "/", "embed": f"/embed/{name}"}.get(page, f"/items/{name}") + _query(**query)


def _query(**fields: str | Sequence[str]) -> str:
    """With its question mark; empty where there is nothing in it."""
    query = urlencode(fields, doseq=True)
    return f"?{query}" if query else ""


async def _press(request: web.Request, item: str) -> bytes:
    """The visitor who pressed, or a `RefusedError`."""
    fields = _fields(await request.read())
    visitor = visitor_of_cookie(request)
    if visitor is None:
        tokens = request.app[keys.FORM_TOKENS]
        visitor = presses.visitor_behind(tokens.verify, fields["token"]) if "token" in fields else new_visitor()
    try:
        wish = msgspec.convert(fields, wire.PressBody, strict=False)
    except msgspec.ValidationError as wrong:
        raise RefusedError("bad_message") from wrong
    await presses.press(request, "form", visitor, item, wish)
    return visitor


def _fields(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=FORM_FIELDS_MAX))
    except ValueError as wrong:
        raise RefusedError("bad_message") from wrong


def see(page: str) -> web.Response:
    return web.Response(status=303, headers={"Location": page, "Cache-Control": "no-store"})


def visitor_of_cookie(request: web.Request) -> bytes | None:
    """None without a cookie, and with one that is no good (any more): the next press sets a good one."""
    is_framed = request.path.startswith("/embed/") or request.query.get("page") == "embed"
    for name in (FRAME_COOKIE, COOKIE) if is_framed else (COOKIE,):
        with suppress(TokenError):
            return request.app[keys.DESK].visitor_behind(request.cookies.get(name, ""))
    return None


async def _render(
    request: web.Request,
    item: str,
    examples: Sequence[str],
    *,
    template: str = "page.html",
    page: str = "",
    named: Sequence[str] = (),
    top: Sequence[tuple[str, int]] = (),
) -> web.Response:
    desk = request.app[keys.DESK]
    visitor = visitor_of_cookie(request)
    items = [item, *examples]
    tallies = [(each, actor_of(each, visitor or b"", "")) for each in items if visitor is not None]
    snapshot = await asking.read(desk.engine, items, tallies)
    form = {"token": request.app[keys.FORM_TOKENS].sign(new_visitor()), "tab": new_tab()}
    texts, notice = texts_of(request), request.query.get("notice", "")
    frozen = desk.engine.flags(FROZEN)
    back = _query(page=page, item=named) if page else ""
    views = [_view(snapshot, each, visitor, form, back) | {"frozen": each in frozen} for each in items]
    context = views[0] | {
        "view": views[0],
        "examples": views[1:],
        "node": desk.node,
        "notice": notice if notice in texts.entries["notices"] else None,
        "t": texts,
        "script_texts": texts.for_script("button", "status", "saving", "page", "event", "notices"),
        "top": top,
        "naming": _query(item=named),
        "origin": guards.origin_of(request),
    }
    answer = aiohttp_jinja2.render_template(template, request, context)
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.headers["Vary"] = "Cookie, Accept-Language"
    return answer


def _view(snapshot: Snapshot, item: str, visitor: bytes | None, form: dict[str, str], back: str) -> dict[str, Any]:
    """What the template needs of one item. `back` is the query that says where a press leads back to."""
    mine = tally_in(snapshot, item, actor_of(item, visitor, "")) if visitor is not None else None
    mine_n = mine.n if mine is not None and belongs_to_visitor(item) else 0
    state = snapshot.items[item]
    return {
        "item": item,
        "kind": kind_of(item),
        "count": state.count,
        "gen": state.gen,
        "mine_n": mine_n,
        "liked": kind_of(item) == "once" and mine_n % 2 == 1,
        "form": form | {"gen": state.gen, "n": min(mine_n + 1, tally_max(item))},
        "press_url": f"/items/{quote(item, safe='')}/press{back}",
    }
