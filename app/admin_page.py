"""The operators' page: it asks for the token, keeps it in its own memory only, and does all by the API.

It shows nothing by itself, so whoever has no token sees a form and nothing else.
"""

import aiohttp_jinja2
from aiohttp import web

from app.texts import texts_of


async def page(request: web.Request) -> web.Response:
    texts = texts_of(request)
    context = {"t": texts, "script_texts": texts.for_script("button", "admin")}
    answer = aiohttp_jinja2.render_template("admin.html", request, context)
    answer.headers["Cache-Control"] = "no-store"
    return answer
