"""Whether more images would help: heads that were solved on parts of the training images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from hpo.analysis.embedding import Embedded
from models.solved_head import solve_path

SHARES = (0.25, 0.5, 0.75, 1.0)
DRAWS = 3
"""Parts that are drawn for each share, each within the next larger one."""
MANY_IMAGES = 10_000
"""With more training images one part for each share tells as much, and takes minutes."""
STRENGTHS_TRIED = 4
"""The strong ones of `STRENGTHS`; validation images choose among them, as in a search."""
RESAMPLES = 2000
FEWEST = 8
"""Training images of a class of which a quarter still says something."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Grown:
    """How good heads are on a share of the training images.

    Attributes:
        share: The share, in (0, 1].
        images: Training images.
        accuracy: Mean over the draws of the validation accuracy.
        low: Lower end of its 95 % interval.
        high: Its upper end.
    """

    share: float
    images: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Growth:
    """What more images would bring.

    Attributes:
        points: For each of `SHARES` how good heads are.
        gain: Accuracy that the second half of the training images brought.
        gain_interval: Its 95 % interval.
        expected: Accuracy with twice as many images, if the error goes on falling at this rate.
        interval: Its 95 % interval.
    """

    points: tuple[Grown, ...]
    gain: float
    gain_interval: tuple[float, float]
    expected: float
    interval: tuple[float, float]


def grow(embedded: Embedded) -> Growth | None:
    """Returns what more images would bring; None where there are too few to say.

    Errors of learners fall by a power of the number of images (Hestness et al. 2017, "Deep Learning
    Scaling is Predictable, Empirically"): each doubling leaves the same share of them. Intervals
    are bootstrapped over the validation images and over the draws.
    """
    train = embedded.train_images
    labels = embedded.labels[:train]
    counts = np.bincount(labels, minlength=len(embedded.manifest.classes))
    if counts.min() < FEWEST or train == len(embedded.labels):
        return None
    every = _hits(embedded, np.arange(train))
    draws = np.array(
        [[*_parts(embedded, seed), every] for seed in range(DRAWS if train <= MANY_IMAGES else 1)],
        np.float64,
    )
    resampled = _resampled(draws)
    half, whole = SHARES.index(0.5), len(SHARES) - 1
    accuracies = draws.mean(axis=(0, 2))
    ahead = _doubled(accuracies[half], accuracies[whole])
    return Growth(
        points=tuple(
            Grown(share, round(share * train), float(mean), *_interval(resampled[:, number]))
            for number, (share, mean) in enumerate(zip(SHARES, accuracies, strict=True))
        ),
        gain=float(accuracies[whole] - accuracies[half]),
        gain_interval=_interval(resampled[:, whole] - resampled[:, half]),
        expected=float(ahead),
        interval=_interval(_doubled(resampled[:, half], resampled[:, whole])),
    )


def _doubled(half: Floats, whole: Floats) -> Floats:
    """Returns the accuracy with twice as many images as the whole, in [0, 1]."""
    kept = (1 - whole) / np.maximum(1 - half, 1e-9)
    return np.asarray(1 - (1 - whole) * np.minimum(kept, 1.0))


def _parts(embedded: Embedded, seed: int) -> Iterator[npt.NDArray[np.bool_]]:
    """Yields which validation images heads get right that were solved on each share but all."""
    train = embedded.train_images
    order = _spread(embedded.labels[:train], np.random.default_rng(seed))
    for share in SHARES[:-1]:
        yield _hits(embedded, order[: round(share * train)])


def _hits(embedded: Embedded, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Returns which validation images the best head gets right that was solved on these rows."""
    train, features, labels = embedded.train_images, embedded.features[0], embedded.labels
    path = solve_path(features[rows], labels[rows], sigmoid=False, class_weights=False)
    found = []
    for head in islice(path, STRENGTHS_TRIED):
        logits = features[train:] @ head.kernel + head.bias
        found.append(logits.argmax(axis=1) == labels[train:])
    return max(found, key=lambda right: right.mean())


def _spread(labels: npt.NDArray[np.int32], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Returns the rows in an order in which every beginning has all classes in their shares."""
    places = np.empty(len(labels))
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        places[rows] = np.arange(len(rows)) / len(rows)  # the first of every class come first
    return np.argsort(places, kind="stable")


def _resampled(draws: Floats) -> Floats:
    """Returns accuracies (resamples, shares) of hits (draws, shares, images)."""
    rng = np.random.default_rng(0)
    number, _, images = draws.shape
    found = []
    for _ in range(RESAMPLES):
        chosen = draws[rng.integers(0, number, number)].mean(axis=0)
        found.append(chosen[:, rng.integers(0, images, images)].mean(axis=1))
    return np.array(found)


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
