"""Images as users pass them to `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_pipeline.errors import DataError
from data_pipeline.reading import Reading
from hpo.api.images import given_images

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
ONE = PIXELS[0]


def given(images: object, reading: Reading | None = None) -> list[tuple[str | int, np.ndarray]]:
    """All of them."""
    return list(given_images(images, reading or Reading()))


@pytest.mark.parametrize(
    "images",
    [
        ONE,
        ONE.astype(np.int64),
        ONE.astype(np.float32),
        ONE / 255,
        Image.fromarray(ONE),
        [ONE],
        [Image.fromarray(ONE).convert("RGBA")],
        ONE[None],
        ONE[None].astype(np.float32) / 255,
    ],
    ids=lambda each: f"{type(each).__name__} {getattr(each, 'dtype', '')}",
)
def test_one_image_in_many_forms(images: Any) -> None:
    """Its pixels are the same."""
    ((name, pixels),) = given(images)
    assert name == 0
    np.testing.assert_allclose(pixels, ONE, atol=1)


def test_several(tmp_path: Path) -> None:
    """Arrays by their place, files by their paths; folders are searched."""
    assert [name for name, _ in given(PIXELS)] == [0, 1]
    assert [pixels.shape for _, pixels in given(PIXELS[..., 0])] == [(5, 7, 3)] * 2
    for row, name in enumerate("ab"):
        Image.fromarray(PIXELS[row]).save(tmp_path / f"{name}.png")
    paths = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    for images in (tmp_path, str(tmp_path), paths):
        found = given(images)
        assert [name for name, _ in found] == paths
        np.testing.assert_array_equal([pixels for _, pixels in found], PIXELS)


def test_the_rule_of_the_training_images_holds() -> None:
    """Of a study whose images were wide, values are scaled as they were there."""
    ((_, pixels),) = given(np.full((2, 2), 1000, np.uint16), Reading(integers=(0, 4095)))
    assert pixels.max() == pixels.min() == 1000 * 255 // 4095
    with pytest.raises(DataError, match="between 0 and 4095"):
        given(np.full((2, 2), 60000, np.uint16), Reading(integers=(0, 4095)))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 3, 4, 5)), r"image 0 of shape \(3, 4, 5\)"),
        (np.zeros(4), r"image 0 of shape \(4,\)"),
        ([ONE, "cat.jpg"], r"image 1 of shape \(\)"),
        (np.full((2, 2), "x"), "image 0 of <U1"),
        ("nosuch.jpg", "does not exist"),
        (None, r"image 0 of shape \(\)"),
    ],
)
def test_refuses(images: Any, message: str) -> None:
    """It says which image and what it is."""
    with pytest.raises(DataError, match=message):
        given(images)
