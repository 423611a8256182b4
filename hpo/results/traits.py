"""What can be measured of an image without knowing what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from data_pipeline.manifest import Manifest
    from data_pipeline.store import Examples

BATCH = 256
Floats = npt.NDArray[np.float64]


def traits(manifest: Manifest, examples: Examples) -> Mapping[str, Floats]:
    """Returns a figure for each image of a part, by what is measured.

    `shorter_side_px` is that of the file, and missing where the files are gone. `brightness` is the
    mean of all pixels in [0, 1]. `sharpness` is the variance of the Laplacian (Pech-Pacheco et al.
    2000, "Diatom autofocusing in brightfield microscopy") of the decoded image.
    """
    brightness, sharpness = [], []
    for begin in range(0, len(examples), BATCH):
        rows = examples.rows[begin : begin + BATCH]
        grey = examples.images_bhwc[rows].astype(np.float32).mean(axis=3) / 255
        brightness.append(grey.mean(axis=(1, 2)))
        sharpness.append(_laplacian(grey).var(axis=(1, 2)))
    found = {
        "brightness": np.concatenate(brightness).astype(np.float64),
        "sharpness": np.concatenate(sharpness).astype(np.float64),
    }
    source = manifest.open()
    if source.is_there() and not source.one_size:
        sides = source.shorter_sides_px(examples.paths)
        found["shorter_side_px"] = np.asarray(sides, np.float64)
    return found


def _laplacian(grey_bhw: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    middle = grey_bhw[:, 1:-1, 1:-1]
    beside = grey_bhw[:, 1:-1, :-2] + grey_bhw[:, 1:-1, 2:]
    return np.asarray(grey_bhw[:, :-2, 1:-1] + grey_bhw[:, 2:, 1:-1] + beside - 4 * middle)
