"""Kinds of images on which a model is surely worse than on the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
import numpy.typing as npt

from hpo.results.judged import Judged

FEWEST = 8
"""Images that a slice needs at least."""
SURE = 0.05
"""Expected share of the slices that are reported but are no worse in truth."""
QUARTER = 0.25

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Slice:
    """Some of the images.

    Attributes:
        trait: What tells them apart: a key of `traits.traits`, or `folder`.
        folder: Where they lie; empty of others.
        kind: Whether they are the quarter with the lowest or the highest values, or a folder.
        limit: The value that bounds them; NaN of a folder.
        images: How many there are.
        errors: How many of them are wrong.
        elsewhere: Share of the other images that are wrong.
        p: Chance of so many errors or more if the slice were like the rest, adjusted for the
            number of slices that were tried.
    """

    trait: str
    folder: str
    kind: Literal["low", "high", "folder"]
    limit: float
    images: int
    errors: int
    elsewhere: float
    p: float


def worse_slices(
    judged: Judged, traits: Mapping[str, npt.NDArray[np.float64]]
) -> tuple[list[Slice], int]:
    """Returns the slices that are surely worse, the surest first, and how many were tried.

    Each is compared with all other images by Fisher's exact test, one-sided. The p-values are
    adjusted for their number by Benjamini & Hochberg (1995, "Controlling the false discovery
    rate").

    Args:
        judged: What the model says about the images.
        traits: What was measured of each image.
    """
    from scipy.stats import false_discovery_control, fisher_exact

    wrong = ~judged.right
    tried = [
        (slice_, inside)
        for slice_, inside in _slices(judged, traits)
        if FEWEST <= inside.sum() <= len(judged) - FEWEST
    ]
    if not tried:
        return [], 0
    tables = [
        [[(wrong & i).sum(), (~wrong & i).sum()], [(wrong & ~i).sum(), (~wrong & ~i).sum()]]
        for _, i in tried
    ]
    chances = [float(fisher_exact(table, "greater").pvalue) for table in tables]
    adjusted = false_discovery_control(chances)
    found = [
        Slice(
            *name,
            images=int(inside.sum()),
            errors=int((wrong & inside).sum()),
            elsewhere=float(wrong[~inside].mean()),
            p=float(p),
        )
        for (name, inside), p in zip(tried, adjusted, strict=True)
        if p <= SURE
    ]
    return sorted(found, key=lambda slice_: slice_.p), len(tried)


_SliceName = tuple[str, str, Literal["low", "high", "folder"], float]


def _slices(
    judged: Judged, traits: Mapping[str, npt.NDArray[np.float64]]
) -> Iterator[tuple[_SliceName, Bools]]:
    for trait, values in traits.items():
        low, high = np.quantile(values, (QUARTER, 1 - QUARTER))
        if low < high:
            yield (trait, "", "low", float(low)), values <= low
            yield (trait, "", "high", float(high)), values >= high
    folders = [str(PurePosixPath(path).parent) for path in judged.paths]
    if _tell_classes(folders, judged.labels):
        return
    for folder in sorted(set(folders)):
        yield ("folder", folder, "folder", float("nan")), np.array([f == folder for f in folders])


def _tell_classes(folders: list[str], labels: npt.NDArray[np.int32]) -> bool:
    """Whether each folder holds one class and each class has one folder, or there is but one."""
    pairs = set(zip(folders, labels.tolist(), strict=True))
    return len(pairs) == len(set(folders)) and len(pairs) == len(set(labels.tolist()))
