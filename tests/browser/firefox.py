"""Firefox, which Playwright cannot drive as it is published: over WebDriver BiDi, by puppeteer (`firefox.mjs`)."""

import asyncio
import json
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.support.waiting import wait_for

SCRIPT: Final = Path(__file__).parent / "firefox.mjs"
ANSWER_WITHIN_S: Final = 30.0
ENDS_WITHIN_S: Final = 10.0
# What a page of the site says of its connection, and of presses.
STATUS: Final = "document.querySelector('[data-status]').dataset.status"
SAVED: Final = "document.querySelector('[data-saved]').textContent"


class Firefox:
    """`async with Firefox() as firefox: ada = await firefox.meet()`."""

    async def __aenter__(self) -> Self:
        node, firefox = shutil.which("node"), shutil.which("firefox-esr") or shutil.which("firefox")
        assert node, "node is not installed"
        assert firefox, "Firefox is not installed (on Debian: apt install firefox-esr)"
        self._process = await asyncio.create_subprocess_exec(
            *(node, str(SCRIPT), firefox), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), ENDS_WITHIN_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def ask(self, act: str, **wish: Any) -> Any:
        """One after the other: what the browser answers."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"act": act, **wish}).encode() + b"\n")
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), ANSWER_WITHIN_S)
        except TimeoutError:
            self._process.kill()  # What it still says would be taken for the next answer.
            raise
        assert line, "Firefox has gone"
        answer = json.loads(line)
        assert "error" not in answer, f"{act}: {answer['error']}"
        return answer["value"]

    async def meet(self) -> "FirefoxPerson":
        return FirefoxPerson(self, await self.ask("meet"))


class FirefoxPerson:
    """One profile: one visitor, once they have pressed."""

    def __init__(self, firefox: Firefox, number: int) -> None:
        self._firefox, self._number = firefox, number

    async def open(self, address: str, *, script: str = "") -> "FirefoxPage":
        """`script` runs before the page's own."""
        page = await self._firefox.ask("open", person=self._number, address=address, script=script)
        return FirefoxPage(self._firefox, page)

    async def leave(self) -> None:
        await self._firefox.ask("leave", person=self._number)


class FirefoxPage:
    """One tab."""

    def __init__(self, firefox: Firefox, number: int) -> None:
        self._firefox, self._number = firefox, number

    async def do(self, act: str, **wish: Any) -> Any:
        return await self._firefox.ask(act, page=self._number, **wish)

    async def evaluate(self, script: str) -> Any:
        return await self.do("evaluate", script=script)

    async def text(self, selector: str) -> str:
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)}).textContent.trim()"))

    async def click(self, selector: str, times: int = 1) -> None:
        await self.do("click", selector=selector, times=times)

    async def assert_is(self, script: str, value: Any, within_s: float = 5.0) -> None:
        """What the script says comes to be this."""
        seen: list[Any] = []

        async def is_so() -> bool:
            seen[:] = [await self.evaluate(script)]
            return bool(seen[0] == value)

        await wait_for(is_so, within_s, lambda: f"{script} to be {value!r}, not {seen}")
