"""The cluster as one of its nodes sees it: `GET /api/nodes`. The only place that knows its fields."""

import asyncio
from typing import Final

import aiohttp
import msgspec

from cli.addresses import trouble_with

ANSWER_S: Final = 5.0


class NodesError(Exception):
    """The node did not say which nodes there are; the message says why."""


class NodeLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One node. `lag` is how many rows it has yet to confirm to the node that was asked."""

    name: str
    state: str = ""
    public_address: str = ""
    lag: int = 0
    watchers: int = 0
    version: str = ""


class _Answer(msgspec.Struct, frozen=True):
    nodes: list[NodeLine]


async def fetch_nodes(http: aiohttp.ClientSession, address: str) -> list[NodeLine]:
    """Ask the node at this address. Raises `NodesError`."""
    try:
        async with asyncio.timeout(ANSWER_S), http.get(f"{address}/api/nodes", raise_for_status=True) as answer:
            return msgspec.json.decode(await answer.read(), type=_Answer).nodes
    except (OSError, TimeoutError, aiohttp.ClientError) as error:
        raise NodesError(trouble_with(address, error)) from error
    except msgspec.DecodeError as error:
        raise NodesError(f"{address} answered something else than a list of nodes: {error}") from error
