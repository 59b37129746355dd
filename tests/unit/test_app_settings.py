"""Settings: defaults for a laptop, all mistakes together, secrets never shown, every variable documented."""

import re
import stat
from pathlib import Path

import pytest

from app import secret
from app.budget import Limit
from app.settings import VARIABLES, SettingsError, read_settings, unknown_variables

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
GOOD = {"LIKE_SECRET": "s" * 32}
WRONG = {
    "LIKE_NODE_NAME": "my node",
    "LIKE_HOST": "not a host",
    "LIKE_PORT": "65536",
    "LIKE_PUBLIC_ADDRESS": "localhost:8080",
    "LIKE_CLUSTER_HOST": "<b>",
    "LIKE_CLUSTER_PORT": "-1",
    "LIKE_CLUSTER_ADVERTISE": "node1",
    "LIKE_PEERS": "node2:9000,node3",
    "LIKE_ACK_COPIES": "one",
    "LIKE_PUSH_INTERVAL_MS": "0",
    "LIKE_PRESS_RATE": "fast",
    "LIKE_PRESS_BURST": "1.5",
    "LIKE_ADDRESS_RATE": "-1",
    "LIKE_ADDRESS_BURST": "many",
    "LIKE_NEWCOMER_RATE": "1/s",
    "LIKE_NEWCOMER_BURST": "1e3",
    "LIKE_TAB_RATE": "-0.1",
    "LIKE_TAB_BURST": "lots",
    "LIKE_ITEM_RATE": "none",
    "LIKE_ITEM_BURST": "10000000",
    "LIKE_ALLOWED_ORIGINS": "https://a.example,*",
    "LIKE_TRUSTED_PROXIES": "10.0.0.0/33",
}


def mistakes_of(**variables: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        read_settings(variables)
    return str(raised.value).splitlines()[1:]


def test_defaults_suit_a_laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = read_settings({})
    assert (settings.host, settings.port, settings.cluster.port) == ("127.0.0.1", 8080, 9000)
    assert (settings.push_interval_ms, settings.limits.visitor) == (50, Limit(50.0, 500))
    assert (settings.limits.address, settings.limits.newcomers) == (Limit(5000.0, 50_000), Limit(1.0, 1000))
    assert (settings.limits.tabs, settings.limits.item) == (Limit(100.0, 10_000), Limit())
    assert settings.cluster.public_address == "http://127.0.0.1:8080"
    assert settings.cluster.data_dir == f".data/{settings.cluster.name}"
    assert settings.cluster.ack_copies is None
    assert not settings.cluster.peers


def test_all_mistakes_are_reported_together_with_variable_value_and_what_is_allowed() -> None:
    reported = mistakes_of(**WRONG, LIKE_SECRET="short")
    assert {line.strip().split("=")[0] for line in reported} == {*WRONG, "LIKE_SECRET"}
    by_variable = {line.strip().split("=")[0]: line for line in reported}
    assert by_variable["LIKE_PORT"].strip() == "LIKE_PORT='65536': a whole number from 0 to 65535"
    assert "'node3'" in by_variable["LIKE_PEERS"]
    assert "node2" not in by_variable["LIKE_PEERS"]


@pytest.mark.parametrize("name", sorted(WRONG))
def test_each_mistake_is_found_alone(name: str) -> None:
    (line,) = mistakes_of(**GOOD, **{name: WRONG[name]})
    assert line.strip().startswith(name)


def test_a_secret_is_never_shown() -> None:
    report = "\n".join(mistakes_of(LIKE_SECRET=f"{'s' * 40},tooshort", LIKE_PORT="x"))
    assert "hidden, 8 bytes" in report
    assert "tooshort" not in report
    assert "sss" not in report


def test_an_empty_variable_is_an_unset_one() -> None:
    assert read_settings({**GOOD, "LIKE_PORT": "", "LIKE_PEERS": " "}).port == 8080


def test_peers_without_a_secret_are_told_what_to_do(tmp_path: Path) -> None:
    (line,) = mistakes_of(LIKE_PEERS="node2:9000", LIKE_DATA_DIR=str(tmp_path))
    assert "openssl rand -hex 32" in line
    assert not list(tmp_path.iterdir())


def test_a_node_alone_makes_its_secret_once_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "er"
    first = read_settings({"LIKE_DATA_DIR": str(folder)})
    assert read_settings({"LIKE_DATA_DIR": str(folder)}).visitor_keys == first.visitor_keys
    assert stat.S_IMODE((folder / secret.FILE_NAME).stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == [secret.FILE_NAME]


def test_nothing_is_written_while_there_are_mistakes(tmp_path: Path) -> None:
    mistakes_of(LIKE_DATA_DIR=str(tmp_path / "new"), LIKE_PORT="x")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_to_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (line,) = mistakes_of(LIKE_DATA_DIR=str(tmp_path / "file"))
    assert line.strip().startswith("LIKE_DATA_DIR")


def test_a_damaged_own_secret_is_a_mistake_and_not_a_new_secret(tmp_path: Path) -> None:
    (tmp_path / secret.FILE_NAME).write_text("half")
    (line,) = mistakes_of(LIKE_DATA_DIR=str(tmp_path))
    assert "damaged" in line
    assert (tmp_path / secret.FILE_NAME).read_text() == "half"


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "given"
    file.write_text("s" * 32 + "\n")
    assert read_settings({"LIKE_SECRET_FILE": str(file)}) == read_settings(GOOD)


def test_what_is_wrong_with_a_secrets_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    assert "empty" in mistakes_of(LIKE_SECRET_FILE=str(tmp_path / "empty"))[0]
    assert "readable" in mistakes_of(LIKE_SECRET_FILE=str(tmp_path / "absent"))[0]
    assert "only one of" in mistakes_of(**GOOD, LIKE_SECRET_FILE=str(tmp_path / "empty"))[0]


def test_keys_differ_by_purpose_and_follow_the_secrets_order() -> None:
    one = read_settings(GOOD)
    assert len({one.visitor_keys, one.form_keys, one.cluster.keys}) == 3
    two = read_settings({"LIKE_SECRET": f"{'n' * 32}, {'s' * 32}"})
    assert two.visitor_keys[1:] == one.visitor_keys
    assert two.cluster.keys[1:] == one.cluster.keys


def test_peers_may_be_addresses_and_names() -> None:
    peers = "10.0.0.2:9000, node3:9000,[::1]:9001,dns:nodes:9000"
    read = read_settings({**GOOD, "LIKE_PEERS": peers}).cluster.peers
    assert read == ("10.0.0.2:9000", "node3:9000", "[::1]:9001", "dns:nodes:9000")


def test_the_public_address_is_unknown_where_a_node_listens_on_every_address() -> None:
    assert read_settings({**GOOD, "LIKE_HOST": "0.0.0.0"}).cluster.public_address == ""
    assert read_settings({**GOOD, "LIKE_HOST": "::1"}).cluster.public_address == "http://[::1]:8080"


def test_trusted_proxies_are_loopback_unless_said_otherwise() -> None:
    assert [str(each) for each in read_settings(GOOD).trusted_proxies] == ["127.0.0.0/8", "::1/128"]
    assert read_settings({**GOOD, "LIKE_TRUSTED_PROXIES": "none"}).trusted_proxies == ()


def test_a_misspelled_variable_is_noticed() -> None:
    variables = {"LIKE_PEER": "a:1", "LIKE_WHATEVER": "", "LIKE_ADDRESS": "", "HOME": "", **GOOD}
    assert unknown_variables(variables) == {"LIKE_PEER": "LIKE_PEERS", "LIKE_WHATEVER": ""}


@pytest.mark.parametrize("variable", sorted(VARIABLES))
def test_every_variable_is_documented(variable: str) -> None:
    assert f"`{variable}`" in OPERATIONS


def test_every_documented_variable_exists() -> None:
    assert set(re.findall(r"`(LIKE_[A-Z_]+)`", OPERATIONS)) <= VARIABLES


@pytest.mark.parametrize("token", ["fifteen-letters", "with a space in it", "ümläute-in-a-header", "x" * 513])
def test_an_admin_token_that_can_be_guessed_or_fits_no_header_is_a_mistake(token: str) -> None:
    (reported,) = mistakes_of(**GOOD, LIKE_ADMIN_TOKEN=token)
    assert "LIKE_ADMIN_TOKEN" in reported
    assert "openssl" in reported
    assert token not in reported


def test_an_admin_token_comes_from_the_variable_or_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-in-a-file\n")
    assert read_settings(GOOD | {"LIKE_ADMIN_TOKEN": "sixteen-letters!"}).admin_token == "sixteen-letters!"
    assert (
        read_settings(GOOD | {"LIKE_ADMIN_TOKEN_FILE": str(tmp_path / "token")}).admin_token == "a-token-in-a-file"
    )
    assert read_settings(GOOD).admin_token == ""


def test_every_variable_has_a_mistake_to_make() -> None:
    no_mistake_possible = {"LIKE_DATA_DIR", "LIKE_ADMIN_TOKEN"}
    rest = {name.removesuffix("_FILE") for name in VARIABLES} - no_mistake_possible - {"LIKE_SECRET"}
    assert rest == set(WRONG)
