"""The settings of one node, read from `LIKE_` variables (docs/operations.md explains each).

1. Every setting has a default that suits a laptop: two nodes on one machine need different names and ports only.
2. All mistakes are reported together, each with its variable, its value (never a secret's) and what is allowed.
3. Nothing is written before everything was found right.
4. A variable in `LIKE_` that no setting knows is no mistake, since other programs may share the prefix, but it
   is warned of: it is often a misspelled one.

Called once, by `app.__main__`; the tests call it with a mapping of their own.
"""

import difflib
import re
import socket
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import msgspec

from app import __version__, secret
from app.budget import Limit, Limits
from app.environment import Environment, Mistake, is_host_port, is_origin, is_peer, is_web_address, network
from app.guards import Network
from cluster.surface import ClusterSettings

PREFIX: Final = "LIKE_"
VARIABLES: Final = frozenset(
    PREFIX + name
    for name in (
        "NODE_NAME", "HOST", "PORT", "PUBLIC_ADDRESS", "CLUSTER_HOST", "CLUSTER_PORT", "CLUSTER_ADVERTISE",
        "DATA_DIR", "PEERS", "SECRET", "SECRET_FILE", "ADMIN_TOKEN", "ADMIN_TOKEN_FILE", "ACK_COPIES",
        "PUSH_INTERVAL_MS", "PRESS_RATE", "PRESS_BURST", "ADDRESS_RATE", "ADDRESS_BURST", "NEWCOMER_RATE",
        "NEWCOMER_BURST", "TAB_RATE", "TAB_BURST", "ITEM_RATE", "ITEM_BURST", "ALLOWED_ORIGINS", "TRUSTED_PROXIES",
    )
)  # fmt: skip
# The terminal client's own.
_NOT_OURS: Final = frozenset({"LIKE_ADDRESS"})
_LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound
_HOST_ALLOWED: Final = "an address or a name of this machine"
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
# It travels in a header, and whoever guesses it resets everything.
_ADMIN_TOKEN: Final = re.compile(r"[!-~]{16,512}\Z")
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}\Z")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """visitor_keys and form_keys: the first signs, all verify. allowed_origins: in lower case."""

    host: str
    port: int
    push_interval_ms: int
    limits: Limits
    allowed_origins: frozenset[str]
    trusted_proxies: tuple[Network, ...]
    admin_token: str
    visitor_keys: tuple[bytes, ...]
    form_keys: tuple[bytes, ...]
    cluster: ClusterSettings


class SettingsError(Exception):
    """The operator's mistakes, all of them. Exit code 2."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(["The settings have mistakes:", *(f"  {mistake}" for mistake in mistakes)]))
        self.mistakes = tuple(mistakes)


def read_settings(variables: Mapping[str, str]) -> Settings:
    environment = Environment(variables)
    host = environment.text("LIKE_HOST", "127.0.0.1", _is_host, _HOST_ALLOWED)
    port = environment.whole("LIKE_PORT", 8080, 0, 65535)
    origins = environment.words("LIKE_ALLOWED_ORIGINS", is_origin, "origins such as https://example.org")
    plain: dict[str, Any] = {
        "host": host,
        "port": port,
        "push_interval_ms": environment.whole("LIKE_PUSH_INTERVAL_MS", 50, 1, 60_000),
        "limits": Limits(
            visitor=_limit(environment, "PRESS", 50, 500),
            address=_limit(environment, "ADDRESS", 5000, 50_000),
            newcomers=_limit(environment, "NEWCOMER", 1, 1000),
            tabs=_limit(environment, "TAB", 100, 10_000),
            item=_limit(environment, "ITEM", 0, 0),
        ),
        "allowed_origins": frozenset(origin.lower() for origin in origins),
        "trusted_proxies": _trusted_proxies(environment),
        "admin_token": _read_admin_token(environment),
    }
    about_cluster = _read_cluster(environment, _public_address(host, port))
    secrets = _read_secrets(environment, about_cluster["data_dir"], has_peers=bool(about_cluster["peers"]))
    if environment.mistakes:
        raise SettingsError(environment.mistakes)
    return Settings(
        **plain,
        visitor_keys=secret.derive_all(secrets, "visitor"),
        form_keys=secret.derive_all(secrets, "form"),
        cluster=ClusterSettings(**about_cluster, keys=secret.derive_all(secrets, "peer"), version=__version__),
    )


def unknown_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like settings and are none, each with the likeliest meant one, or ""."""
    unknown = sorted(name for name in variables if name.startswith(PREFIX) and name not in VARIABLES | _NOT_OURS)
    return {name: "".join(difflib.get_close_matches(name, sorted(VARIABLES), n=1, cutoff=0.8)) for name in unknown}


def _read_cluster(environment: Environment, public_address: str) -> dict[str, Any]:
    name = environment.text("LIKE_NODE_NAME", _host_name(), _is_name, "1 to 64 characters of A-Z a-z 0-9 . _ -")
    copies = environment.text("LIKE_ACK_COPIES", "", str.isdecimal, "a whole number of other nodes, 0 or more")
    peers = "host:port or dns:name:port, separated by commas"
    return {
        "name": name,
        "host": environment.text("LIKE_CLUSTER_HOST", "127.0.0.1", _is_host, _HOST_ALLOWED),
        "port": environment.whole("LIKE_CLUSTER_PORT", 9000, 0, 65535),
        "advertise": environment.text("LIKE_CLUSTER_ADVERTISE", "", is_host_port, "host:port"),
        "public_address": environment.text(
            "LIKE_PUBLIC_ADDRESS", public_address, is_web_address, "http://host:port or https://host:port"
        ),
        "data_dir": environment.text("LIKE_DATA_DIR", f".data/{name}", bool, "a folder"),
        "peers": environment.words("LIKE_PEERS", is_peer, peers),
        "ack_copies": int(copies) if copies else None,
    }


def _read_secrets(environment: Environment, data_dir: str, *, has_peers: bool) -> tuple[str, ...]:
    """The secrets that were given, or the one that this node keeps for itself."""
    given = tuple(each.strip() for each in environment.secret("LIKE_SECRET").split(",") if each.strip())
    for each in given:
        length = len(each.encode())
        if length < secret.SECRET_BYTES_MIN:
            environment.mistake("LIKE_SECRET", f"(hidden, {length} bytes)", "at least 32 bytes each")
    if given or environment.mistakes:
        return given
    if has_peers:
        environment.mistake(
            "LIKE_SECRET",
            "(not set)",
            "LIKE_PEERS names other nodes, so all of them need the same secret of at least 32 bytes; "
            "make one with: openssl rand -hex 32",
        )
        return ()
    return _own_secret(environment, Path(data_dir))


def _read_admin_token(environment: Environment) -> str:
    token = environment.secret("LIKE_ADMIN_TOKEN")
    if token and not _ADMIN_TOKEN.match(token):
        allowed = "16 to 512 letters, digits and signs without spaces; make one with: openssl rand -hex 32"
        environment.mistake("LIKE_ADMIN_TOKEN", "(hidden)", allowed)
    return token


def _own_secret(environment: Environment, data_dir: Path) -> tuple[str, ...]:
    try:
        own = secret.read_or_make(data_dir)
    except (OSError, UnicodeError) as wrong:
        environment.mistake("LIKE_DATA_DIR", repr(str(data_dir)), f"a folder that this node may write to ({wrong})")
        return ()
    if len(own) < secret.SECRET_BYTES_MIN:
        environment.mistake("LIKE_DATA_DIR", repr(str(data_dir)), "its file `secret` is damaged")
    return (own,)


def _limit(environment: Environment, of: str, rate: float, burst: int) -> Limit:
    return Limit(
        environment.number(f"LIKE_{of}_RATE", rate, 1_000_000),
        environment.whole(f"LIKE_{of}_BURST", burst, 0, 1_000_000),
    )


def _trusted_proxies(environment: Environment) -> tuple[Network, ...]:
    words = environment.words(
        "LIKE_TRUSTED_PROXIES",
        lambda word: word == "none" or network(word) is not None,
        "addresses or networks such as 10.0.0.0/8, separated by commas, or none",
    )
    if not words:
        return _LOOPBACK
    return tuple(found for found in map(network, words) if found is not None)


def _public_address(host: str, port: int) -> str:
    """Where this node is reached if the operator does not say: known only if it listens on one address."""
    if host in _WILDCARDS or port == 0:
        return ""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _host_name() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:64] or "node"


def _is_name(value: str) -> bool:
    return _NAME.match(value) is not None


def _is_host(value: str) -> bool:
    return _HOST.match(value) is not None
