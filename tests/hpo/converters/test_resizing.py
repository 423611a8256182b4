"""Tests of resizing in plain operations."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from data_pipeline.reading import Resize
from hpo.converters.resizing import to_squares


@pytest.mark.parametrize("how", ["stretch", "pad", "crop"])
@pytest.mark.parametrize(
    "size", [(16, 16), (48, 64), (65, 48), (3, 97), (1, 1), (17, 16), (5, 200), (16, 31)]
)
def test_it_is_that_of_keras(size: tuple[int, int], how: Resize) -> None:
    """Larger, smaller, odd and extreme pictures become the same squares, to float32's rounding."""
    images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    layer = keras.layers.Resizing(
        16,
        16,
        antialias=True,
        pad_to_aspect_ratio=how == "pad",
        crop_to_aspect_ratio=how == "crop",
    )
    expected = np.asarray(layer(images.astype(np.float32)))
    found = np.asarray(to_squares(images, 16, how))
    np.testing.assert_allclose(found, expected, atol=2e-3)  # of 255
