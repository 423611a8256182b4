"""From a `--data` value to labelled, hashed examples and what was noticed on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import numpy as np

from data_pipeline.datasets import DATASETS, load_arrays
from data_pipeline.errors import DataError
from data_pipeline.folder import Reason, list_folder
from data_pipeline.inspect_image import FileFacts, Keep, Progress, inspect_files
from data_pipeline.layouts import find_layout
from data_pipeline.parts import Split


@dataclass(frozen=True)
class Example:
    """One image that can be used.

    Attributes:
        path: Relative to the folder, or the row number of a built-in array as text.
        sha256: Of the file's bytes, or of the row's.
        label: Name of its class.
        part: The part of the split that it was found in, or None.
    """

    path: str
    sha256: str
    label: str
    part: Split | None = None


@dataclass(frozen=True)
class Source:
    """A data set as it was found.

    Attributes:
        name: The folder's absolute path, or the built-in name.
        kind: Which of the two.
        layout: `Layout.name`, or `builtin`.
        classes: Every class that was found, whether or not its images can be used.
        examples: The images that can be used.
        facts: What was found in each labelled file; empty for a built-in data set.
        left_out: Files and folders that were not looked into, by reason.
        unplaced: Images that belong to no class.
        imageless: Folders without images.
    """

    name: str
    kind: Literal["folder", "builtin"]
    layout: str
    classes: tuple[str, ...]
    examples: tuple[Example, ...]
    facts: tuple[FileFacts, ...] = ()
    left_out: Mapping[Reason, tuple[str, ...]] = field(default_factory=dict)
    unplaced: tuple[str, ...] = ()
    imageless: tuple[str, ...] = ()


def open_source(
    data: str,
    class_pattern: str | None = None,
    progress: Progress | None = None,
    keep: Keep | None = None,
) -> Source:
    """Reads a built-in data set or every image of a folder.

    Args:
        data: A key of `DATASETS`, or a folder; a folder of the same name is written `./digits`.
        class_pattern: See `layouts.find_layout`; for folders only.
        progress: Told after each file.
        keep: Given each image of a folder that can be used.

    Raises:
        DataError: There is no such data set, or its images cannot be told apart into classes.
    """
    if data in DATASETS:
        return _open_builtin(data)
    return _open_folder(_existing_folder(data), class_pattern, progress, keep)


def _open_builtin(name: str) -> Source:
    images_bhwc, labels, classes, test_mask = load_arrays(name)
    parts: list[Split | None] = [None] * len(labels)
    if test_mask is not None:
        parts = ["test" if is_test else "train" for is_test in test_mask]
    examples = tuple(
        Example(str(row), _row_sha256(image_hwc), classes[label], part)
        for row, (image_hwc, label, part) in enumerate(zip(images_bhwc, labels, parts, strict=True))
    )
    return Source(name, "builtin", "builtin", classes, examples)


def _row_sha256(image_hwc: np.ndarray) -> str:
    return hashlib.sha256(image_hwc.tobytes()).hexdigest()


def _open_folder(
    root: Path, class_pattern: str | None, progress: Progress | None, keep: Keep | None
) -> Source:
    contents = list_folder(root)
    if not contents.candidates:
        left_out = sum(map(len, contents.left_out.values()))
        raise DataError(
            f"A folder of images must hold images. Received: {str(root)!r}, with none "
            f"({left_out} other files or folders in it were left out: "
            f"{', '.join(contents.left_out) or 'it is empty'}). Check the path."
        )
    layout = find_layout(contents.candidates, class_pattern)
    facts = inspect_files(root, (row.path for row in layout.labelled), progress, keep)
    examples = tuple(
        Example(row.path, found.sha256, row.label, row.part)
        for row, found in zip(layout.labelled, facts, strict=True)
        if not found.problem
    )
    return Source(
        name=str(root),
        kind="folder",
        layout=layout.name,
        classes=tuple(sorted({row.label for row in layout.labelled})),
        examples=examples,
        facts=facts,
        left_out=contents.left_out,
        unplaced=layout.unplaced,
        imageless=contents.imageless,
    )


def _existing_folder(data: str) -> Path:
    """The folder, absolute and without symbolic links.

    Raises:
        DataError: There is none.
    """
    rule = "--data must be a folder of images or a built-in name"
    try:
        root = Path(data).expanduser().resolve(strict=True)
        str(root).encode()  # It is stored in a JSON file.
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        near = get_close_matches(data.lower(), DATASETS, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise DataError(
            f"{rule}. Received: {data!r}, which is no folder that can be opened ({reason}). "
            f"{hint}Built-in names: {', '.join(DATASETS)}."
        ) from error
    if not root.is_dir():
        raise DataError(
            f"{rule}. Received: {data!r}, which is a file. Unpack it if it is an archive, and "
            "pass the folder."
        )
    return root
