"""The pictures that this program draws into a folder, which may be one of images to train on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

LIST = ".hpo-files"
"""File that lists the names of what was made in its folder."""


def note_outputs(files: Iterable[Path]) -> None:
    """Writes down that files were made here, so that they never count as data."""
    for file in files:
        known = made_here(file.parent)
        if file.name not in known:
            text = "".join(f"{name}\n" for name in sorted({*known, file.name}))
            (file.parent / LIST).write_text(text, encoding="utf-8")


def made_here(folder: Path) -> frozenset[str]:
    """Returns the names of the files in a folder that this program made."""
    try:
        return frozenset((folder / LIST).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return frozenset()
