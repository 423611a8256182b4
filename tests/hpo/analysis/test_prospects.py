"""Tests of `hpo.analysis.prospects`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hpo.analysis.prospects import FEWEST, Prospects, prospects
from hpo.results.trial_rows import TrialRow
from studies.metrics import METRICS
from studies.record import STEP_KEY

ACCURACY, LOSS = METRICS["accuracy"], METRICS["loss"]


def row(number: int, value: float | None, **attributes: Any) -> TrialRow:
    """Returns a complete trial, or a pruned one where there is no value."""
    state = "COMPLETE" if value is not None else "PRUNED"
    return TrialRow(number, number, state, value, attributes, {}, False, None)


def expected(values: list[float]) -> Prospects:
    """Returns what is expected after trials of these accuracies."""
    found = prospects([row(number, value) for number, value in enumerate(values)], ACCURACY)
    assert found is not None
    return found


def test_the_interval_holds_what_it_promises() -> None:
    """On random searches the best after as many trials again is within nine of ten intervals."""
    inside, chances, better = [], [], []
    for seed in range(200):
        values = np.random.default_rng(seed).beta(8, 3, 60)
        found = expected(list(values[:30]))
        then = values.max()
        inside.append(found.interval[0] - 1e-9 <= then <= found.interval[1] + 1e-9)
        chances.append(found.chance)
        better.append(then > found.best)
    # 200 searches: the standard errors are .02 and .035.
    assert np.mean(inside) > 0.84
    assert np.mean(chances) == pytest.approx(np.mean(better), abs=0.12)


def test_nothing_is_better_than_perfect() -> None:
    """No expectation exceeds the best possible value."""
    found = expected([0.9, 0.99, 0.95, 0.999, 0.97, 0.98, 0.96, 0.998, 0.997, 0.94, 0.93, 1.0])
    assert (found.best, found.expected, found.interval, found.chance) == (1.0, 1.0, (1.0, 1.0), 0.0)


def test_less_is_better_for_a_loss() -> None:
    """A loss is expected to fall, and never below 0."""
    rng = np.random.default_rng(0)
    rows = [row(number, value) for number, value in enumerate(rng.gamma(2, 0.3, 24))]
    found = prospects(rows, LOSS)
    assert found is not None
    assert 0 <= found.interval[0] <= found.expected <= found.best
    assert found.interval[1] <= found.best


def test_only_proposed_trials_count() -> None:
    """Baselines, steps of the opening and imported runs say nothing about the next proposals."""
    values = list(np.random.default_rng(0).random(FEWEST - 1))
    rows = [row(number, value) for number, value in enumerate(values)]
    others = [row(20, 0.5, **{STEP_KEY: "race"}), row(21, 0.6, reason="imported")]
    assert prospects([*rows, *others], ACCURACY) is None
    assert prospects([*rows, row(22, 0.4)], ACCURACY) is not None
    assert prospects([], ACCURACY) is None


def test_pruned_trials_are_tries() -> None:
    """Where most tries came to nothing, less is expected of as many more."""
    values = list(np.random.default_rng(0).random(20))
    rows = [row(number, value) for number, value in enumerate(values)]
    late = [row(20 + number, None if number % 4 else value) for number, value in enumerate(values)]
    all_done = prospects([*rows, *rows], ACCURACY)
    pruned = prospects([*rows, *late], ACCURACY)
    assert all_done is not None
    assert pruned is None or pruned.chance < all_done.chance
