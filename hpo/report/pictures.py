"""Small pictures of a data set's images, as JPEG."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from PIL import Image

from data_pipeline.errors import DataError
from data_pipeline.store import resize
from data_pipeline.system import processors

if TYPE_CHECKING:
    import keras

    from data_pipeline.manifest import Manifest
    from hpo.results.judged import Judged

LARGE_PX, SMALL_PX = 200, 112
"""Longer side of a picture that is looked at by itself, and of one among many."""
QUALITY = 72
SUREST = 20
"""Errors that are shown large, with what the network looked at."""
OF_A_KIND, MOST = 12, 240
"""Pictures of one cell of the confusion matrix, and of all cells together."""


def thumbnails(manifest: Manifest, paths: Iterable[str], side_px: int) -> Mapping[str, bytes]:
    """Returns small pictures of images by their paths, without those that cannot be read.

    Args:
        manifest: The data set.
        paths: Which images.
        side_px: The longer side.
    """
    return {path: _jpeg(image) for path, image in _images(manifest, paths, side_px).items()}


def error_pictures(manifest: Manifest, judged: Judged) -> Mapping[str, bytes]:
    """Returns small pictures of the surest errors of each kind, the surest of all being larger."""
    errors = judged.surest_errors()
    kinds: Counter[tuple[int, int]] = Counter()
    shown = []
    for place in errors:
        kind = int(judged.labels[place]), int(judged.guesses[place])
        kinds[kind] += 1
        if kinds[kind] <= OF_A_KIND:
            shown.append(judged.paths[place])
    large = [judged.paths[place] for place in errors[:SUREST]]
    small = [path for path in shown[:MOST] if path not in large]
    found = thumbnails(manifest, large, LARGE_PX)
    return {**found, **thumbnails(manifest, small, SMALL_PX)}


def heat_pictures(
    model: keras.Model, manifest: Manifest, image_size_px: int, judged: Judged
) -> Mapping[str, bytes]:
    """Returns pictures of the surest errors with what each was taken for its class by.

    Args:
        model: The whole model that judged them.
        manifest: The data set.
        image_size_px: Height and width that the network sees.
        judged: What it says.
    """
    from hpo.results.heat import heat_maps, overlay

    places = judged.surest_errors()[:SUREST]
    side_px = max(LARGE_PX, image_size_px)
    shown = _images(manifest, (judged.paths[place] for place in places), side_px)
    known = [place for place in places if judged.paths[place] in shown]
    seen = [resize(shown[judged.paths[p]], image_size_px, "stretch") for p in known]
    maps = heat_maps(model, seen, [int(judged.guesses[p]) for p in known]) if known else []
    pictures = {}
    for place, heat in zip(known, maps, strict=bool(maps)):
        picture = overlay(shown[judged.paths[place]], heat)
        picture.thumbnail((LARGE_PX, LARGE_PX), Image.Resampling.LANCZOS)
        pictures[judged.paths[place]] = _jpeg(picture)
    return pictures


def _images(manifest: Manifest, paths: Iterable[str], side_px: int) -> dict[str, Image.Image]:
    """Reads images small, as the network sees them: those that it sees cropped are cropped."""
    source = manifest.open()
    how = manifest.reading.resize

    def read(path: str) -> tuple[str, Image.Image | None]:
        try:
            image = source.read(path, manifest.reading)
        except (DataError, OSError, ValueError, IndexError):
            return path, None  # it was moved or changed since; the page says what it has
        if how != "stretch":
            return path, Image.fromarray(resize(image, side_px, how))
        image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        return path, image

    with ThreadPoolExecutor(processors()) as pool:
        found = pool.map(read, dict.fromkeys(paths))
        return {path: image for path, image in found if image is not None}


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY, optimize=True)
    return file.getvalue()
