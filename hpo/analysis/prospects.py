"""What more trials would bring, judged by those that the search has proposed so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpo.results.trial_rows import TrialRow
from studies.metrics import Metric
from studies.record import LABEL_KEY, STEP_KEY

FEWEST = 10
"""Proposed trials without which nothing is expected."""
TOP = 0.2
LEAST_TOP = 5
DRAWS = 20_000


@dataclass(frozen=True)
class Prospects:
    """What is expected of more trials.

    Attributes:
        best: The best value so far.
        more: Further trials that are spoken of: as many as the search has proposed.
        chance: That one of them is better than the best, in [0, 1].
        expected: The best value then, in the mean.
        interval: 90 % interval of the best value then.
    """

    best: float
    more: int
    chance: float
    expected: float
    interval: tuple[float, float]


def prospects(rows: Sequence[TrialRow], metric: Metric) -> Prospects | None:
    """Returns what as many trials as were proposed would bring; None where there are too few.

    The trials that the sampler proposed in the second half of the search stand for those to come:
    it had learned by then. How good the best of the next will be follows from the best fifth of
    them: what lies above a high threshold is nearly exponential (Pickands 1975; Coles 2001, "An
    Introduction to Statistical Modeling of Extreme Values", ch. 4). That the scale is not known
    exactly is part of the interval. Pruned trials count as tries that came to nothing.
    """
    proposed = [
        row
        for row in rows
        if row.state in ("COMPLETE", "PRUNED")
        and not row.attributes.keys() & {LABEL_KEY, STEP_KEY}
        and row.attributes.get("reason") not in ("imported", "duplicate")
    ]
    values = [row.value for row in rows if row.ranked and row.value is not None]
    if len(proposed) < FEWEST or not values:
        return None
    recent = proposed[-max(FEWEST, len(proposed) // 2) :]
    sign = 1.0 if metric.maximize else -1.0
    reached = np.array([sign * row.value for row in recent if row.value is not None])
    if len(reached) <= LEAST_TOP:
        return None
    best = max(sign * value for value in values)
    future = _best_of(reached, len(recent), len(proposed), sign * metric.perfect)
    then = np.maximum(future, best)
    low, high = sorted(sign * np.quantile(then, (0.05, 0.95)))
    return Prospects(
        best=sign * best,
        more=len(proposed),
        chance=float((future > best).mean()),
        expected=float(sign * then.mean()),
        interval=(float(low), float(high)),
    )


def _best_of(
    reached: npt.NDArray[np.float64], tries: int, more: int, perfect: float
) -> npt.NDArray[np.float64]:
    """Returns draws of the best of some more tries, larger being better.

    Args:
        reached: Values of the tries that came to an end.
        tries: All tries.
        more: How many more there are.
        perfect: What no value exceeds.
    """
    rng = np.random.default_rng(0)  # the same expectation each time
    top = max(LEAST_TOP, round(TOP * len(reached)))
    falling = np.sort(reached)[::-1]
    threshold = falling[top]
    above = falling[:top] - threshold
    # The scale's distribution given what was seen, and how many of the next come above.
    scale = above.sum() / rng.gamma(top, size=DRAWS)
    count = rng.poisson(more * rng.gamma(top, size=DRAWS) / tries)
    # The largest of `count` exponential values, drawn by its distribution function.
    uniform = rng.random(DRAWS)
    with np.errstate(divide="ignore"):
        largest = -scale * np.log1p(-(uniform ** (1 / np.maximum(count, 1))))
    return np.minimum(np.where(count > 0, threshold + largest, -np.inf), perfect)
