"""The checks of a data set as a whole: its classes and its copies; one row a check."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from data_pipeline.checks import Case, Check, Found
from data_pipeline.example import Example
from data_pipeline.group_names import groups_in_names
from data_pipeline.layouts import folded
from data_pipeline.parts import Split
from data_pipeline.split import belonging_together
from data_pipeline.structure import looks_left_over, part_like

FEW_VALIDATION = 50
"""Below so many validation images one of them moves the accuracy by more than two points."""

IMBALANCE_RATIO = 5
"""From here on accuracy says little about the smallest class."""


def _paths(groups: Iterable[Iterable[Example]]) -> Found:
    return (tuple(example.path for example in group) for group in groups)


def _too_small(case: Case) -> Found:
    pool: Counter[str] = Counter()
    dealt = (e for e in case.unique.kept if e.part in (None, "train"))
    for members in belonging_together(dealt, case.unique.similar).values():
        pool.update({e.label for e in members})
    return (
        (f"{label} ({images} different images or groups)",)
        for label, images in sorted(pool.items())
        if images < len(case.to_fill)
    )


def _lost_classes(case: Case) -> Found:
    kept = {example.label for example in case.unique.kept}
    return ((label,) for label in case.source.classes if kept and label not in kept)


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
    return [(f"{images} images, {classes} classes",)] if 0 < images < classes else []


def _imbalance(case: Case) -> Found:
    counts = Counter(example.label for example in case.unique.kept).most_common()
    if not counts or counts[0][1] < IMBALANCE_RATIO * counts[-1][1]:
        return []
    return [(f"{label} ({images})",) for label, images in (counts[0], counts[-1])]


def _names_alike(case: Case) -> Found:
    spelled = defaultdict(list)
    for label in case.source.classes:
        spelled[folded(label)].append(label)
    return [tuple(labels) for labels in spelled.values() if len(labels) > 1]


def _small_validation(case: Case) -> Found:
    measured = [e for e in case.unique.kept if case.splits.get(e.path) == "validation"]
    # Copies and images of one group are right or wrong together.
    sets = len(belonging_together(measured, case.unique.similar))
    if not 0 < sets < FEW_VALIDATION:
        return []
    grouped = f" in {sets} groups" if sets < len(measured) else ""
    return [
        (f"{len(measured)} images{grouped}, of which one is {100 / sets:.1f} points of accuracy",)
    ]


def _similar(case: Case, *, across: bool) -> Found:
    """Groups of nearly equal images: those that lie in several given parts, or the others."""
    return (
        tuple(e.path for e in group)
        for group in case.unique.similar
        if (len({e.part for e in group}) > 1) == across
    )


def _groups_across_parts(case: Case) -> Found:
    parts = defaultdict(set)
    for example in case.unique.kept:
        if example.group is not None:
            parts[example.group].add(example.part)
    return ((group,) for group, found in sorted(parts.items()) if len(found) > 1)


def _grouped(case: Case) -> Found:
    groups = {e.group for e in case.unique.kept if e.group is not None}
    why = case.source.layout.grouped
    return [(f"{len(groups)} groups by {why}",)] if why and groups else []


def _names_like_groups(case: Case) -> Found:
    if any(e.group is not None for e in case.unique.kept):
        return []
    found = groups_in_names([e.path for e in case.unique.kept], len(case.source.classes))
    return [(found,)] if found else []


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
        "The class has too few different images for every part of the split. Add images, remove "
        "it, or leave out such classes: --min-class-images N.",
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
        "similar",
        "warning",
        "Groups of images that are nearly equal: saved again, shrunk, cropped, or of one burst. "
        "They stay, always on the same side of the split.",
        lambda case: _similar(case, across=False),
    ),
    Check(
        "similar_parts",
        "warning",
        "Nearly equal images lie in different given parts, so the figures on the later part are "
        "too good. They stay there; move them to one part.",
        lambda case: _similar(case, across=True),
    ),
    Check(
        "groups_across_parts",
        "warning",
        "The group lies in different given parts, so the figures on the later part are too good. "
        "It stays there; move it to one part.",
        _groups_across_parts,
    ),
    Check(
        "grouped",
        "info",
        "Images that belong together stay on one side of the split.",
        _grouped,
    ),
    Check(
        "names_like_groups",
        "warning",
        "The file names look as if several images were of one object, patient or burst. If so, "
        "keep them on one side of the split with --group-pattern.",
        _names_like_groups,
    ),
    Check(
        "small_validation",
        "warning",
        "The validation part is small, so trials are compared with little certainty. Add images, "
        "raise validation_fraction, or draw a given part anew with --draw-validation.",
        _small_validation,
    ),
    Check(
        "names_alike",
        "warning",
        "The classes' names differ in case, blanks, `_` or `-` only. They stay different classes; "
        "give them one name if they are one.",
        _names_alike,
    ),
    Check(
        "respelled_class",
        "warning",
        "A later part of the split spells the class otherwise than the training part. They are "
        "taken for one class; rename the folder if they are two.",
        lambda case: ((pair,) for pair in case.source.layout.respelled),
    ),
    Check(
        "part_like_class",
        "warning",
        "The folder is called like a part of a split, and was taken for a class. If it is no "
        "class, leave it out: --exclude NAME.",
        lambda case: ((label,) for label in part_like(case.source.classes)),
    ),
    Check(
        "leftover_class",
        "warning",
        "The folder's name says that it was put aside, but it was taken for a class. If it is no "
        "class, leave it out: --exclude NAME.",
        lambda case: ((label,) for label in case.source.classes if looks_left_over(label)),
    ),
    Check(
        "rare_class",
        "warning",
        "The class has too few images and is left out, as --min-class-images asks.",
        lambda case: ((f"{name} ({n})",) for name, n in sorted(case.source.rare.items())),
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
