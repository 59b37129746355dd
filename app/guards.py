"""Who may speak to this node from a browser, and what its answers let a browser do.

1. A page of another site may not press with this site's cookie: Sec-Fetch-Site decides, and where a browser
   does not send it, Origin against Host.
   The API knows no cookie: there origins that an operator listed may, too (`app.origins`).
2. `/live` takes programs (no Origin), this site, and the origins that an operator listed; never `null`. Those may
   read the API's answers too (CORS), and no others.
3. X-Forwarded-Proto, X-Real-IP and X-Forwarded-For are believed only from a trusted proxy.
4. Pages load nothing from elsewhere and run no inline script or style.
"""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from app import keys
from app.problems import RefusedError

Network = IPv4Network | IPv6Network

UNREADABLE: Final = b"?"
"""The network of whom a trusted proxy gives an address that is none."""

_LOADS: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors "
)
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "86400",
}
# What of a request goes into items, tokens and pages.
_WRITTEN_AGAIN: Final = ("Authorization", "Cookie", "Host", "Origin", "Referer")
# Not no-referrer: with it browsers send `Origin: null` from our own form.
_SECURITY_HEADERS: Final = {
    "Content-Security-Policy": _LOADS + "'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def _policy_in_frames(request: web.Request) -> str:
    """The policy of a page that may stand in a frame: on this site's pages, and on those of listed origins."""
    return _LOADS + " ".join(["'self'", *request.app[keys.ORIGINS].all])


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`."""
    if response.status == 101:
        return
    for name, value in _SECURITY_HEADERS.items():
        response.headers[name] = value
    if request.path.startswith("/embed/"):
        response.headers["Content-Security-Policy"] = _policy_in_frames(request)
    response.headers.popall("Server", None)
    response.headers.update(cors_headers(request))
    if request.path.startswith("/static/"):
        # With the ETag: asked for every time, sent only when it changed, also in a rolling upgrade.
        response.headers["Cache-Control"] = "no-cache"


def cors_headers(request: web.Request) -> dict[str, str]:
    """What lets a page of another origin read the answer (WHATWG Fetch, section 3.2)."""
    if request.path.startswith("/static/"):
        # The button's script, and what it loads.
        return {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
    if not _is_for_others(request.path):
        return {}
    allowed = {"Vary": "Origin"}
    if is_listed(request):
        allowed |= {"Access-Control-Allow-Origin": request.headers["Origin"]}
    return allowed


def _is_for_others(path: str) -> bool:
    """The API without the operator's part, and what speaks to buttons of other makers (`app.foreign`)."""
    if path.startswith("/api/"):
        return not path.startswith("/api/admin/")
    return path in ("/get-claps", "/update-claps") or "." in path.lstrip("/").partition("/")[0]


def is_listed(request: web.Request) -> bool:
    """Whether it comes from a page of an origin that an operator listed."""
    return request.headers.get("Origin", "").lower() in request.app[keys.ORIGINS]


@web.middleware
async def refuse_unreadable(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Bytes of a header that are no UTF-8 come as surrogates, which no item, token or page can be written with."""
    try:
        "".join(request.headers.get(name, "") for name in _WRITTEN_AGAIN).encode()
    except UnicodeEncodeError as odd:
        raise RefusedError("bad_message", "headers are UTF-8") from odd
    return await handler(request)


@web.middleware
async def answer_preflights(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Browsers ask before they send a token, or a press, from a page of another origin."""
    is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    if not is_preflight or not _is_for_others(request.path):
        return await handler(request)
    return web.Response(status=204, headers=_PREFLIGHT if is_listed(request) else {})


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


def may_go_live(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    return origin is None or is_listed(request) or _is_own(origin, request)


def is_https(request: web.Request, trusted_proxies: tuple[Network, ...]) -> bool:
    """Whether the visitor's browser speaks https, here or with a trusted proxy in front."""
    if request.secure:
        return True
    return request.headers.get("X-Forwarded-Proto") == "https" and _is_trusted(request, trusted_proxies)


def origin_of(request: web.Request) -> str:
    """This site's, as the visitor's browser knows it."""
    is_safe = is_https(request, request.app[keys.SETTINGS].trusted_proxies)
    return f"{'https' if is_safe else 'http'}://{request.host}"


def network_of(request: web.Request) -> bytes:
    """The network that it comes from: the first 24 bits of an IPv4 address, 64 of an IPv6 one.

    Empty for this machine itself. Nothing but a key of the budgets: it is never kept. A proxy says the address as
    X-Real-IP, or at the end of X-Forwarded-For; those of whom it says nothing that can be read are one network.
    """
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if not peer:
        return b""
    if _is_trusted(request, request.app[keys.SETTINGS].trusted_proxies):
        forwarded = request.headers.getall("X-Real-IP", ()) or request.headers.getall("X-Forwarded-For", ())
        return _network_of(forwarded[-1].rpartition(",")[2].strip() if forwarded else peer[0])
    return _network_of(peer[0])


def _network_of(text: str) -> bytes:
    try:
        address = ip_address(text)
    except ValueError:
        return UNREADABLE
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return b""
    return address.packed[: 3 if address.version == 4 else 8]


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
