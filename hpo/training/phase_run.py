"""One phase of a trial while it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_pipeline.batches import generator
from hpo.training.device import Device
from hpo.training.inputs import Batch, Inputs, TrialData
from hpo.training.phases import Phase
from hpo.training.program import Program
from hpo.training.programs import Programs
from hpo.training.protocol import Train
from models.memory import evaluation_batch, training_bytes
from models.network import set_linear_top, set_top_weights, top_weights
from models.solved_head import LinearHead


@dataclass
class PhaseRun:
    """One phase while it is trained.

    Attributes:
        phase: The phase.
        program: What is trained.
        inputs: What it is fed.
        evaluation_batch: Inputs it is evaluated on at once.
    """

    phase: Phase
    program: Program
    inputs: Inputs
    evaluation_batch: int
    _batches: tuple[Iterator[Batch], int] | None = None

    def batches(self, job: Train, epoch: int) -> tuple[Iterator[Batch], int]:
        """Returns the phase's batches from `epoch` on, and how many make an epoch."""
        if self._batches is None:
            self._batches = self.inputs.train(job, range(epoch, self.phase.last + 1))
        return self._batches

    def trace(self) -> None:
        """Traces the network and what feeds it, before they are used."""
        self.program.trace()
        self.inputs.trace()

    def continue_from(self, before: PhaseRun) -> None:
        """Goes on with the head as the phase before left it."""
        set_top_weights(self.program.network, top_weights(before.program.network))
        self.program.restart_average()

    def begin_with(self, head: LinearHead) -> None:
        """Begins with a solved head."""
        set_linear_top(self.program.network, head)
        self.program.restart_average()


def start_phase(
    phase: Phase, job: Train, data: TrialData, programs: Programs, precision: str
) -> PhaseRun:
    """Returns a phase of a trial with fresh weights, which its seed and number decide.

    Raises:
        MemoryError: One step would need more memory than there is.
    """
    config = job.config.model_copy(update={"model": phase.model})
    inputs = programs.inputs(config, data, precision)
    program = programs.program(config, inputs, precision)
    seed = generator(job.seed, job.number, 0, "weights").integers(2**31)
    weights = (
        balanced(data.labels("train"), data.classes) if config.training.class_weights else None
    )
    program.reset(config, int(seed), weights)
    batch_size, on_features = config.training.batch_size, program.on_features
    # An evaluation needs no more than a step, by the choice of its batch.
    needed = training_bytes(program.network, batch_size, on_features=on_features)
    _require_memory(max(needed, inputs.preparing_bytes), programs.device)
    return PhaseRun(
        phase,
        program,
        inputs,
        evaluation_batch(program.network, batch_size, on_features=on_features),
    )


def balanced(labels: npt.NDArray[np.int32], classes: int) -> npt.NDArray[np.float64]:
    """Returns weights (classes,) by which all classes count alike, and the mean image as one."""
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    return np.asarray(len(labels) / (classes * counts))


def _require_memory(needed_bytes: int, device: Device) -> None:
    """Refuses, before anything is tried, what is far too large for this machine."""
    if device.memory_bytes is not None and needed_bytes > device.memory_bytes:
        raise MemoryError(
            f"One step would need about {needed_bytes / 1e9:.1f} GB; "
            f"this machine has {device.memory_bytes / 1e9:.1f} GB."
        )
