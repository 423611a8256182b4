"""Which class and which part of the split each file belongs to, read from the paths alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from data_pipeline.class_names import Labeller, by_pattern, checked_pattern, guessed_pattern
from data_pipeline.parts import (
    Entry,
    Split,
    entries_in_parts,
    has_wrapper,
    predefined_parts,
    unwrapped,
)


@dataclass(frozen=True)
class Labelled:
    """One file with its class and, where the folder is split already, its part."""

    path: str
    label: str
    part: Split | None


@dataclass(frozen=True)
class Layout:
    """How a folder is laid out.

    Attributes:
        name: `class_folders`, `file_names`, `split_class_folders` or `split_file_names`.
        labelled: The files that belong to a class.
        unplaced: The files that do not.
    """

    name: str
    labelled: tuple[Labelled, ...]
    unplaced: tuple[str, ...]


def find_layout(paths: Iterable[str], class_pattern: str | None = None) -> Layout:
    """Finds out how a folder is laid out.

    Args:
        paths: Every image file, relative to the folder, with forward slashes.
        class_pattern: Regular expression, searched in the file's name, whose group `class` is the
            class; None takes the class from folders or guesses it from the file names.

    Raises:
        DataError: None of the layouts fits, or the file names allow no safe guess.
    """
    everything = sorted(paths)
    entries = [Entry(path, None, PurePosixPath(path).parts) for path in everything]
    parts = predefined_parts(entries)
    while not parts and has_wrapper(entries):
        entries = unwrapped(entries)
        parts = predefined_parts(entries)
    placed, kind = (entries_in_parts(entries, parts), "split_") if parts else (entries, "")
    method, label_of = _labeller(placed, class_pattern)
    labelled = tuple(
        Labelled(entry.path, label, entry.part) for entry in placed if (label := label_of(entry))
    )
    used = {row.path for row in labelled}
    unplaced = tuple(path for path in everything if path not in used)
    return Layout(kind + method, labelled, unplaced)


def _labeller(entries: list[Entry], class_pattern: str | None) -> tuple[str, Labeller]:
    """How classes are read: by the given pattern, from folders, or by a guess from file names."""
    if class_pattern is not None:
        return "file_names", by_pattern(checked_pattern(class_pattern, entries))
    decisive = [entry for entry in entries if entry.part in (None, "train")]
    in_folders = sum(len(entry.pieces) > 1 for entry in decisive)
    if 2 * in_folders >= len(decisive):
        return "class_folders", lambda entry: entry.pieces[0] if len(entry.pieces) > 1 else None
    return "file_names", by_pattern(guessed_pattern(decisive))
