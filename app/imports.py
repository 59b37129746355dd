"""Counts that were made elsewhere, brought in by an operator: as presses of visitors who are nobody else's.

1. A count is pressed by as many visitors as it takes: a like each of a `once` item, up to 50 claps each, and so on.
   They follow from the import's label, the page as the dump writes it (or the item) and their number, so that the
   same import again is the same presses: it changes nothing, and a later dump with a higher count adds what is
   missing. Two spellings of one page in a dump add up.
2. They are charged to nobody, and nobody has their tokens. A reset of the item undoes an import.
3. One request brings at most `VISITORS_MAX` of them, of one item; the next follows when it is answered.
4. The answer says by how much they have raised the count: the count itself also moves with others' presses.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

import structlog
from aiohttp import web

from app import admin, asking, keys, presses, wire
from app.api import json_response
from app.page_names import page_name
from app.problems import RefusedError
from app.visitors import actor_of
from cluster.core.items import VISITOR_LENGTH, counted, tally_max
from cluster.surface import Press

VISITORS_MAX: Final = 1000

_log = structlog.get_logger(__name__)


async def bring_in(request: web.Request) -> web.Response:
    presses.check_may_press(request)
    admin.check_admin(request)
    desk = request.app[keys.DESK]
    try:
        wish = wire.decode_import_body(await request.read())
    except wire.MessageError as wrong:
        raise RefusedError("bad_message", str(wrong)) from wrong
    item = wish.item or f"{wish.kind}:{page_name(wish.page)}"
    presses.check_item(item)
    brought = _presses(wish, item)
    before = await asking.read(desk.engine, [], [(press.item, press.actor) for press in brought])
    told = {"item": item, "label": wish.label, "first": wish.first, "visitors": wish.visitors}
    try:
        answer = await asking.press_all(desk.engine, brought)
    except RefusedError:
        # They may be taken all the same; the same import again changes nothing.
        _log.warning("item.import_unanswered", **told)
        raise
    if answer.refusal is not None:
        _log.warning("item.import_refused", **told)
        raise presses.refusal_of(desk, answer.refusal)
    _log.info("item.imported", **told)
    held = [tally.n if tally.gen >= answer.gen else 0 for tally in before.tallies.values()]
    added = _added(item, wish.n, held)
    done = wire.Imported(item=item, count=answer.count, copies=answer.copies, wanted=answer.wanted, added=added)
    return json_response(done)


def _added(item: str, n: int, held: Iterable[int]) -> int:
    """What tallies of at least n add to the count, where these were held before."""
    return sum(counted(item, max(n, before)) - counted(item, before) for before in held)


def _presses(wish: wire.ImportBody, item: str) -> list[Press]:
    most = tally_max(item)
    if wish.visitors > VISITORS_MAX or not 1 <= wish.n <= most:
        raise RefusedError("bad_tally", f"at most {VISITORS_MAX} visitors at once, and an n of 1 to {most:,} each")
    numbers = range(wish.first, wish.first + wish.visitors)
    named = wish.item or wish.page
    return [
        Press(item, actor_of(item, _visitor(wish.label, named, number), ""), None, wish.n) for number in numbers
    ]


def _visitor(label: str, named: str, number: int) -> bytes:
    return hashlib.blake2b(
        f"{label}\0{named}\0{number}".encode(), digest_size=VISITOR_LENGTH, person=b"import"
    ).digest()
