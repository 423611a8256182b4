"""The sets that curves are recorded on.

`HPO_LAB_DATA` is a folder of folders `{train,validation,test}/<class>/`. The test images are never
read here: what is learned from curves must not have seen them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data_pipeline.batches import generator
from data_pipeline.datasets import DATASETS
from data_pipeline.manifest import Item, Manifest, create_manifest
from hpo.search.image_size import native_size_px
from studies.space import DataFacts

MOST_IMAGES = {"train": 720, "validation": 240}
"""Larger sets are cut down to a sample, so that a night is enough for many of them."""
EMBEDDED = ("digits",)
"""Built-in sets that need no network."""


@dataclass(frozen=True)
class LabSet:
    """One set.

    Attributes:
        name: What it is called in the table.
        data: What `hpo run --data` takes.
    """

    name: str
    data: str

    @cached_property
    def manifest(self) -> Manifest:
        """Its images, at most `MOST_IMAGES` of each part."""
        manifest, audit = create_manifest(self.data, seed=0)
        audit.require_sound()
        return manifest.model_copy(update={"items": tuple(_sample(manifest))})

    @cached_property
    def facts(self) -> DataFacts:
        """What the space and the trials need to know of it."""
        return DataFacts(
            classes=len(self.manifest.classes),
            native_size_px=native_size_px(self.manifest),
            train_images=sum(item.split == "train" for item in self.manifest.items),
            mirror_safe=self.manifest.open().mirror_safe,
        )


def lab_sets() -> list[LabSet]:
    """Returns the sets at hand, small folders first."""
    root = os.environ.get("HPO_LAB_DATA")
    folders = [path for path in Path(root).iterdir() if path.is_dir()] if root else []
    folders.sort(key=lambda folder: (sum(1 for _ in folder.rglob("*.*")), folder.name))
    found = [LabSet(folder.name, str(folder.resolve())) for folder in folders]
    return [*found, *(LabSet(name, name) for name in EMBEDDED if name in DATASETS)]


def _sample(manifest: Manifest) -> Iterator[Item]:
    for part, most in MOST_IMAGES.items():
        items = [item for item in manifest.items if item.split == part]
        order = generator(0, 0, 0, "lab").permutation(len(items))[:most]
        yield from (items[index] for index in sorted(order))
