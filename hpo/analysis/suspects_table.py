"""The suspects as a table for `hpo doctor --suspects` and as lines for the terminal."""

from __future__ import annotations

from pathlib import Path

from data_pipeline.outputs import note_outputs
from hpo.analysis.suspects import KINDS, Suspect, Suspects
from studies.suspects_file import PATH, write_suspects

HEADER = (
    PATH,
    "label",
    "reason",
    "likelier label",
    "label's share",
    "likelier share",
    "part",
    "like",
)


def write_table(suspects: Suspects, table: Path) -> None:
    """Writes the suspects, the most telling first, into a file that a person works through.

    Raises:
        StudyError: The file must not be replaced, or cannot be written.
    """
    write_suspects(table, HEADER, [_cells(row) for row in suspects.rows])
    note_outputs([table])  # it is no table of labels, should it lie beside the images


def _cells(row: Suspect) -> list[str]:
    return [
        row.path,
        row.label,
        KINDS[row.kind],
        row.likelier or "",
        _share(row.given),
        _share(row.likeliest),
        row.split,
        "; ".join(row.like),
    ]


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.3f}"


def described(row: Suspect) -> str:
    """Returns a suspect in a line."""
    if row.likelier is not None:
        return f"{row.path}: {row.label}, or rather {row.likelier}"
    if row.like:
        return f"{row.path}: {row.label}, like {row.like[0]}"
    return f"{row.path}: {row.label}"
