"""A comparison as a table for people, CSV, Markdown or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType

from hpo.results.comparison import Comparison, Gain
from hpo.results.tables import NOTHING, Cell, Column, Table

LEAD, TEST_LEAD, INTERVAL = "best ahead by", "best ahead in test by", "95 % interval"
"""A lead is followed by its own interval."""


def gains_table(comparison: Comparison) -> Table:
    """Returns what the search gained over each baseline."""
    columns, rows = as_table(comparison)
    wanted = [
        index
        for index, column in enumerate(columns)
        if column.title in ("run", "validation", LEAD, INTERVAL)
        or column.title.startswith("published")
    ]
    return Table([columns[i] for i in wanted], [[row[i] for i in wanted] for row in rows])


def as_csv(comparison: Comparison) -> str:
    """Returns one line a trial, numbers unrounded."""
    figures = _names(comparison)
    published = [f"published_{name}" for name in comparison.published]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    gains = [f"{gain}{end}" for gain in ("gain", "test_gain") for end in ("", "_low", "_high")]
    writer.writerow(["run", "trial", "ending", *figures, *gains, *published, "published_by"])
    for row in comparison.rows:
        writer.writerow(
            [
                row.name,
                row.trial,
                row.ending,
                *(row.figures.get(name) for name in figures),
                *(row.gain or _UNKNOWN),
                *(row.test_gain or _UNKNOWN),
                *(row.published.get(name) for name in comparison.published),
                comparison.published_by if row.published else None,
            ]
        )
    return file.getvalue().rstrip("\n")


def as_markdown(comparison: Comparison) -> str:
    """Returns a pipe table and the notes to it."""
    columns, rows = as_table(comparison)
    texts = [[column.text(cell) for column, cell in zip(columns, row, strict=True)] for row in rows]
    used = [i for i in range(len(columns)) if any(row[i] != NOTHING for row in texts)]
    lines = [
        [columns[i].title for i in used],
        ["---:" if columns[i].number else "---" for i in used],
        *([row[i].replace("|", "\\|") for i in used] for row in texts),
    ]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{body}\n\n{notes(comparison)}"


def as_json(comparison: Comparison) -> str:
    """Returns all of it."""
    return json.dumps(asdict(comparison) | {"metric": comparison.metric.name}, indent=2)


FORMATS: Mapping[str, Callable[[Comparison], str]] = MappingProxyType(
    {"csv": as_csv, "markdown": as_markdown, "json": as_json}
)
"""What is written into files; people read `as_table` and `notes`."""


def _names(comparison: Comparison) -> list[str]:
    """Returns the figures measured here, in the order of their columns."""
    own = ["train", "validation", "test"]
    metric = comparison.metric.name
    return own + [metric] * (metric != "accuracy") + ["seconds", "parameters"]


def as_table(comparison: Comparison) -> Table:
    """Returns one row a trial."""
    names = _names(comparison)
    columns = [
        Column("run"),
        Column("trial", "d"),
        *(Column(name, _NUMBERS.get(name, ".4f")) for name in names),
        Column(LEAD, "+.4f"),
        Column(INTERVAL),
        Column(TEST_LEAD, "+.4f"),
        Column(INTERVAL),
        *(Column(f"published {name}", "g") for name in comparison.published),
        Column("ending"),
    ]
    rows: list[list[Cell]] = [
        [
            row.name,
            row.trial,
            *(_whole(row.figures.get(name), name) for name in names),
            *_lead(row.gain),
            *_lead(row.test_gain),
            *(row.published.get(name) for name in comparison.published),
            row.ending,
        ]
        for row in comparison.rows
    ]
    return Table(columns, rows)


_UNKNOWN = (None, None, None)
_NUMBERS: Mapping[str, str] = MappingProxyType({"seconds": ".0f", "parameters": ",d"})


def _lead(gain: Gain | None) -> tuple[Cell, Cell]:
    """Returns a lead and its interval as cells."""
    return (gain[0], f"{gain[1]:+.4f} to {gain[2]:+.4f}") if gain else (None, None)


def _whole(value: float | None, name: str) -> Cell:
    return int(value) if value is not None and name == "parameters" else value


def notes(comparison: Comparison) -> str:
    """Returns what has to be known to read the figures, a sentence a line."""
    lines = ["train, validation and test are accuracies at the best epoch."]
    if any(not row.clean and "train" in row.figures for row in comparison.rows):
        lines.append("train is the mean over the epoch, on augmented images and with dropout.")
    if any(row.gain for row in comparison.rows):
        lines.append(
            f"{LEAD!r} is in validation accuracy, paired on the same {comparison.images:,} images; "
            "its interval ignores that the best trial was chosen on these images."
        )
    if any(row.test_gain for row in comparison.rows):
        lines.append(
            f"{TEST_LEAD!r} is in test accuracy, paired on the same {comparison.test_images:,} "
            "images, which the search has never seen."
        )
    if comparison.published:
        lines.append(
            f"Published figures are those of {comparison.published_by}; all others were measured "
            "here."
        )
    return "\n".join(lines)
