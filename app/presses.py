"""One press over HTTP, from the form or the API: which item, whose, and what became of it.

1. An item in a path is one percent-encoded segment; what is left after one decoding is the item, byte for byte.
2. A refused press is a `RefusedError` with the code that a browser would get on `/live`.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from app import asking, guards, keys, wire
from app.desk import Desk
from app.problems import RefusedError
from app.refusals import code_of
from app.session import ITEMS_MAX
from app.visitors import TokenError, actor_of
from cluster.core.items import is_pressable, tally_max
from cluster.surface import Answer, Refusal


def item_of(request: web.Request) -> str:
    return item_in(request, after="items")


def item_in(request: web.Request, *, after: str, suffix: str = "") -> str:
    """Read off the raw path: aiohttp's own decoding would treat an encoded slash or percent sign specially."""
    segments = request.rel_url.raw_path.split("/")
    item = unquote(segments[segments.index(after) + 1].removesuffix(suffix), errors="replace")
    check_item(item)
    return item


def items_named(request: web.Request) -> list[str]:
    """Those of the query, `?item=a&item=b`, each once; as many as one may watch."""
    items = list(dict.fromkeys(request.query.getall("item", [])))
    if len(items) > ITEMS_MAX:
        raise RefusedError("too_many_items")
    for item in items:
        check_item(item)
    return items


def check_item(item: str) -> None:
    if not is_pressable(item):
        raise RefusedError("bad_item")


def check_may_press(request: web.Request) -> None:
    if not guards.may_press(request):
        raise RefusedError("forbidden")


def check_may_press_with_token(request: web.Request) -> None:
    """Where no cookie counts, pages of listed origins may too."""
    if not guards.may_press(request) and not guards.is_listed(request):
        raise RefusedError("forbidden")


def visitor_behind(verify: Callable[[str], bytes], token: str) -> bytes:
    try:
        return verify(token)
    except TokenError as wrong:
        raise RefusedError("bad_token") from wrong


async def press(request: web.Request, way: str, visitor: bytes, item: str, wish: wire.PressBody) -> wire.Pressed:
    """The answer of a committed press; a `RefusedError` if nothing was taken."""
    desk, network = request.app[keys.DESK], guards.network_of(request)
    if wish.n is not None and not 1 <= wish.n <= tally_max(item):
        desk.metrics.refused.labels("bad_tally").inc()
        raise RefusedError("bad_tally")
    # Without a tab all presses of a token are one actor's, so a retry with n is the same press.
    actor = actor_of(item, visitor, wish.tab or "")
    answer = await asking.press(desk.engine, desk.press_of(item, actor, network, wish))
    desk.metrics.count_press(way, answer, wish.n)
    if answer.refusal is not None:
        raise _refused(desk, visitor, network, answer)
    return desk.pressed(answer, visitor, network, wish.n)


def _refused(desk: Desk, visitor: bytes, network: bytes, answer: Answer) -> RefusedError:
    assert answer.refusal is not None, "only a refused press has a refusal"
    retry_after_s = desk.retry_after_s(answer, visitor, network)
    return refusal_of(desk, answer.refusal, retry_after_s=retry_after_s, gen=answer.gen, n=answer.n)


def refusal_of(desk: Desk, refusal: Refusal, **more: Any) -> RefusedError:
    """What the engine refused, as an error that was counted."""
    code = code_of(refusal)
    desk.metrics.refused.labels(code).inc()
    return RefusedError(code, **more)
