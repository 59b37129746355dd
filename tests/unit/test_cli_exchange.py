"""`export FILE` and `import FILE` against a node."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from cli import api
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


def lines(said: tuple[int, str, str]) -> list[str]:
    assert said[0] == ExitCode.OK, said[2]
    return said[1].splitlines()


async def test_an_import_says_what_it_has_added(site: Site, program: Program, tmp_path: Path) -> None:
    await site.client.post("/api/items/clap%3Ab.example/press", json={"n": 2})
    dump = tmp_path / "claps.csv"
    dump.write_text("b.example,120\nonce:a,1500\n")
    said = lines(await program.run("import", str(dump)))
    assert said[:2] == ["1 of 2: clap:b.example  +120, now 122", "2 of 2: once:a  +1,500, now 1,500"]
    assert said[2].startswith("+1,620 in all")

    dump.write_text("b.example,125\nonce:a,1400\n")
    said = lines(await program.run("import", str(dump)))
    assert said[:2] == ["1 of 2: clap:b.example  +5, now 127", "2 of 2: once:a  nothing new, 1,500"]
    assert said[2].startswith("+5 in all; the other 1,520 came before under the label 'import'")
    assert "--label" in said[2]


async def test_a_second_source_under_the_same_label_is_told_of_labels(program: Program, tmp_path: Path) -> None:
    dump = tmp_path / "claps.csv"
    dump.write_text("b.example,24\n")
    lines(await program.run("import", str(dump)))
    line, summary = lines(await program.run("import", str(dump)))
    assert line == "1 of 1: clap:b.example  nothing new, 24"
    assert summary.startswith("nothing was new: what came before under the label 'import' counts only once")
    assert "--label" in summary
    line, _ = lines(await program.run("import", str(dump), "--label", "other"))
    assert line == "1 of 1: clap:b.example  +24, now 48"


async def test_an_export_that_adds_to_what_is_there_is_warned_of(
    site: Site, program: Program, tmp_path: Path
) -> None:
    await site.client.post("/api/items/tap%3Ahome/press", json={"n": 7})
    dump = tmp_path / "own.jsonl"
    lines(await program.run("export", str(dump)))
    said = lines(await program.run("import", str(dump)))
    assert said[0] == "1 of 1: tap:home  +7, now 14"
    assert "export of this very cluster" in said[-1]

    dump.write_text("item,count\ntap:new,7\n")
    assert "export" not in "".join(lines(await program.run("import", str(dump)))), "nothing was there before"
    assert "export" not in "".join(lines(await program.run("import", str(dump)))), "and nothing was added"
    dump.write_text("item,count\ntap:new,9\n")
    assert "export" not in "".join(lines(await program.run("import", str(dump)))), "what was there was its own"


async def test_an_import_whose_answer_was_lost_claims_no_more_than_it_knows(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_in, answers_to_lose = api.bring_in, 1

    async def lose_one(*asked: Any) -> api.Imported:
        nonlocal answers_to_lose
        done = await bring_in(*asked)
        if answers_to_lose:
            answers_to_lose -= 1
            raise api.NotDoneError("the connection was lost")
        return done

    monkeypatch.setattr(api, "bring_in", lose_one)
    dump = tmp_path / "claps.csv"
    dump.write_text("b.example,30\nc.example,5\n")
    said = lines(await program.run("import", str(dump)))
    assert said[:2] == ["1 of 2: clap:b.example  +0 to +30, now 30", "2 of 2: clap:c.example  +5, now 5"]
    assert said[2].startswith("+5 to +35 in all")
    assert "an answer was lost" in said[2]
    assert lines(await program.run("import", str(dump)))[2].startswith("nothing was new")


async def test_a_node_that_does_not_say_what_was_added_is_not_taken_for_one_that_added_nothing(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_in = api.bring_in

    async def as_before(*asked: Any) -> api.Imported:
        return msgspec.structs.replace(await bring_in(*asked), added=None)

    monkeypatch.setattr(api, "bring_in", as_before)
    dump = tmp_path / "claps.csv"
    dump.write_text("b.example,30\n")
    assert lines(await program.run("import", str(dump)))[0] == "1 of 1: clap:b.example  +0 to +30, now 30"


async def test_a_file_of_zeros_is_not_taken_for_one_that_came_before(program: Program, tmp_path: Path) -> None:
    dump = tmp_path / "claps.csv"
    dump.write_text("b.example,0\n")
    assert lines(await program.run("import", str(dump))) == [f"{dump} counts nothing: all of it is 0"]


def test_how_they_are_written() -> None:
    assert parse_command(["export", "a.csv"]) == Command("export", paths=("a.csv",))
    assert parse_command(["import", "a.csv"]) == Command("import", paths=("a.csv",))
    options = parse_arguments(["import", "a.csv", "--label", "old"], {})
    assert options.command == Command("import", paths=("a.csv",), label="old")
    for text in ("import", "import a b", "export", "import a --label", "import a --replace", "export a b"):
        with pytest.raises(UsageError):
            parse_command(text.split())
