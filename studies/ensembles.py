"""Which networks to put together: greedily, by what validation images say.

A network enters as its *scores*: the logarithms of its probabilities after `temperature` has made
them honest, so that all of them speak at the same volume. An ensemble's scores are the weighted
mean of its members' scores, which comes to a mean of logits: heads on one backbone cost next to
nothing, and the result is as plain a network as its members.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from studies.metrics import METRICS, Metric

if TYPE_CHECKING:
    from studies.metrics import Labels, Probabilities

ROUNDS = 20
"""Choices of a member, repetitions counted; shares are multiples of a twentieth at the finest."""

Scores = npt.NDArray[np.float64]
"""Logarithms of probabilities up to a constant an image, (images, classes)."""
Soup = TypeVar("Soup")


@dataclass(frozen=True)
class Ensemble:
    """Members of an ensemble.

    Attributes:
        counts: Number of a candidate to how often it was chosen, at least once.
        probabilities: Of the ensemble, for the images that it was chosen on.
    """

    counts: dict[int, int]
    probabilities: Probabilities


def softmax(scores: Scores) -> Probabilities:
    """Returns probabilities whose logarithms these are up to a constant."""
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def choose(candidates: Sequence[Scores], labels: Labels, metric: Metric, most: int) -> Ensemble:
    """Returns the ensemble that greedy selection with replacement finds.

    Caruana et al. 2004 (Ensemble Selection from Libraries of Models, ICML): begin with the best
    candidate, and add again and again the one with which the whole is best. What one adds is
    judged by the cross-entropy, which a few hundred images tell more about than the accuracy; of
    the ensembles on the way the one that is best in `metric` is returned, so that it is never
    worse there than the first candidate alone.

    Args:
        candidates: Scores of each candidate for the validation images, the best first.
        labels: Class of each image, int (images,).
        metric: What the study improves.
        most: Different candidates that it may have.
    """
    chosen = [0]
    total = candidates[0].copy()
    best, best_key = {0: 1}, _key(softmax(total), labels, metric)
    for _ in range(ROUNDS - 1):
        open_to = range(len(candidates)) if len(set(chosen)) < most else sorted(set(chosen))
        losses = {i: _loss(total + candidates[i], len(chosen) + 1, labels) for i in open_to}
        added = min(losses, key=lambda i: (losses[i], i))
        chosen.append(added)
        total += candidates[added]
        key = _key(softmax(total / len(chosen)), labels, metric)
        if key < best_key:
            best, best_key = {i: chosen.count(i) for i in sorted(set(chosen))}, key
    mean = sum(count * candidates[i] for i, count in best.items()) / sum(best.values())
    return Ensemble(best, softmax(np.asarray(mean)))


def greedy_soup(
    parts: Sequence[Soup],
    mix: Callable[[Sequence[Soup]], Probabilities],
    labels: Labels,
    metric: Metric,
) -> list[Soup]:
    """Returns the parts whose weights to average, at least the first.

    Wortsman et al. 2022 (Model soups, ICML): a part stays if the average is no worse with it.

    Args:
        parts: Trained networks of one architecture that began alike, the best first.
        mix: Returns the probabilities of the network whose weights are the mean of theirs.
        labels: Class of each image, int (images,).
        metric: What the study improves.
    """
    kept = [parts[0]]
    best = _key(mix(kept), labels, metric)
    for part in parts[1:]:
        key = _key(mix([*kept, part]), labels, metric)
        if key <= best:
            kept, best = [*kept, part], key
    return kept


def _loss(total: Scores, count: int, labels: Labels) -> float:
    return METRICS["loss"].compute(softmax(total / count), labels)


def _key(shares: Probabilities, labels: Labels, metric: Metric) -> tuple[float, float]:
    """Sorts networks, the best first: by the metric, and of equal ones by the cross-entropy."""
    value = metric.compute(shares, labels)
    return (-value if metric.maximize else value), METRICS["loss"].compute(shares, labels)
