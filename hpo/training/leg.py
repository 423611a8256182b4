"""One phase of a trial under way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data_pipeline.batches import generator
from hpo.training.device import Device
from hpo.training.inputs import Batch, Inputs, TrialData
from hpo.training.phases import Phase
from hpo.training.program import Program
from hpo.training.programs import Programs
from hpo.training.protocol import Train
from models.memory import training_bytes
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

    def batches(self, job: Train, epoch: int) -> tuple[Iterator[Batch], int]:
        """Returns the phase's batches from `epoch` on, and how many make an epoch."""
        if self._batches is None:
            self._batches = self.inputs.train(job, range(epoch, self.phase.until + 1))
        return self._batches

    def trace(self) -> None:
        """Traces what is run first, which else happens when it is."""
        self.program.trace()
        self.inputs.trace()

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


def require_memory(leg: Leg, batch_size: int, device: Device) -> None:
    """Refuses, before anything is tried, what is far too large for this machine.

    Raises:
        MemoryError: One step needs more memory than there is.
    """
    needed = training_bytes(leg.program.network, batch_size, on_features=leg.program.on_features)
    if device.memory_bytes is not None and needed > device.memory_bytes:
        raise MemoryError(
            f"One step would need about {needed / 1e9:.1f} GB; "
            f"this machine has {device.memory_bytes / 1e9:.1f} GB."
        )
