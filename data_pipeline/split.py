"""Stratified, seeded split that never parts equal images and does not depend on file order."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from data_pipeline.errors import DataError
from data_pipeline.parts import SPLITS, Split
from data_pipeline.sources import Example


def split_fractions(
    examples: Iterable[Example], validation: float, test: float
) -> dict[Split, float]:
    """Shares of the images to be split: those in no part, or, with given parts, in `train`.

    Args:
        examples: All images, with the parts they were found in.
        validation: Share for validation where it is not given, in (0, 1).
        test: Share for the test where it is not given, in [0, 1).

    Returns:
        Shares that add up to 1, without the parts that are given or not wanted.

    Raises:
        DataError: The shares leave nothing to train on or to validate with.
    """
    if not (validation > 0 and test >= 0 and validation + test < 1):
        raise DataError(
            "The validation share must be above 0, the test share 0 or more, and both together "
            f"below 1. Received: validation={validation}, test={test}."
        )
    given = {example.part for example in examples}
    shares: dict[Split, float] = {"validation": validation, "test": test}
    wanted = {part: share for part, share in shares.items() if share and part not in given}
    return {"train": 1 - sum(wanted.values()), **wanted}


def assign_splits(
    examples: Iterable[Example], fractions: Mapping[Split, float], seed: int
) -> dict[str, Split]:
    """Decides each image's split.

    Images of a given validation or test part stay there. The others are dealt out class by class:
    sets of equal images, largest first and otherwise in random order, go where most is missing.
    Each split gets an image of every class that has enough different ones.

    Args:
        examples: Without conflicting labels or leaks (`duplicates.deduplicate`).
        fractions: Share of each split (`split_fractions`).
        seed: 0 or more; the same seed and images give the same split.

    Returns:
        The split by path.

    Raises:
        DataError: The seed is negative.
    """
    if seed < 0:
        raise DataError(f"The seed must be 0 or more. Received: {seed}.")
    splits: dict[str, Split] = {}
    by_class: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for example in examples:
        if example.part in (None, "train"):
            by_class[example.label][example.sha256].append(example.path)
        else:
            splits[example.path] = example.part
    for label, groups in by_class.items():
        splits.update(_deal(list(groups.items()), fractions, _generator(seed, label)))
    return splits


def _generator(seed: int, label: str) -> np.random.Generator:
    """A stream of its own for each class, so that another class does not change this one's."""
    class_key = int.from_bytes(hashlib.sha256(label.encode()).digest()[:8])
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, class_key])))


def _deal(
    groups: list[tuple[str, list[str]]],
    fractions: Mapping[Split, float],
    generator: np.random.Generator,
) -> dict[str, Split]:
    """Deals out one class's sets of equal images, each a hash and its paths."""
    wanted = [split for split in SPLITS if split in fractions]
    images = sum(len(paths) for _, paths in groups)
    missing = {split: fractions[split] * images for split in wanted}
    empty = list(wanted)
    # Breaks ties, which would else leave small classes' odd images always to the same split.
    luck = dict(zip(wanted, generator.random(len(wanted)), strict=True))
    ordered = sorted(groups)
    shuffled = [ordered[index] for index in generator.permutation(len(ordered))]
    shuffled.sort(key=lambda group: -len(group[1]))
    splits: dict[str, Split] = {}
    for dealt, (_, paths) in enumerate(shuffled):
        if len(shuffled) - dealt <= len(empty):
            split = empty[0]
        else:
            split = max(wanted, key=lambda name: (missing[name], luck[name]))
        missing[split] -= len(paths)
        empty = [name for name in empty if name != split]
        splits.update(dict.fromkeys(paths, split))
    return splits
