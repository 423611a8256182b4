"""The table of suspect images: written for a person, who confirms some of them, and read again."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from studies.csv_tables import read_table
from studies.errors import StudyError

CONFIRMED, PATH = "confirmed", "path"
_YES, _NO = frozenset({"yes", "y", "x", "1", "true"}), frozenset({"", "no", "n", "0", "false"})


def with_confirmed(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Returns settings with the images that are confirmed in a table, in place of the table.

    Args:
        asked: Settings, whose `exclude` may name tables: what ends in .csv.

    Raises:
        StudyError: A table cannot be read, or nothing is confirmed in it.
    """
    exclude: Sequence[str] = asked.get("exclude", ())
    tables = [name for name in exclude if name.lower().endswith(".csv")]
    if not tables:
        return dict(asked)
    images = {path for name in tables for path in confirmed(Path(name))}
    return {
        **asked,
        "exclude": tuple(name for name in exclude if name not in tables),
        "exclude_images": tuple(sorted({*asked.get("exclude_images", ()), *images})),
    }


def confirmed(table: Path) -> list[str]:
    """Returns the paths of the images that are confirmed in a table, each once.

    Raises:
        StudyError: The file is no such table, or nothing is confirmed in it.
    """
    found = read_table(table)
    if missing := {CONFIRMED, PATH} - {*found.header}:
        raise StudyError(
            f"A table of suspects must have the columns `{CONFIRMED}` and `{PATH}`. "
            f"Received: {table}, without {' and '.join(sorted(missing))}. "
            "`hpo doctor DATA --suspects FILE` writes one."
        )
    marks, paths = found.header.index(CONFIRMED), found.header.index(PATH)
    chosen = {row[paths]: None for line, row in found.rows if _is_yes(row[marks], table, line)}
    if not chosen:
        raise StudyError(
            f"A table of suspects must have `yes` in the column `{CONFIRMED}` of the images that "
            f"are to be left out. Received: {table}, where none has. Look at them and write it."
        )
    return list(chosen)


def write_suspects(table: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Writes a table in which nothing is confirmed yet, whole or not at all.

    Args:
        table: The file.
        header: Names of the columns behind `confirmed`, `path` first.
        rows: Their cells.

    Raises:
        StudyError: Something is confirmed in the file, or it is no table of suspects, or it cannot
            be written.
    """
    require_replaceable(table)
    temporary = table.with_name(f".{table.name}.{os.getpid()}")
    try:
        # With a byte order mark spreadsheets read names in every script.
        with temporary.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([CONFIRMED, *header])
            writer.writerows(["", *row] for row in rows)
        temporary.replace(table)
    except OSError as error:
        raise StudyError(
            f"--suspects must name a file that can be written. Received: {table} "
            f"({error.strerror}). Choose another."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def require_replaceable(table: Path) -> None:
    """Refuses a file that holds something else, or what somebody has confirmed.

    Raises:
        StudyError: It does.
    """
    if not table.exists():
        return
    found = read_table(table)
    ours = {CONFIRMED, PATH} <= {*found.header}
    if ours and not any(row[found.header.index(CONFIRMED)] for _, row in found.rows):
        return
    raise StudyError(
        "--suspects must not replace what somebody has written. "
        f"Received: {table}, {'in which images are confirmed' if ours else 'which exists'}. "
        "Choose another name."
    )


def _is_yes(mark: str, table: Path, line: int) -> bool:
    if mark.casefold() in _YES | _NO:
        return mark.casefold() in _YES
    raise StudyError(
        f"The column `{CONFIRMED}` must hold `yes`, or `no` or nothing. "
        f"Received: {mark!r} in line {line} of {table}. Correct it."
    )
