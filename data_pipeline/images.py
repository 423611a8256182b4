"""Image files as RGB images: the formats that are read, and how each oddity is converted."""

from __future__ import annotations

import io
import logging
import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, JpegImagePlugin, UnidentifiedImageError

from data_pipeline.errors import DataError
from data_pipeline.reading import Reading

# Pillow warns about odd metadata and very large images; the audit says the same in plain words.
# A filter for the process, because `warnings.catch_warnings` is not safe in threads.
warnings.filterwarnings("ignore", module="PIL")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


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
"""Other formats are never opened: some run programs (EPS), others have no recognisable content."""

SUFFIXES = frozenset(suffix for row in FORMATS.values() for suffix in row.suffixes)

# fmt: off
UNREAD_SUFFIXES = frozenset((
    ".jxl", ".dcm", ".dicom", ".ima", ".nii", ".mha", ".mhd", ".nrrd", ".npy", ".mat", ".cr2",
    ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".dng", ".raf", ".orf", ".rw2", ".pef",
    ".srw", ".x3f", ".raw", ".psd", ".psb", ".svg", ".eps", ".ai", ".pdf", ".ico", ".icns", ".tga",
    ".pcx", ".dds", ".sgi", ".im", ".exr", ".hdr", ".jxr", ".wdp", ".xcf", ".webm", ".mp4", ".avi",
    ".mov", ".fits", ".fit", ".czi", ".lif", ".nd2", ".svs", ".ndpi", ".jif", ".jpf",
))
# fmt: on
"""Files that hold pictures too, in formats that are not read here."""

MANY_PIXELS, PIXELS_PER_BYTE = 4_000_000, 10_000
"""Beyond both a file is refused unread: deflate packs 8,000 pixels of one bit into a byte, and no
photo comes near. Pillow itself refuses from 179 million pixels on."""

LARGE_JPEG_PIXELS = 50_000_000
"""A larger JPEG is decoded at half, a quarter or an eighth of its size, which costs a fraction."""

WIDE_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")
"""Pillow's modes of grey pixels that are wider than 8 bits."""

Decoded = Image.Image | npt.NDArray[np.generic]
"""An image of mode RGB or RGBA, or the numbers of wider pixels: (h, w), (h, w, 3) or (h, w, 4)."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation to what makes an image upright."""


@cache
def readable_formats() -> tuple[str, ...]:
    """Names of the formats that Pillow reads on this machine."""
    if find_spec("pillow_heif"):
        import_module("pillow_heif").register_heif_opener()
    Image.init()
    # Pillow's JPEG reader is the one that recognises MPO, and reads it.
    return tuple(name for name in FORMATS if name in Image.OPEN)


def open_image(stream: BinaryIO, size_bytes: int) -> tuple[Image.Image, bool]:
    """Opens a file and reads its header; the pixels are decoded later.

    Args:
        stream: The file, at its beginning.
        size_bytes: Its length.

    Returns:
        The image, and whether it is so large that it will be decoded at a fraction of its size.

    Raises:
        OSError: It is none of `FORMATS`.
        PIL.Image.DecompressionBombError: It has so many pixels, or so many more than its bytes can
            hold, that it may be meant to harm.
    """
    try:
        image = Image.open(stream, formats=readable_formats())
    except Image.DecompressionBombError:
        stream.seek(0)
        if stream.read(2) != b"\xff\xd8":
            raise
        stream.seek(0)
        image = JpegImagePlugin.JpegImageFile(stream)
    pixels = image.width * image.height
    if pixels > MANY_PIXELS and pixels > PIXELS_PER_BYTE * size_bytes:
        image.close()
        raise Image.DecompressionBombError(
            f"{pixels:,} pixels in {size_bytes:,} bytes could be a decompression bomb"
        )
    reduced = image.format in ("JPEG", "MPO") and pixels > LARGE_JPEG_PIXELS
    if reduced:
        scale = next((n for n in (2, 4) if pixels <= LARGE_JPEG_PIXELS * n * n), 8)
        image.draft(None, (image.width // scale, image.height // scale))
        if image.width * image.height > LARGE_JPEG_PIXELS:
            raise Image.DecompressionBombError(f"{pixels:,} pixels")
    return image, reduced


@dataclass(frozen=True)
class DecodedFile:
    """The first frame of a file.

    Attributes:
        header: The opened image, which says what the file is.
        pixels: The frame, upright.
        orientation: The EXIF orientation that it was stored in, 1 to 8.
        hidden: Whether its alpha hid all of it, and its colours were taken without the alpha.
        reduced: Whether it was decoded at a fraction of its size.
    """

    header: Image.Image
    pixels: Decoded
    orientation: int
    hidden: bool = False
    reduced: bool = False


def decode_file(content: bytes) -> DecodedFile:
    """Decodes the first frame of a file.

    Args:
        content: The file's bytes.

    Raises:
        Exception: Of nearly any kind, where the file is damaged.
    """
    try:
        return _decode(content)
    except Image.DecompressionBombError:
        raise
    except Exception:
        # Only pixels decide: a PNG's texts, colour profile and dates may be broken, or larger than
        # Pillow allows. They are taken out, so that damaged pixels are still found.
        if not content.startswith(_PNG):
            raise
        return _decode(_without_metadata(content))


def _decode(content: bytes) -> DecodedFile:
    image, reduced = open_image(io.BytesIO(content), len(content))
    low = _low_bytes(image, content)
    stored = orientation(image)
    image.load()
    turn = _TURNED.get(orientation(image))  # asked again: Pillow turns TIFFs while it loads them
    upright = image if turn is None else image.transpose(turn)
    if low:
        below = low if turn is None else low.transpose(turn)
        wide = np.asarray(upright).astype(np.uint16) << 8 | np.asarray(below)
        return DecodedFile(image, wide, stored)
    if upright.mode == "F" or upright.mode in WIDE_MODES:
        numbers = np.asarray(upright)
        finite = np.isfinite(numbers)
        if not finite.any():
            raise ValueError("no pixel is a finite number")
        if not finite.all():
            least, most = numbers[finite].min(), numbers[finite].max()
            numbers = np.nan_to_num(numbers, nan=least, neginf=least, posinf=most)
        return DecodedFile(image, numbers, stored)
    if not upright.has_transparency_data:
        return DecodedFile(image, upright.convert("RGB"), stored, reduced=reduced)
    rgba = upright.convert("RGBA")
    colours = rgba.convert("RGB")
    # An alpha that hides a whole picture is no drawing: many programs leave it empty by mistake.
    hidden = rgba.getchannel("A").getextrema() == (0, 0) and any(
        band.getextrema()[0] != band.getextrema()[1] for band in colours.split()
    )
    return DecodedFile(image, colours if hidden else rgba, stored, hidden=hidden)


def _low_bytes(upper: Image.Image, content: bytes) -> Image.Image | None:
    """The lower bytes of 16-bit colours, of which Pillow gives only the upper ones; else None.

    Pillow takes the first or the second byte of each number by the name of the raw mode, so the
    other byte order's name gives the other byte. Grey with alpha has no such name; read as four
    bands of 8 bits, it shows both bytes of both.

    Args:
        upper: The image, opened and not loaded.
        content: Its file.
    """
    if upper.format not in ("PNG", "TIFF") or upper.mode not in ("RGB", "RGBA"):
        return None
    assert isinstance(upper, ImageFile.ImageFile)
    tiles, grey = [], False
    for tile in upper.tile:
        args = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        raw = str(args[0])
        if raw[-4:] not in (";16B", ";16L", ";16N"):
            return None
        native = "L" if sys.byteorder == "little" else "B"
        order = native if raw[-1] == "N" else raw[-1]
        grey = raw == "LA;16B"
        other = "RGBA" if grey else raw[:-1] + ("B" if order == "L" else "L")
        rest = (other, *args[1:])
        tiles.append(tile._replace(args=rest if isinstance(tile.args, tuple) else other))
    lower, _ = open_image(io.BytesIO(content), len(content))
    assert isinstance(lower, ImageFile.ImageFile)
    lower.tile = tiles
    lower.load()
    if grey:
        _, low_grey, _, low_alpha = lower.split()
        return Image.merge("RGBA", (low_grey, low_grey, low_grey, low_alpha))
    return lower


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none, or nothing that can be read."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow raises nearly anything on damaged EXIF, which is no pixel's fault.
        return 1
    return found if isinstance(found, int) and found in range(1, 9) else 1


def _without_metadata(png: bytes) -> bytes:
    """A PNG without the chunks that no pixel depends on, but for a sound orientation."""
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(png):
        length = struct.unpack(">I", png[at : at + 4])[0]
        chunk, at = png[at : at + 12 + length], at + 12 + length
        kind = chunk[4:8]
        sound_exif = kind == b"eXIf" and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:])
        if kind in _PIXEL_CHUNKS or sound_exif:
            kept.append(chunk)
    return b"".join(kept)


def to_rgb(decoded: Decoded, reading: Reading) -> Image.Image:
    """Makes decoded pixels an RGB image of 8 bits a channel, by the rule of their set."""
    if isinstance(decoded, np.ndarray):
        decoded = _narrow(decoded, reading)
    if decoded.mode == "RGB":
        return decoded
    ground = Image.new("RGBA", decoded.size, (*reading.ground, 255))
    return Image.alpha_composite(ground, decoded).convert("RGB")


def _range(wide: npt.NDArray[np.generic], reading: Reading) -> tuple[float, float]:
    return reading.floats if wide.dtype.kind == "f" else reading.integers


def require_range(wide: npt.NDArray[np.generic], reading: Reading, name: str) -> None:
    """Raises DataError where an image's values are not those that its set was trained on."""
    low, high = _range(wide, reading)
    middle = float(np.median(colours(wide).astype(np.float64)))
    if not low <= middle <= high:
        raise DataError(
            f"An image must have values between {low:g} and {high:g}, as the training images had. "
            f"Received: {name!r}, whose median is {middle:g}. Scale its values in the same way."
        )


def _narrow(wide: npt.NDArray[np.generic], reading: Reading) -> Image.Image:
    """Wide pixels in 8 bits; Pillow's own conversion would cut them off at 255."""
    low, high = _range(wide, reading)
    narrow = _bytes(colours(wide), low, high)
    if wide.ndim == 2:
        return Image.fromarray(narrow).convert("RGB")
    if wide.shape[2] == 4:
        # A 12-bit camera's files may have an alpha of 12 bits or, as the formats say, of 16.
        alpha = wide[..., 3:]
        narrow = np.dstack([narrow, _bytes(alpha, 0, high if alpha.max() <= high else 65535)])
    return Image.fromarray(narrow)


def colours(wide: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Wide pixels without their alpha."""
    return wide[..., :3] if wide.ndim == 3 else wide


def _bytes(values: npt.NDArray[np.generic], low: float, high: float) -> npt.NDArray[np.uint8]:
    span = values.astype(np.float64).clip(low, high) - low
    # Floor, so that 0..65535 comes out as the upper byte's 0..255 does elsewhere: v // 257.
    return np.floor(span * 255 / (high - low) + 1e-9).astype(np.uint8)


def read_image(path: Path, reading: Reading | None = None) -> Image.Image:
    """Reads one file as the network sees it.

    EXIF orientation is applied, only the first frame is taken, transparency is laid over the
    reading's ground, wide pixels are scaled by its ranges, and greyscale, palette and CMYK pixels
    become RGB.

    Args:
        path: The file.
        reading: The rule of the set; the default is 16 bits for all that is wide, and white.

    Returns:
        An image of mode RGB, 8 bits a channel, of the file's own size.

    Raises:
        DataError: The file cannot be read as an image, or is a decompression bomb.
    """
    return read_content(path.read_bytes, str(path), reading or Reading(), foreign=True)


def read_content(
    content: Callable[[], bytes], name: str, reading: Reading, *, foreign: bool = False
) -> Image.Image:
    """Returns an image from the contents of its file; see `read_image`.

    Args:
        content: Returns the file's bytes.
        name: What it is called in messages.
        reading: The rule of the set.
        foreign: Whether the file had no part in that rule, which then need not suit it.

    Raises:
        DataError: The content is not an image that can be read.
    """
    try:
        pixels = decode_file(content()).pixels
        if foreign and isinstance(pixels, np.ndarray):
            require_range(pixels, reading, name)
        return to_rgb(pixels, reading)
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged bytes.
        raise DataError(
            f"An image file must be readable to its end. Received: {name!r} ({_why(error)}). "
            "Replace or remove it; `hpo doctor` lists every such file of a folder."
        ) from error


def _why(error: Exception) -> str:
    """Returns an error's own words, without the path where they name it again."""
    if isinstance(error, UnidentifiedImageError):
        return "its content is no image of a known format"
    return getattr(error, "strerror", None) or str(error)
