"""What the aiohttp application carries, by typed key; `app.main` puts it in, handlers take it out."""

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from app.desk import Desk
    from app.live import Live
    from app.origins import Origins
    from app.settings import Settings
    from app.top import Top
    from app.visitors import Tokens

SETTINGS: "Final[web.AppKey[Settings]]" = web.AppKey("settings")
DESK: "Final[web.AppKey[Desk]]" = web.AppKey("desk")
ORIGINS: "Final[web.AppKey[Origins]]" = web.AppKey("origins")
LIVE: "Final[web.AppKey[Live]]" = web.AppKey("live")
TOP: "Final[web.AppKey[Top]]" = web.AppKey("top")
FORM_TOKENS: "Final[web.AppKey[Tokens]]" = web.AppKey("form_tokens")
# Held by a reset that names the generation it ends.
RESETTING: "Final[web.AppKey[asyncio.Lock]]" = web.AppKey("resetting")
# Held while a copy of the ledger is made and sent.
BACKING_UP: "Final[web.AppKey[asyncio.Lock]]" = web.AppKey("backing_up")
# Whoever looks at the cluster now (`app.cluster_page`).
LOOKING: "Final[web.AppKey[list[web.StreamResponse]]]" = web.AppKey("looking")
# Resolves with a reason when a background task ended: the process must exit.
FAILED: "Final[web.AppKey[asyncio.Future[str]]]" = web.AppKey("failed")
