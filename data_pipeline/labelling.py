"""What a user says about how the images of a set are labelled, where it cannot be seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from data_pipeline.errors import DataError


@dataclass(frozen=True)
class Labelling:
    """What was asked for; None and empty where the data decide.

    Attributes:
        class_pattern: Regular expression, searched in the file's name, whose group `class` is the
            class.
        class_level: Which folder is the class, counted from 1 below the data folder or below a
            part of it.
        group_pattern: Regular expression, searched in the path, whose first group names what must
            stay on one side of the split, such as a patient.
        group_level: Which folder is such a group, counted from 1 below the class folder.
        images: Folder of the images that a table lists; its own where it is None.
        file_column: Column of a table with the files.
        label_column: Column with the classes.
        split_column: Column with the parts of the split.
        group_column: Column with what must stay on one side of the split.
        exclude: Classes, folders and files that are left out; `*` stands for any characters.
        exclude_images: Images that are left out, by their paths. All others stay in the part of the
            split that they would be in with them.
        min_class_images: Classes with fewer images are left out.
        draw_validation: Whether a given validation part is dealt out anew with the training part.
    """

    class_pattern: str | None = None
    class_level: int | None = None
    group_pattern: str | None = None
    group_level: int | None = None
    images: str | None = None
    file_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    exclude: tuple[str, ...] = ()
    exclude_images: tuple[str, ...] = ()
    min_class_images: int = 0
    draw_validation: bool = False

    @property
    def names_columns(self) -> bool:
        """Whether a table was asked for."""
        columns = (self.file_column, self.label_column, self.split_column, self.group_column)
        return self.images is not None or any(columns)

    def excludes(self, path: str) -> bool:
        """Whether a file, or a folder that it lies in, is to be left out."""
        places = (path, *map(str, PurePosixPath(path).parents))
        pieces = PurePosixPath(path).parts
        return any(
            fnmatchcase(name, pattern)
            for pattern in self.exclude
            for name in (*places[:-1], *pieces)
        )

    def excludes_class(self, label: str) -> bool:
        """Whether a class is to be left out."""
        return any(fnmatchcase(label, pattern) for pattern in self.exclude)

    def group_of(self, path: str) -> str | None:
        """The group that the pattern finds in a path, or None."""
        if self.group_pattern is None:
            return None
        match = _compiled(self.group_pattern).search(path)
        return match[1] or None if match else None


def _compiled(group_pattern: str) -> re.Pattern[str]:
    rule = "--group-pattern must be a regular expression with one group in parentheses"
    example = r"Example for patient012_3.jpg: --group-pattern '(patient\d+)_'"
    try:
        pattern = re.compile(group_pattern)  # `re` keeps what it has compiled
    except re.error as error:
        raise DataError(f"{rule}. Received: {group_pattern!r} ({error}). {example}") from error
    if pattern.groups < 1:
        raise DataError(f"{rule}. Received: {group_pattern!r}, without any. {example}")
    return pattern
