"""A cluster of real node processes, on the loopback interface or each in a network namespace of its own."""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from tests.support.browser import Message
from tests.support.node import READY_WITHIN_S, Node
from tests.support.place import LOOPBACK, Place
from tests.support.waiting import wait_for


class Cluster:
    """Nodes that share one secret. `async with Cluster(tmp_path) as cluster: nodes = await cluster.start(3)`."""

    def __init__(
        self, folder: Path, *, place_of: Callable[[str], Place] = lambda _: LOOPBACK, **settings: str
    ) -> None:
        """`settings` are LIKE_ variables that every node gets, such as LIKE_PRESS_RATE="0".

        `place_of` says where the node of a name runs.
        """
        self.folder = folder
        self.secret = secrets.token_hex(32)
        self.admin_token = secrets.token_hex(16)
        self.nodes: list[Node] = []
        self._settings = settings
        self._place_of = place_of

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(node.end() for node in self.nodes))
        await self.session.close()

    async def start(self, count: int) -> list[Node]:
        """So many nodes, each configured with all others as peers, all ready and linked."""
        started = [self._new_node() for _ in range(count)]
        for node in started:
            node.settings["LIKE_PEERS"] = ",".join(peer.cluster_address for peer in started if peer is not node)
            node.start()
        await self.wait_until_ready()
        return started

    async def add_node(self, *, knows: Node | None = None, **settings: str) -> Node:
        """One more node that is told of one other only, and learns of the rest from it."""
        known = knows or self.nodes[0]
        node = self._new_node()
        node.settings |= {"LIKE_PEERS": known.cluster_address, **settings}
        node.start()
        await node.wait_until_ready()
        return node

    def new_node(self, **settings: str) -> Node:
        """A node that is not started and has no peers yet."""
        node = self._new_node()
        node.settings |= settings
        return node

    async def wait_until_ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Every running node answers as ready and sees all others."""
        await asyncio.gather(*(node.wait_until_ready(within_s) for node in self.answering()))
        await self.wait_until_linked(within_s)

    async def wait_until_linked(self, within_s: float = READY_WITHIN_S) -> None:
        """Every node that answers calls every other one ready."""
        names = {node.name for node in self.answering()}

        async def all_linked() -> bool:
            views = await asyncio.gather(*(self.ready_names(node) for node in self.answering()))
            return all(view >= names for view in views)

        await wait_for(all_linked, within_s, f"links between {', '.join(sorted(names))}")

    async def ready_names(self, node: Node) -> set[str]:
        """The nodes that this one calls ready, itself included."""
        answer = await node.get_json("/api/nodes")
        return {each["name"] for each in answer["nodes"] if each["state"] == "ready"}

    async def counts(self, item: str) -> dict[str, int]:
        """Node name → what it shows for the item, of every node that answers."""
        nodes = self.answering()
        counts = await asyncio.gather(*(node.count(item) for node in nodes))
        return dict(zip((node.name for node in nodes), counts, strict=True))

    async def assert_converged(self, item: str, count: int, within_s: float = 2.0) -> None:
        """Every node that answers shows exactly this count."""
        seen: dict[str, int] = {}

        async def equal() -> bool:
            seen.update(await self.counts(item))
            return all(each == count for each in seen.values())

        await wait_for(equal, within_s, lambda: f"{item} to be {count} everywhere, nodes show {seen}")

    async def reset(self, item: str, on: Node | None = None) -> Message:
        """Begin the item's next generation, as an operator does."""
        path = f"/api/admin/items/{quote(item, safe='')}/reset"
        return await self._ask("POST", on or self.answering()[0], path, self.admin_token)

    async def freeze(self, item: str) -> Message:
        """It takes no presses any more."""
        path = f"/api/admin/items/{quote(item, safe='')}/freeze"
        return await self._ask("POST", self.answering()[0], path, self.admin_token)

    async def erase(self, token: str, on: Node | None = None) -> Message:
        """Forget the visitor who has this token, as it asks for."""
        return await self._ask("DELETE", on or self.answering()[0], "/api/visitor", token)

    async def _ask(self, method: str, node: Node, path: str, token: str) -> Message:
        url = URL(node.address + path, encoded=True)
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.request(method, url, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            return dict(await answer.json())

    def answering(self) -> list[Node]:
        """The nodes that run and are not frozen."""
        return [node for node in self.nodes if node.is_running and not node.is_frozen]

    def trouble(self) -> list[str]:
        return [f"{node.name}: {line}" for node in self.nodes for line in node.trouble()]

    def logs(self, lines_max: int = 200) -> str:
        """The end of every node's log, for a failed test."""
        return "\n".join(
            f"--- {node.name} ({node.log}) ---\n" + "\n".join(node.log_lines()[-lines_max:]) for node in self.nodes
        )

    def _new_node(self) -> Node:
        name = f"node{len(self.nodes) + 1}"
        place = self._place_of(name)
        node = Node(name, self.folder, secret=self.secret, session=self.session, place=place)
        node.settings |= {"LIKE_ADMIN_TOKEN": self.admin_token, **self._settings}
        self.nodes.append(node)
        return node
