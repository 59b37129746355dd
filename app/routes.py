"""The table of routes of the public listener."""

from pathlib import Path
from typing import Final

from aiohttp import web

from app import admin, api, backup, badge, live, pages

STATIC: Final = Path(__file__).parent / "static"

# aiohttp's own pattern leaves out braces: such a name is a bad item too, and not a page that is missing.
ROUTES: Final = (
    web.get("/", pages.home),
    web.get("/items/{item:[^/]+}", pages.item_page),
    web.post("/items/{item:[^/]+}/press", pages.press),
    web.get("/badge/{item:[^/]+}.svg", badge.badge),
    web.get("/api/items", api.items),
    web.get("/api/items/{item:[^/]+}", api.item),
    web.post("/api/items/{item:[^/]+}/press", api.press),
    web.delete("/api/visitor", api.erase),
    web.get("/api/nodes", api.nodes),
    web.get("/live", live.handle, allow_head=False),
    web.static("/static", STATIC),
)
# Only where an admin token is set.
ADMIN_ROUTES: Final = (
    web.post("/api/admin/items/{item:[^/]+}/reset", admin.reset),
    web.get("/api/admin/backup", backup.download, allow_head=False),
)
