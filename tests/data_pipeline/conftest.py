"""Fixtures that make tiny image files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

# The machine that runs the tests may be busy; how long one example takes says nothing.
settings.register_profile("data_pipeline", deadline=None)
settings.load_profile("data_pipeline")

Picture = Callable[..., Image.Image]
Folder = Callable[[Mapping[str, str | None]], Path]


@pytest.fixture
def picture() -> Picture:
    """Makes an RGB image of noise, the same for the same key."""

    def make(key: str = "", width_px: int = 8, height_px: int = 6) -> Image.Image:
        seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
        shape = (height_px, width_px, 3)
        pixels_hwc = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        return Image.fromarray(pixels_hwc)

    return make


@pytest.fixture
def photo() -> Picture:
    """Makes an image of soft colours, as photos have them, the same for the same key."""

    def make(key: str = "", side_px: int = 96) -> Image.Image:
        seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
        colours = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
        return Image.fromarray(colours).resize((side_px, side_px), Image.Resampling.BICUBIC)

    return make


@pytest.fixture
def folder(tmp_path: Path, picture: Picture) -> Folder:
    """Makes a folder of images: path to what is seen on it, None for something of its own."""

    def make(images: Mapping[str, str | None]) -> Path:
        root = tmp_path / "data"
        for path, key in images.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            picture(path if key is None else key).save(file)
        return root

    return make


@pytest.fixture
def cats_and_dogs(folder: Folder) -> Path:
    """Two class folders with ten different images each."""
    return folder({f"{name}/{i}.png": None for name in ("cats", "dogs") for i in range(10)})
