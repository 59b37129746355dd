"""What pages already speak: buttons of other makers work here when only their server's address is changed.

1. npm's `applause-button`: `GET /get-claps` and `POST /update-claps`, of the page that `url` or Referer names. Its
   claps are those of the item `clap:<page>`, at most 10 a request.
2. npm's `open-heart-element` and the OpenHeart protocol: `POST /<page>` with an emoji, `GET /<page>` for the counts
   of all. A heart of the page is a like of the item `once:<page>~<code points>`. Those of `emoji.txt` are taken.
3. Neither knows a visitor, so each request is one's own, and the budget of newcomers bounds them. Pages of others
   may use both where their origin is listed.
"""

import re
from pathlib import Path
from typing import Final

from aiohttp import web

from app import asking, keys, presses, wire
from app.api import json_response
from app.page_names import page_name
from app.problems import RefusedError
from app.visitors import new_visitor
from cluster.core.items import NAME_LENGTH_MAX

CLAPS_MAX: Final = 10
BODY_MAX: Final = 200
# A heart with and without its variation selector is one; written with it where it would be a sign of text.
_VARIATION: Final = "\ufe0f"
EMOJI: Final = {
    emoji.replace(_VARIATION, ""): emoji
    for emoji in (Path(__file__).parent / "emoji.txt").read_text("utf-8").split()
}
_LONGEST: Final = max(map(len, EMOJI))
_CLAPS: Final = re.compile(r'\s*"?([0-9]{1,6})[",.\s]?')

# A first segment with a dot is the host of a page: no route of ours has one. But files that everybody asks for do.
_FILES: Final = r"(?![^/]*\.(?:ico|txt|png|xml|json|html|php|webmanifest)$)"
PAGE_PATH: Final = "/{host:" + _FILES + r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+}{path:(?:/.*)?}"


async def get_claps(request: web.Request) -> web.Response:
    item = _clapped(request)
    state = (await asking.read(request.app[keys.DESK].engine, [item])).items[item]
    return _text(str(state.count))


async def update_claps(request: web.Request) -> web.Response:
    presses.check_may_press_with_token(request)
    item = _clapped(request)
    claps = _CLAPS.match((await request.read()).decode(errors="replace"))
    if claps is None:
        raise RefusedError("bad_message", "the body is a number of claps")
    n = min(max(int(claps[1]), 1), CLAPS_MAX)
    pressed = await presses.press(request, "applause", new_visitor(), item, wire.PressBody(n=n))
    return _text(str(pressed.count))


def _clapped(request: web.Request) -> str:
    page = request.query.get("url", "") or request.headers.get("Referer", "")
    return _checked(f"clap:{page_name(page)}")


async def hearts(request: web.Request) -> web.Response:
    page = _page_of(request)
    items = {emoji: _checked(_heart(page, bare)) for bare, emoji in EMOJI.items()}
    states = (await asking.read(request.app[keys.DESK].engine, list(items.values()))).items
    counts = {emoji: states[item].count for emoji, item in items.items() if states[item].count}
    return json_response(counts)


async def send_heart(request: web.Request) -> web.Response:
    presses.check_may_press_with_token(request)
    page = _page_of(request)
    emoji = _emoji_in((await request.content.read(BODY_MAX)).decode(errors="replace"))
    item = _checked(_heart(page, emoji))
    await presses.press(request, "open_heart", new_visitor(), item, wire.PressBody(n=1))
    return _text("recorded")


def _page_of(request: web.Request) -> str:
    return page_name(request.rel_url.raw_path.lstrip("/"), NAME_LENGTH_MAX - _SUFFIX_MAX)


def _heart(page: str, emoji: str) -> str:
    return f"once:{page}{_suffix(emoji)}"


def _suffix(emoji: str) -> str:
    return "~" + "-".join(f"{ord(sign):x}" for sign in emoji)


# So much room a page's name leaves for whichever heart.
_SUFFIX_MAX: Final = max(len(_suffix(emoji)) for emoji in EMOJI)


def _emoji_in(body: str) -> str:
    """The one at the beginning: the protocol allows anything behind it. The longest that is known."""
    bare = body.replace(_VARIATION, "")
    for length in range(_LONGEST, 0, -1):
        if bare[:length] in EMOJI:
            return bare[:length]
    raise RefusedError("bad_message", "the body begins with an emoji, one of: " + " ".join(EMOJI.values()))


def _checked(item: str) -> str:
    presses.check_item(item)
    return item


def _text(text: str) -> web.Response:
    return web.Response(text=text, headers={"Cache-Control": "no-store"})
