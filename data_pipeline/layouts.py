"""Which class, part of the split and group each file belongs to, read from the paths alone."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from data_pipeline.class_names import by_pattern, checked_pattern, guessed_pattern
from data_pipeline.errors import DataError
from data_pipeline.labelling import Labelling
from data_pipeline.parts import (
    Entry,
    Split,
    entries_in_parts,
    has_wrapper,
    predefined_parts,
    unwrapped,
)
from data_pipeline.structure import (
    IMAGE_FOLDERS,
    refuse_no_classes,
    refuse_repeated_set,
    without_annotations,
    words,
)

GROUP_FOLDERS = 5
"""Numbered folders below each class, in the median, from which on they are taken for groups."""


@dataclass(frozen=True)
class Labelled:
    """One file with its class and, where there are any, its part of the split and its group."""

    path: str
    label: str
    part: Split | None
    group: str | None = None


@dataclass(frozen=True)
class Layout:
    """How a folder is laid out.

    Attributes:
        name: `class_folders`, `file_names`, `split_class_folders`, `split_file_names` or `table`.
        labelled: The files that belong to a class.
        unplaced: The files that do not.
        annotations: Masks and other images about images.
        unlabelled: The files of a part that has no classes, such as the test of a competition.
        missing: What a table lists and is not there.
        grouped: Why images got groups without being asked for; empty if they have none.
        respelled: Classes that a later part spells otherwise than the training part: `cat = Cat`.
    """

    name: str
    labelled: tuple[Labelled, ...]
    unplaced: tuple[str, ...]
    annotations: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    grouped: str = ""
    respelled: tuple[str, ...] = ()


def find_layout(
    paths: Iterable[str], labelling: Labelling | None = None, tables: Sequence[str] = ()
) -> Layout:
    """Finds out how a folder is laid out.

    Args:
        paths: Every image file, relative to the folder, with forward slashes.
        labelling: What the user says about it.
        tables: Tables beside the images, which none of them was labelled by.

    Raises:
        DataError: None of the layouts fits, or the file names allow no safe guess.
    """
    asked = labelling or Labelling()
    everything = sorted(paths)
    refuse_repeated_set(everything)
    entries = [Entry(path, None, PurePosixPath(path).parts) for path in everything]
    entries, annotations = without_annotations(entries)
    parts = predefined_parts(entries)
    while not parts and asked.class_level is None and has_wrapper(entries):
        entries = unwrapped(entries)
        parts = predefined_parts(entries)
    placed, kind = (
        (entries_in_parts(entries, parts, unwrap=asked.class_level is None), "split_")
        if parts
        else (entries, "")
    )
    method, label_of = _labeller(placed, asked, tables if not parts else ())
    labelled = [
        Labelled(entry.path, label, entry.part, asked.group_of(entry.path))
        for entry in placed
        if (label := label_of(entry))
    ]
    pieces = {entry.path: entry.pieces for entry in placed}
    grouped = ""
    if method == "class_folders" and asked.group_pattern is None:
        labelled, grouped = _grouped_by_folder(labelled, pieces, asked)
    labelled, respelled = unified(labelled)
    labelled, unlabelled = _without_unlabelled_parts(labelled, placed)
    used = {row.path for row in labelled} | {*unlabelled, *annotations}
    unplaced = tuple(path for path in everything if path not in used)
    return Layout(
        name=kind + method,
        labelled=tuple(labelled),
        unplaced=unplaced,
        annotations=annotations,
        unlabelled=unlabelled,
        grouped=grouped,
        respelled=respelled,
    )


def _labeller(
    entries: list[Entry], asked: Labelling, tables: Sequence[str]
) -> tuple[str, Callable[[Entry], str | None]]:
    """How classes are read: as it was asked, from folders, or by a guess from file names."""
    if asked.class_pattern is not None:
        return "file_names", by_pattern(checked_pattern(asked.class_pattern, entries))
    if (level := asked.class_level) is not None:
        if not any(len(entry.pieces) > level for entry in entries):
            raise DataError(
                "--class-level must be a level of folders that exists. "
                f"Received: {level}, for instance with {entries[0].path!r}. Count from 1, the "
                "folders right below the data folder or below a part such as `train`."
            )
        return "class_folders", lambda e: e.pieces[level - 1] if len(e.pieces) > level else None
    decisive = [entry for entry in entries if entry.part in (None, "train")]
    in_folders = sum(len(entry.pieces) > 1 for entry in decisive)
    tops = {entry.pieces[0] for entry in decisive if len(entry.pieces) > 1}
    # A lone `images` is no class.
    only_images = len(tops) == 1 and words(next(iter(tops))) in IMAGE_FOLDERS
    if 2 * in_folders >= len(decisive) and not only_images:
        if asked.group_level is None:
            refuse_no_classes(decisive, tables)
        return "class_folders", lambda entry: entry.pieces[0] if len(entry.pieces) > 1 else None
    return "file_names", by_pattern(guessed_pattern(decisive))


def _grouped_by_folder(
    labelled: list[Labelled], pieces: dict[str, tuple[str, ...]], asked: Labelling
) -> tuple[list[Labelled], str]:
    """Groups by a folder below the class: the one asked for, or many numbered ones."""
    first = asked.class_level or 1  # the place of the folder below the class
    level = first + (asked.group_level or 1) - 1
    folders = {path: found[level] for path, found in pieces.items() if len(found) > level + 1}
    if asked.group_level is None:
        below: dict[str, set[str]] = defaultdict(set)
        for row in labelled:
            if row.path in folders:
                below[row.label].add(folders[row.path])
        names = set().union(*below.values()) if below else set()
        counts = sorted(map(len, below.values()))
        numbered = sum(bool(re.search(r"\d", name)) for name in names)
        covered = sum(row.path in folders for row in labelled)
        if (
            not counts
            or counts[len(counts) // 2] < GROUP_FOLDERS
            or numbered < 0.9 * len(names)
            or covered < 0.9 * len(labelled)
        ):
            return labelled, ""
    rows = [replace(row, group=folders.get(row.path)) for row in labelled]
    asked_for = asked.group_level is not None
    return rows, "" if asked_for else "the numbered folders below the classes"


def unified(labelled: Iterable[Labelled]) -> tuple[list[Labelled], tuple[str, ...]]:
    """Writes classes in one way: in Unicode's composed form, and in all parts as in `train`.

    Returns:
        The files, and the classes that were spelled otherwise, as `cat = Cat`.
    """
    rows = [replace(row, label=unicodedata.normalize("NFC", row.label)) for row in labelled]
    trained = {row.label for row in rows if row.part in (None, "train")}
    spelled: dict[str, set[str]] = defaultdict(set)
    for label in trained:
        spelled[folded(label)].add(label)
    known = {
        label: next(iter(same))
        for label in {row.label for row in rows} - trained
        if len(same := spelled.get(folded(label), set())) == 1
    }
    respelled = tuple(f"{label} = {as_trained}" for label, as_trained in sorted(known.items()))
    return [replace(row, label=known.get(row.label, row.label)) for row in rows], respelled


def folded(label: str) -> str:
    """A class's name without what people type differently: case, blanks, `_`, `-` and `.`."""
    return re.sub(r"[\s_.-]+", "", unicodedata.normalize("NFKC", label).casefold())


def _without_unlabelled_parts(
    labelled: list[Labelled], placed: Sequence[Entry]
) -> tuple[list[Labelled], tuple[str, ...]]:
    """Tells the parts apart that have no classes: loose files, or one folder such as `unknown`."""
    trained = {row.label for row in labelled if row.part in (None, "train")}
    files = Counter(entry.part for entry in placed)
    parts = [part for part in files if part not in (None, "train")]
    without = []
    for part in parts:
        labels = Counter(row.label for row in labelled if row.part == part)
        known = any(label in trained for label in labels)
        if not known and len(labels) <= 1:
            without.append(part)
    rows = [row for row in labelled if row.part not in without]
    return rows, tuple(sorted(entry.path for entry in placed if entry.part in without))
