"""What the audit needs to know of each file, found by decoding it once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from data_pipeline.files import Files
from data_pipeline.images import Decoded, colours, decode_file, to_rgb
from data_pipeline.reading import GROUNDS, Reading
from data_pipeline.system import processors
from data_pipeline.thumbnails import thumbnail

Progress = Callable[[int, int], None]
"""Called with the number of files done and the number of all files."""

Keep = Callable[[str, Image.Image], None]
"""Called with the hash of a file's bytes and the RGB image that was decoded from them.

Only images that look the same under every rule for their set (`Reading`) are given.
"""

Problem = Literal["empty", "unreadable", "unsupported", "damaged", "too_large"]

MOST_AT_ONCE = 16
"""Files a task: reading takes a third longer where small ones are handed over one by one."""

UPRIGHT = 1
"""The EXIF orientation of an image that is stored as it is shown."""

_CONTRAST_PX = 32
_SAMPLED = 200_000
_TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


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
        reduced: Was so large that it was decoded at a fraction of its size.
        hidden: Is transparent everywhere, so that its colours are taken without the alpha.
        pixels: Hash of the decoded pixels; empty where the file cannot be used.
        extent: Lowest and highest value of pixels wider than 8 bits, without the outermost
            thousandth; None of others.
        span: Difference of the brightest and the darkest value in any channel; of images with
            `contrasts` those are what counts.
        contrasts: Standard deviation in grey levels over each of `GROUNDS`, of images that
            something shines through; else empty.
        thumbnail: See `Example`.
    """

    path: str
    sha256: str = ""
    problem: Problem | None = None
    format: str = ""
    mode: str = ""
    transparent: bool = False
    animated: bool = False
    rotated: bool = False
    reduced: bool = False
    hidden: bool = False
    pixels: str = ""
    extent: tuple[float, float] | None = None
    span: float = 0.0
    contrasts: tuple[float, ...] = ()
    thumbnail: npt.NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)


def inspect_file(files: Files, path: str, keep: Keep | None = None) -> FileFacts:
    """Reads, decodes and hashes one file. Never raises for what the file holds."""
    try:
        content = files.read(path)
    except Exception:  # A zip's readers raise nearly anything, too.
        return FileFacts(path, problem="unreadable")
    if not content:
        return FileFacts(path, problem="empty")
    try:
        file = decode_file(content)
    except Image.DecompressionBombError:
        return FileFacts(path, problem="too_large")
    except UnidentifiedImageError:
        # Pillow knows no name for such pixels, though the file may be sound.
        foreign = content.startswith(_TIFF_HEADS)
        return FileFacts(path, problem="unsupported" if foreign else "unreadable")
    except Exception:  # Pillow's readers raise nearly anything on damaged bytes.
        return FileFacts(path, problem="damaged")
    header, decoded = file.header, file.pixels
    facts = FileFacts(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        format=header.format or "",
        mode=header.mode if not _is_wide_colour(decoded) else f"{header.mode};16",
        transparent=header.has_transparency_data,
        # The further pictures of an MPO are previews or depth maps of the first.
        animated=bool(getattr(header, "is_animated", False)) and header.format != "MPO",
        rotated=file.orientation != UPRIGHT,
        reduced=file.reduced,
        hidden=file.hidden,
        **_of_pixels(decoded),  # type: ignore[arg-type]
    )
    if keep and isinstance(decoded, Image.Image) and decoded.mode == "RGB":
        keep(facts.sha256, decoded)
    return facts


def _is_wide_colour(decoded: Decoded) -> bool:
    return isinstance(decoded, np.ndarray) and decoded.ndim == 3


def _of_pixels(decoded: Decoded) -> dict[str, object]:
    """The facts that only decoded pixels tell."""
    if isinstance(decoded, np.ndarray):
        head = f"{decoded.shape} {decoded.dtype}"
        # Two values in a thousand may be dead or hot pixels.
        flat = colours(decoded).reshape(-1)
        some = flat[:: max(1, flat.size // _SAMPLED) | 1]  # odd, so as not to keep to one channel
        ends = np.percentile(some.astype(np.float64), (0.1, 99.9))
        low, high = float(ends[0]), float(ends[1])
        own = Reading(integers=(low, max(high, low + 1)), floats=(low, high if high > low else 1e9))
        return {
            "pixels": _hash(head, decoded.tobytes()),
            "extent": (low, high),
            "span": high - low,
            "thumbnail": thumbnail(to_rgb(decoded, own)),
        }
    pixels = _hash(f"{decoded.mode} {decoded.size}", decoded.tobytes())
    if decoded.mode == "RGB":
        return {"pixels": pixels, "span": _span(decoded), "thumbnail": thumbnail(decoded)}
    contrasts = _contrasts(decoded)
    ground = GROUNDS[contrasts.index(max(contrasts))]
    return {
        "pixels": pixels,
        "contrasts": contrasts if np.asarray(decoded)[..., 3].min() < 255 else (),
        "span": _span(decoded.convert("RGB")),
        "thumbnail": thumbnail(to_rgb(decoded, Reading(ground=ground))),
    }


def _hash(head: str, pixels: bytes) -> str:
    found = hashlib.sha256(head.encode())
    found.update(pixels)
    return found.hexdigest()


def _span(rgb: Image.Image) -> float:
    extrema = cast("tuple[tuple[int, int], ...]", rgb.getextrema())
    return float(max(high - low for low, high in extrema))


def _contrasts(rgba: Image.Image) -> tuple[float, ...]:
    small = np.asarray(rgba.resize((_CONTRAST_PX, _CONTRAST_PX), Image.Resampling.BOX), np.float64)
    alpha = small[..., 3:] / 255
    over = (small[..., :3] * alpha + (1 - alpha) * np.array(ground) for ground in GROUNDS)
    return tuple(float(image.std(axis=(0, 1)).max()) for image in over)


def inspect_files(
    files: Files,
    paths: Iterable[str],
    progress: Progress | None = None,
    keep: Keep | None = None,
) -> tuple[FileFacts, ...]:
    """Inspects files in parallel, in threads: Pillow and hashlib release the interpreter's lock.

    Args:
        files: Where they lie.
        paths: Files, as `files` names them.
        progress: Told after each file.
        keep: Given images that can be used, in the threads.

    Returns:
        Facts in the order of `paths`.
    """
    todo = tuple(paths)
    threads = processors()
    size = max(1, min(MOST_AT_ONCE, len(todo) // (4 * threads)))
    chunks = [todo[begin : begin + size] for begin in range(0, len(todo), size)]
    found: list[FileFacts] = []
    with ThreadPoolExecutor(threads) as pool:
        done = pool.map(lambda chunk: [inspect_file(files, path, keep) for path in chunk], chunks)
        for facts in chain.from_iterable(done):
            found.append(facts)
            if progress:
                progress(len(found), len(todo))
    return tuple(found)
