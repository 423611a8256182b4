"""The words of a report: one catalogue a language, in `words/`, complete by test.

An entry is a text, or one text for each plural category of the language (Unicode CLDR's names),
chosen by the number called `count`. `{name:format}` is filled in as by `str.format`, and `**` marks
what is strong. What is filled in is never read as a text of the catalogue.
"""

from __future__ import annotations

import math
import string
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any

from hpo.report.blocks import Code, Fill, Name, Phrase

STRONG = "**"
Entry = str | Mapping[str, str]


@dataclass(frozen=True)
class Language:
    """How a language counts and writes numbers.

    Attributes:
        plural: Returns the category of a number of things.
        categories: All that it may return.
        percent: What stands behind the number of per cent.
        fonts: Fonts that have its letters, for pictures that stand alone.
    """

    plural: Callable[[float], str]
    categories: tuple[str, ...]
    percent: str
    fonts: str


LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {
        "en": Language(
            lambda n: "one" if n == 1 else "other",
            ("one", "other"),
            "\N{NO-BREAK SPACE}%",
            "'Noto Sans',Arial,'DejaVu Sans'",
        ),
        "ko": Language(
            lambda _: "other",
            ("other",),
            "%",
            "'Noto Sans CJK KR','Noto Sans KR','Malgun Gothic','Apple SD Gothic Neo',NanumGothic",
        ),
    }
)
"""Code (BCP 47) to language. Both write 1,234.5."""


@dataclass(frozen=True)
class Style:
    """How words become text of one kind.

    Attributes:
        plain: Writes words of the catalogue and numbers.
        name: Writes the user's own words.
        code: Writes what can be typed.
        strong: What stands before and behind strong words.
    """

    plain: Callable[[str], str]
    name: Callable[[str], str]
    code: Callable[[str], str]
    strong: tuple[str, str]


def as_is(text: str) -> str:
    """Returns what it is given."""
    return text


PLAIN = Style(as_is, as_is, as_is, ("", ""))


@dataclass(frozen=True)
class Words:
    """The catalogue of one language.

    Attributes:
        code: The language, a key of `LANGUAGES`.
        entries: Key to entry.
    """

    code: str
    entries: Mapping[str, Entry]

    def text(self, words: Fill, style: Style = PLAIN) -> str:
        """Returns a phrase, or anything that can be filled into one, as text."""
        match words:
            case Phrase():
                return self._fill(words, style)
            case Name(text) | str(text):
                return style.name(text)
            case Code(text):
                return style.code(text)
            case tuple():
                return style.plain(", ").join(self.text(each, style) for each in words)
            case _:
                return style.plain(self.number(words, ""))

    def number(self, value: float, how: str) -> str:
        """Returns a number in a format such as `.1%`; a dash where it is none."""
        if not math.isfinite(value):
            return "\N{EN DASH}"
        text = format(value, how).replace("%", LANGUAGES[self.code].percent)
        return text.replace("-", "\N{MINUS SIGN}")

    def _fill(self, phrase: Phrase, style: Style) -> str:
        return "".join(self._parts(self._entry(phrase), phrase.fill, style))

    def _entry(self, phrase: Phrase) -> str:
        entry = self.entries[phrase.key]
        if isinstance(entry, str):
            return entry
        count = phrase.fill["count"]
        assert isinstance(count, int | float)
        return entry[LANGUAGES[self.code].plural(count)]

    def _parts(self, entry: str, fill: Mapping[str, Fill], style: Style) -> Iterator[str]:
        strong = False
        for literal, name, how, _ in string.Formatter().parse(entry):
            for number, piece in enumerate(literal.split(STRONG)):
                if number:
                    yield style.strong[strong]
                    strong = not strong
                yield style.plain(piece)
            if name is not None:
                value = fill[name]
                if isinstance(value, int | float):
                    yield style.plain(self.number(value, how or ""))
                else:
                    yield self.text(value, style)


def load(code: str) -> Words:
    """Returns the catalogue of a language.

    Args:
        code: A key of `LANGUAGES`.
    """
    text = resources.files("hpo.report").joinpath("words", f"{code}.toml").read_text("utf-8")
    return Words(code, MappingProxyType(dict(_flat(tomllib.loads(text)))))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Entry]]:
    """Yields entries by dotted keys; a table of plural categories is one entry."""
    for key, value in table.items():
        if isinstance(value, dict) and "other" not in value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
