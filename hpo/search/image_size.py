"""How large the images of a study are, and in which size they are kept as they are read."""

from __future__ import annotations

from statistics import median

from data_pipeline.manifest import Manifest
from data_pipeline.reading import Resize
from data_pipeline.store import Decoded
from studies.space import SIZES_PX

FIRST_PX = SIZES_PX[0]
"""The first trial on photos takes this size."""
SAMPLE = 64
"""Images whose size is looked at."""


def images_to_keep(image_size_px: int | None, resize: Resize = "stretch") -> Decoded:
    """Returns what keeps images as they are read, in the size in which they will be trained on.

    Args:
        image_size_px: The size asked for; without one photos are first trained on at `FIRST_PX`,
            and small images, which are not, are quickly decoded once more.
        resize: How they become squares.
    """
    if image_size_px:
        return Decoded(image_size_px, resize=resize)
    return Decoded(FIRST_PX, least_px=FIRST_PX, resize=resize)


def native_size_px(manifest: Manifest) -> int:
    """Returns the median shorter side of a data set's images, of a sample of them."""
    source = manifest.open()
    every = max(1, len(manifest.items) // SAMPLE)
    return int(median(source.shorter_sides_px([item.path for item in manifest.items[::every]])))
