"""Interquartile means and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lab.regret import interquartile_mean, interval


def test_the_middle_half_counts() -> None:
    """Neither the best quarter nor the worst one moves it."""
    values = np.array([-100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 100.0])
    assert interquartile_mean(values) == pytest.approx(3.5)


def test_more_seeds_narrow_the_interval() -> None:
    """It holds the mean, and of one value it is that value."""
    random = np.random.default_rng(0)
    few, many = random.random((4, 10)), random.random((4, 160))
    widths = []
    for values in (few, many):
        low, high = interval(values)
        assert low < interquartile_mean(values) < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2
    assert interval(np.full((3, 5), 0.25)) == (0.25, 0.25)
