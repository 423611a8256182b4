"""Tests of the figures on the test images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo.results.sealed_test import bootstrap_macro_f1, wilson
from studies.metrics import f1_of_guesses


def test_wilson_gives_the_published_intervals() -> None:
    """Table I of Newcombe (1998), Statistics in Medicine 17:857-872, method 3."""
    cases = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0.0, 0.1611)}
    for (hits, total), (low, high) in cases.items():
        assert wilson(hits, total) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_within_0_and_1(case: tuple[int, int]) -> None:
    """The interval is never empty and never leaves what a share can be."""
    hits, total = case
    low, high = wilson(hits, total)
    assert 0 <= low <= hits / total + 1e-12
    assert hits / total - 1e-12 <= high <= 1
    assert low < high


def test_the_bootstrap_is_repeatable_and_holds_the_value() -> None:
    """The same predictions have the same interval; it lies around their macro F1."""
    random = np.random.default_rng(0)
    labels = random.integers(3, size=200)
    guesses = np.where(random.random(200) < 0.8, labels, random.integers(3, size=200))
    low, high = bootstrap_macro_f1(guesses, labels, 3)
    assert bootstrap_macro_f1(guesses, labels, 3) == (low, high)
    assert low < f1_of_guesses(guesses, labels, 3) < high
    assert 0.06 < high - low < 0.16  # a share of 0.87 of 200 has an interval of 0.09


def test_certain_predictions_have_a_certain_bootstrap() -> None:
    """Where everything is right every resample is right."""
    labels = np.arange(30) % 3
    assert bootstrap_macro_f1(labels, labels, 3) == (1.0, 1.0)
