"""Which images a trial gets right, and what that says about two trials."""

from __future__ import annotations

import base64
import math

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Z_95 = 1.959964
"""97.5 % quantile of the normal distribution."""


class Hits(BaseModel):
    """For each image of a split whether its class was found, a bit an image.

    Attributes:
        images: Number of images.
        bits: They, in the order of the study's images of that split, as base64 of
            `numpy.packbits`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int
    bits: str

    @classmethod
    def of(cls, right: npt.NDArray[np.bool_]) -> Hits:
        """Returns the hits that `unpack` gives back."""
        return cls(images=len(right), bits=base64.b64encode(np.packbits(right).tobytes()).decode())

    def unpack(self) -> npt.NDArray[np.bool_]:
        """Returns whether each image was right, bool (images,)."""
        packed = np.frombuffer(base64.b64decode(self.bits), dtype=np.uint8)
        return np.unpackbits(packed, count=self.images).astype(np.bool_)


def paired_interval(one: Hits, other: Hits) -> tuple[float, float]:
    """Returns the 95 % interval of the accuracy of `one` minus that of `other`.

    On the same images, most of which both get right or wrong alike, the difference is far surer
    than either accuracy: only images that one of them gets right count. Agresti & Min 2005 (Simple
    improved confidence intervals for comparing matched proportions, Statistics in Medicine
    24:729-740): Wald's interval after half an image is added to each of the four cells, which
    keeps its coverage near 95 % for few images as well.

    Raises:
        ValueError: They are of different images.
    """
    if one.images != other.images:
        raise ValueError(f"Both must be of the same images. Received: {one.images, other.images}.")
    first, second = one.unpack(), other.unpack()
    images = one.images + 2
    gained = int((first & ~second).sum()) + 0.5
    lost = int((~first & second).sum()) + 0.5
    difference = (gained - lost) / images
    spread = Z_95 * math.sqrt(gained + lost - (gained - lost) ** 2 / images) / images
    return max(-1.0, difference - spread), min(1.0, difference + spread)
