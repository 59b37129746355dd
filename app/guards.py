"""Who may speak to this node from a browser, and what its answers let a browser do.

1. A page of another site may not press with this site's cookie: Sec-Fetch-Site decides, and where a browser
   does not send it, Origin against Host.
2. `/live` takes programs (no Origin), this site, and the origins that the operator listed; never `null`.
3. X-Forwarded-Proto is believed only from a trusted proxy.
4. Pages load nothing from elsewhere and run no inline script or style.
"""

from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

Network = IPv4Network | IPv6Network

_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Not no-referrer: with it browsers send `Origin: null` from our own form.
_SECURITY_HEADERS: Final = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`."""
    if response.status == 101:
        return
    response.headers.update(_SECURITY_HEADERS)
    response.headers.popall("Server", None)
    if request.path.startswith("/static/"):
        # With the ETag: asked for every time, sent only when it changed, also in a rolling upgrade.
        response.headers["Cache-Control"] = "no-cache"


def may_press(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return origin is None or _is_own(origin, request)


def bearer_token(request: web.Request) -> str | None:
    """What stands in `Authorization: Bearer …`; None without that header, empty if it says something else."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def may_go_live(request: web.Request, allowed_origins: frozenset[str]) -> bool:
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    return origin.lower() in allowed_origins or _is_own(origin, request)


def is_https(request: web.Request, trusted_proxies: tuple[Network, ...]) -> bool:
    """Whether the visitor's browser speaks https, here or with a trusted proxy in front."""
    if request.secure:
        return True
    return request.headers.get("X-Forwarded-Proto") == "https" and _is_trusted(request, trusted_proxies)


def _is_own(origin: str, request: web.Request) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == request.host.lower() != ""


def _is_trusted(request: web.Request, trusted_proxies: tuple[Network, ...]) -> bool:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if not peer:
        return False
    address = ip_address(peer[0])
    return any(address in network for network in trusted_proxies)
