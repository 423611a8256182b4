"""Which parts of a picture a class's probability hangs on.

Each part is covered in turn, and the fall of the probability is noted (Zeiler & Fergus 2014,
"Visualizing and Understanding Convolutional Networks", section 4.2). This needs nothing of a model
but its answers, so it works in every format.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from hpo.serving.workers import Picture, Row

CELLS = 8
"""Columns and rows of the map."""
COVER = 2
"""Columns and rows that are covered at once."""
LONGEST_PX = 256
"""Larger pictures are shrunk first; a map of so few cells shows no more."""

COVERED = (CELLS - COVER + 1) ** 2 + 1
"""Pictures that one map takes, the whole one among them."""


def covered(picture: Picture) -> list[Picture]:
    """Returns the picture, shrunk, and then with each part covered by its mean colour.

    Args:
        picture: (h, w, 3).
    """
    image = Image.fromarray(picture)
    image.thumbnail((LONGEST_PX, LONGEST_PX))
    small = np.asarray(image)
    mean = small.mean(axis=(0, 1)).astype(np.uint8)
    pictures = [small]
    for top, left in _corners():
        changed = small.copy()
        changed[_span(top, small.shape[0]), _span(left, small.shape[1])] = mean
        pictures.append(changed)
    return pictures


def heat_map(probabilities: Sequence[Row], place: int) -> list[list[float]]:
    """Returns for each cell how far the probability falls, on average, where it is covered.

    Args:
        probabilities: Those of `covered`, in its order.
        place: Of the class.

    Returns:
        `CELLS` rows of `CELLS` numbers from -1 to 1. Below 0 it rises: the part speaks against.
    """
    whole, *others = (float(row[place]) for row in probabilities)
    falls: npt.NDArray[np.float64] = np.zeros((CELLS, CELLS))
    times = np.zeros((CELLS, CELLS))
    for (top, left), share in zip(_corners(), others, strict=True):
        part = slice(top, top + COVER), slice(left, left + COVER)
        falls[part] += whole - share
        times[part] += 1
    return [[round(float(cell), 4) for cell in row] for row in falls / times]


def _corners() -> list[tuple[int, int]]:
    steps = range(CELLS - COVER + 1)
    return [(top, left) for top in steps for left in steps]


def _span(cell: int, size_px: int) -> slice:
    return slice(cell * size_px // CELLS, (cell + COVER) * size_px // CELLS)
