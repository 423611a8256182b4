"""The manifest: every image of a data set with its hash, label and split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict

from data_pipeline.audit import Audit, run_checks
from data_pipeline.duplicates import deduplicate
from data_pipeline.errors import DataError
from data_pipeline.inspect_image import Keep, Progress
from data_pipeline.parts import SPLITS, Split
from data_pipeline.sources import Example, Source, open_source
from data_pipeline.split import assign_splits, split_fractions


class Item(BaseModel):
    """One image.

    Attributes:
        path: Relative to the folder, with forward slashes; the row number of a built-in array.
        sha256: Of the file's bytes, or of the array row's.
        label: Index into the manifest's classes.
        split: The part of the data that it belongs to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    sha256: str
    label: int
    split: Split


class Manifest(BaseModel):
    """A data set, fixed once per study.

    Attributes:
        source: The folder's absolute path, or a key of `datasets.DATASETS`.
        kind: Which of the two.
        layout: How the folder was laid out (`layouts.Layout.name`), or `builtin`.
        classes: Names, in the order of the labels.
        items: The images, sorted by path.
        seed: What the split was drawn with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    kind: Literal["folder", "builtin"]
    layout: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    seed: int

    @cached_property
    def digest(self) -> str:
        """Hash of all that decides a result, which where the folder lies does not."""
        rows = [(item.path, item.sha256, item.label, item.split) for item in self.items]
        return hashlib.sha256(json.dumps([self.classes, rows]).encode()).hexdigest()

    def counts(self) -> dict[str, dict[Split, int]]:
        """Number of images of each class in each split."""
        table: dict[str, dict[Split, int]] = {
            name: dict.fromkeys(SPLITS, 0) for name in self.classes
        }
        for item in self.items:
            table[self.classes[item.label]][item.split] += 1
        return table


def create_manifest(
    data: str,
    *,
    seed: int,
    validation: float = 0.15,
    test: float = 0.15,
    class_pattern: str | None = None,
    progress: Progress | None = None,
    keep: Keep | None = None,
) -> tuple[Manifest, Audit]:
    """Reads, audits and splits a data set.

    Args:
        data: A built-in name or a folder (`sources.open_source`).
        seed: Of the split, 0 or more.
        validation: Share for validation; a given validation part is kept instead.
        test: Share for the test; a given test part is kept instead.
        class_pattern: Regular expression with a group `class` for file names.
        progress: Told after each file.
        keep: Given each image of a folder that can be used, as it has been decoded anyway.

    Returns:
        The manifest, and the audit, whose errors say that training on it would be wrong.

    Raises:
        DataError: The data set cannot be found or holds nothing to train on.
    """
    source = open_source(data, class_pattern, progress, keep)
    unique = deduplicate(source.examples)
    fractions = split_fractions(source.examples, validation, test)
    splits = assign_splits(unique.kept, fractions, seed)
    audit = run_checks(source, unique, tuple(fractions))
    if not unique.kept:
        raise DataError(
            f"A data set must hold images that can be used. Received: {source.name!r}. "
            + audit.summary()
        )
    return _manifest(source, unique.kept, splits, seed), audit


def _manifest(
    source: Source, kept: tuple[Example, ...], splits: Mapping[str, Split], seed: int
) -> Manifest:
    used = {example.label for example in kept}
    classes = tuple(name for name in source.classes if name in used)
    labels = {name: label for label, name in enumerate(classes)}
    return Manifest(
        source=source.name,
        kind=source.kind,
        layout=source.layout,
        classes=classes,
        items=tuple(
            Item(path=e.path, sha256=e.sha256, label=labels[e.label], split=splits[e.path])
            for e in sorted(kept, key=lambda example: example.path)
        ),
        seed=seed,
    )
