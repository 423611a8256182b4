"""One set as a study sees it, with recorded runs in the place of training.

The sampler proposes any settings of the space. They are taken for the recorded ones that come
nearest, as Syne Tune does with tables of learning curves (Salinas et al. 2022, a surrogate of one
neighbour).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.space import Space
from studies.trial_config import TrialConfig
from tests.lab import cost
from tests.lab.candidates import whole_space
from tests.lab.curves import Curves, Run

KIND_WEIGHT = 20.0
"""What decides about a kind of trial: no other setting makes up for it."""
PLACE_WEIGHT = 5.0
"""Backbone and image size, which decide more than the rest together."""
_LOGARITHMIC = ("optimizer.learning_rate", "optimizer.weight_decay", "model.l2")


@dataclass(frozen=True)
class Spent:
    """What something costs.

    Attributes:
        multiply_adds: The same on every machine.
        seconds: As they were measured.
    """

    multiply_adds: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.multiply_adds + other.multiply_adds, self.seconds + other.seconds)


@dataclass(frozen=True)
class World:
    """A set whose runs are recorded.

    Attributes:
        curves: What is recorded.
    """

    curves: Curves
    _nearest: dict[str, Run] = field(default_factory=dict)

    @cached_property
    def space(self) -> Space:
        """What its studies search: the default space at the sizes that are recorded."""
        space = whole_space(self.curves.facts)
        known = {run.config.model.backbone for run in self.runs}
        held = [name for name in space.values("backbone") if name in known]
        return space.with_changes({"backbone": held})

    @cached_property
    def runs(self) -> list[Run]:
        """The recorded runs that have an epoch."""
        return [run for run in self.curves.runs.values() if run.accuracy]

    @cached_property
    def best(self) -> float:
        """The best accuracy that is recorded."""
        return max(max(run.accuracy) for run in self.runs)

    @cached_property
    def usual(self) -> float:
        """The accuracy of the median run."""
        return float(np.median([max(run.accuracy) for run in self.runs]))

    @cached_property
    def usual_s(self) -> float:
        """Seconds of the median run, alone."""
        return float(np.median([self.whole_cost(run).seconds for run in self.runs]))

    def regret(self, accuracy: float) -> float:
        """Returns how far an accuracy is from the best: 0 there, 1 at the median run and below."""
        if self.best <= self.usual:
            return 0.0
        return min(1.0, max(0.0, (self.best - accuracy) / (self.best - self.usual)))

    def nearest(self, config: TrialConfig) -> Run:
        """Returns the recorded run whose settings come nearest."""
        found = self._nearest.get(config.identity)
        if found is None:
            numbers, names = self._table
            number, name = _split(config)
            distances = (np.abs(numbers - self._scaled(number)) * _weights(number)).sum(axis=1)
            distances += ((names != np.array(list(name.values()))) * _weights(name)).sum(axis=1)
            found = self._nearest[config.identity] = self.runs[int(distances.argmin())]
        return found

    def pass_cost(self, wanted: cost.BasePass, base: int) -> Spent:
        """Returns what a pass of the frozen base costs.

        Args:
            wanted: The pass.
            base: Multiply-adds of the base for one image.
        """
        facts, key = self.curves.facts, (wanted.backbone, wanted.image_size_px, wanted.stages)
        images = facts.train_images
        if wanted.view == cost.VALIDATION:
            images = self.curves.validation_images
        seconds = self.curves.passes.get(key, 0.0) * images / facts.train_images
        return Spent(float(base * images), seconds)

    def epoch_cost(self, run: Run, epoch: int) -> Spent:
        """Returns what an epoch (from 1) of a run costs, without passes."""
        images = self.curves.facts.train_images
        passes = 1 if run.config.is_solved else cost.TRAINING_PASSES
        work = passes * run.head * images + run.head * self.curves.validation_images
        first_s = run.ready_s if epoch == 1 else 0.0
        return Spent(float(work), run.seconds[epoch - 1] + first_s)

    def whole_cost(self, run: Run) -> Spent:
        """Returns what a run costs alone, from its first pass to its last epoch."""
        made: set[cost.BasePass] = set()
        total = Spent()
        for epoch in range(1, len(run.accuracy) + 1):
            total += self.next_cost(run, epoch, made)
        return total

    def next_cost(self, run: Run, epoch: int, made: set[cost.BasePass]) -> Spent:
        """Returns what an epoch costs with the passes that were not made, which are added."""
        total = self.epoch_cost(run, epoch)
        for wanted in cost.passes(run.config, epoch):
            if wanted not in made:
                made.add(wanted)
                total += self.pass_cost(wanted, self.base_of(wanted))
        return total

    def base_of(self, wanted: cost.BasePass) -> int:
        """Returns the multiply-adds of the base that a pass goes through, for one image."""
        return self._bases.get((wanted.backbone, wanted.image_size_px, wanted.stages), 0)

    @cached_property
    def _bases(self) -> dict[tuple[str, int, int], int]:
        found = {}
        for run in self.runs:
            model = run.config.model
            found[model.backbone, model.image_size_px, model.trainable_stages] = run.base
        return found

    @cached_property
    def _table(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]]:
        rows = [_split(run.config) for run in self.runs]
        numbers = np.stack([self._scaled(number) for number, _ in rows])
        return numbers, np.array([list(name.values()) for _, name in rows])

    @cached_property
    def _bounds(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        rows = np.array([list(_split(run.config)[0].values()) for run in self.runs])
        width = np.ptp(rows, axis=0)
        return rows.min(axis=0), np.where(width > 0, width, 1.0)

    def _scaled(self, numbers: dict[str, float]) -> npt.NDArray[np.float64]:
        low, width = self._bounds
        return (np.array(list(numbers.values())) - low) / width


def worlds(recorded: Sequence[Curves]) -> list[World]:
    """Returns the sets of which enough is recorded to search."""
    return [world for curves in recorded if len((world := World(curves)).runs) >= LEAST_RUNS]


LEAST_RUNS = 12


def _split(config: TrialConfig) -> tuple[dict[str, float], dict[str, str]]:
    """Returns a trial's settings as numbers, and those without an order as names."""
    numbers: dict[str, float] = {}
    frozen = config.model.pretrained and config.model.trainable_stages == 0
    names: dict[str, str] = {"kind": f"{config.model.pretrained} {frozen} {config.is_solved}"}
    for section, fields in config.model_dump(exclude={"model": {"classes"}}).items():
        for name, value in fields.items():
            key = f"{section}.{name}"
            if isinstance(value, int | float) and not isinstance(value, bool):
                logarithmic = key in _LOGARITHMIC
                numbers[key] = math.log10(value + 1e-7) if logarithmic else float(value)
            else:
                names[key] = str(value)
    return numbers, names


def _weights(names: dict[str, Any]) -> npt.NDArray[np.float64]:
    weights = {
        "kind": KIND_WEIGHT,
        "model.backbone": PLACE_WEIGHT,
        "model.image_size_px": PLACE_WEIGHT,
    }
    return np.array([weights.get(name, 1.0) for name in names])
