"""Photo-like images of two classes, four in five of which can be told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CONTRAST = 90.0
SPREAD_DEG = 35.0
"""Standard deviation of an image's orientation around its class's: a fifth lies beyond 45 degrees,
nearer to the other class."""


def draw_gratings(folder: Path, images: int, size_px: int) -> None:
    """Writes JPEGs into the folders `lying` and `standing`, half of them each.

    Soft coloured backgrounds with a few small gratings: those of one class lie, those of the other
    stand, more or less. Mirroring and shifts leave that as it is.
    """
    random = np.random.default_rng(0)
    for number in range(images):
        standing = number % 2
        image_hwc = _background(random, size_px)
        angle_deg = 90.0 * standing + random.normal(0, SPREAD_DEG)
        for _ in range(5):
            _add_grating(random, image_hwc, angle_deg)
        path = folder / ("lying", "standing")[standing] / f"{number:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image_hwc.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def _background(random: np.random.Generator, size_px: int) -> np.ndarray:
    coarse = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    smooth = coarse.resize((size_px, size_px), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float64) + random.normal(0, 12, (size_px, size_px, 3))


def _add_grating(random: np.random.Generator, image_hwc: np.ndarray, angle_deg: float) -> None:
    size_px = len(image_hwc)
    rows, columns = np.mgrid[:size_px, :size_px]
    across = random.uniform(0.2, 0.8, 2) * size_px
    y, x, angle = rows - across[0], columns - across[1], np.deg2rad(angle_deg)
    wave = np.sin((y * np.cos(angle) + x * np.sin(angle)) * 2 * np.pi / random.uniform(5, 9))
    window = np.exp(-(x**2 + y**2) / (2 * (size_px / 10) ** 2))
    image_hwc += (CONTRAST * wave * window)[..., np.newaxis]
