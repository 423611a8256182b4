"""From a network's output to its figures of merit."""

from __future__ import annotations

import numpy as np

from studies import metrics
from studies.record import Confusion

MOST_CLASSES = 12
"""A confusion matrix of more is not recorded: nobody could read it in the dashboard's note."""


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Returns class probabilities, float64 (n, classes), of logits (n, units).

    One unit is the log-odds of the second of two classes.
    """
    wide = logits.astype(np.float64)
    if wide.shape[1] == 1:
        wide = np.concatenate([np.zeros_like(wide), wide], axis=1)
    wide -= wide.max(axis=1, keepdims=True)
    exponents = np.exp(wide)
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def evaluate(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Returns every row of `studies.metrics.METRICS`, by name.

    Args:
        logits: Output of the network, (n, units).
        labels: Class of each image, int (n,).
    """
    return metrics.evaluate(probabilities(logits), labels)


def confusion(
    guesses: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]
) -> Confusion | None:
    """Returns what is taken for what; None where the classes are too many to be read.

    Args:
        guesses: Classes given, int (n,).
        labels: Class of each image, int (n,).
        classes: Their names.
    """
    if len(classes) > MOST_CLASSES:
        return None
    counts = metrics.confusions(guesses, labels, len(classes))
    return Confusion(classes=classes, counts=tuple(map(tuple, counts.tolist())))
