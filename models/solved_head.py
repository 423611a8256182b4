"""A linear head that is solved instead of trained: logistic regression on a frozen backbone.

On cached features the optimum takes seconds, where stepping towards it takes minutes. It is also
the start that fine-tuning wants: a random head sends noise through a pretrained backbone (Kumar et
al. 2022, "Fine-Tuning can Distort Pretrained Features").
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.config import STRENGTHS

MOST_ITERATIONS = 200

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LinearHead:
    """The weights of one dense layer that takes features as they are.

    Attributes:
        kernel: float32 (features, units).
        bias: float32 (units,).
    """

    kernel: Floats
    bias: Floats


def solve_path(
    features: Floats, labels: npt.NDArray[np.int32], *, sigmoid: bool, class_weights: bool
) -> Iterator[LinearHead]:
    """Yields the optimum for each of `STRENGTHS`, each starting from the one before.

    Features are standardised for the solver, so that the penalty treats them alike, and the
    standardisation is folded into what is yielded.

    Args:
        features: (n, features), of all training images; every class is among them.
        labels: (n,), class numbers from 0.
        sigmoid: One unit, the log-odds of the second of two classes, instead of one a class.
        class_weights: All classes count alike, however many images they have.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean = features.mean(axis=0, dtype=np.float64)
    deviation = features.std(axis=0, dtype=np.float64)
    # A unit that is the same for every image says nothing; dividing by its rounding error would.
    scale = np.where(deviation > 1e-6 * (1.0 + np.abs(mean)), deviation, np.inf)
    standard = ((features - mean) / scale).astype(np.float32)
    solver = LogisticRegression(
        warm_start=True,
        max_iter=MOST_ITERATIONS,
        class_weight="balanced" if class_weights else None,
    )
    for strength in STRENGTHS:
        solver.C = 1.0 / (strength * len(labels))  # scikit-learn weighs the sum of the losses
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            solver.fit(standard, labels)  # stopped early it is a head all the same: validation says
        kernel, offset = solver.coef_.T / scale[:, None], solver.intercept_
        bias = offset - mean @ kernel
        if kernel.shape[1] == 1 and not sigmoid:  # two classes: half of the log-odds each
            kernel = np.concatenate([-kernel / 2, kernel / 2], axis=1)
            bias = np.concatenate([-bias / 2, bias / 2])
        yield LinearHead(kernel.astype(np.float32), bias.astype(np.float32))
