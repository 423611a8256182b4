"""Uploaded bytes as pictures. What is said of bad ones names nothing of this machine."""

from __future__ import annotations

import numpy as np
from PIL import Image, UnidentifiedImageError

from data_pipeline.errors import DataError
from data_pipeline.images import LARGE_JPEG_PIXELS, read_content
from data_pipeline.reading import Reading
from hpo.serving.workers import Picture

MOST_PIXELS = LARGE_JPEG_PIXELS
"""One picture then takes 150 MB, and as much again while it is decoded. Larger JPEGs are taken, as
they are decoded at a fraction of their size."""


class PictureError(ValueError):
    """Bytes that are no picture which can be classified."""


def limit_pixels() -> None:
    """Lets Pillow refuse larger pictures unread, in all of this process."""
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2  # of which Pillow takes up to twice as many


def decode(content: bytes, name: str, reading: Reading) -> Picture:
    """Returns an uploaded picture, (h, w, 3), as training read its files.

    Args:
        content: The file.
        name: What its sender calls it.
        reading: The model's rule for pixels.

    Raises:
        PictureError: It cannot be read, or is too large.
    """
    try:
        return np.asarray(read_content(lambda: content, name, reading, foreign=True))
    except DataError as error:
        raise PictureError(_why(error)) from error


def _why(error: DataError) -> str:
    """Returns what to tell the sender; decoders' own words may hold what is none of his business.

    Pillow's, for one, hold addresses in memory.
    """
    match error.__cause__:
        case None:
            return str(error)
        case Image.DecompressionBombError():
            return (
                f"A picture must have at most {MOST_PIXELS:,} pixels. Received: one with more, or "
                "with more than its bytes can hold. Make it smaller."
            )
        case UnidentifiedImageError():
            return (
                "A picture must be of a format that is read here. Received: another content. "
                "Send a JPEG or PNG."
            )
        case _:
            return "A picture must be readable to its end. Received: a damaged one. Send another."
