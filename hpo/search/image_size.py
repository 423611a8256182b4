"""The image size of a study, where the user names none."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from PIL import Image

from data_pipeline.datasets import DATASETS
from data_pipeline.manifest import Manifest
from data_pipeline.store import Decoded

LARGEST_PX = 96
"""Trials on larger images learn little more about settings and cost in proportion."""
STEP_PX = 32
SAMPLE = 64


def images_to_keep(image_size_px: int | None) -> Decoded:
    """Returns what keeps images as they are read, in the size in which they will be trained on.

    Args:
        image_size_px: The size asked for; without one most photos are trained on at `LARGEST_PX`,
            and small images, which are not, are quickly decoded once more.
    """
    return Decoded(image_size_px) if image_size_px else Decoded(LARGEST_PX, least_px=LARGEST_PX)


def suitable_image_size(manifest: Manifest) -> int:
    """Returns a built-in data set's own size; of a folder, its images' median shorter side.

    The latter in steps of 32 pixels, by which every backbone's strides divide, from 32 to 96.
    """
    if manifest.kind == "builtin":
        return DATASETS[manifest.source].image_size_px
    every = max(1, len(manifest.items) // SAMPLE)
    sides = [_shorter_side(Path(manifest.source) / item.path) for item in manifest.items[::every]]
    rounded = int(median(sides)) // STEP_PX * STEP_PX
    return min(max(rounded, STEP_PX), LARGEST_PX)


def _shorter_side(path: Path) -> int:
    with Image.open(path) as image:
        return min(image.size)
