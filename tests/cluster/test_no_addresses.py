"""After a day of use nobody's address is anywhere on a disk: not in a ledger, a log, a backup, or what nginx keeps.

The day has twenty-four hours of what people, scripts and operators do, well and badly, with a crash, a stop and a
backup between them. Some come through nginx from addresses of their own; others are named by a header, as by nginx.
"""

import asyncio
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import aiohttp
from yarl import URL

from tests.support.cluster import Cluster
from tests.support.nginx import Nginx
from tests.support.node import Node
from tests.support.waiting import wait_for

HOURS: Final = 24
ITEM: Final = "once:a-day/of-use"
SEGMENT: Final = "once%3Aa-day%2Fof-use"
PAGES: Final = (
    "/", f"/items/{SEGMENT}", f"/embed/{SEGMENT}", f"/event/{SEGMENT}", f"/overlay/{SEGMENT}", "/privacy",
    "/cluster", "/admin", "/nowhere", f"/badge/{SEGMENT}.svg", f"/api/items/{SEGMENT}", "/api/top", "/api/nodes",
    "/api/stream?end=1&item=tap:a", "/items/no-item", "/get-claps?url=https://blog.example/a",
)  # fmt: skip
PRESS: Final = f"/api/items/{SEGMENT}/press"
GUESS: Final = {"Authorization": "Bearer a.guess"}
POSTS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (f"/items/{SEGMENT}/press", {"data": {"n": "1", "tab": "t"}}),
    (f"/items/{SEGMENT}/press?page=embed", {"data": {"n": "1", "tab": "t"}}),
    ("/blog.example/a", {"data": "❤️".encode()}),
    (PRESS, {}),
    (PRESS, {"json": {"n": -1}}),
    (PRESS, {"data": b"no json"}),
    (PRESS, {"data": b"x" * 20_000}),
    (PRESS, {"headers": GUESS}),
    (PRESS, {"headers": {"Origin": "https://evil.example"}}),
    ("/update-claps?url=https://blog.example/a", {"data": b"3"}),
    ("/forget", {}),
    (f"/api/admin/items/{SEGMENT}/reset", {"headers": GUESS}),
)


def named(hour: int) -> list[str]:
    """Addresses of documentation (RFC 5737, RFC 3849)."""
    return [f"203.0.113.{100 + hour}", f"198.51.100.{100 + hour}", f"2001:db8:{0xA100 + hour:x}::7"]


def own(hour: int) -> str:
    """One that a connection to nginx can come from on this machine."""
    return f"127.83.172.{100 + hour}"


class Visit:
    """What somebody does at `at`; every request carries these headers."""

    def __init__(self, session: aiohttp.ClientSession, at: str, headers: dict[str, str]) -> None:
        self._session, self._at, self._headers = session, at, headers
        self.seen: set[int] = set()

    async def make(self) -> None:
        for path in PAGES:
            await self._ask("GET", path)
        for path, more in POSTS:
            await self._ask("POST", path, **more)
        await self._ask("DELETE", "/api/visitor", headers=GUESS)
        await self._live()

    async def _ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> None:
        wish = {"headers": self._headers | (headers or {}), "allow_redirects": False, **more}
        async with self._session.request(method, self._at + path, **wish) as answer:
            await answer.read()
        self.seen.add(answer.status)

    async def _live(self) -> None:
        async with self._session.ws_connect(f"{self._at}/live", headers=self._headers) as socket:
            await socket.send_json({"type": "watch", "items": [ITEM]})
            for n in range(1, 6):
                await socket.send_json({"type": "press", "id": n, "item": "tap:a-day", "n": n})
            await socket.send_str("no json")
            await socket.send_json({"type": "ping"})
            async for message in socket:
                if '"pong"' in str(message.data):
                    break


async def hour_of_use(hour: int, nodes: list[Node], nginx: Nginx) -> set[int]:
    """Of everybody who comes in this hour; the statuses that they were answered."""
    connector = aiohttp.TCPConnector(local_addr=(own(hour), 0))
    async with aiohttp.ClientSession(connector=connector) as theirs, aiohttp.ClientSession() as proxied:
        visits = [Visit(theirs, nginx.address, {})]
        visits += [
            Visit(proxied, nodes[number % len(nodes)].address, {"X-Real-IP": address})
            for number, address in enumerate(named(hour))
        ]
        await asyncio.gather(*(visit.make() for visit in visits))
        await send_garbage(own(hour), nginx.port)
        return set().union(*(visit.seen for visit in visits))


async def operate(cluster: Cluster, node: Node, address: str) -> None:
    """What an operator does, from this address."""
    headers = {"Authorization": f"Bearer {cluster.admin_token}", "X-Real-IP": address}
    acts = [
        ("GET", "/api/admin/items", None),
        ("POST", "/api/admin/items/tap%3Aclosed/freeze", None),
        ("POST", "/api/admin/items/tap%3Aclosed/unfreeze", None),
        ("POST", "/api/admin/items/tap%3Aclosed/reset", None),
        ("POST", "/api/admin/origins", {"origin": "https://blog.example", "allowed": True}),
        ("GET", "/api/admin/export", None),
    ]
    for method, path, body in acts:
        url = URL(node.address + path, encoded=True)
        async with cluster.session.request(method, url, headers=headers, json=body) as answer:
            assert answer.status == 200, await answer.text()


async def send_garbage(address: str, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    writer.write(b"GET /\xff\xfe HTTP/9.9\r\nnonsense\r\n\r\n")
    await reader.read()
    writer.close()


class Disk:
    """All files below a folder, as they are now."""

    def __init__(self, folder: Path) -> None:
        files = (file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
        self._contents = {str(file): file.read_bytes() for file in files}

    def with_(self, what: bytes) -> list[str]:
        """Those in which this stands."""
        return [file for file, content in self._contents.items() if what in content]


async def test_after_a_day_of_use_no_address_is_on_any_disk(tmp_path: Path) -> None:
    async with Cluster(tmp_path) as cluster:
        nodes = await cluster.start(2)
        async with Nginx(tmp_path, [f"127.0.0.1:{node.port}" for node in nodes]) as nginx:
            seen: set[int] = set()
            for hour in range(HOURS):
                seen |= await hour_of_use(hour, nodes, nginx)
                await operate(cluster, nodes[hour % 2], named(hour)[hour % 3])
                if hour == HOURS // 3:
                    await nodes[0].kill()
                    seen |= await hour_of_use(hour, nodes[1:], nginx)
                    await nodes[0].restart()
                if hour == HOURS // 2:
                    await nodes[1].restart()
                await cluster.wait_until_ready()
            counted = await wait_for(lambda: _same_everywhere(nodes), 10, "all nodes to count the same")
            await cluster.erase(await _somebody(cluster, nodes[0]))
            await cluster.assert_converged(ITEM, counted, within_s=10)
            headers = {"Authorization": f"Bearer {cluster.admin_token}"}
            async with cluster.session.get(f"{nodes[0].address}/api/admin/backup", headers=headers) as backup:
                (tmp_path / "backup").write_bytes(await backup.read())
            # They were all there, and were answered in all ways.
            assert {200, 303, 400, 401, 403, 404, 413} <= seen
    disk = Disk(tmp_path)
    # What is looked for is looked for where it would be.
    for known in (ITEM.encode(), b"link.lost", b"GET "):
        assert disk.with_(known), known
    # Nor the networks that they are in.
    for network in ("203.0.113.", "198.51.100.", "2001:db8:", "127.83.172."):
        assert disk.with_(network.encode()) == []
    for address in (address for hour in range(HOURS) for address in (*named(hour), own(hour))):
        packed = ip_address(address).packed
        assert disk.with_(packed.hex().encode()) == []
        # Four bytes are found in what is random, too.
        if len(packed) > 4:
            assert disk.with_(packed) == []


async def _same_everywhere(nodes: list[Node]) -> int | None:
    counts = {await node.count(ITEM) for node in nodes}
    return counts.pop() if len(counts) == 1 else None


async def _somebody(cluster: Cluster, node: Node) -> str:
    async with cluster.session.post(node.address + PRESS, headers={"X-Real-IP": named(0)[0]}) as pressed:
        return str((await pressed.json())["token"])
