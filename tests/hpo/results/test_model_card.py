"""Tests of the model card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_pipeline.images import read_image
from data_pipeline.reading import Reading
from hpo.results.model_card import reading_lines


def draw(path: Path, kind: str) -> None:
    """Writes a picture that needs care."""
    random = np.random.default_rng(0)
    rgba = random.integers(0, 256, (12, 20, 4), dtype=np.uint8)
    if kind == "rotated":
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(rgba[..., :3]).save(path, exif=exif)
    elif kind == "transparent":
        Image.fromarray(rgba).save(path)
    elif kind == "palette":
        image = Image.fromarray(rgba[..., :3]).quantize(8)
        image.save(path, transparency=0)
    elif kind == "16 bit":
        Image.fromarray(random.integers(0, 6000, (12, 20), dtype=np.uint16)).save(path)
    elif kind == "float":
        Image.fromarray(random.random((12, 20), dtype=np.float32)).save(path)
    else:
        Image.fromarray(rgba[..., :3]).convert(kind).save(path)


@pytest.mark.parametrize("reading", [Reading(), Reading(integers=(0, 4095), ground=(0, 0, 0))])
@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("rotated", "jpg"),
        ("transparent", "png"),
        ("palette", "png"),
        ("16 bit", "png"),
        ("float", "tiff"),
        ("L", "jpg"),
        ("CMYK", "jpg"),
        ("RGB", "jpg"),
    ],
)
def test_its_lines_read_a_file_as_we_do(
    kind: str, suffix: str, reading: Reading, tmp_path: Path
) -> None:
    """Rotation, ground and wide pixels come out the same, to the last grey level."""
    path = tmp_path / f"picture.{suffix}"
    draw(path, kind)
    names: dict[str, object] = {}
    exec(reading_lines(reading).replace("picture.jpg", str(path)), names)
    expected = np.asarray(read_image(path, reading))
    np.testing.assert_array_equal(np.asarray(names["image"]), expected)
    assert np.ptp(expected) > 15
