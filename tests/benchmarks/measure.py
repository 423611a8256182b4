"""Measuring a reference and ours in one run, in turns, so that a busy machine slows both."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from data_pipeline.config import AugmentConfig

ROUNDS = 5
SIX = AugmentConfig(
    flip_horizontal=True,
    rotation_deg=20,
    width_shift=0.2,
    height_shift=0.2,
    zoom=0.2,
    shear_deg=11.3,
    brightness=(0.8, 1.2),
)
"""All six augmentations."""


@dataclass(frozen=True)
class Comparison:
    """Medians of one benchmark, in units a second.

    Attributes:
        what: What was measured.
        reference: The reference's median rate.
        ours: Our median rate.
        ratio: Ours over the reference's.
        at_least: The ratio that is asked for.
    """

    what: str
    reference: float
    ours: float
    ratio: float
    at_least: float

    def show(self) -> None:
        """Prints the figures as a line of JSON and as a row of a table."""
        print()
        print(json.dumps(asdict(self)))
        print(f"{'what':<44} {'reference/s':>12} {'ours/s':>12} {'ratio':>7} {'at least':>9}")
        print(
            f"{self.what:<44} {self.reference:>12,.0f} {self.ours:>12,.0f} "
            f"{self.ratio:>7.1f} {self.at_least:>9.1f}"
        )


def compare(
    what: str, reference: Callable[[], int], ours: Callable[[], int], at_least: float
) -> Comparison:
    """Runs both in turns, once to warm up and then `ROUNDS` times.

    Args:
        what: What is measured.
        reference: Does the reference's work and returns how many units it was.
        ours: Does ours.
        at_least: The ratio that is asked for.
    """
    rates: dict[Callable[[], int], list[float]] = {reference: [], ours: []}
    for _ in range(ROUNDS + 1):
        for work, measured in rates.items():
            began = time.perf_counter()
            units = work()
            measured.append(units / (time.perf_counter() - began))
    medians = [statistics.median(measured[1:]) for measured in rates.values()]
    return Comparison(what, medians[0], medians[1], medians[1] / medians[0], at_least)
