"""What a report says, as values: HTML, Markdown and JSON are written from the same ones.

Nothing here knows a language. A text is a `Phrase`: a key of the catalogue in `words/` and what is
filled in. Whatever comes from the user's files or labels is a `Name`, or a cell of text, and never
becomes markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from hpo.report.charts.values import Chart


@dataclass(frozen=True)
class Name:
    """Words that are the user's own, such as a class or a file: shown as they are."""

    text: str


@dataclass(frozen=True)
class Code:
    """Words that can be typed, such as a command."""

    text: str


@dataclass(frozen=True)
class Phrase:
    """A text of the catalogue.

    Attributes:
        key: Its key, such as `verdict.best`.
        fill: What stands for the names in braces. A number is formatted as the catalogue says; the
            number called `count` chooses between singular and plural.
    """

    key: str
    fill: Mapping[str, Fill] = field(default_factory=dict)


Fill = str | int | float | Name | Code | Phrase | tuple[Phrase, ...]
"""Several phrases are listed."""


def say(key: str, **fill: Fill) -> Phrase:
    """Returns a phrase."""
    return Phrase(key, fill)


@dataclass(frozen=True)
class Link:
    """A cell that leads to an anchor of the page."""

    text: Cell
    anchor: str


Cell = str | int | float | None | Name | Code | Phrase | Link


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: Its heading.
        number: Format of its numbers, such as `.1%`; None where it holds text.
    """

    title: Phrase
    number: str | None = None


@dataclass(frozen=True)
class Heading:
    """The title of what follows within a chapter."""

    text: Phrase


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
        text: What it says.
        kind: `lead` is what to read first, `note` what explains, `warning` what must not be missed.
    """

    text: Phrase
    kind: Literal["body", "lead", "note", "warning"] = "body"


@dataclass(frozen=True)
class Listing:
    """Lines that can be typed or copied as they are."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: What it shows.
        columns: Its columns.
        rows: A cell for each column.
        most: Rows that are drawn; JSON has all of them.
        folded: Whether a page shows it only when it is opened.
    """

    caption: Phrase
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    most: int = 100
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A chart.

    Attributes:
        caption: What it shows and, where there is one, what follows from it.
        chart: What is drawn; its data table is made from it.
        alt: What somebody who does not see it has to know.
    """

    caption: Phrase
    chart: Chart
    alt: Phrase


@dataclass(frozen=True)
class Thumbnail:
    """One small picture.

    Attributes:
        jpeg: The picture.
        alt: What it is.
        lines: What stands below it.
        heat: The same picture with what the network looked at; None where that is not known.
    """

    jpeg: bytes = field(repr=False)
    alt: Phrase
    lines: tuple[Name | Phrase, ...] = ()
    heat: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Thumbnails:
    """Small pictures.

    Attributes:
        caption: What they have in common.
        pictures: They.
        anchor: What links lead to; a page shows those with an anchor only when a link leads there.
    """

    caption: Phrase
    pictures: tuple[Thumbnail, ...]
    anchor: str | None = None


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix.

    Attributes:
        caption: What it shows.
        classes: Names of the classes.
        counts: For each true class the number of images that are given each class.
        links: Row and column of a cell to the anchor of its pictures.
    """

    caption: Phrase
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    links: Mapping[tuple[int, int], str] = field(default_factory=dict)


Block = Heading | Text | Listing | Table | Figure | Thumbnails | Matrix


@dataclass(frozen=True)
class Chapter:
    """One chapter.

    Attributes:
        key: Its anchor; its title is the phrase `KEY.title`.
        blocks: What it says, in the order of reading.
    """

    key: str
    blocks: tuple[Block, ...]

    @property
    def title(self) -> Phrase:
        """Its title."""
        return Phrase(f"{self.key}.title")


@dataclass(frozen=True)
class Report:
    """All of it.

    Attributes:
        study: Name of the study.
        written: When (UTC, ISO 8601).
        summary: The phrase below the title.
        chapters: What it says.
    """

    study: str
    written: str
    summary: Phrase
    chapters: tuple[Chapter, ...]
