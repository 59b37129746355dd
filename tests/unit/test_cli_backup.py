"""`backup FILE`: the file is whole or not there, whatever the node, the way or the disk does."""

import base64
import fcntl
import json
import signal
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from cli import whole_file
from cli.arguments import Command, parse_arguments, parse_command
from cli.exit_codes import UsageError
from tests.support.ports import free_port
from tests.support.terminal import Terminal
from tests.support.waiting import wait_for
from tests.unit.sites import Site
from tests.unit.test_cli_program import Program

TOKEN = "an-admin-token-of-this-test"
LEDGER = bytes(range(251)) * 20_000
DIGEST = f"sha-256=:{base64.b64encode(sha256(LEDGER).digest()).decode()}:"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest_asyncio.fixture
async def site(make_site: Callable[..., Awaitable[Site]]) -> Site:
    made = await make_site(LIKE_ADMIN_TOKEN=TOKEN)
    made.engine.backup = LEDGER
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "backups"
    made.mkdir()
    return made


@pytest_asyncio.fixture
async def program(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Program]:
    monkeypatch.setenv("LIKE_ADMIN_TOKEN", TOKEN)
    made = Program(str(site.client.make_url("")), tmp_path / "state", monkeypatch, capsys)
    yield made
    await made.end()


@pytest_asyncio.fixture
async def other_node(program: Program) -> AsyncIterator[Callable[[Answer], Awaitable[None]]]:
    """Lets the program ask a node that answers as the test says."""
    runners: list[web.AppRunner] = []

    async def begin(answer: Answer) -> None:
        app = web.Application()
        app.add_routes([web.get("/{path:.*}", answer)])
        runners.append(web.AppRunner(app))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0).start()
        program.address = f"http://127.0.0.1:{runners[-1].addresses[0][1]}"

    yield begin
    for runner in runners:
        await runner.cleanup()


OtherNode = Callable[[Answer], Awaitable[None]]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_backup_is_what_the_node_sent_and_its_owners_alone(program: Program, folder: Path) -> None:
    file = folder / "node1.db"
    code, out, err = await program.run("backup", str(file))
    assert (code, err) == (0, "")
    assert out == f"{file} is a whole backup of {len(LEDGER):,} bytes\n"
    assert file.read_bytes() == LEDGER
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert files(folder) == ["node1.db"]


async def test_a_backup_as_json(program: Program, folder: Path) -> None:
    code, (event,) = await program.json("backup", str(folder / "a.db"))
    assert code == 0
    assert (event["event"], event["file"], event["bytes"]) == ("backup", str(folder / "a.db"), len(LEDGER))
    assert event["sha256"] == sha256(LEDGER).hexdigest()


async def test_an_older_backup_stays_unless_it_is_to_be_replaced(
    program: Program, site: Site, folder: Path
) -> None:
    (folder / "a.db").write_text("older")
    code, out, err = await program.run("backup", str(folder / "a.db"))
    assert (code, out, "--replace" in err) == (2, "", True)
    site.engine.backup_problem = "the disk is full"
    assert (await program.run("backup", str(folder / "a.db"), "--replace"))[0] == 1
    assert (folder / "a.db").read_text() == "older"
    site.engine.backup_problem = ""
    assert (await program.run("backup", "--replace", str(folder / "a.db")))[0] == 0
    assert (folder / "a.db").read_bytes() == LEDGER


async def test_what_the_node_says_is_what_the_operator_reads(program: Program, site: Site, folder: Path) -> None:
    site.engine.backup_problem = "no room there: free space on this disk"
    code, out, err = await program.run("--json", "backup", str(folder / "a.db"))
    assert (code, out) == (1, "")
    assert "no room there: free space on this disk" in json.loads(err)["text"]
    assert files(folder) == []


async def test_a_wrong_admin_token_ends_with_4(
    program: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKE_ADMIN_TOKEN", "a-wrong-token")
    code, _, err = await program.run("backup", str(folder / "a.db"))
    assert (code, "not the admin token" in err, "a-wrong-token" in err) == (4, True, False)
    assert files(folder) == []


async def test_without_a_token_a_backup_says_where_to_put_it(
    program: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIKE_ADMIN_TOKEN")
    code, _, err = await program.run("backup", str(folder / "a.db"))
    assert (code, "--admin-token-file" in err) == (2, True)


async def test_where_no_backup_is_given_the_node_itself_is_to_be_asked(
    program: Program, folder: Path, other_node: OtherNode
) -> None:
    async def as_nginx_does(_request: web.Request) -> web.Response:
        return web.Response(status=404, text="<html>")

    await other_node(as_nginx_does)
    code, _, err = await program.run("backup", str(folder / "a.db"))
    assert (code, "Ask the node itself" in err, "LIKE_ADMIN_TOKEN" in err) == (4, True, True)


async def test_without_a_node_a_backup_ends_with_3(program: Program, folder: Path) -> None:
    program.address = f"http://127.0.0.1:{free_port()}"
    assert (await program.run("backup", str(folder / "a.db")))[0] == 3
    assert files(folder) == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Repr-Digest": "sha-256=:bm90IHRoaXM=:"},
        {"Repr-Digest": "sha-256=:not base64:"},
        {"Repr-Digest": DIGEST.replace("sha-256", "sha-512")},
    ],
)
async def test_what_does_not_have_the_digest_is_no_backup(
    program: Program, folder: Path, other_node: OtherNode, headers: dict[str, str]
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=LEDGER, headers=headers)

    await other_node(answer)
    code, out, err = await program.run("backup", str(folder / "a.db"))
    assert (code, out, err.startswith("no backup: ")) == (1, "", True)
    assert files(folder) == []


async def test_a_changed_byte_on_the_way_is_found(program: Program, folder: Path, other_node: OtherNode) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=LEDGER[:-1] + b"x", headers={"Repr-Digest": DIGEST})

    await other_node(answer)
    code, _, err = await program.run("backup", str(folder / "a.db"))
    assert (code, "not what the node has sent" in err) == (1, True)
    assert files(folder) == []


async def test_another_digest_beside_it_is_no_hindrance(
    program: Program, folder: Path, other_node: OtherNode
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=LEDGER, headers={"Repr-Digest": f"sha-512=:AAAA:, {DIGEST}"})

    await other_node(answer)
    assert (await program.run("backup", str(folder / "a.db")))[0] == 0


async def test_a_node_that_dies_half_way_leaves_nothing(
    program: Program, folder: Path, other_node: OtherNode
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Repr-Digest": DIGEST, "Content-Length": str(len(LEDGER))})
        await response.prepare(request)
        await response.write(LEDGER[:300_000])
        assert request.transport is not None
        request.transport.abort()
        return response

    await other_node(answer)
    code, _, err = await program.run("backup", str(folder / "a.db"))
    assert (code, "broke off half-way" in err) == (1, True)
    assert files(folder) == []


async def test_the_admin_token_of_a_backup_follows_no_redirect(
    program: Program, site: Site, folder: Path, other_node: OtherNode
) -> None:
    elsewhere = program.address

    async def lead_away(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"{elsewhere}{request.path}"})

    await other_node(lead_away)
    code, _, err = await program.run("backup", str(folder / "a.db"))
    assert (code, "HTTP 307" in err) == (1, True)
    assert files(folder) == []


async def test_a_folder_that_cannot_be_written_is_said_before_the_node_makes_a_copy(
    program: Program, site: Site, folder: Path
) -> None:
    site.engine.backup_problem = "the node was asked"
    code, _, err = await program.run("backup", str(folder / "missing" / "a.db"))
    assert (code, "a.db.part: No such file" in err) == (1, True)


async def test_a_disk_that_fails_here_leaves_nothing(
    program: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_file.os, "fsync", full)
    code, _, err = await program.run("backup", str(folder / "a.db"))
    assert (code, "No space left on device" in err) == (1, True)
    assert files(folder) == []


async def test_two_backups_do_not_write_one_file(program: Program, folder: Path) -> None:
    with (folder / "a.db.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b"theirs")
        other.flush()
        code, _, err = await program.run("backup", str(folder / "a.db"))
    assert (code, "another program" in err) == (1, True)
    assert (folder / "a.db.part").read_bytes() == b"theirs"
    assert (await program.run("backup", str(folder / "a.db")))[0] == 0, "what a killed one left is no hindrance"
    assert files(folder) == ["a.db"]


async def test_a_person_sees_that_it_goes_on(program: Program, site: Site, folder: Path, tmp_path: Path) -> None:
    site.engine.may_end_backup.clear()
    (tmp_path / "token").write_text(TOKEN)
    terminal = Terminal()
    arguments = ("backup", str(folder / "a.db"), "--admin-token-file", str(tmp_path / "token"))
    await terminal.start(program.address, tmp_path / "state", *arguments)
    await terminal.until_shown("the node makes its copy")
    site.engine.may_end_backup.set()
    await terminal.until_shown("is a whole backup")
    assert await terminal.process.wait() == 0
    await terminal.end()


async def test_who_loses_patience_leaves_nothing(program: Program, site: Site, folder: Path) -> None:
    site.engine.may_end_backup.clear()
    process = await program.start("backup", str(folder / "a.db"))
    await wait_for(lambda: files(folder) == ["a.db.part"], 10, "the backup to begin")
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 130
    assert files(folder) == []
    site.engine.may_end_backup.set()


async def test_it_is_an_argument_and_not_typed(program: Program) -> None:
    code, _, err = await program.run(typed="backup a.db\n")
    assert (code, "python -m cli backup" in err) == (2, True)


def test_files_and_folders_are_named_with_it() -> None:
    assert parse_command(["backup", "A b"]) == Command("backup", paths=("A b",))
    given = parse_arguments(["restore", "--replace", "F", "D"], {})
    assert given.command == Command("restore", paths=("F", "D"), replaces=True)
    for words in (["backup"], ["backup", "a", "b"], ["restore", "a"], ["nodes", "--replace"]):
        with pytest.raises(UsageError):
            parse_arguments(words, {})
