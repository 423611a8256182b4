"""Whether a network's percentages can be trusted, and what makes them trustworthy.

Everything here takes probabilities (images, classes) and labels (images,), and is about the class
that an image is given: its *confidence* is that class's probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from studies.metrics import Labels, Probabilities

Floats = npt.NDArray[np.float64]

LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.05, 20.0
FEWEST_BINS, MOST_BINS, BIN_IMAGES = 5, 10, 100
"""Groups of images of similar confidence: as many as hold so many images each, within limits."""
RESAMPLES = 200
_SMALLEST = 1e-30
"""Below it a float32 probability may have become 0, whose logarithm is no number."""


@dataclass(frozen=True)
class Bin:
    """Images of similar confidence.

    Attributes:
        images: Their number.
        confidence: Their mean confidence.
        accuracy: The share of them that is given the right class.
        low: Lower end of the 95 % interval of that share (Wilson 1927).
        high: Its upper end.
    """

    images: int
    confidence: float
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Reliability:
    """How far confidence and accuracy lie apart.

    Attributes:
        bins: From low to high confidence, with about as many images each.
        error: Calibration error, in [0, 1]: the mean distance of confidence and accuracy, without
            what chance adds to it.
        plain: The same with what chance adds: the mean over the bins as it is usually reported.
        chance: The mean of `plain` of a network whose percentages are exactly right, on as many
            images.
        chance_limit: What 95 % of such networks stay below.
    """

    bins: tuple[Bin, ...]
    error: float
    plain: float
    chance: float
    chance_limit: float


def temperature(probabilities: Probabilities, labels: Labels) -> float:
    """Returns the temperature that makes probabilities fit labels best (Guo et al. 2017).

    "On Calibration of Modern Neural Networks". Logits are divided by it, so above 1 it lowers the
    confidence. It minimises the cross-entropy, to which one image of no class in particular is
    added, as Platt (1999) does: where every image is right, the optimum would be 0.

    Args:
        probabilities: float64 (images, classes), of images that the network was not trained on;
            of logits take `hpo.training.metrics.probabilities`.
        labels: Class of each image, int (images,).
    """
    from scipy.optimize import minimize_scalar

    logits = np.log(np.maximum(probabilities, _SMALLEST))
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        logs = _log_softmax(logits / np.exp(log_temperature))
        nobody = float(-logs.mean()) if logs.size else 0.0
        return float(-logs[rows, labels].sum()) + nobody

    limits = (np.log(LEAST_TEMPERATURE), np.log(MOST_TEMPERATURE))
    return float(np.exp(minimize_scalar(loss, bounds=limits, method="bounded").x))


def tempered(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Returns probabilities, float64 (images, classes), after their logits were divided."""
    logits = np.log(np.maximum(probabilities, _SMALLEST))
    return np.asarray(np.exp(_log_softmax(logits / temperature)))


def calibration_error(probabilities: Probabilities, labels: Labels) -> float:
    """Returns `reliability(probabilities, labels).error`, in [0, 1]."""
    return reliability(probabilities, labels).error


def reliability(probabilities: Probabilities, labels: Labels) -> Reliability:
    """Compares the confidence of at least one image with how often it is right.

    Of few images the usual figure (ECE, Naeini et al. 2015) says more about their number than about
    the network: one whose percentages are exactly right shows 3 % with 15 bins of 1,000 images. So
    the bins hold equally many images (Nguyen & O'Connor 2015), there are fewer of them where there
    are few images, and what chance adds is subtracted, in squares, as noise and error add up so
    (Ferro & Fricker 2012, "A bias-corrected decomposition of the Brier score"). It is found by
    drawing labels that the probabilities are right about (Bröcker & Smith 2007, "Increasing the
    Reliability of Reliability Diagrams").
    """
    confidence, right = answers(probabilities, labels)
    order = np.argsort(confidence, kind="stable")
    confidence, right = confidence[order], right[order]
    number = min(len(order), int(np.clip(len(order) // BIN_IMAGES, FEWEST_BINS, MOST_BINS)))
    edges = np.linspace(0, len(order), number + 1).astype(int)[:-1]
    plain = float(_distances(confidence, right[None], edges)[0])
    random = np.random.default_rng(0).random((RESAMPLES, len(order)))  # the same figure each time
    by_chance = _distances(confidence, random < confidence, edges)
    error = max(0.0, plain**2 - float((by_chance**2).mean())) ** 0.5
    return Reliability(
        bins=tuple(
            _bin(confidence[a:b], right[a:b])
            for a, b in zip(edges, [*edges[1:], len(order)], strict=True)
        ),
        error=error,
        plain=plain,
        chance=float(by_chance.mean()),
        chance_limit=float(np.quantile(by_chance, 0.95)),
    )


def answers(probabilities: Probabilities, labels: Labels) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Returns the confidence of each image's class, and whether it is the right one, (images,)."""
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def _distances(
    confidence: Floats, right: npt.NDArray[np.bool_], edges: npt.NDArray[np.int_]
) -> Floats:
    """Returns the mean distance of confidence and accuracy for each row of `right`."""
    gaps = np.add.reduceat(right - confidence, edges, axis=1)
    return np.asarray(np.abs(gaps).sum(axis=1) / len(confidence))


def _bin(confidence: Floats, right: npt.NDArray[np.bool_]) -> Bin:
    from hpo.results.sealed_test import wilson

    low, high = wilson(int(right.sum()), len(right))
    return Bin(len(right), float(confidence.mean()), float(right.mean()), low, high)


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
