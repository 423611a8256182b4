"""Stratified, seeded split that never parts what belongs together, whatever the file order."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from data_pipeline.errors import DataError
from data_pipeline.example import Example
from data_pipeline.parts import SPLITS, Split
from data_pipeline.thumbnails import connected


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
    examples: Iterable[Example],
    fractions: Mapping[Split, float],
    seed: int,
    similar: Iterable[Sequence[Example]] = (),
) -> dict[str, Split]:
    """Decides each image's split.

    Images of a given validation or test part stay there. The others are dealt out class by class:
    sets of images that belong together, largest first and otherwise in random order, go where most
    is missing. Each split gets an image of every class that has enough such sets. Equal images
    belong together, those of one `Example.group`, and those that are `similar`.

    Args:
        examples: Without conflicting labels or leaks (`duplicates.deduplicate`).
        fractions: Share of each split (`split_fractions`).
        seed: 0 or more; the same seed and images give the same split.
        similar: Groups of different images that belong together.

    Returns:
        The split by path.

    Raises:
        DataError: The seed is negative.
    """
    if seed < 0:
        raise DataError(f"The seed must be 0 or more. Received: {seed}.")
    everything = list(examples)
    splits: dict[str, Split] = {e.path: e.part for e in everything if e.part not in (None, "train")}
    sets = belonging_together([e for e in everything if e.part in (None, "train")], similar)
    missing: dict[str, dict[Split, float]] = {}
    for label, images in Counter(e.label for each in sets.values() for e in each).items():
        missing[label] = {split: share * images for split, share in fractions.items()}
    by_class: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
    for key, members in _shuffled(sets, seed):
        labels = Counter(e.label for e in members)
        if len(labels) == 1:
            by_class[members[0].label].append((key, [e.path for e in members]))
            continue
        # A set of several classes goes where they miss most, before each class is dealt out.
        split = max(
            (name for name in SPLITS if name in fractions),
            key=lambda name: sum(n * missing[label][name] for label, n in labels.items()),
        )
        for label, count in labels.items():
            missing[label][split] -= count
        splits.update(dict.fromkeys((e.path for e in members), split))
    for label, groups in by_class.items():
        splits.update(_deal(groups, missing[label], _generator(seed, label)))
    return splits


def belonging_together(
    examples: Iterable[Example], similar: Iterable[Sequence[Example]] = ()
) -> dict[str, list[Example]]:
    """Returns sets of images that must stay on one side, by a key that depends on contents alone.

    Args:
        examples: All of them.
        similar: Further groups; members that are not among `examples` are passed over.
    """
    rows = list(examples)
    by_key: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, example in enumerate(rows):
        by_key["identity", example.identity].append(row)
        if example.group is not None:
            by_key["group", example.group].append(row)
    links = [members for members in by_key.values() if len(members) > 1]
    for group in similar:
        present = (by_key.get(("identity", e.identity), [])[:1] for e in group)
        links.append([row for found in present for row in found])
    sets = connected(link for link in links if link)
    joined = {row for members in sets for row in members}
    sets += [[row] for row in range(len(rows)) if row not in joined]
    return {
        min(rows[row].sha256 for row in members): [rows[row] for row in members] for members in sets
    }


def _shuffled(sets: Mapping[str, list[Example]], seed: int) -> list[tuple[str, list[Example]]]:
    """The sets in an order of the seed's, largest first."""
    ordered = sorted(sets.items())
    order = _generator(seed, "").permutation(len(ordered))
    return sorted((ordered[i] for i in order), key=lambda row: -len(row[1]))


def _generator(seed: int, label: str) -> np.random.Generator:
    """A stream of its own for each class, so that another class does not change this one's."""
    class_key = int.from_bytes(hashlib.sha256(label.encode()).digest()[:8])
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, class_key])))


def _deal(
    groups: list[tuple[str, list[str]]],
    wanted_images: Mapping[Split, float],
    generator: np.random.Generator,
) -> dict[str, Split]:
    """Deals out one class's sets of images that belong together, each a hash and its paths."""
    wanted = [split for split in SPLITS if split in wanted_images]
    missing = dict(wanted_images)
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
