"""An exported model that was loaded, whatever its format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from hpo.runtimes.metadata import Metadata

Images = npt.NDArray[np.uint8]
"""RGB images of one size, 0..255, (b, h, w, 3); a single one is (h, w, 3)."""
Probabilities = npt.NDArray[np.float64]
"""(b, classes); the rows add up to 1."""

BATCH = 128
BATCH_PIXELS = BATCH * 224 * 224
"""A batch of larger images is smaller; in float32 it takes 77 MB."""


class Model(ABC):
    """A model that takes RGB images of any size.

    A subclass is one format's runtime. It loads nothing of the others.

    Attributes:
        metadata: What its file says of it.
    """

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self.metadata.classes

    def predict(self, images: Sequence[Images]) -> Probabilities:
        """Returns the probabilities (n, classes) of images (h, w, 3), uint8, RGB, 0..255.

        Neighbours of the same size share a batch, so images of few sizes are better sorted by size.
        Several threads may call it at once.
        """
        parts = [self.batch(np.stack(batch)) for batch in _batches(images)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)))

    def batch(self, images_bhwc: Images) -> Probabilities:
        """Returns the probabilities (b, classes) of at least one image of one size."""
        return to_probabilities(self._forward(images_bhwc))

    @abstractmethod
    def _forward(self, images_bhwc: Images) -> npt.NDArray[np.float32]:
        """Returns the outputs (b, classes), or (b, 1) of a sigmoid unit."""


def to_probabilities(outputs: npt.NDArray[np.float32]) -> Probabilities:
    """Returns what a network's outputs, (b, classes) or (b, 1), say of each class."""
    shares = outputs.astype(np.float64)
    if shares.shape[1] == 1:  # a sigmoid unit: the share of the second class
        shares = np.concatenate([1.0 - shares, shares], axis=1)
    # In float32 they may add up to a little more than 1, and a loss be negative.
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _batches(images: Sequence[Images]) -> Iterator[list[Images]]:
    for _, alike in groupby(images, key=np.shape):
        same = list(alike)
        height, width, _ = same[0].shape
        size = max(1, min(BATCH, BATCH_PIXELS // (height * width)))
        yield from (same[begin : begin + size] for begin in range(0, len(same), size))
