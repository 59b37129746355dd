"""A live badge: an item's count as a small SVG image, for readmes, feeds and mail.

1. Whoever embeds it asks every time (`no-cache`), and is sent it only if the count has changed (`ETag`).
2. It loads nothing and runs nothing, and any site may show it.
"""

import hashlib
from typing import Final

import aiohttp_jinja2
from aiohttp import ETag, web

from app import asking, keys, presses
from app.problems import RefusedError
from app.texts import DEFAULT, LANGUAGES
from cluster.core.items import kind_of

LABEL_MAX: Final = 60

# Whoever reads it is not known: it is kept on its way by who shows it to many.
_UNITS: Final = LANGUAGES[DEFAULT]["button"]["units"]
# Widths of letters in Verdana at 11 px, roughly; the image stretches its texts to what was reckoned.
_NARROW, _WIDE = frozenset("fijlrtI.,:;'|!() "), frozenset("mwMWGOQ@%")
_NARROW_PX, _USUAL_PX, _WIDE_PX = 4.5, 7.0, 10.0
_PADDING_PX: Final = 6.0


async def badge(request: web.Request) -> web.Response:
    item = presses.item_in(request, after="badge", suffix=".svg")
    label = request.query.get("label") or _UNITS[kind_of(item)]["other"]
    if len(label) > LABEL_MAX or not label.isprintable():
        raise RefusedError("bad_message", f"the label of a badge has at most {LABEL_MAX} printable characters")
    state = (await asking.read(request.app[keys.DESK].engine, [item])).items[item]
    answer = _drawn(request, label, f"{state.count:,}")
    answer.etag = ETag(hashlib.sha256((answer.text or "").encode()).hexdigest()[:20])
    if any(tag.value in (answer.etag.value, "*") for tag in request.if_none_match or ()):
        answer.set_status(304)
        answer.body = None
    answer.headers["Cache-Control"] = "no-cache"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer


def _drawn(request: web.Request, label: str, number: str) -> web.Response:
    label_px, number_px = _width_px(label), _width_px(number)
    context = {"label": label, "number": number, "label_px": label_px, "number_px": number_px}
    answer = aiohttp_jinja2.render_template("badge.svg", request, context | {"padding_px": _PADDING_PX})
    answer.content_type = "image/svg+xml"
    return answer


def _width_px(text: str) -> float:
    return sum(
        _NARROW_PX if letter in _NARROW else _WIDE_PX if letter in _WIDE or ord(letter) > 0x2E7F else _USUAL_PX
        for letter in text
    )
