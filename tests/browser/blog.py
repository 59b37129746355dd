"""Somebody's own site, of another origin than the cluster's, with a strict policy: whatever a button is put on."""

from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from tests.support.ports import free_port

# Another site than 127.0.0.1, where the cluster is.
HOST: Final = "localhost"


class Blog:
    """`blog.write("/a", "<p>…")` before a tab opens `blog.address + "/a"`."""

    def __init__(self) -> None:
        self.address = f"http://{HOST}:{free_port()}"
        self._pages: dict[str, tuple[str, str]] = {}
        self._files: dict[str, Path] = {}

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, int(self.address.rpartition(":")[2])).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def write(self, path: str, server: str, body: str, *, head: str = "") -> str:
        """A page with the button's script; its address. It may load and run nothing but what the server has."""
        script = f'<script async src="{server}/static/like-button.js"></script>'
        page = f"<!doctype html><html lang=en><title>A blog</title>{head}{script}<body>{body}"
        policy = (
            f"default-src 'none'; script-src {server}; connect-src {server} {server.replace('http', 'ws')}; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        )
        self._pages[path] = (page, policy)
        return self.address + path

    def write_plain(self, path: str, page: str, *, language: str = "en", **files: Path) -> str:
        """A page without a policy, and beside it these files, as `<path>/<name>`; its address."""
        self._pages[path] = (f"<!doctype html><html lang={language}><title>A blog</title>{page}", "")
        self._files |= {f"{path}/{name}": file for name, file in files.items()}
        return self.address + path

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path in self._files:
            return web.FileResponse(self._files[request.path])
        if request.path not in self._pages:
            return web.Response(status=404 if request.path != "/favicon.ico" else 204)
        page, policy = self._pages[request.path]
        return web.Response(
            text=page, content_type="text/html", headers={"Content-Security-Policy": policy} if policy else {}
        )
