"""Images that a user passes from Python: paths, Pillow images, arrays and tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from data_pipeline.errors import DataError
from data_pipeline.images import read_image, require_range, to_rgb
from data_pipeline.reading import Reading
from data_pipeline.sources.arrays import as_image
from hpo.results.image_files import find_images

Name = str | int
_RULE = (
    "Images are paths, Pillow images, or arrays of numbers (height, width), (height, width, 3) or "
    "(n, height, width, 3)"
)


def given_images(images: object, reading: Reading) -> Iterator[tuple[Name, npt.NDArray[np.uint8]]]:
    """Yields the path or the place of each image, and its pixels (h, w, 3), RGB.

    Args:
        images: One image, several, or a folder of them.
        reading: The rule of the set that the model was trained on.

    Raises:
        DataError: One cannot be read, or is no image.
    """
    if isinstance(images, (str, PathLike)):
        images = [images]
    if isinstance(images, Image.Image):
        images = [images]
    if hasattr(images, "__array__") or not isinstance(images, Iterable):
        images = _of_array(np.asarray(images))
    listed = list(images)
    if listed and all(isinstance(each, (str, PathLike)) for each in listed):
        for path in find_images([Path(each) for each in listed]).files:
            yield str(path), np.asarray(read_image(path, reading))
        return
    for place, each in enumerate(listed):
        yield place, np.asarray(_image(each, reading, f"image {place}"))


def _of_array(array: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Returns the images of an array: one, or as many as its first axis is long."""
    one = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in (1, 3, 4))
    return [array] if one else list(array) if array.ndim in (3, 4) else [array]


def _image(given: object, reading: Reading, name: str) -> Image.Image:
    if isinstance(given, Image.Image):
        return to_rgb((ImageOps.exif_transpose(given) or given).convert("RGBA"), reading)
    pixels = np.asarray(given)
    grey = pixels.ndim == 2
    if not (grey or (pixels.ndim == 3 and pixels.shape[-1] in (1, 3, 4))) or 0 in pixels.shape:
        raise DataError(f"{_RULE}. Received: {name} of shape {pixels.shape}. Reshape it.")
    if pixels.dtype.kind not in "uif":
        raise DataError(f"{_RULE}. Received: {name} of {pixels.dtype}. Convert it.")
    fitting = _fitting(pixels, reading)
    if pixels.dtype != np.uint8:
        require_range(pixels, fitting, name)
    return as_image(pixels, fitting)


def _fitting(pixels: npt.NDArray[Any], reading: Reading) -> Reading:
    """Returns the rule for arrays, of which one that was trained on 8-bit files says nothing.

    Keras keeps images as floats of 0 to 255 or of 0 to 1, and NumPy makes 64 bits of a list.
    """
    unsaid, high = Reading(), float(pixels.max())
    if reading.floats == unsaid.floats and 1 < high <= 255:
        reading = reading.model_copy(update={"floats": (0.0, 255.0)})
    if reading.integers == unsaid.integers and high <= 255:
        reading = reading.model_copy(update={"integers": (0.0, 255.0)})
    return reading
