"""What an operator may do over HTTP: begin an item's next generation.

1. Where no admin token is set, these routes do not exist (`app.main`).
2. The item is looked at before the token. nginx slows guesses of the token down by the request's path, and a path
   whose item has `..` leads elsewhere for nginx: such a request must learn nothing of the token.
3. A reset is not idempotent, unless it names the generation that it ends: then it is done once.
4. What was done is one line of the log: the audit. It names the item and no address.
"""

import hmac
from hashlib import sha256

import structlog
from aiohttp import web

from app import asking, guards, keys, presses, wire
from app.api import json_response
from app.problems import RefusedError
from cluster.surface import Answer

_log = structlog.get_logger(__name__)


async def reset(request: web.Request) -> web.Response:
    presses.check_may_press(request)
    item = presses.item_of(request)
    check_admin(request)
    desk = request.app[keys.DESK]
    answer = await _reset(request, item, await _gen_to_end(request))
    if answer.refusal is not None:
        raise presses.refusal_of(desk, answer.refusal)
    _log.info("item.reset", item=item, gen=answer.gen)
    done = wire.Reset(item=item, gen=answer.gen, count=answer.count, copies=answer.copies, wanted=answer.wanted)
    return json_response(done)


def check_admin(request: web.Request) -> None:
    """A `RefusedError` unless the request carries the admin token.

    Of the token no comparison tells anything, not even its length: hashes are compared.
    """
    given = guards.bearer_token(request) or ""
    digests = [
        sha256(token.encode("utf-8", "surrogateescape")).digest()
        for token in (given, request.app[keys.SETTINGS].admin_token)
    ]
    if not hmac.compare_digest(*digests):
        request.app[keys.DESK].metrics.refused.labels("bad_admin_token").inc()
        raise RefusedError("bad_admin_token")


async def _gen_to_end(request: web.Request) -> int | None:
    try:
        return wire.decode_reset_body(await request.read()).gen
    except wire.MessageError as wrong:
        raise RefusedError("bad_message", str(wrong)) from wrong


async def _reset(request: web.Request, item: str, gen: int | None) -> Answer:
    try:
        return await (_reset_any(request, item) if gen is None else _reset_only(request, item, gen))
    except RefusedError as refused:
        if refused.code == "unanswered":
            _log.warning("item.reset_unanswered", item=item)
        raise


async def _reset_any(request: web.Request, item: str) -> Answer:
    return await asking.reset(request.app[keys.DESK].engine, item)


async def _reset_only(request: web.Request, item: str, gen: int) -> Answer:
    """End this generation and no later one.

    Two of these on one node wait for each other, and the second finds the generation ended. Two on two nodes that
    have not heard of each other begin the same generation, which is one reset. What remains is the moment between
    reading here and committing here: a peer's reset that arrives in it is followed by one more.
    """
    engine = request.app[keys.DESK].engine
    async with request.app[keys.RESETTING]:
        known = (await asking.read(engine, [item])).items[item].gen
        if known != gen:
            raise RefusedError("other_gen", gen=known)
        return await asking.reset(engine, item)
