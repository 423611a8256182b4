"""The decoded store: every image of a data set, decoded and resized once, shared by all."""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image

from data_pipeline.cache import Cache
from data_pipeline.errors import DataError
from data_pipeline.manifest import Item, Manifest
from data_pipeline.parts import SPLITS
from data_pipeline.reading import Reading, Resize
from data_pipeline.system import processors
from data_pipeline.unchanged import changed

KIND = "images"
FORMAT = 2
"""Raised when the same files would be stored as other bytes; older entries are then left alone."""

IN_MEMORY_BYTES = 1 << 28
"""Larger stores are mapped, so that workers share one copy and need not hold all of it."""

_FILE = "pixels"


@dataclass(frozen=True, eq=False)
class Examples:
    """The examples of one part of the data, in the manifest's order.

    Attributes:
        images_bhwc: Every image of the store, of all splits (uint8, RGB, 0..255), read-only.
        rows: Each example's row in it (n, int64).
        labels: Each example's class (n, int32).
        paths: Each example's file, as in the manifest.
    """

    images_bhwc: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]
    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class ImageStore:
    """A data set at one image size: `train`, `validation` and `test`, each possibly empty."""

    image_size_px: int
    splits: Mapping[str, Examples]


class Decoded:
    """Images that were decoded while the data set was read, so that they need not be once more.

    It holds no more than `IN_MEMORY_BYTES`; what does not fit is decoded again.

    Attributes:
        image_size_px: Height and width.
        least_px: Images whose shorter side is less are not kept.
        resize: How they become squares.
    """

    def __init__(self, image_size_px: int, least_px: int = 0, resize: Resize = "stretch") -> None:
        self.image_size_px, self.least_px, self.resize = image_size_px, least_px, resize
        self._pixels: dict[str, bytes] = {}

    def add(self, sha256: str, image: Image.Image) -> None:
        """Takes the RGB image that a file of that hash holds; called in several threads."""
        if min(image.size) < self.least_px:
            return
        if (len(self._pixels) + 1) * 3 * self.image_size_px**2 <= IN_MEMORY_BYTES:
            self._pixels[sha256] = resize(image, self.image_size_px, self.resize).tobytes()

    def get(self, sha256: str) -> bytes | None:
        """Returns the pixels (hwc, uint8) of a file of that hash, or None."""
        return self._pixels.get(sha256)

    def clear(self) -> None:
        """Lets go of all of them."""
        self._pixels.clear()


def open_store(
    manifest: Manifest,
    image_size_px: int,
    cache: Cache,
    *,
    progress: Callable[[int, int], None] | None = None,
    decoded: Decoded | None = None,
) -> ImageStore:
    """Opens a data set's decoded images, and decodes them first if that was not done yet.

    What is stored depends on the files' contents and the image size only, so that studies with
    other labels or another split share it.

    Args:
        manifest: The data set.
        image_size_px: Height and width; how images become squares is in `manifest.reading`.
        cache: Where it is kept.
        progress: Told the images done and their number, while decoding.
        decoded: Images that need not be decoded, where they are of that size.

    Raises:
        DataError: A file is missing, damaged or not what it was when the manifest was made; or
            the cache folder is full or cannot be written; or they are larger than its limit.
    """
    items = {item.sha256: item for item in sorted(manifest.items, key=lambda item: item.path)}
    contents = sorted(items)
    shape_bhwc = (len(contents), image_size_px, image_size_px, 3)

    if math.prod(shape_bhwc) > cache.limit_bytes:
        raise DataError(
            "The decoded images must fit into the cache. "
            f"Received: {len(contents):,} images of {image_size_px} px, which take "
            f"{math.prod(shape_bhwc) / 1e9:.1f} GB; the limit is {cache.limit_bytes / 1e9:.1f} GB. "
            "Choose a smaller --image-size, or set HPO_CACHE_LIMIT, such as 100GB."
        )

    def build(folder: Path) -> None:
        unique = [items[sha256] for sha256 in contents]
        kept = (decoded.image_size_px, decoded.resize) if decoded else None
        known = decoded if kept == (image_size_px, manifest.reading.resize) else None
        _decode_all(manifest, unique, image_size_px, folder / _FILE, known, progress)

    path = cache.entry(KIND, _key(contents, image_size_px, manifest.reading), build) / _FILE
    if int(np.prod(shape_bhwc)) <= IN_MEMORY_BYTES:
        images_bhwc = np.fromfile(path, np.uint8).reshape(shape_bhwc)
        images_bhwc.flags.writeable = False
    else:
        images_bhwc = np.memmap(path, np.uint8, mode="r", shape=shape_bhwc)
    row_of = {sha256: row for row, sha256 in enumerate(contents)}
    return ImageStore(
        image_size_px, {name: _split(manifest, name, images_bhwc, row_of) for name in SPLITS}
    )


def resize(
    image: Image.Image, image_size_px: int, how: Resize = "stretch"
) -> npt.NDArray[np.uint8]:
    """Makes an RGB image a square with the antialiased triangle filter.

    It is the filter of `keras.layers.Resizing(antialias=True)`, and the same geometry as with its
    `pad_to_aspect_ratio` and `crop_to_aspect_ratio`; both agree within a grey level.

    Args:
        image: The image.
        image_size_px: Height and width.
        how: Stretched; padded with black at both ends of the shorter side; or cropped to the
            middle square.

    Returns:
        Pixels (hwc, uint8).
    """
    width, height = image.size
    if how != "stretch" and width != height:
        side = max(image.size) if how == "pad" else min(image.size)
        # As Keras does, an odd difference is halved downwards at both ends when padding.
        left, top = int((width - side) / 2), int((height - side) / 2)
        right, bottom = (left + side, top + side) if how == "crop" else (width - left, height - top)
        image = image.crop((left, top, right, bottom))  # black where nothing was
    size = (image_size_px, image_size_px)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR))


def _split(
    manifest: Manifest, name: str, images_bhwc: npt.NDArray[np.uint8], row_of: Mapping[str, int]
) -> Examples:
    items = [item for item in manifest.items if item.split == name]
    return Examples(
        images_bhwc=images_bhwc,
        rows=np.array([row_of[item.sha256] for item in items], np.int64),
        labels=np.array([item.label for item in items], np.int32),
        paths=tuple(item.path for item in items),
    )


def _key(contents: list[str], image_size_px: int, reading: Reading) -> str:
    identity = json.dumps([FORMAT, PIL.__version__, image_size_px, contents, reading.text()])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _decode_all(
    manifest: Manifest,
    items: list[Item],
    size_px: int,
    file: Path,
    decoded: Decoded | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Decodes in threads (Pillow decodes and resizes outside the interpreter's lock)."""
    read = _reader(manifest)
    image_bytes = size_px * size_px * 3
    turn = threading.Lock()  # seeking and writing are one step; they take next to no time
    with file.open("wb") as stream, ThreadPoolExecutor(processors()) as pool:

        def decode(row: int) -> None:
            item = items[row]
            known = decoded.get(item.sha256) if decoded else None
            pixels = known or resize(read(item), size_px, manifest.reading.resize).tobytes()
            with turn:  # a mapped file would be simpler, but a full disk then kills the process
                stream.seek(row * image_bytes)
                stream.write(pixels)

        futures = [pool.submit(decode, row) for row in range(len(items))]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                if progress:
                    progress(done, len(items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _reader(manifest: Manifest) -> Callable[[Item], Image.Image]:
    """Returns what reads an item as an RGB image and refuses one that has changed."""
    source = manifest.open()

    def read(item: Item) -> Image.Image:
        try:
            found = source.sha256(item.path)
        except OSError as error:
            raise changed(source, item.path, str(error.strerror or error)) from error
        if found != item.sha256:
            raise changed(source, item.path, "its contents changed")
        return source.read(item.path, manifest.reading)

    return read
