"""What a study can be tuned for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One figure of the validation images.

    Attributes:
        name: What settings and histories call it.
        direction: Whether more or less of it is better, in Optuna's words.
        label: What people read.
    """

    name: str
    direction: Literal["maximize", "minimize"]
    label: str

    @property
    def perfect(self) -> float:
        """The best value it can have."""
        return 1.0 if self.maximize else 0.0

    @property
    def maximize(self) -> bool:
        """Whether more of it is better."""
        return self.direction == "maximize"

    def order(self, value: float | None) -> float:
        """Returns a key by which complete trials are sorted, the best first."""
        return (-1.0 if self.maximize else 1.0) * (value or 0.0)

    def best(self, values: Mapping[int, float]) -> int | None:
        """Returns the number of the best of numbered values; of equals the lowest, None of none."""
        return min(values, key=lambda number: (self.order(values[number]), number), default=None)

    def better(self, value: float, than: float) -> bool:
        """Returns whether `value` is strictly better."""
        return value > than if self.maximize else value < than


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric("accuracy", "maximize", "accuracy"),
            Metric("macro_f1", "maximize", "macro F1"),
            Metric("loss", "minimize", "cross-entropy"),
        )
    }
)
