"""What a trial's model says about every image of a part of the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from studies.metrics import confusions

if TYPE_CHECKING:
    import keras

    from data_pipeline.manifest import Manifest
    from data_pipeline.parts import Split
    from data_pipeline.store import ImageStore


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
        return confusions(self.guesses, self.labels, len(self.classes))


def judge(
    model: keras.Model, manifest: Manifest, store: ImageStore, parts: Iterable[Split]
) -> Mapping[Split, Judged]:
    """Returns what a whole model says about the decoded images of some parts.

    Args:
        model: The model.
        manifest: The data set.
        store: Its images, at the size that the model sees.
        parts: Which parts; those without images are left out.
    """
    from hpo.runtimes.classifier import Classifier

    classifier = Classifier(model)
    return {
        part: Judged(part, manifest.classes, split.paths, split.labels, classifier.split(split))
        for part in parts
        if len(split := store.splits[part])
    }


@dataclass(frozen=True)
class OfClass:
    """How well one class is told from the others.

    Attributes:
        name: The class.
        images: Images that are of it.
        given: Images that are taken for it.
        precision: Share of the latter that are of it; None where there are none.
        recall: Share of the former that are found; None where there are none.
        f1: Harmonic mean of both; 0 where none is found.
    """

    name: str
    images: int
    given: int
    precision: float | None
    recall: float | None
    f1: float


def by_class(judged: Judged) -> list[OfClass]:
    """Returns how well each class is told, in the order of the classes."""
    counts = judged.confusion()
    found = []
    for label, name in enumerate(judged.classes):
        images, given = int(counts[label].sum()), int(counts[:, label].sum())
        right = int(counts[label, label])
        found.append(
            OfClass(
                name=name,
                images=images,
                given=given,
                precision=right / given if given else None,
                recall=right / images if images else None,
                f1=2 * right / (images + given) if images + given else 0.0,
            )
        )
    return found
