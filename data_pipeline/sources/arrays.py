"""Images in arrays: the built-in data sets and the user's `.npz` files."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from data_pipeline.datasets import DATASETS, load_arrays
from data_pipeline.errors import DataError
from data_pipeline.example import Example
from data_pipeline.hashing import file_sha256
from data_pipeline.images import to_rgb
from data_pipeline.inspect_image import FileFacts, Keep, Progress
from data_pipeline.labelling import Labelling
from data_pipeline.layouts import Layout
from data_pipeline.parts import Split, part_of
from data_pipeline.reading import Reading
from data_pipeline.sources.source import Found, in_order, nothing_left
from data_pipeline.thumbnails import thumbnail

_IMAGE_KEYS = ("images", "image", "x", "data", "pixels", "imgs")
_LABEL_KEYS = ("labels", "label", "y", "targets", "target", "classes_b")
_CLASS_KEYS = ("classes", "class_names", "names", "label_names")
_GROUP_KEYS = ("groups", "group", "patients")
_RULE = (
    "An .npz file of images holds `images` (n, height, width) or (n, height, width, 1, 3 or 4) and "
    "`labels` (n,); or for each part `x_train`, `y_train`, `x_test`, `y_test`; and perhaps "
    "`class_names` and `groups`"
)


@dataclass(frozen=True)
class Rows:
    """Labelled images in arrays.

    Attributes:
        images: (n, h, w) or (n, h, w, 1, 3 or 4).
        labels: Name of each row's class.
        classes: The names in order.
        parts: Each row's part of the split, or None.
        groups: What must stay together, or None.
    """

    images: npt.NDArray[np.generic]
    labels: Sequence[str]
    classes: tuple[str, ...]
    parts: Sequence[Split | None]
    groups: Sequence[str | None]


class Arrays:
    """Images in arrays; a path is a row's number."""

    kind = "arrays"
    mirror_safe = True
    one_size = True
    files_are_images = False

    def __init__(self, name: str, images: str | None = None) -> None:
        self.name, self.images = name, images

    @cached_property
    def rows(self) -> Rows:
        """What the file holds.

        Raises:
            DataError: It is no such file.
        """
        return _read_npz(Path(self.name))

    def shown(self, path: str) -> str:
        """See `Source`."""
        return f"{self.name}, image {path}"

    def is_there(self) -> bool:
        """See `Source`."""
        return Path(self.name).is_file()

    def find(
        self, labelling: Labelling, progress: Progress | None = None, keep: Keep | None = None
    ) -> Found:
        """See `Source`."""
        rows, examples, facts = self.rows, [], []
        counts = Counter(rows.labels)
        rare = {label: n for label, n in counts.items() if n < labelling.min_class_images}
        used = [label not in rare and not labelling.excludes_class(label) for label in rows.labels]
        if not any(used):
            raise nothing_left(labelling, counts)
        for row in map(int, np.flatnonzero(used)):
            part = rows.parts[row]
            if labelling.draw_validation and part == "validation":
                part = "train"
            path, label = str(row), rows.labels[row]
            sha256 = self.sha256(path)
            small = thumbnail(self.read(path, self._own_reading)) if self.compares else None
            examples.append(Example(path, sha256, label, part, sha256, rows.groups[row], small))
            if self.compares:
                facts.append(self._facts(path, sha256))
            if progress:
                progress(row + 1, len(used))
        return Found(
            name=self.name,
            layout=Layout(self.kind, (), ()),
            classes=tuple(name for name in rows.classes if name in {e.label for e in examples}),
            examples=tuple(examples),
            facts=tuple(facts),
            rare=rare,
            also=self._also(),
        )

    compares = True
    """Whether images that are nearly equal are looked for."""

    @cached_property
    def _own_reading(self) -> Reading:
        low, high = (float(value) for value in (self.rows.images.min(), self.rows.images.max()))
        high = high if high > low else low + 1
        return Reading(integers=(low, high), floats=(low, high))

    def _facts(self, path: str, sha256: str) -> FileFacts:
        pixels = self._pixels(path)
        wide, low, high = pixels.dtype != np.uint8, float(pixels.min()), float(pixels.max())
        mode = "F" if pixels.dtype.kind == "f" else "I;16" if wide else "RGB"
        return FileFacts(
            path=path,
            sha256=sha256,
            format="",
            mode=mode,
            pixels=sha256,
            extent=(low, high) if wide else None,
            span=high - low,
        )

    def _also(self) -> Mapping[str, str]:
        return {Path(self.name).name: file_sha256(Path(self.name))}

    def _pixels(self, path: str) -> npt.NDArray[np.generic]:
        return np.ascontiguousarray(self.rows.images[int(path)])

    def read(self, path: str, reading: Reading) -> Image.Image:
        """See `Source`."""
        return as_image(self._pixels(path), reading)

    def sha256(self, path: str) -> str:
        """See `Source`."""
        return hashlib.sha256(self.rows.images[int(path)].tobytes()).hexdigest()

    def shorter_sides_px(self, paths: Sequence[str]) -> list[int]:
        """See `Source`."""
        return [min(self.rows.images.shape[1:3])] * len(paths)

    def watched(self, also: Iterable[str]) -> Mapping[str, Path]:
        """See `Source`."""
        return {Path(self.name).name: Path(self.name)}


def as_image(pixels: npt.NDArray[np.generic], reading: Reading) -> Image.Image:
    """Returns one image, (h, w) or (h, w, 1, 3 or 4), as the network sees it."""
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    if pixels.dtype != np.uint8:
        return to_rgb(pixels, reading).convert("RGB")
    image = Image.fromarray(pixels)
    return to_rgb(image if image.mode == "RGBA" else image.convert("RGB"), reading)


class BuiltIn(Arrays):
    """A data set of `datasets.DATASETS`."""

    kind = "builtin"
    compares = False  # their authors chose their images one by one

    @property
    def mirror_safe(self) -> bool:  # type: ignore[override]
        """See `Source`."""
        return DATASETS[self.name].mirror_safe

    @cached_property
    def rows(self) -> Rows:
        """The data set, downloaded where it is not here yet."""
        images_bhwc, labels, classes, test_mask = load_arrays(self.name)
        parts: list[Split | None] = [None] * len(labels)
        if test_mask is not None:
            parts = ["test" if is_test else "train" for is_test in test_mask]
        named = [classes[label] for label in labels]
        return Rows(images_bhwc, named, classes, parts, [None] * len(labels))

    def is_there(self) -> bool:
        """See `Source`."""
        return True

    def shorter_sides_px(self, paths: Sequence[str]) -> list[int]:
        """See `Source`."""
        return [DATASETS[self.name].image_size_px] * len(paths)

    def watched(self, also: Iterable[str]) -> Mapping[str, Path]:
        """See `Source`."""
        return {}

    def _also(self) -> Mapping[str, str]:
        return {}


def _read_npz(path: Path) -> Rows:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(
            f"{_RULE}. Received: {str(path)!r} ({error}). Write it with numpy.savez_compressed; "
            "arrays of objects are not read, because they can run code."
        ) from error
    return rows_of(arrays, path.name)


def rows_of(arrays: Mapping[str, npt.NDArray[np.generic]], name: str) -> Rows:
    """Returns the labelled images in arrays that are called as in an `.npz` file.

    Args:
        arrays: The arrays by their names.
        name: What they are called together, for messages.

    Raises:
        DataError: They are not called so, or do not fit each other.
    """
    pairs = _pairs(arrays)
    if not pairs:
        shown = ", ".join(f"{key} {value.shape}" for key, value in arrays.items())
        raise DataError(f"{_RULE}. Received: {name!r} with {shown or 'nothing'}. Rename them.")
    images, labels, parts = [], [], []
    for image_key, label_key, part in pairs:
        found = _checked_images(image_key, arrays[image_key])
        marks = _checked_labels(label_key, arrays[label_key], len(found))
        images.append(found)
        labels.append(marks)
        parts += [part] * len(found)
    if len({(each.shape[1:], each.dtype) for each in images}) > 1:
        shapes = ", ".join(f"{key} {each.shape[1:]} {each.dtype}"
                           for (key, *_), each in zip(pairs, images, strict=True))  # fmt: skip
        raise DataError(f"All parts must hold images of one shape and type. Received: {shapes}.")
    marks = np.concatenate(labels)
    key = next((key for key in arrays if key.lower() in _GROUP_KEYS), None)
    if key is not None and arrays[key].shape != (len(marks),):
        raise DataError(
            f"`{key}` must hold one value for each image. Received: {arrays[key].shape}, "
            f"with {len(marks):,} images."
        )
    groups: list[str | None] = [str(v) for v in arrays[key]] if key else [None] * len(marks)
    names, classes = _class_names(arrays, marks)
    return Rows(np.concatenate(images), names, classes, parts, groups)


def _pairs(arrays: Mapping[str, npt.NDArray[np.generic]]) -> list[tuple[str, str, Split | None]]:
    """Key of images, key of labels, and part."""
    kinds: dict[tuple[str, Split | None], str] = {}
    for key in arrays:
        pieces = re.split(r"[_.\-]|(?<=[xy])(?=train|test|val)", key.lower())
        part = next((name for piece in pieces if (name := part_of(piece))), None)
        rest = "_".join(piece for piece in pieces if part_of(piece) is None)
        if rest in _IMAGE_KEYS:
            kinds.setdefault(("images", part), key)
        elif rest in _LABEL_KEYS:
            kinds.setdefault(("labels", part), key)
    found: list[tuple[str, str, Split | None]] = []
    parts: tuple[Split | None, ...] = ("train", "validation", "test", None)
    for part in parts:
        images, labels = kinds.get(("images", part)), kinds.get(("labels", part))
        if images and labels:
            found.append((images, labels, part))
    named = [row for row in found if row[2]]
    return named if any(row[2] == "train" for row in named) else [r for r in found if not r[2]]


def _checked_images(key: str, images: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    rank_ok = images.ndim == 3 or (images.ndim == 4 and images.shape[-1] in (1, 3, 4))
    if not rank_ok or 0 in images.shape:
        first = images.ndim == 4 and images.shape[1] in (1, 3)
        hint = f"Move the channels last: {key}.transpose(0, 2, 3, 1)." if first else "Reshape it."
        raise DataError(f"{_RULE}. Received: `{key}` of shape {images.shape}. {hint}")
    if images.dtype.kind == "b":
        images = images.astype(np.uint8) * 255
    if images.dtype.kind not in "uif" or (images.ndim == 4 and images.shape[-1] == 4
                                          and images.dtype != np.uint8):  # fmt: skip
        raise DataError(
            f"Images are numbers: uint8 of 0 to 255, or wider integers or floats, which are scaled "
            f"as one. Received: `{key}` of {images.dtype}, shape {images.shape}. Convert it."
        )
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise DataError(
            f"Pixels must be finite numbers. Received: `{key}` with NaN or infinity. Replace them."
        )
    return images


def _checked_labels(key: str, labels: npt.NDArray[np.generic], images: int) -> npt.NDArray[np.str_]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and set(np.unique(labels)) <= {0, 1} and (labels.sum(1) == 1).all():
        labels = labels.argmax(axis=1)  # one-hot
    if labels.shape != (images,):
        raise DataError(
            "There must be one label for each image, a number, a text or one-hot. "
            f"Received: `{key}` of shape {labels.shape} for {images:,} images."
        )
    if labels.dtype.kind == "f":
        whole = labels.astype(np.int64)
        if not (whole == labels).all():
            raise DataError(
                "Labels are whole numbers or texts. "
                f"Received: `{key}` of {labels.dtype} with fractions. Convert it."
            )
        labels = whole
    if labels.dtype.kind not in "uibUS":
        raise DataError(f"Labels are whole numbers or texts. Received: `{key}` of {labels.dtype}.")
    return labels.astype(np.str_)


def _class_names(
    arrays: Mapping[str, npt.NDArray[np.generic]], marks: npt.NDArray[np.str_]
) -> tuple[list[str], tuple[str, ...]]:
    """Name of each row's class, and the names in order."""
    numbered = in_order(set(map(str, marks)))
    key = next((key for key in arrays if key.lower() in _CLASS_KEYS), None)
    if key is None or not all(name.isdigit() for name in numbered):
        return list(map(str, marks)), numbered
    names = tuple(map(str, arrays[key].reshape(-1)))
    if int(numbered[-1]) >= len(names) or len(set(names)) < len(names):
        raise DataError(
            f"`{key}` must name each class once. Received: {len(names)} names, and labels up to "
            f"{numbered[-1]}."
        )
    return [names[int(mark)] for mark in marks], names
