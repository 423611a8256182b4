"""The image size of a study, where the user names none."""

from __future__ import annotations

from statistics import median

from data_pipeline.manifest import Manifest
from data_pipeline.reading import Resize
from data_pipeline.store import Decoded

LARGEST_PX = 96
"""Trials on larger images learn little more about settings and cost in proportion."""
STEP_PX = 32
SAMPLE = 64


def images_to_keep(image_size_px: int | None, resize: Resize = "stretch") -> Decoded:
    """Returns what keeps images as they are read, in the size in which they will be trained on.

    Args:
        image_size_px: The size asked for; without one most photos are trained on at `LARGEST_PX`,
            and small images, which are not, are quickly decoded once more.
        resize: How they become squares.
    """
    if image_size_px:
        return Decoded(image_size_px, resize=resize)
    return Decoded(LARGEST_PX, least_px=LARGEST_PX, resize=resize)


def suitable_image_size(manifest: Manifest) -> int:
    """Returns the size of images that are all of one; of others their median shorter side.

    The latter in steps of 32 pixels, by which every backbone's strides divide, from 32 to 96.
    """
    source = manifest.open()
    every = max(1, len(manifest.items) // SAMPLE)
    side = int(median(source.shorter_sides_px([item.path for item in manifest.items[::every]])))
    if source.one_size:
        return min(side, LARGEST_PX)
    return min(max(side // STEP_PX * STEP_PX, STEP_PX), LARGEST_PX)
