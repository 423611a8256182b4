"""The figures of merit of a set of predictions."""

from __future__ import annotations

import numpy as np


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


def evaluate(logits: np.ndarray, labels: np.ndarray, classes: int) -> dict[str, float]:
    """Returns accuracy, macro-averaged F1 (both in [0, 1]) and mean cross-entropy."""
    return evaluate_probabilities(probabilities(logits), labels, classes)


def evaluate_probabilities(
    shares: np.ndarray, labels: np.ndarray, classes: int
) -> dict[str, float]:
    """The same of class probabilities (n, classes)."""
    guesses = shares.argmax(axis=1)
    likelihood = shares[np.arange(len(labels)), labels]
    loss = float(-np.log(np.maximum(likelihood, 1e-12)).mean())  # finite even where sure and wrong
    return {
        "accuracy": float((guesses == labels).mean()),
        "macro_f1": macro_f1(guesses, labels, classes),
        "loss": loss,
    }


def macro_f1(guesses: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """Returns the mean over the classes of `2 TP / (2 TP + FP + FN)`; 0 for a class never seen."""
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (labels, guesses), 1)
    hits = np.diag(confusion)
    either = confusion.sum(axis=0) + confusion.sum(axis=1)
    return float(np.divide(2 * hits, either, out=np.zeros(classes), where=either > 0).mean())
