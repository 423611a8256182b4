"""Tests of choosing an ensemble."""

from __future__ import annotations

import numpy as np
import pytest

from studies.ensembles import choose, greedy_soup, softmax
from studies.metrics import METRICS

LABELS = np.arange(300) % 3
ACCURACY = METRICS["accuracy"]


def scores(seed: int, strength: float) -> np.ndarray:
    """Scores of a network that sees the class through noise of its own."""
    noise = np.random.default_rng(seed).normal(size=(len(LABELS), 3))
    return strength * np.eye(3)[LABELS] + noise


def accuracy(scores: np.ndarray) -> float:
    """Its accuracy."""
    return ACCURACY.compute(softmax(scores), LABELS)


def test_networks_with_errors_of_their_own_are_better_together() -> None:
    """The ensemble of equally good ones beats each by far, and its probabilities are its own."""
    candidates = [scores(seed, 1.5) for seed in range(6)]
    found = choose(candidates, LABELS, ACCURACY, most=4)
    together = ACCURACY.compute(found.probabilities, LABELS)
    assert together > max(map(accuracy, candidates)) + 0.1
    assert 2 <= len(found.counts) <= 4
    mean = sum(n * candidates[i] for i, n in found.counts.items()) / sum(found.counts.values())
    np.testing.assert_allclose(found.probabilities, softmax(np.asarray(mean)))


def test_useless_networks_are_left_out() -> None:
    """Beside a good network, noise gets no share."""
    candidates = [scores(0, 6.0), *(scores(seed, 0.0) for seed in range(1, 5))]
    assert choose(candidates, LABELS, ACCURACY, most=5).counts == {0: 1}


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("seed", range(5))
def test_it_is_never_worse_than_the_first(name: str, seed: int) -> None:
    """Whatever the metric, and whatever the candidates."""
    metric = METRICS[name]
    strengths = np.random.default_rng(seed).uniform(0, 2, 5)
    candidates = [scores(10 * seed + i, strength) for i, strength in enumerate(strengths)]
    found = choose(candidates, LABELS, metric, most=3)
    first = metric.compute(softmax(candidates[0]), LABELS)
    together = metric.compute(found.probabilities, LABELS)
    assert metric.order(together) <= metric.order(first)


def test_a_network_may_count_more_than_once() -> None:
    """The better one gets the larger share."""
    counts = choose([scores(0, 3.0), scores(1, 2.0)], LABELS, METRICS["loss"], most=2).counts
    assert counts[0] > counts[1] >= 1


def test_a_soup_takes_what_does_not_spoil_it() -> None:
    """The mean of two noisy weights is better than each; one that is far off is left out."""
    weights = {"a": 0.4, "b": -0.4, "far": 40.0}

    def mix(names: list[str]) -> np.ndarray:
        error = np.mean([weights[name] for name in names])
        return softmax(scores(0, 3.0) + error * np.array([1.0, 0.0, 0.0]))

    kept = greedy_soup(["a", "far", "b"], mix, LABELS, METRICS["loss"])  # type: ignore[arg-type]
    assert kept == ["a", "b"]
