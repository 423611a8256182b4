"""How large images are, and in which size they are kept while they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_pipeline.manifest import create_manifest
from hpo.search.image_size import images_to_keep, native_size_px


def draw(folder: Path, size: tuple[int, int]) -> Path:
    """Writes ten different images of two classes."""
    random = np.random.default_rng(0)
    for number in range(10):
        file = folder / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)).save(file)
    return folder


@pytest.mark.parametrize(
    ("size", "native_px", "kept"),
    [((150, 200), 150, True), ((96, 96), 96, True), ((90, 80), 80, False), ((9, 30), 9, False)],
)
def test_photos_are_kept_in_the_size_that_comes_first(
    tmp_path: Path, size: tuple[int, int], native_px: int, kept: bool
) -> None:
    """Small images, which are trained on in a size of their own, are decoded once more."""
    decoded = images_to_keep(None)
    manifest, _ = create_manifest(str(draw(tmp_path, size)), seed=0, keep=decoded.add)
    assert native_size_px(manifest) == native_px
    assert {decoded.get(item.sha256) is not None for item in manifest.items} == {kept}
    assert decoded.image_size_px == 96


def test_a_size_that_is_asked_for_is_kept_whatever_the_images_are(tmp_path: Path) -> None:
    """It is the size of the study."""
    decoded = images_to_keep(48)
    manifest, _ = create_manifest(str(draw(tmp_path, (9, 30))), seed=0, keep=decoded.add)
    pixels = [decoded.get(item.sha256) for item in manifest.items]
    assert {len(each or b"") for each in pixels} == {48 * 48 * 3}


def test_a_built_in_data_set_has_its_own() -> None:
    """Its images are all of one size."""
    assert native_size_px(create_manifest("digits", seed=0)[0]) == 8
