"""What people see: tables, drawn by rich on a terminal and aligned text elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import click

Cell = str | int | float | None

MOST_DRAWN = 500
"""Longer tables are printed as text even on a terminal: rich needs 6 s for 10,000 rows."""
LEAST, BRIEF, SHORT = 4, 5, 12
"""Text is broken to the first where there is no room, and not below the last where there is; titles
of numbers are not broken up to the second."""
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


class Table(NamedTuple):
    """A table as a value, which `show` prints.

    Attributes:
        columns: Its columns.
        rows: A cell for each column.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


def printable(line: str) -> str:
    """Returns `line` with control characters, which could steer a terminal, as escapes."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in line
    )


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


def say(text: str) -> None:
    """Prints paragraphs, which a terminal shows without cutting words in two."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(text, markup=False, highlight=False)
    else:
        click.echo(text)


@contextmanager
def working(message: str) -> Iterator[Callable[[str], None]]:
    """Shows on a terminal that something takes its time; nothing is left of it afterwards.

    Yields:
        What shows another message instead.
    """
    from rich.console import Console

    with Console(stderr=True).status(message) as status:
        yield status.update


@contextmanager
def progress_bar(message: str, *, wanted: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Shows a bar on a terminal, and nothing elsewhere.

    Yields:
        What is told the number done, and that of all.
    """
    if not (wanted and sys.stderr.isatty()):
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(message, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _draw(columns: Sequence[Column], texts: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    widths = _widths(columns, texts, console.width - len(columns))
    for column, width in zip(columns, widths, strict=True):
        table.add_column(
            column.title,
            justify="right" if column.number else "left",
            overflow="fold",  # a name goes on in the next line, a number is never broken
            width=width,
        )
    for row in texts:
        table.add_row(*map(Text, row))
    console.print(table, crop=False)


def _widths(columns: Sequence[Column], texts: Sequence[Sequence[str]], room: int) -> list[int]:
    """Returns how wide each column is to be where `room` cells are to be shared.

    Left to rich, the row of `hpo best` at 60 columns has 1234. for 1234.5 and 3,228,8 for
    3,228,864: a column that may not be wrapped is cut once there is no other to narrow, and its
    title cannot be wrapped either (measured once). Here numbers have what they need, then their
    short titles and short names are not broken, then no title is broken within a word; long names
    share what is left.
    """
    from rich.cells import cell_len

    cells = [max(cell_len(row[place]) for row in texts) for place in range(len(columns))]
    words = [max(map(cell_len, column.title.split()), default=0) for column in columns]
    whole = [max(pair) for pair in zip(cells, (cell_len(c.title) for c in columns), strict=True)]
    numbers = [cell if c.number else LEAST for cell, c in zip(cells, columns, strict=True)]
    widths = [min(pair) for pair in zip(numbers, whole, strict=True)]
    short = [min(cell, SHORT) for cell in cells]
    brief = [min(word, BRIEF) if c.number else 0 for word, c in zip(words, columns, strict=True)]
    for wish in (brief, short, words, whole):
        missing = {i: wish[i] - widths[i] for i in range(len(columns)) if wish[i] > widths[i]}
        left = room - sum(widths)
        for rest, i in enumerate(sorted(missing, key=missing.__getitem__)):
            given = min(missing[i], max(0, left // (len(missing) - rest)))
            widths[i], left = widths[i] + given, left - given
    return widths


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
