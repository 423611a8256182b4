"""Whether more trials can be expected to help."""

from __future__ import annotations

import math
from collections.abc import Sequence

LEAST_TRIALS = 10
"""Of fewer trials nobody can tell what more of them would add."""


def expected_gain(values: Sequence[float], *, maximize: bool = True) -> float:
    """Returns by how much as many trials again may improve the best value, at most, in the mean.

    It is what the second half of the trials improved, in the mean over all orders they could have
    come in (Dodge et al. 2019, "Show Your Work: Improved Reporting of Experimental Results",
    EMNLP): each doubling brings less than the one before.

    Args:
        values: The objective of each trial that ended, at least one.
        maximize: Whether more of it is better.
    """
    ordered, count = sorted(values, reverse=not maximize), len(values)
    chances = [math.pow(place / count, count / 2) for place in range(count + 1)]
    half = sum(value * (chances[place + 1] - chances[place]) for place, value in enumerate(ordered))
    return abs(ordered[-1] - half)


def standard_error(share: float, images: int) -> float:
    """Returns by how much a share of so many images may be off; that of one image at least."""
    return max(math.sqrt(max(share * (1 - share), 0.0) / images), 1 / images)
