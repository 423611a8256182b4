"""What a trial's model says about every image of a part of the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import keras

    from data_pipeline.manifest import Manifest
    from data_pipeline.parts import Split


@dataclass(frozen=True, eq=False)
class Judged:
    """The images of one part and what a model says about them, in the manifest's order.

    Attributes:
        part: Which part.
        classes: Names of the classes, in the order of the probabilities.
        paths: Each image's path, as in the manifest (n).
        labels: Each image's class, int (n,).
        probabilities: Of each image and class, float64 (n, classes).
    """

    part: Split
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: npt.NDArray[np.int32]
    probabilities: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def guesses(self) -> npt.NDArray[np.int64]:
        """Class that each image is given, (n,)."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @cached_property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each image is given its class, (n,)."""
        return np.asarray(self.guesses == self.labels)

    @cached_property
    def surety(self) -> npt.NDArray[np.float64]:
        """Probability of the class that each image is given, (n,)."""
        return np.asarray(self.probabilities.max(axis=1))

    def surest_errors(self) -> list[int]:
        """Returns the positions of the images that are given another class, surest first."""
        order = np.argsort(-self.surety, kind="stable")
        return [int(place) for place in order if not self.right[place]]

    def confusion(self) -> npt.NDArray[np.int64]:
        """Returns for each true class how many images are given each class, (classes, classes)."""
        counts = np.zeros((len(self.classes),) * 2, np.int64)
        np.add.at(counts, (self.labels, self.guesses), 1)
        return counts


def judge(
    model: keras.Model, manifest: Manifest, image_size_px: int, parts: Iterable[Split]
) -> Mapping[Split, Judged]:
    """Returns what a whole model says about the decoded images of some parts.

    Raises:
        DataError: The images are gone or have changed.
    """
    from data_pipeline.cache import Cache
    from data_pipeline.store import open_store
    from hpo.results.predictions import Classifier

    store, classifier = open_store(manifest, image_size_px, Cache()), Classifier(model)
    return {
        part: Judged(part, manifest.classes, split.paths, split.labels, classifier.split(split))
        for part in parts
        if len(split := store.splits[part])
    }
