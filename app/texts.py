"""What people read, in their language, and numbers as they write them.

1. All texts are in `static/texts`, one file for each language. The page's script finds in the page what it needs of
   them, and buttons on other pages ask for the file.
2. The text's language and the form of numbers are what the browser asks for (`Accept-Language`), each the nearest
   there is: who asks for German reads English, with numbers in German.
3. Only locales that are named here are looked up: each stays in memory.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web
from babel import Locale
from babel.numbers import format_decimal

FOLDER: Final = Path(__file__).parent / "static" / "texts"
DEFAULT: Final = "en"
_LOCALES: Final = frozenset({
    "ar", "ar-EG", "bg", "bn", "ca", "cs", "da", "de", "de-AT", "de-CH", "el", "en", "en-IN", "es", "es-MX", "et",
    "fa", "fi", "fr", "fr-CH", "he", "hi", "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "nb", "nl", "pl",
    "pt", "pt-PT", "ro", "ru", "sk", "sl", "sr", "sv", "th", "tr", "uk", "ur", "vi", "zh",
})  # fmt: skip
# Of numbering systems that are the usual ones somewhere; Babel writes their separators, and 0 to 9.
_DIGITS: Final = {"arab": "٠١٢٣٤٥٦٧٨٩", "arabext": "۰۱۲۳۴۵۶۷۸۹", "beng": "০১২৩৪৫৬৭৮৯", "deva": "०१२३४५६७८९"}
# A language, a script, a territory and whatever else, and how much it is wanted.
_WISH: Final = re.compile(
    r"([A-Za-z]{2,3})(?:-[A-Za-z]{4})?(?:-([A-Za-z]{2}))?(?:-[A-Za-z0-9]+)*(?:;q=([01](?:\.\d{1,3})?))?"
)
_PLACE: Final = re.compile(r"\{(\w+)\}")
WISHES_MAX: Final = 20


class Texts(msgspec.Struct, frozen=True):
    """Those of one language. `locale` is a BCP 47 tag: how numbers are written, in this browser's language."""

    language: str
    locale: str
    entries: Mapping[str, Any]

    @property
    def direction(self) -> str:
        return str(Locale.parse(self.language).text_direction)

    def __call__(self, key: str, **values: object) -> str:
        """The text at `part.name`, with its places filled; numbers are written in the reader's way."""
        found: Any = self.entries
        for part in key.split("."):
            found = found[part]
        return _PLACE.sub(lambda place: self._written(values[place[1]]), found)

    def unit(self, kind: str, n: int) -> str:
        """What n of this kind are, as a noun."""
        forms: Mapping[str, str] = self.entries["button"]["units"][kind]
        return forms.get(Locale.parse(self.language).plural_form(n), forms["other"])

    def number(self, n: int) -> str:
        locale = Locale.parse(self.locale, sep="-")
        digits = _DIGITS.get(locale.default_numbering_system, "0123456789")
        written = format_decimal(n, locale=locale, numbering_system="default")
        return written.translate(str.maketrans("0123456789", digits))

    def for_script(self, *parts: str) -> dict[str, Any]:
        """These parts, for `words.js` of the page."""
        texts = {part: self.entries[part] for part in parts}
        return {"texts": texts, "language": self.language, "locale": self.locale}

    def _written(self, value: object) -> str:
        return self.number(value) if isinstance(value, int) else str(value)


def _read() -> dict[str, Mapping[str, Any]]:
    return {file.stem: msgspec.json.decode(file.read_bytes()) for file in sorted(FOLDER.glob("*.json"))}


LANGUAGES: Final = _read()


def texts_of(request: web.Request) -> Texts:
    return texts_for(request.headers.get("Accept-Language", ""))


@lru_cache(maxsize=256)
def texts_for(accept_language: str) -> Texts:
    """For what a browser asks for: the best that there is for its first wishes."""
    wishes = _wishes(accept_language)
    language = next((language for language, _ in wishes if language in LANGUAGES), DEFAULT)
    return Texts(language, _locale(wishes), LANGUAGES[language])


def _locale(wishes: list[tuple[str, str]]) -> str:
    for language, territory in wishes:
        for tag in (f"{language}-{territory}", language):
            if tag in _LOCALES:
                return tag
    return DEFAULT


def _wishes(accept_language: str) -> list[tuple[str, str]]:
    """Languages and territories, the most wanted first (RFC 9110, section 12.5.4)."""
    found = []
    for word in accept_language.split(",")[:WISHES_MAX]:
        if match := _WISH.fullmatch(word.strip()):
            found.append((float(match[3] or 1), match[1].lower(), (match[2] or "").upper()))
    return [(language, territory) for _, language, territory in sorted(found, key=lambda wish: -wish[0])]
