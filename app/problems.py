"""Errors over HTTP: one JSON shape for all of them (RFC 9457), whoever raised them; people get a page of it.

1. A `RefusedError` is a refusal with one of the protocol's codes.
2. aiohttp's own errors (404, 405, 413, …) become problems with the same fields, and keep headers like Allow.
3. What nobody expected is logged with its traceback and answered with 500 and no detail.
"""

import math
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from app import problem_page
from app.refusals import REFUSALS, error

CONTENT_TYPE: Final = "application/problem+json"
_ON_PAGES: Final = {404: "No page has this address. /admin is there where an admin token is set."}
_KEPT: Final = ("Allow", "Upgrade", "Sec-WebSocket-Version")

_log = structlog.get_logger(__name__)


class RefusedError(Exception):
    """A request that is refused; `more` are further members of the answer."""

    def __init__(
        self, code: str, detail: str | None = None, *, retry_after_s: float | None = None, **more: Any
    ) -> None:
        super().__init__(code)
        self.code = code
        self.body = error(code, detail=detail, retry_after_s=retry_after_s)
        self.more = more

    def response(self) -> web.Response:
        status = REFUSALS[self.code].status
        members = {"code": self.code, "detail": self.body.message, **self.more}
        headers = {}
        if self.body.retry_after is not None:
            members["retry_after"] = self.body.retry_after
            headers["Retry-After"] = str(math.ceil(self.body.retry_after))
        if status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return _answer(status, members, headers)


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusedError as problem:
        answer, detail = problem.response(), problem.body.message
    except web.HTTPException as refused:
        if refused.status < 400:
            raise
        kept = {name: value for name, value in refused.headers.items() if name in _KEPT}
        answer = _answer(refused.status, {"detail": refused.reason}, kept)
        detail = _ON_PAGES.get(refused.status, refused.reason)
    except Exception:  # noqa: BLE001 - logged, and answered
        _log.exception("http.failed", method=request.method, route=_route_of(request))
        detail = "This node failed to answer."
        answer = _answer(500, {"detail": detail}, {})
    return problem_page.page(request, answer, detail) if problem_page.wants_page(request) else answer


def _answer(status: int, members: dict[str, Any], headers: dict[str, str]) -> web.Response:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, **members}
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-store", **headers},
    )


def _route_of(request: web.Request) -> str:
    """The route's pattern, not its path: a path may say what somebody presses."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
