"""One phase of a trial under way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data_pipeline.batches import generator
from hpo.training.inputs import Batch, Inputs, TrialData
from hpo.training.phases import Phase
from hpo.training.program import Program
from hpo.training.programs import Programs
from hpo.training.protocol import Train
from models.network import set_top_weights, top_weights


@dataclass
class Leg:
    """One phase under way.

    Attributes:
        phase: The phase.
        program: What is trained.
        inputs: What it is fed.
    """

    phase: Phase
    program: Program
    inputs: Inputs
    _batches: tuple[Iterator[Batch], int] | None = None

    def batches(self, job: Train, epochs: range) -> tuple[Iterator[Batch], int]:
        """Returns the batches from the first of `epochs` on, and how many make an epoch."""
        if self._batches is None:
            self._batches = self.inputs.train(job, epochs)
        return self._batches

    def follow(self, before: Leg) -> None:
        """Goes on with the head as the phase before left it."""
        set_top_weights(self.program.network, top_weights(before.program.network))


def start_leg(phase: Phase, job: Train, data: TrialData, programs: Programs, precision: str) -> Leg:
    """Returns a phase of a trial with fresh weights, which its seed and number decide."""
    config = job.config.model_copy(update={"model": phase.model})
    inputs = programs.inputs(config, data, precision)
    program = programs.program(config, inputs, precision)
    seed = generator(job.seed, job.number, 0, "weights").integers(2**31)
    program.reset(phase.model, config.optimizer, int(seed))
    return Leg(phase, program, inputs)
