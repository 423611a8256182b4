"""Data of a program, written to files that every process and later session reads.

A file is called after its contents, so the same data are the same file.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_LETTERS = 12
"""Of the hash that a file is called by."""


def write_arrays(arrays: Mapping[str, npt.NDArray[Any]], folder: Path) -> str:
    """Writes arrays into an `.npz` file of a folder and returns its path."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return _write(
        folder / f"arrays-{digest.hexdigest()[:_LETTERS]}.npz",
        lambda temporary: np.savez(temporary, allow_pickle=False, **arrays),
    )


def write_table(columns: Mapping[str, Sequence[str]], folder: Path) -> str:
    """Writes a table into a `.csv` file of a folder and returns its path."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    text = file.getvalue()
    digest = hashlib.sha256(text.encode()).hexdigest()[:_LETTERS]
    return _write(
        folder / f"table-{digest}.csv",
        lambda temporary: temporary.write_text(text, encoding="utf-8"),
    )


def _write(path: Path, write: Callable[[Path], object]) -> str:
    """Writes a file that is called after its contents, unless it is there."""
    if not path.exists():
        _put(path, write)
    return str(path)


def _put(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
