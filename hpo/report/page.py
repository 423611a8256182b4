"""A report as one HTML page that needs nothing else: no network, no script, no other file.

Everything is escaped by Jinja's autoescape or by `Canvas`; a content security policy forbids
scripts on top of that. A click on a cell of the confusion matrix shows its images by CSS alone
(`:target`).
"""

from __future__ import annotations

import base64
from functools import cache, partial

import jinja2
from markupsafe import Markup, escape

from hpo.report.blocks import Cell, Column, Fill, Link, Phrase, Report
from hpo.report.charts.canvas import MARKS, printable
from hpo.report.charts.draw import NARROW, WIDE, draw
from hpo.report.charts.tables import table_of
from hpo.report.charts.values import ROLES
from hpo.report.language import Style, Words

LONGEST_WORD = 30
_STYLE = Style(
    plain=lambda text: escape(text),
    name=lambda text: Markup("<bdi>{}</bdi>").format(printable(text)),
    code=lambda text: _code(text),
    strong=("<strong>", "</strong>"),
)


def page(report: Report, words: Words) -> str:
    """Returns the page.

    Args:
        report: What it says.
        words: In which language.
    """
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            language=words.code,
            css=Markup(_css()),  # noqa: S704 - a file of this package
            say=partial(_html, words),
            plain=lambda words_: printable(words.text(words_)),
            cell=partial(_cell, words),
            chart=lambda figure, narrow: draw(
                figure.chart, words.text(figure.alt), words, NARROW if narrow else WIDE
            ),
            table_of=table_of,
            data_url=_data_url,
            shade=_shade,
            kind=lambda block: type(block).__name__,
            phrase=lambda key, **fill: Phrase(key, fill),
        )
    )


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("hpo.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _code(text: str) -> Markup:
    """Returns code that is broken between words only, unless one is very long."""
    words = printable(text).split(" ")
    spans = (
        Markup("<span>{}</span>").format(word) if len(word) <= LONGEST_WORD else escape(word)
        for word in words
    )
    return Markup("<code>{}</code>").format(Markup(" ").join(spans))


def _html(words: Words, text: Fill) -> Markup:
    return Markup(words.text(text, _STYLE))  # noqa: S704 - escaped piece by piece by the style


def _cell(words: Words, column: Column, cell: Cell) -> Markup:
    match cell:
        case None:
            return Markup("<span class=none>\N{EN DASH}</span>")
        case Link(text, anchor):
            return Markup('<a href="#{}">{}</a>').format(anchor, _cell(words, column, text))
        case int() | float():
            return escape(words.number(cell, column.number or ""))
        case _:
            return _html(words, cell)


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _shade(count: int, total: int) -> int:
    """Returns how dark a cell of a confusion matrix is, in per cent of its row's darkest."""
    return round(100 * count / total) if total else 0


def _css() -> str:
    """Returns the style of the page, the colours of all roles among it."""
    file = jinja2.PackageLoader("hpo.report").get_source(_environment(), "page.css")[0]
    light, dark = (
        "".join(f".{name}{{color:{getattr(role, ground)}}}" for name, role in ROLES.items())
        for ground in ("light", "dark")
    )
    at_night = f"@media screen and (prefers-color-scheme: dark) {{ {dark} }}"
    return "\n".join([file, light, at_night, MARKS])
