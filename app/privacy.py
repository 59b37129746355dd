"""What is stored of a visitor, said on a page, and the form that forgets them: complete without JavaScript.

Whom the cookie names is erased, as by `DELETE /api/visitor`. Open tabs hear of it from their nodes, and what this
browser keeps besides is forgotten by the next page that a node tells it to.
"""

from typing import Final

import aiohttp_jinja2
from aiohttp import web

from app import asking, keys, presses
from app.pages import COOKIE, see, visitor_of_cookie
from app.problems import RefusedError
from app.texts import texts_of

PAGE: Final = "/privacy"
_DONE: Final = ("forgotten", "nobody")


async def page(request: web.Request) -> web.Response:
    texts, code = texts_of(request), request.query.get("notice", "")
    notice = f"privacy.{code}" if code in _DONE else f"notices.{code}" if code in texts.entries["notices"] else None
    answer = aiohttp_jinja2.render_template("privacy.html", request, {"t": texts, "notice": notice})
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["Vary"] = "Accept-Language"
    return answer


async def forget(request: web.Request) -> web.Response:
    """The form's target."""
    presses.check_may_press(request)
    visitor = visitor_of_cookie(request)
    if visitor is None:
        return see(f"{PAGE}?notice=nobody")
    desk = request.app[keys.DESK]
    try:
        answer = await asking.erase(desk.engine, visitor)
        if answer.refusal is not None:
            raise presses.refusal_of(desk, answer.refusal)
    except RefusedError as problem:
        return see(f"{PAGE}?notice={problem.code}")
    done = see(f"{PAGE}?notice=forgotten")
    done.del_cookie(COOKIE)
    return done
