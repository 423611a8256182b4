"""Copies of an image, equal or nearly so, and which of them may stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from data_pipeline.example import Example
from data_pipeline.parts import SPLITS
from data_pipeline.thumbnails import nearly_equal


@dataclass(frozen=True)
class Deduplicated:
    """Examples that are safe to train and to measure on.

    Attributes:
        kept: In the order they came in.
        copies: Groups of equal images of one class that are kept.
        conflicts: Groups of equal images with different classes; none is kept.
        leaks: Images that were left out because a part nearer to the final test has a copy, each
            with one such copy.
        similar: Groups of different images that are nearly equal; all are kept.
    """

    kept: tuple[Example, ...]
    copies: tuple[tuple[Example, ...], ...]
    conflicts: tuple[tuple[Example, ...], ...]
    leaks: tuple[tuple[Example, Example], ...]
    similar: tuple[tuple[Example, ...], ...] = ()

    def without(self, paths: Iterable[str]) -> Deduplicated:
        """Returns the same where these images are not kept."""
        out = frozenset(paths)
        copies, similar = (
            tuple(left for group in groups if len(left := _left(group, out)) > 1)
            for groups in (self.copies, self.similar)
        )
        return replace(self, kept=_left(self.kept, out), copies=copies, similar=similar)


def deduplicate(examples: Iterable[Example]) -> Deduplicated:
    """Leaves out copies whose label cannot be trusted and copies that leak across given parts.

    Images are equal where their decoded pixels are, whatever else their files hold.
    """
    everything = tuple(examples)
    by_identity: dict[str, list[Example]] = defaultdict(list)
    for example in everything:
        by_identity[example.identity].append(example)
    groups = [tuple(group) for group in by_identity.values() if len(group) > 1]
    conflicts = tuple(group for group in groups if len({e.label for e in group}) > 1)
    agreeing = [group for group in groups if len({e.label for e in group}) == 1]
    leaks = tuple(pair for group in agreeing for pair in _leaks(group))
    dropped = {e.path for e, _ in leaks} | {e.path for group in conflicts for e in group}
    left = [tuple(e for e in group if e.path not in dropped) for group in agreeing]
    copies = tuple(group for group in left if len(group) > 1)
    kept = tuple(example for example in everything if example.path not in dropped)
    return Deduplicated(kept, copies, conflicts, leaks, _similar(kept))


def _left(group: tuple[Example, ...], out: frozenset[str]) -> tuple[Example, ...]:
    return tuple(example for example in group if example.path not in out)


def _leaks(group: tuple[Example, ...]) -> list[tuple[Example, Example]]:
    """Copies outside the part that is looked at last, each with one in it."""
    ranks = {example: SPLITS.index(example.part) if example.part else -1 for example in group}
    last = max(group, key=lambda example: ranks[example])
    return [(example, last) for example in group if ranks[example] < ranks[last]]


def _similar(kept: tuple[Example, ...]) -> tuple[tuple[Example, ...], ...]:
    # One of each set of equal images stands for all of them.
    first = {example.identity: example for example in reversed(kept)}
    different = sorted(first.values(), key=lambda example: example.path)
    groups = nearly_equal([example.thumbnail for example in different])
    return tuple(tuple(different[row] for row in group) for group in groups)
