"""The base images that the Dockerfile and the compose file name: the official ones, or stand-ins for them.

Where no registry answers, a Debian tree with python3 and nginx is made by debootstrap and imported under the
official names. The tree is kept between runs in the user's cache folder. What pip needs to reach a package index
from here (its configuration, and the machine's certificates) goes into the stand-in on top of it.
"""

import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.compose.engine import CommandError, Engine, run
from tests.support.process import REPOSITORY

# Its python3 has the version that the Dockerfile names.
DEBIAN: Final = "trixie"
MIRROR: Final = "http://deb.debian.org/debian"
PACKAGES: Final = "python3,python3-venv,ca-certificates,nginx-light"
# Change it when the recipe changes, so that an older tree is not used.
RECIPE: Final = "1"
PULL_WITHIN_S: Final = 60.0

_BASE: Final = "like-stand-in-base"
_CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
_PATH: Final = "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


def python_tag() -> str:
    return _named(REPOSITORY / "Dockerfile", r"^FROM (\S+)")


def nginx_tag() -> str:
    return _named(REPOSITORY / "docker-compose.yaml", r"^\s+image: (nginx:\S+)")


def provide(engine: Engine) -> list[str]:
    """Make both images present. Returns the tags that are stand-ins, for whoever has to take them away again."""
    absent = [tag for tag in (python_tag(), nginx_tag()) if not engine.has_image(tag) and not _pull(engine, tag)]
    if not absent:
        return []
    engine.docker("import", "--change", _PATH, str(debian_tree()), _BASE)
    if nginx_tag() in absent:
        engine.docker("tag", _BASE, nginx_tag())
    if python_tag() in absent:
        _build_python(engine)
    return [*absent, _BASE]


def debian_tree() -> Path:
    """The tree as a tar file, made once per machine: half a minute and 300 MB of packages."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "distributed-event-handler"
    tree = cache / f"debian-{DEBIAN}-{RECIPE}.tar"
    if not tree.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            made = _make_tree(Path(folder))
            made.rename(tree)
    return tree


def _make_tree(folder: Path) -> Path:
    root, archive = folder / "root", folder / "root.tar"
    options = ["--variant=minbase", f"--include={PACKAGES}"]
    run(["debootstrap", *options, DEBIAN, str(root), MIRROR], timeout_s=280)
    # `python` and `pip` where the official image has them.
    run(["chroot", str(root), "python3", "-m", "venv", "/usr/local"])
    left_out = [
        "./var/cache/apt",
        "./var/lib/apt/lists",
        "./usr/share/doc",
        "./usr/share/locale",
        "./usr/share/man",
    ]
    run(["tar", "-C", str(root), "-cf", str(archive), *(f"--exclude={path}" for path in left_out), "."])
    shutil.rmtree(root)
    return archive


def _build_python(engine: Engine) -> None:
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        (context / "Dockerfile").write_text(
            f"FROM {_BASE}\nCOPY pip.conf /etc/pip.conf\nCOPY certificates {_CERTIFICATES}\n"
        )
        (context / "pip.conf").write_text(pip_configuration())
        shutil.copy(host_certificates(), context / "certificates")
        engine.docker("build", "--tag", python_tag(), folder)


def pip_configuration() -> str:
    """How pip reaches a package index on this machine, without what lies in local folders."""
    listed = run([sys.executable, "-m", "pip", "config", "list"])
    settings: dict[str, str] = {}
    # The environment's lines come first, and they are the ones that count.
    for name, value in re.findall(r"^(?:global|install|:env:)\.([a-z-]+)='(.*)'$", listed, re.MULTILINE):
        settings.setdefault(name, _without_local(value))
    lines = [f"{name} = {value}" for name, value in settings.items() if value and name != "cert"]
    return "\n".join(["[global]", f"cert = {_CERTIFICATES}", *lines, ""])


def _without_local(value: str) -> str:
    return " ".join(word for word in re.split(r"\\n|\s+", value) if not word.startswith(("file:", "/", "~", ".")))


def host_certificates() -> Path:
    """The certificates that this machine trusts."""
    known = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, _CERTIFICATES)
    return next(Path(path) for path in known if path and Path(path).is_file())


def _pull(engine: Engine, tag: str) -> bool:
    try:
        engine.docker("pull", "--quiet", tag, timeout_s=PULL_WITHIN_S)
    except (CommandError, subprocess.TimeoutExpired):
        return False
    return True


def _named(file: Path, pattern: str) -> str:
    found = re.search(pattern, file.read_text(), re.MULTILINE)
    assert found, f"{file.name} names no image"
    return found[1]
