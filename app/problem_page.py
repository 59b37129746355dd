"""A problem as a page, for people who came to it by an address or a form: what it is in their language, and why.

Programs get problem details (`app.problems`): only who asks for a page gets one.
"""

from typing import Final

import aiohttp_jinja2
from aiohttp import web

from app.texts import texts_of

_FOR_PROGRAMS: Final = ("/api/", "/live")


def wants_page(request: web.Request) -> bool:
    """As browsers do where what comes is shown as a page of its own (or in a frame), and scripts do not."""
    return "text/html" in request.headers.get("Accept", "") and not request.path.startswith(_FOR_PROGRAMS)


def page(request: web.Request, problem: web.Response, detail: str) -> web.Response:
    """With the status and the headers of `problem`; `detail` is in English, as the documents have it."""
    texts = texts_of(request)
    said = texts.entries["problem"]
    context = {"t": texts, "said": said.get(str(problem.status), said["other"]), "detail": detail}
    answer = aiohttp_jinja2.render_template("problem.html", request, context, status=problem.status)
    for name in problem.headers.keys() - {"Content-Type", "Content-Length"}:
        answer.headers[name] = problem.headers[name]
    return answer
