"""Tests of `studies.hits`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.hits import Hits, paired_interval


@given(st.lists(st.booleans(), max_size=40))
def test_unpack_inverts_of(right: list[bool]) -> None:
    """Whatever the number of images, also after JSON."""
    stored = Hits.of(np.array(right, dtype=bool)).model_dump_json()
    assert Hits.model_validate_json(stored).unpack().tolist() == right


def test_only_images_that_differ_widen_the_interval() -> None:
    """Two trials that agree on 990 of 1,000 images are told apart far better than their figures."""
    one, other = np.ones(1000, bool), np.ones(1000, bool)
    other[:10] = False
    low, high = paired_interval(Hits.of(one), Hits.of(other))
    assert 0.002 < low < 0.01 < high < 0.02
    one[500:900] = other[500:900] = False  # both wrong: nothing changes
    assert paired_interval(Hits.of(one), Hits.of(other)) == (low, high)


def test_exchanged_trials_mirror_the_interval() -> None:
    """The sign is that of the first minus the second."""
    random = np.random.default_rng(0)
    one, other = (Hits.of(random.random(60) < share) for share in (0.8, 0.6))
    low, high = paired_interval(one, other)
    assert paired_interval(other, one) == (-high, -low)


def test_it_covers_the_truth() -> None:
    """In 2,000 simulated pairs 95 % of the intervals hold the true difference.

    The standard error of that share is 0.5 %; the method itself covers 94 to 97 %.
    """
    random, covered, difference = np.random.default_rng(0), 0, 0.08
    for _ in range(2000):
        kind = random.choice(4, size=80, p=[0.7, 0.14, 0.06, 0.1])  # both, first, second, neither
        one, other = Hits.of(kind <= 1), Hits.of((kind == 0) | (kind == 2))
        low, high = paired_interval(one, other)
        covered += low <= difference <= high
    assert 0.93 <= covered / 2000 <= 0.98


def test_different_images_are_refused() -> None:
    """Trials of another study have nothing to pair."""
    with pytest.raises(ValueError, match=r"Received: \(3, 4\)"):
        paired_interval(Hits.of(np.ones(3, bool)), Hits.of(np.ones(4, bool)))
