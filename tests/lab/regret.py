"""How far a search is from the best that is recorded, for its cost, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tests.lab.simulate import Point
from tests.lab.world import Spent, World

SHARES = (0.1, 0.25, 0.5, 1.0)
"""Shares of the budget at which methods are compared."""
BUDGET_RUNS = 12
"""A budget is what so many recorded runs cost in the mean, each on its own."""
RESAMPLES = 2000
LEVEL = 0.95

COSTS: Mapping[str, Callable[[Spent], float]] = {
    "multiply-adds": lambda spent: spent.multiply_adds,
    "seconds": lambda spent: spent.seconds,
}

Regrets = npt.NDArray[np.float64]
"""Normalised regrets (sets, seeds, shares)."""


def budget_of(world: World) -> Spent:
    """Returns the whole budget of a study of a set."""
    costs = [world.whole_cost(run) for run in world.runs]
    share = BUDGET_RUNS / len(costs)
    return Spent(
        share * sum(each.multiply_adds for each in costs),
        share * sum(each.seconds for each in costs),
    )


def regrets_of(world: World, points: Sequence[Point], cost: str, budget: Spent) -> list[float]:
    """Returns a study's regret at each share of its budget; 1 before its first epoch."""
    read = COSTS[cost]
    found = []
    for share in SHARES:
        reached = [p.accuracy for p in points if read(p.spent) <= share * read(budget)]
        found.append(world.regret(reached[-1]) if reached else 1.0)
    return found


def interquartile_mean(values: Regrets) -> float:
    """Returns the mean of the middle half (Agarwal et al. 2021)."""
    ordered = np.sort(values, axis=None)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def interval(values: Regrets, seed: int = 0) -> tuple[float, float]:
    """Returns the bootstrap interval of the interquartile mean.

    Seeds are drawn anew within each set, which stays itself: it is an interval for these sets.

    Args:
        values: Regrets (sets, seeds) at one share of the budget.
        seed: Of the draws.
    """
    random = np.random.default_rng(seed)
    sets, seeds = values.shape
    means = []
    for _ in range(RESAMPLES):
        drawn = random.integers(0, seeds, (sets, seeds))
        means.append(interquartile_mean(np.take_along_axis(values, drawn, axis=1)))
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
