"""Classes written into file names: by the user's pattern, or by a guess that is safe enough."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from data_pipeline.errors import DataError
from data_pipeline.parts import Entry


@dataclass(frozen=True)
class NamePattern:
    """One way in which people write the class into file names."""

    examples: str
    pattern: str


NAME_PATTERNS = (
    NamePattern(
        "cloudy12.jpg, cat.0.jpg, cat_001.png", r"^(?P<class>.*?)[ ._-]*(\d+|\(\d+\))(\.[^.]+)?$"
    ),
    NamePattern("0_frog.png, 17-truck.png", r"^\d+[ ._-]+(?P<class>[^\d.]+)(\.[^.]+)?$"),
)

# fmt: off
GENERIC_WORDS = frozenset({
    "img", "image", "images", "photo", "picture", "pic", "dsc", "dscn", "dscf", "pxl", "frame",
    "scan", "screenshot", "file", "sample",
})
# fmt: on
"""What cameras and programs write in front of a number; it names no class."""

_ENOUGH = 0.95
"""Share of the file names that must fit a guessed pattern."""
_IMAGES_PER_CLASS = 3
"""Where a guess gives fewer than this on average, it found something else than classes."""

Labeller = Callable[[Entry], str | None]
"""Says the class of a file, or None where it has none."""


def by_pattern(pattern: re.Pattern[str]) -> Labeller:
    """A labeller that searches for the group `class` in the file's name."""

    def label_of(entry: Entry) -> str | None:
        match = pattern.search(entry.pieces[-1])
        return (match["class"] or "").strip(" ._-") or None if match else None

    return label_of


def checked_pattern(class_pattern: str, entries: list[Entry]) -> re.Pattern[str]:
    """The user's pattern, compiled.

    Raises:
        DataError: It is no regular expression, has no group `class`, or fits no file.
    """
    rule = "--class-pattern must be a regular expression with a group named `class`"
    example = r"Example for cat_001.jpg: --class-pattern '^(?P<class>[a-z]+)_\d+'"
    try:
        pattern = re.compile(class_pattern)
    except re.error as error:
        raise DataError(f"{rule}. Received: {class_pattern!r} ({error}). {example}") from error
    if "class" not in pattern.groupindex:
        raise DataError(f"{rule}. Received: {class_pattern!r}, without that group. {example}")
    if not any(by_pattern(pattern)(entry) for entry in entries):
        raise DataError(
            f"--class-pattern must find a class in the file names. Received: {class_pattern!r}, "
            f"which fits none, for instance not {_some_names(entries)}. {example}"
        )
    return pattern


def guessed_pattern(entries: list[Entry]) -> re.Pattern[str]:
    """The one row of `NAME_PATTERNS` that fits the file names.

    Raises:
        DataError: None does well enough to be trusted.
    """
    for row in NAME_PATTERNS:
        pattern = re.compile(row.pattern)
        labels = [label for entry in entries if (label := by_pattern(pattern)(entry))]
        if _plausible(labels, len(entries)):
            return pattern
    looked_for = " or ".join(f"names like {row.examples}" for row in NAME_PATTERNS)
    raise DataError(
        "The images must lie in one folder per class, in train/validation/test folders, or have "
        f"their class in the file name ({looked_for}; at least two classes, none of them a "
        f"camera's word such as IMG). Received: {_some_names(entries)}. Sort them into class "
        r"folders, or say where the class is: --class-pattern '^(?P<class>[A-Za-z]+)'"
    )


def _plausible(labels: list[str], files: int) -> bool:
    classes = Counter(labels)
    return (
        len(labels) >= _ENOUGH * files
        and len(classes) > 1
        and len(labels) >= _IMAGES_PER_CLASS * len(classes)
        and all(re.search(r"[^\W\d_]", label) for label in classes)
        and not any(label.lower() in GENERIC_WORDS for label in classes)
    )


def _some_names(entries: list[Entry]) -> str:
    return ", ".join(repr(entry.pieces[-1]) for entry in entries[:: len(entries) // 3 + 1])
