"""How long a model takes for one image on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

WARM_UP, LEAST, MOST, ENOUGH_S = 3, 5, 30, 0.5
"""Runs that do not count, fewest and most runs that do, and the seconds after which they are
enough."""


def milliseconds(model: keras.Model, image_size_px: int) -> float:
    """Returns the median milliseconds of an exported model for one image, without decoding it.

    Args:
        model: As `models.export.whole_model` returns it.
        image_size_px: Height and width of the image.
    """
    from hpo.results.predictions import Classifier

    classifier = Classifier(model)
    shape = (image_size_px, image_size_px, 3)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return 1e3 * _median_s(lambda: classifier.image(image))


def _median_s(run: Callable[[], object]) -> float:
    for _ in range(WARM_UP):
        run()
    taken: list[float] = []
    while len(taken) < LEAST or (len(taken) < MOST and sum(taken) < ENOUGH_S):
        begun = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begun)
    return median(taken)
