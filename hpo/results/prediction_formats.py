"""The forms in which the guesses about many files are written, one row a form.

All but the table are written as the guesses come, so memory does not grow with their number.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from data_pipeline.errors import DataError
from hpo.results.tables import Column, show

Guess = tuple[str, float]
"""A class and its probability."""
Row = tuple[Path, list[Guess]]
"""A file and its guesses, likeliest first."""

COLUMNS = ("file", "rank", "class", "probability")
GROUP = 20_000
"""Lines of a Parquet file that are compressed together."""


@dataclass(frozen=True)
class Form:
    """One form.

    Attributes:
        ending: What a file's name ends in; empty where it is for people only.
        write: Writes rows to a stream.
        binary: Whether the stream takes bytes, which are no use on a terminal.
        collects: Whether nothing is written before all rows are there.
    """

    ending: str
    write: Callable[[Iterable[Row], IO[Any]], None]
    binary: bool = False
    collects: bool = False


def _table(rows: Iterable[Row], out: IO[str]) -> None:
    known = list(rows)
    width = max((len(guesses) for _, guesses in known), default=0)
    pairs = [
        [Column("class" if i == 0 else "or"), Column("probability", ".4f")] for i in range(width)
    ]
    columns = [Column("file"), *(column for pair in pairs for column in pair)]
    show(
        columns,
        [[str(file), *(cell for guess in guesses for cell in guess)] for file, guesses in known],
    )


def _csv(rows: Iterable[Row], out: IO[str]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for file, rank, name, share in _lines(rows):
        writer.writerow([file, rank, name, f"{share:.6f}"])


def text_of(file: Path) -> str:
    """Returns a path that can be stored as text even where its name is none."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def _lines(rows: Iterable[Row]) -> Iterator[tuple[str, int, str, float]]:
    for file, guesses in rows:
        for rank, (name, share) in enumerate(guesses, start=1):
            yield text_of(file), rank, name, share


def _object(file: Path, guesses: list[Guess]) -> dict[str, Any]:
    classes = [{"class": name, "probability": share} for name, share in guesses]
    return {"file": text_of(file), "classes": classes}


def _json(rows: Iterable[Row], out: IO[str]) -> None:
    between = "[\n"
    for row in rows:
        text = json.dumps(_object(*row), indent=2)
        out.write(between + "\n".join("  " + line for line in text.splitlines()))
        between = ",\n"
    out.write("[]\n" if between == "[\n" else "\n]\n")


def _json_lines(rows: Iterable[Row], out: IO[str]) -> None:
    for row in rows:
        out.write(json.dumps(_object(*row)) + "\n")


def _parquet(rows: Iterable[Row], out: IO[bytes]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    types = (pa.string(), pa.int32(), pa.dictionary(pa.int32(), pa.string()), pa.float32())
    schema = pa.schema(zip(COLUMNS, types, strict=True))
    lines = _lines(rows)
    with parquet.ParquetWriter(out, schema) as writer:
        while group := list(islice(lines, GROUP)):
            columns = zip(*group, strict=True)
            arrays = [pa.array(cells, kind) for cells, kind in zip(columns, types, strict=True)]
            writer.write_table(pa.table(arrays, schema=schema))


FORMS: Mapping[str, Form] = {
    "table": Form("", _table, collects=True),
    "csv": Form(".csv", _csv),
    "json": Form(".json", _json),
    "jsonl": Form(".jsonl", _json_lines),
    "parquet": Form(".parquet", _parquet, binary=True),
}


def form_of(name: str | None, output: Path | None) -> Form:
    """Returns the form that the options of `hpo predict` ask for.

    Args:
        name: `--format`; None takes the one that the output's name ends in, or the table.
        output: `--output`.

    Raises:
        DataError: The two do not go together, or the package that writes it is missing.
    """
    if output is None:
        form = FORMS[name or "table"]
        if form.binary:
            raise DataError(
                f"--format {name} must have a file to write to. Received: no --output. "
                f"Add --output classes{form.ending}."
            )
        return form
    suffixes = {form.ending: form for form in FORMS.values() if form.ending}
    found = FORMS[name] if name else suffixes.get(output.suffix.lower())
    if found is None or not found.ending:
        raise DataError(
            f"--output must name a file that ends in {', '.join(suffixes)}. Received: {output}. "
            "Choose such a name, or add --format."
        )
    if found.binary:
        _require_pyarrow()
    return found


def _require_pyarrow() -> None:
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise DataError(
            "Parquet needs the package pyarrow. Received: a Python without it. "
            "In the project's folder: pip install '.[parquet]'. CSV and JSON lines need nothing."
        )


def write(rows: Iterable[Row], form: Form, output: Path | None) -> None:
    """Writes rows to the standard output, or to a file; see `replacing`."""
    if output is None:
        form.write(rows, sys.stdout)
        return
    with replacing(output, "--output", binary=form.binary) as out:
        form.write(rows, out)


@contextmanager
def replacing(path: Path, option: str, *, binary: bool = False) -> Iterator[IO[Any]]:
    """Opens a file beside another, which it replaces once all is written.

    Args:
        path: The file to be.
        option: What named it, for messages.
        binary: Whether it takes bytes.

    Raises:
        DataError: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    how: dict[str, Any] = {} if binary else {"encoding": "utf-8", "newline": ""}
    try:
        with beside.open("wb" if binary else "w", **how) as out:
            yield out
        beside.replace(path)
    except OSError as error:
        raise DataError(
            f"{option} must name a file that can be written. Received: {path} "
            f"({error.strerror or error}). Nothing was written; choose another place."
        ) from error
    finally:
        beside.unlink(missing_ok=True)
