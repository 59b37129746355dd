"""The table of routes of the public listener."""

from pathlib import Path
from typing import Final

from aiohttp import web

from app import (
    admin,
    admin_page,
    api,
    backup,
    badge,
    cluster_page,
    export,
    flags,
    foreign,
    imports,
    live,
    pages,
    privacy,
)

STATIC: Final = Path(__file__).parent / "static"

# aiohttp's own pattern leaves out braces: such a name is a bad item too, and not a page that is missing.
ROUTES: Final = (
    web.get("/", pages.home),
    web.get("/items/{item:[^/]+}", pages.item_page),
    web.post("/items/{item:[^/]+}/press", pages.press),
    web.get("/embed/{item:[^/]+}", pages.embed),
    web.get("/event/{item:[^/]+}", pages.event),
    web.get("/overlay/{item:[^/]+}", pages.overlay),
    web.get("/privacy", privacy.page),
    web.post("/forget", privacy.forget),
    web.get("/badge/{item:[^/]+}.svg", badge.badge),
    web.get("/api/items", api.items),
    web.get("/api/items/{item:[^/]+}", api.item),
    web.post("/api/items/{item:[^/]+}/press", api.press),
    web.delete("/api/visitor", api.erase),
    web.get("/api/top", api.top),
    web.get("/api/nodes", cluster_page.nodes),
    web.get("/api/nodes/stream", cluster_page.stream, allow_head=False),
    web.get("/cluster", cluster_page.page),
    web.get("/get-claps", foreign.get_claps),
    web.post("/update-claps", foreign.update_claps),
    web.get("/live", live.handle, allow_head=False),
    web.get("/api/stream", live.stream, allow_head=False),
    web.static("/static", STATIC),
)
# Behind all others: a page's address for a path.
PAGE_ROUTES: Final = (
    web.get(foreign.PAGE_PATH, foreign.hearts),
    web.post(foreign.PAGE_PATH, foreign.send_heart),
)
# Only where an admin token is set.
ADMIN_ROUTES: Final = (
    web.get("/admin", admin_page.page),
    web.post("/api/admin/items/{item:[^/]+}/reset", admin.reset),
    web.post("/api/admin/items/{item:[^/]+}/freeze", flags.freeze),
    web.post("/api/admin/items/{item:[^/]+}/unfreeze", flags.unfreeze),
    web.get("/api/admin/frozen", flags.frozen, allow_head=False),
    web.get("/api/admin/origins", flags.origins, allow_head=False),
    web.post("/api/admin/origins", flags.allow),
    web.post("/api/admin/import", imports.bring_in),
    web.get("/api/admin/items", export.items, allow_head=False),
    web.get("/api/admin/items/{item:[^/]+}", export.item, allow_head=False),
    web.get("/api/admin/export", export.export, allow_head=False),
    web.get("/api/admin/backup", backup.download, allow_head=False),
)
