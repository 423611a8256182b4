"""The image size of a study, where the user names none."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from PIL import Image

from data_pipeline.datasets import DATASETS
from data_pipeline.manifest import Manifest

LARGEST_PX = 96
"""Trials on larger images learn little more about settings and cost in proportion."""
STEP_PX = 32
SAMPLE = 64


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
