"""The cluster as this node sees it: as JSON, as a stream of it, and as a page that is complete without JavaScript.

1. Where peers reach each other is nobody else's business: no cluster address is told.
2. The stream tells it once a second for as long as somebody looks, to `LOOKING_MAX` at once; it ends when the node
   leaves, and a browser comes back by itself, to another node.
"""

import asyncio
import time
from typing import Any, Final

import aiohttp_jinja2
import msgspec
from aiohttp import web

from app import keys
from app.api import json_response
from app.problems import RefusedError
from app.texts import Texts, texts_of
from cluster.surface import NodeStatus

EVERY_S: Final = 1.0
# Milliseconds after which a browser comes back.
RETRY: Final = b"retry: 500\n\n"
LOOKING_MAX: Final = 200
DIGEST_SHOWN: Final = 12


def nodes_of(request: web.Request) -> list[dict[str, Any]]:
    return [_node(place, status) for place, status in enumerate(request.app[keys.DESK].engine.status())]


def _node(place: int, status: NodeStatus) -> dict[str, Any]:
    # Of a peer that never answered nothing is known but where it is dialled.
    is_named = status.name != status.cluster_address
    return {
        "name": status.name if is_named else f"peer-{place}",
        "is_self": status.is_self,
        "state": status.state,
        "public_address": status.public_address,
        "lag": status.lag_rows,
        "lag_ms": round(1000 * status.lag_s),
        "watchers": status.watchers,
        "presses": status.presses,
        "uptime_s": round(max(0.0, time.time() - status.since)) if status.since else 0,
        "links": status.links,
        "digest": status.digest.hex(),
        "version": status.version,
    }


async def nodes(request: web.Request) -> web.Response:
    return json_response({"nodes": nodes_of(request)})


async def stream(request: web.Request) -> web.StreamResponse:
    """Server-sent events, each with what `nodes` answers."""
    looking = request.app[keys.LOOKING]
    if len(looking) >= LOOKING_MAX or request.app[keys.LIVE].is_leaving:
        raise RefusedError("overloaded")
    answer = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    answer.content_type = "text/event-stream"
    await answer.prepare(request)
    looking.append(answer)
    try:
        await answer.write(RETRY)
        while not request.app[keys.LIVE].is_leaving:
            await answer.write(b"data: %b\n\n" % msgspec.json.encode({"nodes": nodes_of(request)}))
            await asyncio.sleep(EVERY_S)
    except ConnectionResetError:
        pass  # Whoever looked has gone.
    finally:
        looking.remove(answer)
    return answer


async def page(request: web.Request) -> web.Response:
    texts, told = texts_of(request), nodes_of(request)
    context = {
        "t": texts,
        "nodes": [node | {"shown": _shown(node, texts)} for node in told],
        "agreement": _agreement(told, texts),
        "script_texts": texts.for_script("button", "cluster"),
        "told": told,
    }
    answer = aiohttp_jinja2.render_template("cluster.html", request, context)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _shown(node: dict[str, Any], texts: Texts) -> dict[str, str]:
    """What stands in its row, by column; `cluster.js` writes the same."""
    nothing = texts("cluster.none")
    is_there = node["state"] != "unreachable"
    return {
        # One of a later version may be in a state that has no text here.
        "state": texts.entries["cluster"].get(node["state"], node["state"]),
        "version": node["version"] or nothing,
        "uptime": _time(node["uptime_s"], texts) if is_there and node["uptime_s"] else nothing,
        "watchers": texts.number(node["watchers"]) if is_there else nothing,
        "presses": texts.number(node["presses"]) if is_there else nothing,
        "lag": texts("cluster.lag_value", rows=node["lag"], ms=node["lag_ms"]) if is_there else nothing,
        "links": ", ".join(node["links"]) if is_there and node["links"] else nothing,
        "digest": node["digest"][:DIGEST_SHOWN] if is_there and node["digest"] else nothing,
    }


def _time(seconds: int, texts: Texts) -> str:
    """In its largest unit."""
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= length:
            return texts(f"cluster.{unit}", n=seconds // length)
    return texts("cluster.seconds", n=seconds)


def _agreement(told: list[dict[str, Any]], texts: Texts) -> str:
    """Whether all who answer hold the same; what the others hold nobody knows."""
    digests = [node["digest"] for node in told if node["state"] != "unreachable" and node["digest"]]
    if len(digests) < 2:
        return texts("cluster.alone")
    if len(set(digests)) > 1:
        return texts("cluster.differ")
    key = "agree" if len(digests) == len(told) else "agree_some"
    return texts(f"cluster.{key}", digest=digests[0][:DIGEST_SHOWN], n=len(digests), all=len(told))
