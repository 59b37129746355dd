"""`reset` and `forget` of the terminal client: done once, said plainly, and no token where it does not belong."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from cli import api
from cli.arguments import parse_arguments, parse_command, read_admin_token
from cli.exit_codes import UsageError
from tests.support.fake_node import FakeCluster
from tests.support.ports import free_port
from tests.unit.test_cli_program import Program

ITEM = "tap:home"
TOKEN = "an-admin-token-of-this-test"


@pytest_asyncio.fixture
async def cluster() -> AsyncIterator[FakeCluster]:
    started = FakeCluster()
    started.admin_token = TOKEN
    await started.start(2)
    yield started
    await started.end()
    assert started.mistakes == []


@pytest_asyncio.fixture
async def program(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Program]:
    monkeypatch.setenv("LIKE_ADMIN_TOKEN", TOKEN)
    made = Program(cluster.nodes[0].address, tmp_path, monkeypatch, capsys)
    yield made
    await made.end()


# reset


async def test_a_reset_begins_the_next_generation(cluster: FakeCluster, program: Program) -> None:
    assert (await program.run("like", ITEM))[0] == 0
    code, out, err = await program.run("reset", ITEM)
    assert (code, out, err) == (0, "tap:home was reset: generation 1 has begun\n", "")
    assert (cluster.gens[ITEM], cluster.count(ITEM)) == (1, 0)


async def test_a_reset_as_json(cluster: FakeCluster, program: Program) -> None:
    code, (event,) = await program.json("reset", "once:a/b")
    assert code == 0
    assert (event["event"], event["item"], event["gen"], event["copies"]) == ("reset", "once:a/b", 1, 1)


async def test_a_reset_whose_answer_was_lost_is_done_once(cluster: FakeCluster, program: Program) -> None:
    cluster.nodes[0].lost_answers = 1
    code, out, _ = await program.run("reset", ITEM)
    assert (code, "generation 1" in out) == (0, True)
    assert cluster.gens[ITEM] == 1


async def test_a_reset_that_stays_unanswered_may_be_done_and_is_said_so(
    cluster: FakeCluster, program: Program
) -> None:
    cluster.nodes[0].lost_answers = 1
    code, out, err = await program.run("--wait", "0", "reset", ITEM)
    assert (code, out) == (1, "")
    assert "it may be done all the same" in err


async def test_somebody_elses_reset_at_the_same_time_is_not_repeated(
    cluster: FakeCluster, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation_of = api.generation_of

    async def overtaken(*where: Any) -> int:
        gen = await generation_of(*where)
        cluster.reset(ITEM)
        return gen

    monkeypatch.setattr(api, "generation_of", overtaken)
    code, _, err = await program.run("reset", ITEM)
    assert (code, "somebody else just did (generation 1)" in err) == (1, True)
    assert cluster.gens[ITEM] == 1


async def test_a_reset_that_no_other_node_has_yet_ends_with_1_and_says_so(
    cluster: FakeCluster, program: Program
) -> None:
    cluster.nodes[0].copies = iter([0])
    code, out, _ = await program.run("reset", ITEM)
    assert (code, "only 0 of 1 other nodes know of it yet" in out) == (1, True)


async def test_an_item_is_frozen_and_let_go(cluster: FakeCluster, program: Program) -> None:
    assert await program.run("freeze", ITEM) == (0, "tap:home is frozen: it takes no presses\n", "")
    assert cluster.frozen == {ITEM}
    code, out, err = await program.run("like", ITEM)
    assert (code, "frozen" in out + err) == (1, True)
    assert cluster.count(ITEM) == 0
    code, (event,) = await program.json("unfreeze", ITEM)
    assert (code, event["event"], event["is_set"], event["copies"]) == (0, "frozen", False, 1)
    assert (await program.run("like", ITEM))[0] == 0


async def test_a_freeze_that_no_other_node_knows_yet_ends_with_1_and_says_so(
    cluster: FakeCluster, program: Program
) -> None:
    cluster.nodes[0].copies = iter([0])
    code, out, _ = await program.run("freeze", ITEM)
    assert (code, "only 0 of 1 other nodes know of it yet" in out) == (1, True)


async def test_a_wrong_admin_token_ends_with_4_and_is_never_shown(
    cluster: FakeCluster, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKE_ADMIN_TOKEN", "a-wrong-token")
    code, out, err = await program.run("reset", ITEM)
    assert (code, out, "not the admin token" in err) == (4, "", True)
    assert "a-wrong-token" not in err
    assert cluster.gens[ITEM] == 0


async def test_nodes_without_an_admin_token_are_told_apart(cluster: FakeCluster, program: Program) -> None:
    cluster.admin_token = ""
    code, _, err = await program.run("reset", ITEM)
    assert (code, "LIKE_ADMIN_TOKEN" in err) == (4, True)


async def test_without_a_token_a_reset_says_where_to_put_it(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIKE_ADMIN_TOKEN")
    code, _, err = await program.run("reset", ITEM)
    assert (code, "--admin-token-file" in err) == (2, True)


async def test_without_a_node_a_reset_ends_with_3(program: Program) -> None:
    program.address = f"http://127.0.0.1:{free_port()}"
    assert (await program.run("--wait", "0.1", "reset", ITEM))[0] == 3


async def test_the_admin_token_follows_no_redirect(program: Program) -> None:
    seen: list[str] = []

    async def lead_away(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"/elsewhere{request.path}"})

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.json_response({"gen": 0})

    app = web.Application()
    app.add_routes([web.route("*", "/api/{path:.*}", lead_away), web.route("*", "/elsewhere/{path:.*}", elsewhere)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    program.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    assert (await program.run("reset", ITEM))[0] == 1
    await runner.cleanup()
    assert seen == []


async def test_who_watches_follows_a_reset_at_once(cluster: FakeCluster, program: Program) -> None:
    assert (await program.run("like", "many", "5", "500"))[0] == 0
    watching = await program.start("watch", "--count", "2")
    assert watching.stdout is not None
    assert await watching.stdout.readline() == b"tap:home  5\n"
    assert (await program.other().run("reset", ITEM))[0] == 0
    assert await watching.stdout.readline() == b"tap:home  0\n"
    assert await watching.wait() == 0


def test_the_admin_token_comes_from_the_file_named_then_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("token-in-a\n")
    (tmp_path / "b").write_text("token-in-b")
    named, by_variable = str(tmp_path / "a"), {"LIKE_ADMIN_TOKEN_FILE": str(tmp_path / "b")}
    assert read_admin_token(named, {"LIKE_ADMIN_TOKEN": "other"}) == "token-in-a"
    assert read_admin_token("", {"LIKE_ADMIN_TOKEN": "other", **by_variable}) == "other"
    assert read_admin_token("", by_variable) == "token-in-b"
    assert parse_arguments(["reset", ITEM, "--admin-token-file", named], {}).admin_token_file == named


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff", b"\xc3\xbc"])
def test_what_is_no_token_is_never_sent(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(UsageError):
        read_admin_token(str(tmp_path / "token"), {})
    with pytest.raises(UsageError):
        read_admin_token(str(tmp_path / "missing"), {})


@pytest.mark.parametrize(
    "arguments",
    [
        ["--admin-token", TOKEN, "reset", ITEM],
        ["reset"],
        ["reset", ITEM, TOKEN],
        ["forget", "me"],
        ["like", "--yes"],
    ],
)
def test_a_reset_is_of_one_item_and_no_token_stands_on_the_command_line(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_arguments(arguments, {})


# forget


async def test_forget_erases_this_clients_presses_and_its_state(cluster: FakeCluster, program: Program) -> None:
    assert (await program.other().run("like", ITEM))[0] == 0
    assert (await program.run(typed=f"like {ITEM}\nlike once:a\n"))[0] == 0
    ((_, token, _),) = (owner for owner in cluster.tallies if owner[0] == "once:a")
    code, out, err = await program.run("forget", "--yes")
    assert (code, err) == (0, "")
    assert out.startswith("erased: this client is nobody's now")
    assert cluster.erased == {token}
    assert (cluster.count(ITEM), cluster.count("once:a")) == (1, 0)


async def test_after_forget_a_fresh_visitor_goes_on(cluster: FakeCluster, program: Program) -> None:
    code, events = await program.json(typed="like once:a\nforget --yes\nlike once:a\n")
    assert code == 0
    assert [event["event"] for event in events] == ["pressed", "erased", "pressed"]
    assert [event["count"] for event in events if event["event"] == "pressed"] == [1, 1]
    ((_, visitor, _),) = cluster.tallies
    assert visitor not in cluster.erased


async def test_a_press_right_after_forget_is_the_fresh_visitors(cluster: FakeCluster, program: Program) -> None:
    """Also where the node that it talks to hears of the erasure only later."""

    async def hear_later(token: str) -> None:
        """As a node does that the erasure has not reached yet."""

    for node in cluster.nodes:
        node.begin_afresh = hear_later  # type: ignore[method-assign]
    code, out, err = await program.run(typed="like once:a\nforget --yes\nlike once:a\n")
    assert (code, err.splitlines()) in [(0, [f"· connected to {node.name}"]) for node in cluster.nodes]
    assert out.count("saved (node") == 2
    ((_, visitor, _),) = cluster.tallies
    assert visitor not in cluster.erased


async def test_forget_waits_until_enough_nodes_know(cluster: FakeCluster, program: Program) -> None:
    assert (await program.run("like"))[0] == 0
    cluster.nodes[0].copies = iter([0])
    code, (event,) = await program.json("forget", "--yes")
    assert (code, event["event"], event["copies"]) == (0, "erased", 1)


async def test_forget_that_no_other_node_knows_of_ends_with_1(cluster: FakeCluster, program: Program) -> None:
    assert (await program.run("like"))[0] == 0
    cluster.nodes[0].copies = iter([0] * 100)
    code, out, _ = await program.run("--wait", "0.6", "forget", "--yes")
    assert (code, "only 0 of 1 other nodes know of it yet" in out) == (1, True)


async def test_a_lost_answer_is_asked_for_again(cluster: FakeCluster, program: Program) -> None:
    assert (await program.run("like"))[0] == 0
    cluster.nodes[0].lost_answers = 2
    assert (await program.run("forget", "--yes"))[0] == 0
    assert len(cluster.erased) == 1


async def test_forget_without_a_word_of_confirmation_erases_nothing(cluster: FakeCluster, program: Program) -> None:
    assert (await program.run("like"))[0] == 0
    for arguments, typed in ((("forget",), ""), ((), "forget\n")):
        code, _, err = await program.run(*arguments, typed=typed)
        assert (code, "forget --yes" in err) == (2, True)
    assert not cluster.erased
    assert cluster.count(ITEM) == 1


async def test_who_never_pressed_has_nothing_to_forget(cluster: FakeCluster, program: Program) -> None:
    code, out, _ = await program.run("forget", "--yes")
    assert (code, "nothing to forget" in out) == (0, True)
    assert not cluster.erased


async def test_without_a_node_forget_ends_with_3_and_keeps_the_state(
    cluster: FakeCluster, program: Program
) -> None:
    assert (await program.run("like", "once:a"))[0] == 0
    for node in cluster.nodes:
        await node.stop()
    code, _, err = await program.run("--wait", "0.1", "forget", "--yes")
    assert (code, "nothing was erased" in err) == (3, True)
    for node in cluster.nodes:
        await node.start()
    assert (await program.run("forget", "--yes"))[0] == 0
    assert cluster.count("once:a") == 0


def test_yes_may_stand_anywhere() -> None:
    assert parse_arguments(["--yes", "forget", "--json"], {}).command == parse_command(["forget", "--yes"])
