"""Tests of the catalogue of words."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import hpo.report
from hpo.cli.options import LANGUAGES as OFFERED
from hpo.report.blocks import Code, Name, say
from hpo.report.language import LANGUAGES, Entry, Style, Words, load

PACKAGE = Path(hpo.report.__file__).parent
USED = re.compile(r"""(?:say|phrase)\(\s*f?"([a-z_]+\.[a-z_.{}\[\]"']+?)[",)]""")


def templates(entry: Entry) -> list[str]:
    """The texts of an entry."""
    return [entry] if isinstance(entry, str) else list(entry.values())


def names(text: str) -> set[str]:
    """What is filled into a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_the_command_offers_every_language() -> None:
    """It does not import them only to say so."""
    assert tuple(LANGUAGES) == OFFERED


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_catalogue_is_complete(code: str) -> None:
    """Each language has the same entries, filled with the same things, in all its plurals."""
    english, other = load("en").entries, load(code).entries
    assert other.keys() == english.keys()
    for key, entry in other.items():
        if not isinstance(entry, str):
            assert set(entry) == set(LANGUAGES[code].categories), key
        wanted = set.union(*map(names, templates(english[key])))
        for text in templates(entry):
            # A singular may say the number in words.
            assert names(text) - {"count"} == wanted - {"count"} or not isinstance(entry, str), key
            assert text.count("**") % 2 == 0, key
        assert set.union(*map(names, templates(entry))) - {"count"} == wanted - {"count"}, key


def test_every_phrase_that_is_written_out_is_in_the_catalogue() -> None:
    """Keys that are put together are tried by the tests of the chapters."""
    entries = load("en").entries
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html")]
    keys = {key for file in files for key in USED.findall(file.read_text(encoding="utf-8"))}
    assert len(keys) > 100
    assert not {key for key in keys if "{" not in key and key not in entries}


def test_plurals_and_numbers_are_those_of_the_language() -> None:
    """English has a singular, Korean none; only English sets the per cent sign apart."""
    table: dict[str, Entry] = {"n": {"one": "one", "other": "{count:,}"}, "p": "{share:.1%}"}
    english, korean = Words("en", table), Words("ko", table)
    assert english.text(say("n", count=1)) == "one"
    assert english.text(say("n", count=1000)) == "1,000"
    assert korean.text(say("n", count=1)) == "1"
    assert english.text(say("p", share=0.123)) == "12.3\N{NO-BREAK SPACE}%"
    assert korean.text(say("p", share=-0.123)) == "\N{MINUS SIGN}12.3%"
    assert english.text(say("p", share=float("nan"))) == "\N{EN DASH}"


def test_what_is_filled_in_is_never_read_as_a_text() -> None:
    """Neither braces nor asterisks of the user's mean anything."""
    words = Words("en", {"a": "**{name}** and {code}"})
    style = Style(str.upper, lambda text: f"<{text}>", lambda text: f"`{text}`", ("[", "]"))
    said = words.text(say("a", name=Name("{name} **x**"), code=Code("{0}")), style)
    assert said == "[<{name} **x**>] AND `{0}`"
