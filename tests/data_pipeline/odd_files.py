"""Image files as nobody wants them, for Hypothesis."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from hypothesis import strategies as st
from PIL import ExifTags, Image

from data_pipeline.images import FORMATS, readable_formats

MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "L", "1", "P", "RGBA", "LA", "I;16"),
    "GIF": ("RGB", "L", "P", "1"),
    "BMP": ("RGB", "L", "P", "1", "RGBA"),
    "WEBP": ("RGB", "RGBA", "L"),
    "TIFF": ("RGB", "L", "CMYK", "RGBA", "LA", "I;16", "I", "F", "1", "P"),
    "PPM": ("RGB", "L", "1"),
    "JPEG2000": ("RGB", "L", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
    "MPO": ("RGB",),
}
ANIMATED = ("GIF", "PNG", "WEBP", "TIFF", "MPO")
TURNING = ("JPEG", "PNG", "WEBP", "TIFF")
SIZE = (23, 14)
"""Width and height in pixels."""


@dataclass(frozen=True)
class OddFile:
    """A file.

    Attributes:
        name: Its name.
        content: Its bytes.
        size: Width and height of the upright image; None where the content was damaged.
    """

    name: str
    content: bytes
    size: tuple[int, int] | None


@cache
def drawn(form: str, mode: str, frames: int, orientation: int) -> bytes:
    """A whole image file of a format."""
    rng = np.random.default_rng(0)
    pictures = [
        Image.fromarray(rng.integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8)).convert(
            "L" if mode in ("I;16", "I", "F") else mode
        )
        for _ in range(frames)
    ]
    pictures = [picture.convert(mode) for picture in pictures]
    options: dict[str, object] = {}
    if frames > 1:
        options |= {"save_all": True, "append_images": pictures[1:]}
    if form in TURNING:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        options["exif"] = exif
    stream = io.BytesIO()
    pictures[0].save(stream, format=form, **options)
    return stream.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims to be large and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@st.composite
def damages(draw: st.DrawFn, content: bytes) -> bytes:
    """Contents cut off, with bits turned, or with a piece put in, taken out or emptied."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(changed) - 1)) | st.integers(0, 60))
        some = draw(st.binary(min_size=1, max_size=8))
        match draw(st.sampled_from(["cut", "bit", "put", "take", "empty"])):
            case "cut":
                del changed[at:]
            case "bit" if at < len(changed):
                changed[at] ^= 1 << draw(st.integers(0, 7))
            case "put":
                changed[at:at] = some
            case "take":
                del changed[at : at + len(some)]
            case "empty":
                changed[at : at + len(some)] = bytes(len(some))
    return bytes(changed)


@st.composite
def odd_files(draw: st.DrawFn) -> OddFile:
    """Files of every format and mode by any image's name, whole or damaged, and bombs."""
    name = "x" + draw(st.sampled_from([s for row in FORMATS.values() for s in row.suffixes]))
    if draw(st.integers(0, 9)) == 0:
        sides = st.integers(1, 2**31 - 1) | st.integers(1, 30000)
        return OddFile(name, bomb(draw(sides), draw(sides)), None)
    form = draw(st.sampled_from([row for row in MODES if row in (*readable_formats(), "MPO")]))
    mode = draw(st.sampled_from(MODES[form]))
    frames = draw(st.integers(1, 3)) if form in ANIMATED else 1
    orientation = draw(st.integers(0, 9)) if form in TURNING else 1
    content = drawn(form, mode, max(frames, 2) if form == "MPO" else frames, orientation)
    if draw(st.booleans()):
        return OddFile(name, draw(damages(content)), None)
    turned = orientation in (5, 6, 7, 8)
    return OddFile(name, content, SIZE[::-1] if turned else SIZE)
