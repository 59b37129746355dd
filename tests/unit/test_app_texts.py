"""Languages: every text is there in each, and a browser gets the nearest."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from babel import Locale

from app.texts import LANGUAGES, texts_for


def leaves(entries: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in entries.items():
        if isinstance(value, str):
            yield path + name, value
        else:
            yield from leaves(value, f"{path}{name}.")


def test_there_are_three_languages_and_finnish_is_one() -> None:
    assert set(LANGUAGES) == {"en", "fi", "ar"}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_text_is_there_with_the_same_places(language: str) -> None:
    def without_plurals(of: str) -> dict[str, list[str]]:
        found = {path: sorted(re.findall(r"\{\w+\}", text)) for path, text in leaves(LANGUAGES[of])}
        return {path: places for path, places in found.items() if not path.startswith("button.units.")}

    assert without_plurals(language) == without_plurals("en")
    assert all(text.strip() == text != "" for _, text in leaves(LANGUAGES[language]))


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("kind", ["tap", "once", "clap"])
def test_every_number_has_its_form(language: str, kind: str) -> None:
    forms = LANGUAGES[language]["button"]["units"][kind]
    assert set(forms) == {*Locale.parse(language).plural_form.tags, "other"}


@pytest.mark.parametrize(
    ("asked", "language", "number"),
    [
        ("", "en", "1,234,567"),
        ("en-US,en;q=0.9", "en", "1,234,567"),
        ("de-DE,de;q=0.9,fi;q=0.5", "fi", "1.234.567"),
        ("fr", "en", "1\u202f234\u202f567"),
        ("fi-FI", "fi", "1\u00a0234\u00a0567"),
        ("ar-EG", "ar", "١٬٢٣٤٬٥٦٧"),
        ("hi", "en", "12,34,567"),
        ("zh-Hant-TW;q=0.5,fi;q=0.8", "fi", "1\u00a0234\u00a0567"),
        ("xx,tlh;q=0.9", "en", "1,234,567"),
        (";;;,q=1,*;q=0.1,fi;q=2", "en", "1,234,567"),
        ("a" * 10_000, "en", "1,234,567"),
    ],
)
def test_a_browser_gets_the_nearest_language_and_its_own_numbers(asked: str, language: str, number: str) -> None:
    texts = texts_for(asked)
    assert (texts.language, texts.number(1_234_567)) == (language, number)


def test_texts_are_filled_and_numbers_in_them_written_as_people_do() -> None:
    assert texts_for("fi")("saving.waiting", n=12_345) == "Tallennetaan… odottamassa 12\u00a0345"
    assert texts_for("en")("status.live", node="node1") == "Live on node1"


@pytest.mark.parametrize(
    ("asked", "n", "unit"),
    [("en", 1, "like"), ("en", 0, "likes"), ("fi", 2, "tykkäystä"), ("ar", 2, "إعجابان"), ("ar", 5, "إعجابات")],
)
def test_units_have_the_form_of_their_number(asked: str, n: int, unit: str) -> None:
    assert texts_for(asked).unit("once", n) == unit


def test_arabic_is_read_from_right_to_left() -> None:
    assert [texts_for(language).direction for language in ("en", "fi", "ar")] == ["ltr", "ltr", "rtl"]
