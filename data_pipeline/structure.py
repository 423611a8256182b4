"""What a tree of folders is besides class folders: masks, variants, shards, a set inside itself."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import PurePosixPath

from data_pipeline.errors import DataError
from data_pipeline.parts import Entry, part_in, part_of

# fmt: off
IMAGE_FOLDERS = frozenset({
    "image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "jpg", "jpeg",
    "jpegimages", "jpgs", "png", "pngs", "original", "originals", "raw", "data", "input", "inputs",
    "이미지", "사진", "원천데이터",
})
ANNOTATION_FOLDERS = frozenset({
    "annotation", "annotations", "mask", "masks", "label", "labels", "trimap", "trimaps",
    "segmentation", "segmentations", "segmentationclass", "segmentationobject", "seg", "gt",
    "groundtruth", "bbox", "bboxes", "boxes", "xml", "xmls", "json", "lungmasks", "heatmap",
    "heatmaps",
    "depth", "depths", "labelids", "마스크", "라벨", "라벨링데이터",
})
SHARDS = (
    "part", "batch", "shard", "chunk", "fold", "folder", "images", "image", "imgs", "img", "photos",
    "dataset", "data", "split", "archive", "volume", "zip",
)
LEFTOVERS = frozenset({
    "unsorted", "rejected", "backup", "old", "tmp", "temp", "todo", "trash", "deleted", "bad",
    "duplicates", "copy", "unlabelled", "unlabeled", "unknown", "unclassified", "misc", "skip",
    "notsure", "ignore", "review", "미분류", "기타", "임시", "백업",
})
# fmt: on
"""Names, in lower case and without anything but letters, of folders that hold images of another
kind, of pieces that a set was cut into, and of images that were put aside."""

_MASK_NAME = re.compile(
    r"^(?P<image>.+?)[ _-](mask|masks|seg|segmentation|gt|label)[ _-]?\d*$", re.I
)
_MOST_FOLDERS = 2_000
_MOST_TOPS = 300


def words(folder: str) -> str:
    """A folder's name in lower case, with nothing but its letters."""
    return re.sub(r"[\W\d_]", "", folder).lower()


def looks_left_over(folder: str) -> bool:
    """Whether a folder is named like something that was put aside."""
    pieces = [words(piece) for piece in re.split(r"[\W_]+", folder)]
    return words(folder) in LEFTOVERS or bool({"backup", "copy", "rejected"} & set(pieces))


def without_annotations(entries: Sequence[Entry]) -> tuple[list[Entry], tuple[str, ...]]:
    """Takes out masks and other images about images: folders beside `images`, or `x_mask.png`.

    Returns:
        The other entries, without folders named like images that lay beside them; and what was
        taken out.
    """
    children: dict[tuple[str, ...], set[str]] = defaultdict(set)
    stems = set()
    for entry in entries:
        for depth in range(len(entry.pieces) - 1):
            children[entry.pieces[:depth]].add(entry.pieces[depth])
        stems.add((entry.pieces[:-1], PurePosixPath(entry.pieces[-1]).stem))
    beside = {
        place
        for place, names in children.items()
        if any(words(name) in IMAGE_FOLDERS for name in names)
        and any(words(name) in ANNOTATION_FOLDERS for name in names)
    }
    left, annotations = [], []
    for entry in entries:
        mask = _MASK_NAME.match(PurePosixPath(entry.pieces[-1]).stem)
        depths = [d for d in range(len(entry.pieces) - 1) if entry.pieces[:d] in beside]
        if any(words(entry.pieces[d]) in ANNOTATION_FOLDERS for d in depths) or (
            mask and (entry.pieces[:-1], mask["image"]) in stems
        ):
            annotations.append(entry.path)
            continue
        images = {d for d in depths if words(entry.pieces[d]) in IMAGE_FOLDERS}
        kept = tuple(piece for d, piece in enumerate(entry.pieces) if d not in images)
        left.append(Entry(entry.path, entry.part, kept) if images else entry)
    return left, tuple(annotations)


def refuse_repeated_set(paths: Iterable[str]) -> None:
    """Refuses a folder that holds all that lies beside it once more.

    Raises:
        DataError: There is one; says which to delete.
    """
    below: dict[PurePosixPath, set[str]] = defaultdict(set)
    for path in paths:
        file = PurePosixPath(path)
        for parent in file.parents:
            below[parent].add(file.relative_to(parent).as_posix())
    if len(below) > _MOST_FOLDERS:
        return
    for folder, files in below.items():
        tops = {file.split("/")[0] for file in files if "/" in file}
        for parent in folder.parents if len(tops) > 1 else ():
            inner = folder.relative_to(parent).as_posix() + "/"
            beside = {file for file in below[parent] if not file.startswith(inner)}
            if len(files & beside) >= 0.9 * max(len(files), len(beside)):
                raise DataError(
                    "A data set must not hold a copy of itself. "
                    f"Received: the folder {str(folder)!r}, which repeats the whole set "
                    f"({len(files):,} images of the same names lie beside it). Delete it, or leave "
                    f"it out: --exclude '{folder}'."
                )


def refuse_no_classes(entries: Sequence[Entry], tables: Sequence[str]) -> None:
    """Refuses top folders whose structure says that they are no classes.

    Args:
        entries: What lies in class folders, if they are any.
        tables: Tables that lie beside the images.

    Raises:
        DataError: They hold the same folders, or shards of images that a table labels.
    """
    inside: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        if len(entry.pieces) > 1:
            inside[entry.pieces[0]] |= set(entry.pieces[1:2]) if len(entry.pieces) > 2 else set()
    several = [(top, names) for top, names in sorted(inside.items()) if len(names) > 1]
    for (top, names), (other, others) in combinations(several[:_MOST_TOPS], 2):
        if len(names & others) >= 0.8 * len(names | others):
            raise DataError(
                "Folders that hold the same folders are versions of one set, and no classes. "
                f"Received: {top!r} and {other!r}, both with {_some(names & others)}. Pass one of "
                f"them, such as the folder {top!r}. If they are the classes: "
                "--class-level 1. If the folders inside them are: --class-level 2."
            )
    shapes = {re.sub(r"\d+", "#", top) for top in inside}
    pieces = words(next(iter(shapes), "")).endswith(SHARDS)
    if pieces and not tables and len(inside) > 1 and len(shapes) == 1:
        raise DataError(
            "Folders that are pieces of one set are no classes. "
            f"Received: {_some(inside)}. Say where the classes are: --class-pattern, or a table of "
            "labels as --data. If these folders are the classes: --class-level 1."
        )
    if tables and len(inside) > 1 and len(shapes) == 1:
        raise DataError(
            "Folders that differ in a number only are no classes where a table lies beside them. "
            f"Received: {_some(inside)} beside {_some(tables)}. Pass the table as --data, and this "
            "folder as --images; if the folders are the classes: --class-level 1."
        )


def part_like(labels: Iterable[str]) -> tuple[str, ...]:
    """The classes that are called like a part of a split.

    `trainA` and `testA` are, though nothing says what the `A` means; a `test tube` beside a `flask`
    is not.
    """
    found = sorted(labels)
    named = {label: part for label in found if (part := part_in(label))}
    several = len(set(named.values())) > 1 or len(named) == len(found)
    return tuple(label for label in found if part_of(label) or (several and label in named))


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(map(repr, listed[:4])) + (f" and {len(listed) - 4} more" * (len(listed) > 4))
