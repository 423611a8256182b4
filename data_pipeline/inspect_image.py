"""What the audit needs to know of each file, found by decoding it once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from PIL import ExifTags, Image

from data_pipeline.images import decode, open_image

Progress = Callable[[int, int], None]
"""Called with the number of files done and the number of all files."""

Keep = Callable[[str, Image.Image], None]
"""Called with the hash of a file's bytes and the RGB image that was decoded from them."""

Problem = Literal["empty", "unreadable", "damaged", "too_large"]

MOST_AT_ONCE = 16
"""Files a task: reading takes a third longer where small ones are handed over one by one."""

UPRIGHT = 1
"""The EXIF orientation of an image that is stored as it is shown."""


@dataclass(frozen=True)
class FileFacts:
    """One file as it was found.

    Attributes:
        path: Relative to the data set's folder, with forward slashes.
        sha256: Of the file's bytes; empty where the file cannot be used.
        problem: Why the file cannot be used, or None.
        format: Pillow's name of the content's format, a key of `FORMATS`; empty where unknown.
        mode: Pillow's mode of the stored pixels, such as `RGB`, `L` or `CMYK`.
        transparent: Has an alpha channel or a transparent colour.
        animated: Has more frames or pages than the first, which is the one used.
        rotated: EXIF says that it is shown turned or mirrored.
    """

    path: str
    sha256: str = ""
    problem: Problem | None = None
    format: str = ""
    mode: str = ""
    transparent: bool = False
    animated: bool = False
    rotated: bool = False


def inspect_file(root: Path, path: str, keep: Keep | None = None) -> FileFacts:
    """Reads, decodes and hashes one file. Never raises for what the file holds."""
    file = root / path
    try:
        if file.stat().st_size == 0:
            return FileFacts(path, problem="empty")
        image = open_image(file)
    except Image.DecompressionBombError:
        return FileFacts(path, problem="too_large")
    except Exception:  # Pillow's readers raise nearly anything on damaged headers.
        return FileFacts(path, problem="unreadable")
    with image:
        try:
            return _decoded_facts(file, path, image, keep)
        except Exception:  # The same for damaged pixels.
            return FileFacts(path, problem="damaged", format=image.format or "")


def _decoded_facts(file: Path, path: str, image: Image.Image, keep: Keep | None) -> FileFacts:
    orientation = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    facts = FileFacts(
        path=path,
        sha256=file_sha256(file),
        format=image.format or "",
        mode=image.mode,
        transparent=image.has_transparency_data,
        # The further pictures of an MPO are previews or depth maps of the first.
        animated=bool(getattr(image, "is_animated", False)) and image.format != "MPO",
        rotated=orientation in range(UPRIGHT + 1, 9),
    )
    decoded = decode(image)
    if keep:
        keep(facts.sha256, decoded)
    return facts


def file_sha256(file: Path) -> str:
    """Returns the hash of a file's bytes.

    Raises:
        OSError: It cannot be read.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def inspect_files(
    root: Path,
    paths: Iterable[str],
    progress: Progress | None = None,
    keep: Keep | None = None,
) -> tuple[FileFacts, ...]:
    """Inspects files in parallel, in threads: Pillow and hashlib release the interpreter's lock.

    Args:
        root: The data set's folder.
        paths: Files, relative to it.
        progress: Told after each file.
        keep: Given each image that can be used, in the threads.

    Returns:
        Facts in the order of `paths`.
    """
    todo = tuple(paths)
    threads = os.cpu_count() or 1
    size = max(1, min(MOST_AT_ONCE, len(todo) // (4 * threads)))
    chunks = [todo[begin : begin + size] for begin in range(0, len(todo), size)]
    found: list[FileFacts] = []
    with ThreadPoolExecutor(threads) as pool:
        done = pool.map(lambda chunk: [inspect_file(root, path, keep) for path in chunk], chunks)
        for facts in chain.from_iterable(done):
            found.append(facts)
            if progress:
                progress(len(found), len(todo))
    return tuple(found)
