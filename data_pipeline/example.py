"""One labelled image, as everything after the reading of files sees it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from data_pipeline.parts import Split


@dataclass(frozen=True)
class Example:
    """One image that can be used.

    Attributes:
        path: Relative to the folder, or the row number of an array as text.
        sha256: Of the file's bytes, or of the row's.
        label: Name of its class.
        part: The part of the split that it was found in, or None.
        pixels: Hash of the decoded pixels, which other metadata leave alone; empty where it is not
            known, and then `sha256` counts.
        group: What must stay on one side of the split with it, such as a patient; or None.
        thumbnail: The image at `thumbnails.SIDE_PX` (hwc, uint8), to find images that are nearly
            equal; None where that is not asked.
    """

    path: str
    sha256: str
    label: str
    part: Split | None = None
    pixels: str = ""
    group: str | None = None
    thumbnail: npt.NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)

    @property
    def identity(self) -> str:
        """What equal images share."""
        return self.pixels or self.sha256
