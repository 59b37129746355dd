"""Items: their form, their kinds, and what a tally adds to a count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core import items
from cluster.core.items import (
    CLAP_MAX,
    TALLY_MAX,
    belongs_to_visitor,
    counted,
    is_item,
    is_pressable,
    kind_of,
    tally_max,
)

LEGAL = "ABCXYZabcxyz0189._~/@%-"


@pytest.mark.parametrize(
    "item",
    [
        "tap:home", "once:blog/post-42", "clap:a", "tap:" + "x" * 200, "tap:a.b/..c/...", "tap:%2F~@",
        "later:thing", "x" * 16 + ":" + "y" * 200,
    ],
)  # fmt: skip
def test_kind_colon_name_is_an_item(item: str) -> None:
    assert is_item(item)


@pytest.mark.parametrize(
    "item",
    [
        "", ":", "tap", "tap:", ":home", "Tap:home", "tap2:home", "tap:" + "x" * 201, "x" * 17 + ":home",
        "tap:a b", "tap:a:b", 'tap:"', "tap:<b>", "tap:a\n", "tap:a\0", "tap:ä", "tap:٣", " tap:home", "tap:a\\b",
        "tap:/a", "tap:a/", "tap:a//b", "tap:.", "tap:..", "tap:a/../b", "tap:./a", "tap:/",
    ],
)  # fmt: skip
def test_anything_else_is_not(item: str) -> None:
    assert not is_item(item)


def test_what_is_too_long_for_a_name_is_not_kept_in_mind() -> None:
    """A peer's names may have a megabyte each."""
    before = items._is_of_form.cache_info().currsize
    assert not is_item("tap:" + "x" * 1_000_000)
    assert not is_item("x" * 17 + ":" + "y" * 200)
    assert items._is_of_form.cache_info().currsize == before


@given(st.text(LEGAL, min_size=1, max_size=200))
def test_a_name_is_legal_unless_a_segment_leads_elsewhere(name: str) -> None:
    assert is_item(f"tap:{name}") == (not {"", ".", ".."} & set(name.split("/")))


@given(st.text())
def test_no_text_makes_the_check_fail(text: str) -> None:
    assert is_item(text) in (True, False)
    assert not is_pressable(text) or is_item(text)


def test_only_known_kinds_can_be_pressed() -> None:
    assert all(is_pressable(f"{kind}:home") for kind in ("tap", "once", "clap"))
    assert not is_pressable("later:home")
    assert not is_pressable("tap:..")


@given(st.integers(0, TALLY_MAX))
def test_tap_counts_every_press(n: int) -> None:
    assert counted("tap:home", n) == n


@given(st.integers(0, TALLY_MAX))
def test_once_counts_odd_tallies(n: int) -> None:
    assert counted("once:post", n) == n % 2


@given(st.integers(0, CLAP_MAX))
def test_clap_counts_every_press(n: int) -> None:
    assert counted("clap:song", n) == n


@given(st.integers(0, TALLY_MAX))
def test_an_unknown_kind_counts_nothing(n: int) -> None:
    assert counted("later:thing", n) == 0


def test_a_tally_ends_at_fifty_claps_and_at_a_mebipress_else() -> None:
    assert tally_max("clap:song") == 50
    assert [tally_max(item) for item in ("tap:home", "once:post", "later:thing")] == [1 << 20] * 3


def test_a_tap_belongs_to_a_tab_and_the_rest_to_the_visitor() -> None:
    assert not belongs_to_visitor("tap:home")
    assert belongs_to_visitor("once:post")
    assert belongs_to_visitor("clap:song")


def test_the_kind_is_what_stands_before_the_colon() -> None:
    assert kind_of("once:blog/post-42") == "once"
