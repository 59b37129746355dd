"""`export FILE` and `import FILE` against a node."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from cli.arguments import Command, parse_arguments, parse_command
from cli.exit_codes import ExitCode, UsageError
from tests.unit.sites import Site
from tests.unit.test_cli_program import Program

TOKEN = "an-admin-token-of-this-test"


@pytest_asyncio.fixture
async def site(make_site: Callable[..., Awaitable[Site]]) -> Site:
    return await make_site(LIKE_ADMIN_TOKEN=TOKEN)


@pytest_asyncio.fixture
async def program(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Program]:
    monkeypatch.setenv("LIKE_ADMIN_TOKEN", TOKEN)
    made = Program(str(site.client.make_url("")), tmp_path / "state", monkeypatch, capsys)
    yield made
    await made.end()


async def counted(site: Site, item: str) -> int:
    answer = await site.client.get("/api/items", params={"item": item})
    count: int = (await answer.json())["counts"][item]
    return count


async def test_what_is_exported_of_one_cluster_is_imported_into_another_once(
    site: Site, program: Program, tmp_path: Path
) -> None:
    for name in ("one.csv", "two.jsonl"):
        dump = tmp_path / name
        for item, n in (("tap:home", 1234), ("clap:talk", 50)):
            await site.client.post(f"/api/items/{item.replace(':', '%3A')}/press", json={"n": min(n, 500)})
        assert (await program.run("export", str(dump)))[0] == ExitCode.OK
        before = {item: await counted(site, item) for item in ("tap:home", "clap:talk")}
        for _ in range(2):
            assert (await program.run("import", str(dump), "--label", name))[0] == ExitCode.OK
            assert {item: await counted(site, item) for item in before} == {
                item: 2 * count for item, count in before.items()
            }


async def test_a_dump_of_applause_buttons_becomes_claps_of_pages(
    site: Site, program: Program, tmp_path: Path
) -> None:
    dump = tmp_path / "applause.json"
    dump.write_text('{"Items": [{"url": {"S": "blog.example/post/"}, "claps": {"N": "120"}}]}')
    assert (await program.run("import", str(dump)))[0] == ExitCode.OK
    assert await counted(site, "clap:blog.example/post") == 120


async def test_a_thousand_likes_and_more_go_out_in_several_requests(
    site: Site, program: Program, tmp_path: Path
) -> None:
    dump = tmp_path / "likes.csv"
    dump.write_text("page,likes\nblog.example,2345\n")
    assert (await program.run("import", str(dump)))[0] == ExitCode.OK
    assert await counted(site, "once:blog.example") == 2345


async def test_a_file_with_a_mistake_brings_nothing(site: Site, program: Program, tmp_path: Path) -> None:
    dump = tmp_path / "likes.csv"
    dump.write_text("page,likes\nblog.example,5\nother.example,many\n")
    assert (await program.run("import", str(dump)))[0] == ExitCode.USAGE
    assert not site.engine.presses


async def test_a_file_that_is_there_is_not_written_over_unasked(program: Program, tmp_path: Path) -> None:
    dump = tmp_path / "there.jsonl"
    dump.write_text("mine")
    assert (await program.run("export", str(dump)))[0] == ExitCode.USAGE
    assert dump.read_text() == "mine"
    assert (await program.run("export", str(dump), "--replace"))[0] == ExitCode.OK


def test_how_they_are_written() -> None:
    assert parse_command(["export", "a.csv"]) == Command("export", paths=("a.csv",))
    assert parse_command(["import", "a.csv"]) == Command("import", paths=("a.csv",))
    options = parse_arguments(["import", "a.csv", "--label", "old"], {})
    assert options.command == Command("import", paths=("a.csv",), label="old")
    for text in ("import", "import a b", "export", "import a --label", "import a --replace", "export a b"):
        with pytest.raises(UsageError):
            parse_command(text.split())
