"""How the pixels of a data set become 8-bit RGB squares: one rule for all of its images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from data_pipeline.inspect_image import FileFacts

Resize = Literal["stretch", "pad", "crop"]
Range = tuple[float, float]

GROUNDS = ((255, 255, 255), (0, 0, 0), (128, 128, 128), (255, 0, 255))
"""Colours that transparent images may be laid over; the first that the drawings lack is taken."""

FAINT = 4.0
"""Standard deviation, in grey levels, below which a drawing cannot be told from its ground."""
_MAY_VANISH = 0.01
"""Share of the transparent images that may vanish on white before another ground is taken."""
_SENSOR_BITS = (8, 10, 12, 14, 16)


class Reading(BaseModel):
    """One rule for all images of a set, kept with its manifest and with exported models.

    Attributes:
        integers: The values of pixels of more than 8 bits that become black and white.
        floats: The same of floating-point pixels.
        ground: RGB colour that transparent images are laid over.
        resize: How images become squares: stretched; padded with black at the shorter side; or
            cropped to the middle square.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    integers: Range = (0, 65535)
    floats: Range = (0.0, 1.0)
    ground: tuple[int, int, int] = GROUNDS[0]
    resize: Resize = "stretch"

    def text(self) -> str:
        """Returns what differs from the default as JSON; an empty text where nothing does."""
        return "" if self == Reading() else self.model_dump_json(exclude_defaults=True)


def read_reading(text: str) -> Reading:
    """Returns the rule that `Reading.text` wrote."""
    return Reading.model_validate_json(text) if text else Reading()


def choose_reading(facts: Sequence[FileFacts], resize: Resize = "stretch") -> Reading:
    """Chooses one rule for the images of a set, from what was found in each file."""
    usable = [row for row in facts if not row.problem]
    integers = [row.extent for row in usable if row.extent and row.mode != "F"]
    floats = [row.extent for row in usable if row.extent and row.mode == "F"]
    return Reading(
        integers=_integer_range(integers) if integers else (0, 65535),
        floats=_float_range(floats) if floats else (0.0, 1.0),
        ground=_ground([row.contrasts for row in usable if row.contrasts]),
        resize=resize,
    )


def _ends(extents: Sequence[Range]) -> Range:
    """Lowest and highest value of the set; one file in a hundred may lie outside."""
    low = np.percentile([low for low, _ in extents], 1, method="lower")
    high = np.percentile([high for _, high in extents], 99, method="higher")
    return float(low), float(high)


def _integer_range(extents: Sequence[Range]) -> Range:
    low, high = _ends(extents)
    # Values that begin far above zero (heights, temperatures, shifted X-rays) are spread out.
    if low < 0 or 2 * low > high:
        return low, max(high, low + 1)
    # A sensor's full scale where its upper half is used; else what is used.
    for bits in _SENSOR_BITS:
        if 2 ** (bits - 1) <= high < 2**bits:
            return 0, 2**bits - 1
    return 0, max(high, 1)


def _float_range(extents: Sequence[Range]) -> Range:
    low, high = _ends(extents)
    for first, last in ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)):
        if first <= low and last / 2 < high <= last and (low < 0) == (first < 0):
            return first, last
    if low < 0 or 2 * low > high:
        return low, high if high > low else low + 1.0
    return 0.0, high if high > 0 else 1.0


def _ground(contrasts: Sequence[tuple[float, ...]]) -> tuple[int, int, int]:
    """The first ground that no more drawings vanish on than on the others; white if few do."""
    if not contrasts:
        return GROUNDS[0]
    vanished = [sum(row[i] < FAINT for row in contrasts) for i in range(len(GROUNDS))]
    if vanished[0] <= _MAY_VANISH * len(contrasts):
        return GROUNDS[0]
    return GROUNDS[vanished.index(min(vanished))]
