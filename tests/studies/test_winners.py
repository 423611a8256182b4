"""Tests of what the best of many trials is worth."""

from __future__ import annotations

import numpy as np
import pytest

from studies.hits import Hits
from studies.winners import worth

IMAGES = 250


def draw(
    rng: np.random.Generator, trials: int, spread: float, epochs: int = 1
) -> tuple[list[Hits], float]:
    """Draws trials of nearly one skill; returns their hits, best first, and the winner's skill.

    Each has chosen the best of some epochs, between which a tenth of the images change.
    """
    skills = np.clip(0.85 + spread * rng.normal(size=trials), 0, 1)
    # Half of what decides about an image is the image: trials are right about the same ones.
    image, own = rng.uniform(size=IMAGES), rng.uniform(size=(trials, IMAGES))
    shared = rng.uniform(size=(trials, IMAGES)) < 0.5
    drawn = np.where(shared, image, own)
    right = drawn < skills[:, None]
    for _ in range(epochs - 1):
        changed = rng.uniform(size=drawn.shape) < 0.1
        epoch = np.where(changed, rng.uniform(size=drawn.shape), drawn) < skills[:, None]
        better = epoch.mean(axis=1) > right.mean(axis=1)
        right[better] = epoch[better]
    order = np.argsort(-right.mean(axis=1), kind="stable")
    return [Hits.of(right[i]) for i in order], float(skills[order[0]])


def test_the_correction_takes_away_what_choosing_added() -> None:
    """Over 100 studies of 20 trials the raw figure is too good, the corrected one is right.

    The interval holds the truth in at least 93 of the 100. The corrected figure's mean error has
    a standard error of 0.002 here, so three of them are allowed.
    """
    rng = np.random.default_rng(0)
    drawn = [draw(rng, trials=20, spread=0.01) for _ in range(100)]
    found = [(worth(hits), truth) for hits, truth in drawn]
    raw = np.mean([w.raw - truth for w, truth in found])
    corrected = np.mean([w.corrected - truth for w, truth in found])
    held = sum(w.low <= truth <= w.high for w, truth in found)
    assert raw > 0.02
    assert abs(corrected) < 0.006
    assert held >= 93


def test_the_interval_allows_for_epochs_that_were_chosen() -> None:
    """Of eight epochs a trial, which adds to the figure what hits cannot tell."""
    rng = np.random.default_rng(1)
    drawn = [draw(rng, trials=20, spread=0.01, epochs=8) for _ in range(100)]
    found = [(worth(hits), truth) for hits, truth in drawn]
    assert sum(w.low <= truth <= w.high for w, truth in found) >= 93


def test_one_trial_alone_needs_no_correction() -> None:
    """Nothing was chosen, so what is corrected is resampling's own rounding at most."""
    hits, _ = draw(np.random.default_rng(1), trials=1, spread=0.0)
    found = worth(hits)
    assert found.corrected == pytest.approx(found.raw, abs=0.003)
    assert found.low < found.corrected <= found.raw < found.high


def test_the_figure_is_the_same_each_time() -> None:
    """It is printed twice, at the end of a run and by `hpo best`."""
    hits, _ = draw(np.random.default_rng(2), trials=5, spread=0.05)
    assert worth(hits) == worth(hits)


def test_perfect_trials_are_no_error() -> None:
    """All right, and all wrong, have an interval within 0 and 1."""
    for right in (np.ones(20, bool), np.zeros(20, bool)):
        found = worth([Hits.of(right)] * 3)
        assert 0 <= found.low <= found.corrected == found.raw <= found.high <= 1
