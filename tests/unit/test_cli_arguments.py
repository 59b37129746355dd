"""What a person may write, and how the program ends when it is wrong."""

import itertools
import random

import pytest

from cli.__main__ import main
from cli.addresses import Addresses, check_address
from cli.arguments import Command, parse_arguments, parse_command
from cli.exit_codes import UsageError
from cli.items import check_item


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("like", Command("like")),
        ("  LIKE tap:talk ", Command("like", item="tap:talk")),
        ("like many", Command("like many")),
        ("like many 500", Command("like many", presses=500)),
        ("like many 500 25", Command("like many", presses=500, per_second=25)),
        ("unlike once:a", Command("unlike", item="once:a")),
        ("watch", Command("watch")),
        ("watch tap:talk --count 3", Command("watch", item="tap:talk", count=3)),
        ("item once:blog/post-42", Command("item", item="once:blog/post-42")),
        ("nodes", Command("nodes")),
        ("exit", Command("exit")),
    ],
)
def test_lines_become_commands(line: str, command: Command) -> None:
    assert parse_command(line.split()) == command


@pytest.mark.parametrize(
    "line",
    [
        *("lick", "like tap:", "like many 0", "like many x", "like many 5 0", "like many 5 nan", "like many 5 2.5"),
        *("like many 5 5 5", "like many ²", "item", "nodes now", "watch --count 0", 'like "', "like a b"),
    ],
)
def test_lines_that_mean_nothing_are_explained(line: str) -> None:
    with pytest.raises(UsageError):
        parse_command(line.split())


@pytest.mark.parametrize(("line", "hint"), [("like 3", "like many 3"), ("Like 30 5", "like many 30 5")])
def test_a_like_with_a_number_is_told_of_like_many(line: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"{hint}$"):
        parse_command(line.split())


@pytest.mark.parametrize(
    "item", ["tap:home", "once:blog/post-42", "clap:a.b_c~d@e%2F", "tap:" + "x" * 200, "tap:..."]
)
def test_items_of_legal_form(item: str) -> None:
    assert check_item(item) == item


@pytest.mark.parametrize(
    "item",
    [
        *("home", "tap:", "vote:home", "tap:a b", "tap:a//b", "tap:/a", "tap:a/", "tap:..", "tap:a/../b"),
        *("tap:<b>", "tap:a\n", "tap:" + "x" * 201, "tap:ü", "TAP:home"),
    ],
)
def test_items_of_no_legal_form(item: str) -> None:
    with pytest.raises(UsageError):
        check_item(item)


def test_options_come_from_arguments_then_environment_then_defaults() -> None:
    assert parse_arguments([], {}).address == "http://localhost:8080"
    assert parse_arguments([], {"LIKE_ADDRESS": "node2:8080"}).address == "http://node2:8080"
    given = parse_arguments(["--address", "https://a.example/", "like"], {"LIKE_ADDRESS": "node2:8080"})
    assert (given.address, given.item, given.command) == ("https://a.example", "tap:home", Command("like"))


def test_options_may_stand_anywhere() -> None:
    options = parse_arguments(["watch", "tap:talk", "--count", "3", "--json"], {})
    assert options.is_json
    assert options.command == Command("watch", item="tap:talk", count=3)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["lick"], ["--item", "home"], ["--address", "ftp://a"], ["--wait", "x"], ["--nope"]),
        *(["nodes", "--count", "3"], ["--address", "http://user@a"], ["--address", "http://a:99999"]),
    ],
)
def test_usage_errors_end_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.strip()


def test_help_documents_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "exit codes:" in told
    assert "like many" in told


def test_help_says_what_an_import_does_to_the_counts(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("import", "export"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        told = " ".join(capsys.readouterr().out.split())
        assert "adds the counts of FILE to those that are there" in told
        assert "An export belongs into another or an empty cluster: in its own everything counts twice" in told
        assert "and a node's own address" not in told
        assert "backup, export, import: where the admin token stands" in told


def addresses_of(given: str, *met: str) -> Addresses:
    addresses = Addresses(given, random.Random(1))
    addresses.meet(met)
    return addresses


def test_after_the_given_address_every_other_has_its_turn() -> None:
    addresses = addresses_of("http://entry", "http://a", "http://b")
    tried = [addresses.next() for _ in range(30)]
    assert tried[0] == "http://entry"
    assert set(tried) == set(addresses.all)
    assert all(one != other for one, other in itertools.pairwise(tried)), "never the one just lost"


def test_what_nodes_tell_replaces_what_they_told_and_keeps_what_was_given() -> None:
    addresses = addresses_of("http://entry", "http://a")
    addresses.meet(["http://b/", "nonsense://x", "", "http://entry"])
    assert addresses.all == ["http://entry", "http://b"]
    addresses.meet([])
    assert addresses.all == ["http://entry", "http://b"]


def test_no_token_goes_from_https_to_http() -> None:
    addresses = addresses_of("https://entry", "http://a", "https://b")
    assert addresses.all == ["https://entry", "https://b"]


def test_a_nodes_localhost_is_not_ours() -> None:
    told = ["http://localhost:8080", "http://127.0.0.2", "http://[::1]:8080"]
    assert addresses_of("http://example.org", *told).met == []
    assert addresses_of("http://localhost:8080", "http://127.0.0.1:18081").met != []


def test_waits_are_jittered_from_zero_and_grow_to_a_limit() -> None:
    addresses = addresses_of("http://entry")
    waits = [addresses.wait_s() for _ in range(200)]
    assert waits[0] <= 0.25
    assert max(waits) <= 4.0
    assert min(waits[10:]) < 0.5
    assert max(waits) > 3.0
    addresses.connected()
    assert addresses.wait_s() <= 0.25


def test_an_address_without_scheme_is_http() -> None:
    assert check_address("localhost:8080") == "http://localhost:8080"
    with pytest.raises(UsageError):
        check_address("")
