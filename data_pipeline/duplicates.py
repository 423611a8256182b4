"""Exact copies of an image, found by their hash, and which of them may stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from data_pipeline.parts import SPLITS
from data_pipeline.sources import Example


@dataclass(frozen=True)
class Deduplicated:
    """Examples that are safe to train and to measure on.

    Attributes:
        kept: In the order they came in.
        copies: Groups of equal images of one class; all are kept that are not in `leaks`.
        conflicts: Groups of equal images with different classes; none is kept.
        leaks: Images that were left out because a part nearer to the final test has a copy.
    """

    kept: tuple[Example, ...]
    copies: tuple[tuple[Example, ...], ...]
    conflicts: tuple[tuple[Example, ...], ...]
    leaks: tuple[Example, ...]


def deduplicate(examples: Iterable[Example]) -> Deduplicated:
    """Leaves out copies whose label cannot be trusted and copies that leak across given parts."""
    everything = tuple(examples)
    by_sha256: dict[str, list[Example]] = defaultdict(list)
    for example in everything:
        by_sha256[example.sha256].append(example)
    groups = [tuple(group) for group in by_sha256.values() if len(group) > 1]
    conflicts = tuple(group for group in groups if len({e.label for e in group}) > 1)
    copies = tuple(group for group in groups if len({e.label for e in group}) == 1)
    leaks = tuple(example for group in copies for example in _leaks(group))
    dropped = {e.path for e in leaks} | {e.path for group in conflicts for e in group}
    kept = tuple(example for example in everything if example.path not in dropped)
    return Deduplicated(kept, copies, conflicts, leaks)


def _leaks(group: tuple[Example, ...]) -> list[Example]:
    """Copies outside the part that is looked at last."""
    ranks = {example: SPLITS.index(example.part) if example.part else -1 for example in group}
    return [example for example in group if ranks[example] < max(ranks.values())]
