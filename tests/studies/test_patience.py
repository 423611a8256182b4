"""Tests of what more trials can be expected to add."""

from __future__ import annotations

import itertools

import pytest

from studies.patience import expected_gain, standard_error


def test_it_is_the_mean_gain_of_the_second_half() -> None:
    """Over all ways in which two of four values, drawn with replacement, come first."""
    values = [0.1, 0.4, 0.8, 0.5]
    first = [max(pair) for pair in itertools.product(values, repeat=2)]
    assert expected_gain(values) == pytest.approx(0.8 - sum(first) / len(first))
    assert expected_gain(values, maximize=False) == pytest.approx(
        sum(min(pair) for pair in itertools.product(values, repeat=2)) / len(first) - 0.1
    )


def test_equal_trials_leave_nothing_to_gain() -> None:
    """However many."""
    assert expected_gain([0.7] * 11) == pytest.approx(0.0)


def test_the_error_of_a_share() -> None:
    """That of a binomial, and of one image where all were right."""
    assert standard_error(0.5, 100) == pytest.approx(0.05)
    assert standard_error(1.0, 100) == pytest.approx(0.01)
