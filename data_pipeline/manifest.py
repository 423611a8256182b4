"""The manifest: every image of a data set with its hash, label and split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from data_pipeline.audit import Audit, run_checks
from data_pipeline.duplicates import deduplicate
from data_pipeline.errors import DataError
from data_pipeline.example import Example
from data_pipeline.inspect_image import Keep, Progress
from data_pipeline.labelling import Labelling
from data_pipeline.parts import SPLITS, Split
from data_pipeline.reading import Reading, Resize, choose_reading
from data_pipeline.sources.opening import SOURCES, open_source
from data_pipeline.sources.source import Found, Source
from data_pipeline.split import assign_splits, split_fractions


class Item(BaseModel):
    """One image.

    Attributes:
        path: Relative to the folder, with forward slashes; the row number of an array.
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
        source: An absolute path, or a key of `datasets.DATASETS`.
        kind: What is there, a key of `sources.opening.SOURCES`.
        images: Folder of the images that a table lists, absolute; None where it is the table's.
        layout: How the images are labelled (`layouts.Layout.name`); of arrays the kind.
        classes: Names, in the order of the labels.
        items: The images, sorted by path.
        seed: What the split was drawn with.
        also: Files beside the images that the classes were read from, to their hash.
        reading: How pixels become 8-bit RGB squares.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    kind: str
    images: str | None = None
    layout: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    seed: int
    also: Mapping[str, str] = {}
    reading: Reading = Reading()

    @cached_property
    def digest(self) -> str:
        """Hash of all that decides a result, which where the folder lies does not."""
        rows = [(item.path, item.sha256, item.label, item.split) for item in self.items]
        reading = [self.reading.text()] if self.reading.text() else []
        return hashlib.sha256(json.dumps([self.classes, rows, *reading]).encode()).hexdigest()

    def open(self) -> Source:
        """Returns the source of its images."""
        return SOURCES[self.kind](self.source, self.images)

    def without_test(self) -> Manifest:
        """Returns the same with its test images among the training images."""
        items = (
            item.model_copy(update={"split": "train"}) if item.split == "test" else item
            for item in self.items
        )
        return self.model_copy(update={"items": tuple(items)})

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
    labelling: Labelling | None = None,
    resize: Resize = "stretch",
    progress: Progress | None = None,
    keep: Keep | None = None,
) -> tuple[Manifest, Audit]:
    """Reads, audits and splits a data set.

    Args:
        data: What `sources.opening.open_source` takes.
        seed: Of the split, 0 or more.
        validation: Share for validation; a given validation part is kept instead.
        test: Share for the test; a given test part is kept instead.
        labelling: What the user says about the classes.
        resize: How images become squares.
        progress: Told after each file.
        keep: Given each image of a folder that can be used, as it has been decoded anyway.

    Returns:
        The manifest, and the audit, whose errors say that training on it would be wrong.

    Raises:
        DataError: The data set cannot be found or holds nothing to train on.
    """
    asked = labelling or Labelling()
    source = open_source(data, asked.images)
    found = source.find(asked, progress, keep)
    unique = deduplicate(found.examples)
    fractions = split_fractions(found.examples, validation, test)
    splits = assign_splits(unique.kept, fractions, seed, unique.similar)
    # Only now: the other images stay in their parts, so that the test stays the same.
    found = found.without(asked.exclude_images)
    unique = unique.without(asked.exclude_images)
    reading = choose_reading(found.facts, resize)
    audit = run_checks(found, unique, tuple(fractions), splits, reading)
    if not unique.kept:
        raise DataError(
            f"A data set must hold images that can be used. Received: {found.name!r}. "
            + audit.summary()
        )
    return _manifest(source, found, unique.kept, splits, seed, reading), audit


def _manifest(
    source: Source,
    found: Found,
    kept: tuple[Example, ...],
    splits: Mapping[str, Split],
    seed: int,
    reading: Reading,
) -> Manifest:
    used = {example.label for example in kept}
    classes = tuple(name for name in found.classes if name in used)
    labels = {name: label for label, name in enumerate(classes)}
    return Manifest(
        source=source.name,
        kind=source.kind,
        images=source.images,
        layout=found.layout.name,
        classes=classes,
        items=tuple(
            Item(path=e.path, sha256=e.sha256, label=labels[e.label], split=splits[e.path])
            for e in sorted(kept, key=lambda example: example.path)
        ),
        seed=seed,
        also=dict(found.also),
        reading=reading,
    )
