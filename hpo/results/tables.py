"""What people see: tables, drawn by rich on a terminal and aligned text elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click

Cell = str | int | float | None

MOST_DRAWN = 500
"""Longer tables are printed as text even on a terminal: rich needs 6 s for 10,000 rows."""
NOTHING = "-"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: Its heading.
        number: Format of its numbers, such as `.4f`, or `+.4f`; None where it holds text.
    """

    title: str
    number: str | None = None

    def text(self, cell: Cell) -> str:
        """Returns a cell as one line of text."""
        if cell is None:
            return NOTHING
        if isinstance(cell, str):
            return printable(cell)
        return format(cell, self.number or "")


def printable(line: str) -> str:
    """Returns `line` without control characters, which could steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def show(columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
    """Prints a table without its empty columns; nothing where it has no rows."""
    texts = [[column.text(cell) for column, cell in zip(columns, row, strict=True)] for row in rows]
    used = [i for i in range(len(columns)) if any(row[i] != NOTHING for row in texts)]
    columns, texts = [columns[i] for i in used], [[row[i] for i in used] for row in texts]
    if not texts:
        return
    if sys.stdout.isatty() and len(texts) <= MOST_DRAWN:
        _draw(columns, texts)
    else:
        click.echo("\n".join(_lines(columns, texts)))


@contextmanager
def working(message: str) -> Iterator[None]:
    """Shows on a terminal that something takes its time; nothing is left of it afterwards."""
    from rich.console import Console

    with Console(stderr=True).status(message):
        yield


def _draw(columns: Sequence[Column], texts: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for place, column in enumerate(columns):
        width = max(cell_len(row[place]) for row in texts) if column.number else None
        table.add_column(
            column.title,
            justify="right" if column.number else "left",
            overflow="fold",  # a name goes on in the next line, a number is never broken
            min_width=width,
        )
    for row in texts:
        table.add_row(*map(Text, row))
    Console().print(table, crop=False)


def _lines(columns: Sequence[Column], texts: Sequence[Sequence[str]]) -> Iterable[str]:
    from rich.cells import cell_len  # some letters, Chinese ones among them, are two columns wide

    heading = [column.title for column in columns]
    widths = [max(map(cell_len, cells)) for cells in zip(heading, *texts, strict=True)]
    for row in (heading, *texts):
        gaps = [" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        cells = zip(row, gaps, columns, strict=True)
        yield "  ".join(
            gap + cell if column.number else cell + gap for cell, gap, column in cells
        ).rstrip()
