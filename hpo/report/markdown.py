"""A report as Markdown with pictures beside it, to be pasted into a notebook or a thesis."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec

from hpo.report import blocks as b
from hpo.report.charts.canvas import look_alone, printable
from hpo.report.charts.draw import WIDE, draw
from hpo.report.language import LANGUAGES, Style, Words

MARK = "<!-- hpo report -->"
ZOOM = 2
"""Pixels of a PNG for each of a page's."""
NO_PNG = (
    "The charts are SVG files. PNGs need the package resvg-py: type `pip install '.[png]'` in the "
    "folder of hpo."
)
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")


@dataclass
class Written:
    """A report as files.

    Attributes:
        text: The Markdown.
        pictures: File name to contents.
        problem: Why there are no PNGs and what to do about it; empty where there are.
    """

    text: str = ""
    pictures: dict[str, bytes] = field(default_factory=dict)
    problem: str = ""


def escaped(text: str) -> str:
    """Returns a text that Markdown, and the HTML that it lets through, show as it is."""
    return _SPECIAL.sub(r"\\\1", html.escape(" ".join(printable(text).split()), quote=False))


_STYLE = Style(
    plain=lambda text: html.escape(text, quote=False).replace("|", "\\|"),
    name=escaped,
    code=lambda text: f"`{printable(text).replace('`', chr(39))}`",
    strong=("**", "**"),
)


def markdown(report: b.Report, words: Words) -> Written:
    """Returns the report and its pictures."""
    written = Written(problem="" if find_spec("resvg_py") else NO_PNG)
    say = partial(words.text, style=_STYLE)
    parts = [MARK, f"# {escaped(report.study)}", say(report.summary)]
    for chapter in report.chapters:
        parts.append(f"## {say(chapter.title)}")
        for number, block in enumerate(chapter.blocks, start=1):
            parts += _block(block, f"{chapter.key}-{number}", words, written)
    written.text = "\n\n".join([*parts, say(b.say("page.written", when=report.written)), ""])
    return written


def _block(block: b.Block, name: str, words: Words, written: Written) -> Iterator[str]:
    say = partial(words.text, style=_STYLE)
    match block:
        case b.Heading(text):
            yield f"### {say(text)}"
        case b.Text(text, kind):
            yield f"> {say(text)}" if kind == "warning" else say(text)
        case b.Listing(lines):
            longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
            fence = "`" * max(3, longest + 1)
            yield "\n".join([fence, *lines, fence])
        case b.Table():
            yield from _table(block, words)
        case b.Figure():
            file = _draw(block, name, words, written)
            yield f"![{say(block.alt)}]({file})"
            yield say(block.caption)
        case b.Thumbnails(caption, pictures, anchor) if not anchor:
            yield say(caption)
            yield from _pictures(pictures, name, words, written)
        case b.Matrix():
            yield from _table(_matrix(block), words)


def _table(table: b.Table, words: Words) -> Iterator[str]:
    yield words.text(table.caption, _STYLE)
    lines = [
        [words.text(column.title, _STYLE) for column in table.columns],
        ["---:" if column.number else "---" for column in table.columns],
        *(
            [_cell(words, column, cell) for column, cell in zip(table.columns, row, strict=True)]
            for row in table.rows[: table.most]
        ),
    ]
    yield "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(words: Words, column: b.Column, cell: b.Cell) -> str:
    match cell:
        case None:
            return ""
        case b.Link(text, _):
            return _cell(words, column, text)
        case int() | float():
            return words.number(cell, column.number or "")
        case _:
            return words.text(cell, _STYLE)


def _matrix(matrix: b.Matrix) -> b.Table:
    """Returns a confusion matrix as a table."""
    columns = [b.Column(b.say("matrix.corner"))]
    columns += [b.Column(b.say("matrix.name", name=b.Name(name)), "d") for name in matrix.classes]
    rows: list[list[b.Cell]] = [
        [b.Name(name), *counts] for name, counts in zip(matrix.classes, matrix.counts, strict=True)
    ]
    return b.Table(matrix.caption, columns, rows)


def _draw(figure: b.Figure, name: str, words: Words, written: Written) -> str:
    """Draws a chart into a file and returns its name."""
    fonts = LANGUAGES[words.code].fonts
    svg = str(draw(figure.chart, words.text(figure.alt), words, WIDE, look_alone(fonts)))
    if written.problem:
        written.pictures[f"{name}.svg"] = svg.encode()
        return f"{name}.svg"
    import resvg_py

    png = resvg_py.svg_to_bytes(svg_string=svg, zoom=ZOOM, background="white")
    written.pictures[f"{name}.png"] = bytes(png)
    return f"{name}.png"


def _pictures(
    pictures: tuple[b.Thumbnail, ...], name: str, words: Words, written: Written
) -> Iterator[str]:
    rows = []
    for number, picture in enumerate(pictures, start=1):
        cells = []
        for kind, jpeg in (("", picture.jpeg), ("-heat", picture.heat)):
            if jpeg:
                file = f"{name}-{number:02d}{kind}.jpg"
                written.pictures[file] = jpeg
                cells.append(f"![{words.text(picture.alt, _STYLE)}]({file})")
        lines = "<br>".join(words.text(line, _STYLE) for line in picture.lines)
        rows.append(f"| {' '.join(cells)} | {lines} |")
    yield "\n".join(["| | |", "| --- | --- |", *rows])
