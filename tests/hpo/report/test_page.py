"""Tests of how blocks become HTML and Markdown, whatever names are in them."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from PIL import Image

from hpo.report.as_json import as_json
from hpo.report.blocks import (
    Chapter,
    Code,
    Column,
    Figure,
    Heading,
    Link,
    Listing,
    Matrix,
    Name,
    Report,
    Table,
    Text,
    Thumbnail,
    Thumbnails,
    say,
)
from hpo.report.charts.canvas import printable
from hpo.report.charts.values import Axis, Bar, Bars, Plot, Series
from hpo.report.language import load
from hpo.report.markdown import escaped, markdown
from hpo.report.page import page
from tests.hpo.report.pages import Page, is_sound

NASTY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onclick='alert(1)",
    "]]></style><svg onload=alert(1)>",
    "{name} {{7*7}} **bold** | `code` [a](javascript:alert(1)) <!-- -->",
    "x" * 200,
    "고양이",
    "قطة سوداء",
    "\x00\x1b[31m\u202eevil\ud800",
)
WORDS = load("en")


def jpeg() -> bytes:
    """A small picture."""
    file = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(file, "JPEG")
    return file.getvalue()


def report(name: str) -> Report:
    """A report in which a name is everywhere a name can be."""
    named = say("field.metric", metric=Name(name))
    picture = Thumbnail(jpeg(), named, (named, Name(name)), jpeg())
    series = Series(named, ((1.0, 2.0), (2.0, 3.0)), labels=(Name(name), named), named=True)
    return Report(
        study=name,
        written="today",
        summary=named,
        chapters=(
            Chapter(
                "errors",
                (
                    Heading(named),
                    Text(named, "warning"),
                    Text(say("again.command", file=Code(name))),
                    Listing((name,)),
                    Table(
                        named,
                        [Column(named), Column(named, ".1f")],
                        [[Name(name), 1.0], [name, None], [Code(name), Link(2.0, "cell-0-1")]],
                        most=2,
                    ),
                    Figure(named, Plot(Axis(named), Axis(named), (series,)), named),
                    Figure(named, Bars(Axis(named), named, (Bar(Name(name), 1.0),)), named),
                    Matrix(named, (name, "b"), ((1, 2), (3, 4)), {(0, 1): "cell-0-1"}),
                    Thumbnails(named, (picture,), "cell-0-1"),
                    Thumbnails(named, (picture,)),
                ),
            ),
        ),
    )


@pytest.mark.parametrize("name", NASTY)
def test_no_name_becomes_markup_of_a_page(name: str) -> None:
    """Neither scripts nor handlers, and all elements are closed."""
    text = page(report(name), WORDS)
    found = Page(text)
    is_sound(found)
    assert "<bdi>" in text
    shown = re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd]", "\N{REPLACEMENT CHARACTER}", name)
    assert shown in found.text


@pytest.mark.parametrize("name", NASTY)
def test_no_name_becomes_markup_of_markdown(name: str) -> None:
    """As a renderer has it that lets HTML through."""
    written = markdown(report(name), WORDS)
    text = written.text.encode("utf-8", "replace").decode()
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    elements = Page(html).elements
    allowed = {"h1", "h2", "h3", "p", "blockquote", "pre", "code", "img", "br", "strong", "em"}
    assert {tag for tag, _ in elements} <= allowed | {"table", "thead", "tbody", "tr", "th", "td"}
    attributes = {key for _, given in elements for key in given}
    assert attributes <= {"src", "alt", "style"}  # the last says to which side a column is set
    assert {given["src"] for tag, given in elements if tag == "img"} == set(written.pictures)


@given(st.text())
def test_an_escaped_text_is_shown_as_it_is(text: str) -> None:
    """But for spaces in a row and characters that cannot be shown."""
    html = MarkdownIt("commonmark", {"html": True}).render(f"x{escaped(text)}x")
    assert html.count("<") == 2  # one paragraph
    assert Page(html).text.strip() == f"x{' '.join(printable(text).split())}x"


def test_a_long_table_says_how_much_is_left_out() -> None:
    """JSON has all rows."""
    assert "One more row" in page(report("a"), WORDS)
    assert '"a"' in as_json(report("a"), WORDS)


def test_pictures_of_a_cell_are_shown_by_its_link_alone() -> None:
    """The link leads to what CSS shows when it is led to; no script is needed."""
    text = page(report("a"), WORDS)
    assert 'href="#cell-0-1" aria-label="2 images: a taken for b"' in text
    assert '<section class="cell" id="cell-0-1"' in text
    assert ".cell { display: none;" in text
    assert ".cell:target { display: block;" in text
