"""The checks of a data set as a whole: its classes and its copies; one row a check."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from data_pipeline.checks import Case, Check, Found
from data_pipeline.parts import Split
from data_pipeline.sources import Example

IMBALANCE_RATIO = 5
"""From here on accuracy says little about the smallest class."""


def _paths(groups: Iterable[Iterable[Example]]) -> Found:
    return (tuple(example.path for example in group) for group in groups)


def _different_images(examples: Iterable[Example]) -> dict[str, int]:
    """Number of images of each class that are no copies of each other."""
    return Counter(label for label, _ in {(e.label, e.sha256) for e in examples})


def _too_small(case: Case) -> Found:
    pool = _different_images(e for e in case.unique.kept if e.part in (None, "train"))
    return (
        (f"{label} ({images} different images)",)
        for label, images in sorted(pool.items())
        if images < len(case.to_fill)
    )


def _lost_classes(case: Case) -> Found:
    kept = {example.label for example in case.unique.kept}
    return ((label,) for label in case.source.classes if label not in kept)


def _classes_absent_from(case: Case, part: Split) -> list[str]:
    """Classes that a given part lacks, though another one has them."""
    parts_of = defaultdict(set)
    for example in case.unique.kept:
        parts_of[example.label].add(example.part)
    given = {example.part for example in case.unique.kept}
    return [label for label, parts in parts_of.items() if part in given and part not in parts]


def _one_class(case: Case) -> Found:
    labels = {example.label for example in case.unique.kept}
    return [tuple(labels)] if len(labels) == 1 else []


def _few_images(case: Case) -> Found:
    classes = len(case.source.classes) + len(case.source.imageless)
    images = len(case.unique.kept)
    return [(f"{images} images, {classes} classes",)] if images < classes else []


def _imbalance(case: Case) -> Found:
    counts = Counter(example.label for example in case.unique.kept).most_common()
    if not counts or counts[0][1] < IMBALANCE_RATIO * counts[-1][1]:
        return []
    return [(f"{label} ({images})",) for label, images in (counts[0], counts[-1])]


SET_CHECKS = (
    Check(
        "one_class",
        "error",
        "There is only one class, so there is nothing to tell apart. Pass the folder that "
        "holds the class folders.",
        _one_class,
    ),
    Check(
        "few_images",
        "error",
        "There are fewer images than classes. Check the path and the layout.",
        _few_images,
    ),
    Check(
        "lost_class",
        "error",
        "No image of the class can be used, so it would be missing. Repair its files or remove it.",
        _lost_classes,
    ),
    Check(
        "too_small",
        "error",
        "The class has too few different images for every part of the split. Add images or "
        "remove it.",
        _too_small,
    ),
    Check(
        "untrained_class",
        "error",
        "The class is in the validation or test folder but not in the training folder. Add "
        "training images or remove it.",
        lambda case: ((label,) for label in _classes_absent_from(case, "train")),
    ),
    Check(
        "unmeasured_class",
        "warning",
        "The class is missing from the given validation or test folder, so it is never "
        "measured there.",
        lambda case: (
            (f"{label} ({part})",)
            for part in ("validation", "test")
            for label in _classes_absent_from(case, part)
        ),
    ),
    Check(
        "conflicting_labels",
        "warning",
        "Identical images lie in different classes. All of them are left out; decide which "
        "class is right.",
        lambda case: _paths(case.unique.conflicts),
    ),
    Check(
        "leak",
        "warning",
        "The image has a copy in a part that must stay unseen (test, or validation). The one on "
        "the training side, named first, is left out.",
        lambda case: _paths(case.unique.leaks),
    ),
    Check(
        "duplicates",
        "warning",
        "Groups of identical images. They stay, always on the same side of the split.",
        lambda case: _paths(case.unique.copies),
    ),
    Check(
        "imageless_folder",
        "warning",
        "The folder holds no image, so it is no class.",
        lambda case: ((path,) for path in case.source.imageless),
    ),
    Check(
        "imbalance",
        "warning",
        f"The largest class has at least {IMBALANCE_RATIO} times as many images as the "
        "smallest, so accuracy says little about the smallest. Consider macro-F1 as metric.",
        _imbalance,
    ),
)
