"""Image files as RGB images: the formats that are read, and how each oddity is converted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from data_pipeline.errors import DataError

# Pillow warns about odd metadata and very large images; the audit says the same in plain words.
# A filter for the process, because `warnings.catch_warnings` is not safe in threads.
warnings.filterwarnings("ignore", module="PIL")


@dataclass(frozen=True)
class ImageFormat:
    """One file format that is read here.

    Attributes:
        name: Pillow's name of it.
        suffixes: What the names of such files end with, in lower case.
        tensorflow: Whether `keras.utils.image_dataset_from_directory` reads it.
    """

    name: str
    suffixes: tuple[str, ...]
    tensorflow: bool


FORMATS = {
    row.name: row
    for row in (
        ImageFormat("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), True),
        # What many phones write: a JPEG followed by further pictures.
        ImageFormat("MPO", (".jpg", ".jpeg", ".jpe", ".mpo"), True),
        ImageFormat("PNG", (".png", ".apng"), True),
        ImageFormat("GIF", (".gif",), True),
        ImageFormat("BMP", (".bmp", ".dib"), True),
        ImageFormat("WEBP", (".webp",), False),
        ImageFormat("TIFF", (".tif", ".tiff"), False),
        ImageFormat("AVIF", (".avif", ".avifs"), False),
        ImageFormat("HEIF", (".heic", ".heif", ".hif"), False),
        ImageFormat("JPEG2000", (".jp2", ".j2k", ".jpx"), False),
        ImageFormat("PPM", (".ppm", ".pgm", ".pbm", ".pnm"), False),
    )
}
"""Others, some of which run programs (EPS) or cannot be told by their content, are never opened."""

SUFFIXES = frozenset(suffix for row in FORMATS.values() for suffix in row.suffixes)

MANY_PIXELS, PIXELS_PER_BYTE = 4_000_000, 10_000
"""Beyond both a file is refused unread: deflate packs 8,000 pixels of one bit into a byte, and no
photo comes near. Pillow itself refuses from 179 million pixels on."""

WIDE_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")
"""Pillow's modes of grey pixels that are wider than 8 bits."""


@cache
def readable_formats() -> tuple[str, ...]:
    """Names of the formats that Pillow reads on this machine."""
    if find_spec("pillow_heif"):
        import_module("pillow_heif").register_heif_opener()
    Image.init()
    # Pillow's JPEG reader is the one that recognises MPO, and reads it.
    return tuple(name for name in FORMATS if name in Image.OPEN)


def open_image(path: Path) -> Image.Image:
    """Opens a file and reads its header; the pixels are decoded later.

    Raises:
        OSError: It cannot be opened, or is none of `FORMATS`.
        PIL.Image.DecompressionBombError: It has so many pixels, or so many more than its bytes can
            hold, that it may be meant to harm.
    """
    image = Image.open(path, formats=readable_formats())
    pixels = image.width * image.height
    if pixels > MANY_PIXELS and pixels > PIXELS_PER_BYTE * path.stat().st_size:
        image.close()
        raise Image.DecompressionBombError(
            f"{pixels:,} pixels in {path.stat().st_size:,} bytes could be a decompression bomb"
        )
    image.filename = ""  # else Pillow maps turned TIFFs into memory with the sides interchanged
    return image


def decode(image: Image.Image) -> Image.Image:
    """First frame of an opened image, upright, as RGB with transparency laid over white.

    Raises:
        Exception: Of nearly any kind, where the file is damaged.
    """
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "F":
        raise ValueError("pixels are floating-point numbers, whose range is unknown")
    if upright.mode in WIDE_MODES:
        upright = _narrow(upright)
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    rgba = upright.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def _narrow(image: Image.Image) -> Image.Image:
    """Grey pixels of 16 bits as 8 bits; Pillow's own conversion would cut them off at 255."""
    wide_hw = np.asarray(image).astype(np.int64)
    if wide_hw.min() < 0 or wide_hw.max() > 65535:
        raise ValueError("pixels are 32-bit numbers, whose range is unknown")
    return Image.fromarray((wide_hw // 257).astype(np.uint8))


def read_image(path: Path) -> Image.Image:
    """Reads one file as the network sees it.

    EXIF orientation is applied, only the first frame is taken, transparency is laid over white,
    and greyscale, palette and CMYK pixels become RGB.

    Args:
        path: The file.

    Returns:
        An image of mode RGB, 8 bits a channel, of the file's own size.

    Raises:
        DataError: The file cannot be read as an image, or is a decompression bomb.
    """
    try:
        with open_image(path) as image:
            return decode(image)
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged bytes.
        raise DataError(
            f"An image file must be readable to its end. Received: {str(path)!r} ({_why(error)}). "
            "Replace or remove it; `hpo doctor` lists every such file of a folder."
        ) from error


def _why(error: Exception) -> str:
    """Returns an error's own words, without the path where they name it again."""
    if isinstance(error, UnidentifiedImageError):
        return "its content is no image of a known format"
    return getattr(error, "strerror", None) or str(error)
