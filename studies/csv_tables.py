"""CSV as people's spreadsheets write it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studies.errors import StudyError

_DIVIDERS = ",;\t"


@dataclass(frozen=True)
class Table:
    """A CSV file.

    Attributes:
        header: Names of its columns; none where it is empty.
        line: The line they stand in, from 1.
        rows: Line and cells of each row that has any, filled up to the width of the header.
        decimal_comma: Whether numbers may have a comma, as cells are not divided by it.
    """

    header: Sequence[str]
    line: int
    rows: Sequence[tuple[int, Sequence[str]]]
    decimal_comma: bool


def read_table(path: Path) -> Table:
    """Reads a CSV file divided by commas, semicolons or tabs: what its heading has most of.

    Raises:
        StudyError: The file is not there, or is no CSV in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next(filter(str.strip, file), "")
            file.seek(0)
            divider = max(_DIVIDERS, key=first.count)
            reader = csv.reader(file, delimiter=divider, skipinitialspace=True)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except FileNotFoundError as error:
        raise StudyError(f"There is no such file. Received: {path}. Check the path.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StudyError(
            f"The file must be CSV in UTF-8. Received: {path} ({error}). Save it as `CSV UTF-8`."
        ) from error
    filled = [(line, _without_empty_end(cells)) for line, cells in lines if any(cells)]
    line, header = filled[0] if filled else (1, [])
    rows = [(line, [*cells, *[""] * (len(header) - len(cells))]) for line, cells in filled[1:]]
    return Table(header, line, rows, decimal_comma=divider != ",")


def _without_empty_end(cells: list[str]) -> list[str]:
    """Returns the cells up to the last filled one: spreadsheets add empty ones."""
    return cells[: max(place for place, cell in enumerate(cells, start=1) if cell)]
