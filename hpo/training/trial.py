"""Trains one trial, from its settings or its last checkpoint to an outcome."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from data_pipeline.batches import generator
from hpo.disk import disk_problem
from hpo.training import checkpoint, metrics, policies
from hpo.training.checkpoint import TrialState
from hpo.training.inputs import Inputs, TrialData
from hpo.training.phases import Phase, phase_at
from hpo.training.program import Program
from hpo.training.programs import Programs
from hpo.training.protocol import EpochEnd, Finished, Progress, Started, Train
from models.network import set_top_weights, top_weights
from studies.hits import Hits
from studies.metrics import METRICS
from studies.record import Outcome, Reason

PROGRESS_S = 0.25


class Link(Protocol):
    """How a trial speaks to whoever coordinates the study."""

    def send(self, event: Started | Progress | EpochEnd) -> None:
        """Sends an event."""

    def verdict(self) -> str:
        """Waits for the answer to an `EpochEnd`: continue, prune or pause."""

    def stopped(self) -> bool:
        """Whether the trial is to be laid aside within the epoch."""


class _LaidAside(Exception):  # noqa: N818 - not an error
    """The trial goes on later, from its last checkpoint."""


def run_trial(job: Train, data: TrialData, programs: Programs, link: Link) -> Finished:
    """Trains one trial.

    Args:
        job: What to train.
        data: The images.
        programs: Networks already traced by this worker.
        link: To the coordinator.

    Returns:
        How it ended; its outcome is None where it was laid aside.
    """
    run = _Run(job, data, programs, link)
    hindrance = None
    try:
        outcome = run.train()
    except _LaidAside:
        outcome = None
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        outcome = run.outcome("out of memory", message=str(error).splitlines()[0][:300])
    except Exception as error:
        hindrance = disk_problem(error) if isinstance(error, OSError) else None
        failed = run.outcome("failed", message=traceback.format_exc())
        outcome = None if hindrance else failed
    weights = run.best_weights()
    return Finished(
        number=job.number,
        outcome=outcome,
        weights=str(weights) if weights else None,
        hindrance=hindrance,
    )


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
    _batches: tuple[Iterator[Any], int] | None = None

    def batches(self, job: Train, epochs: range) -> tuple[Iterator[Any], int]:
        """Returns the batches from the first of `epochs` on, and how many make an epoch."""
        if self._batches is None:
            self._batches = self.inputs.train(job, epochs)
        return self._batches


@dataclass
class _Run:
    job: Train
    data: TrialData
    programs: Programs
    link: Link
    state: TrialState = field(init=False)
    facts: dict[str, str | int | float] = field(default_factory=dict)
    _spent: dict[str, float] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.config = self.job.config
        self.folder = Path(self.job.folder)
        self.metric = METRICS[self.job.metric]
        self.state = TrialState(identity=self._identity())

    def train(self) -> Outcome:
        """Runs epochs until the trial is over and returns how it ended."""
        self.folder.mkdir(parents=True, exist_ok=True)
        leg = self._begin()
        training = self.config.training
        while True:
            if self.state.epoch and self._verdict() == "prune":
                return self.outcome("pruned")
            if policies.is_over(self.state.policy, self.state.epoch, training, self.metric.perfect):
                break
            if (phase := phase_at(self.config, self.state.epoch)) != leg.phase:
                leg = self._change(leg, phase)
            if not self._epoch(leg):
                return self.outcome("diverged", message="The loss was not finite.")
        early = policies.stopped_early(self.state.policy, training, self.metric.perfect)
        done = self.state.epoch >= training.epochs
        return self._confirm("stopped early" if early and not done else "complete")

    def outcome(
        self, reason: Reason, value: float | None = None, message: str | None = None
    ) -> Outcome:
        """Returns how the trial ended, with all that was measured until then."""
        return Outcome(
            reason=reason,
            value=value,
            best_epoch=self.state.policy.best_epoch or None,
            history=self.state.history,
            seconds=self._seconds(),
            facts=self.facts,
            message=message,
        )

    def best_weights(self) -> Path | None:
        """Returns the file with the best epoch's weights, where there is one."""
        path = checkpoint.best_path(self.folder, self.state.policy.best_epoch)
        return path if path.exists() else None

    def _begin(self) -> Leg:
        loaded = checkpoint.load(self.folder, self.state.identity)
        if loaded:
            self.state = loaded[0]
        leg = self._leg(phase_at(self.config, max(0, self.state.epoch - 1)))
        if loaded:
            leg.program.set_state(loaded[1])
        self.facts |= {
            "parameters": leg.program.parameters,
            "image_size_px": leg.phase.model.image_size_px,
            "device": self.programs.device.name,
            "precision": self._precision(),
        }
        self.link.send(
            Started(
                number=self.job.number,
                epoch=self.state.epoch,
                parameters=leg.program.parameters,
            )
        )
        return leg

    def _identity(self) -> str:
        """Returns a hash of everything but the machine that the trial's result depends on."""
        job = self.job
        parts = [self.config.identity, job.number, job.seed, job.metric, self.data.manifest.digest]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def _precision(self) -> str:
        return self.programs.device.precision(self.job.precision, self.config.model.image_size_px)

    def _leg(self, phase: Phase) -> Leg:
        with self._timed("start-up"):
            config = self.config.model_copy(update={"model": phase.model})
            inputs = self.programs.inputs(config, self.data, self._precision())
            program = self.programs.program(config, inputs, self._precision())
            seed = generator(self.job.seed, self.job.number, 0, "weights").integers(2**31)
            program.reset(phase.model, config.optimizer, int(seed))
        return Leg(phase, program, inputs)

    def _change(self, before: Leg, phase: Phase) -> Leg:
        """Goes over to the next phase's network, with the head as it is now."""
        weights = top_weights(before.program.network)
        after = self._leg(phase)
        set_top_weights(after.program.network, weights)
        return after

    def _epoch(self, leg: Leg) -> bool:
        """Trains and evaluates one epoch and saves it; False where the loss was not finite."""
        epoch, began = self.state.epoch + 1, time.monotonic()
        rate = max(
            self.config.optimizer.learning_rate
            * leg.phase.rate_scale
            * self.state.policy.rate_scale,
            self.config.training.min_learning_rate,
        )
        leg.program.set_learning_rate(rate)
        with self._timed("data"):
            batches, steps = leg.batches(self.job, range(epoch, self.config.training.epochs + 1))
        with self._timed("training"):
            on_call = self._on_call(epoch, steps, len(leg.inputs))
            sums = leg.program.train(batches, steps, on_call)
        if not sums.finite:
            return False
        if not sums.complete:
            raise _LaidAside
        with self._timed("evaluation"):
            logits, labels = leg.program.logits(leg.inputs.validation())
            figures = metrics.evaluate(logits, labels, self.data.classes)
        if not np.isfinite(logits).all():
            return False
        row = {"loss": sums.loss, "accuracy": sums.accuracy, "learning_rate": rate}
        self._save(leg, row | {f"val_{name}": value for name, value in figures.items()})
        self.facts["images_per_s"] = round(len(leg.inputs) / (time.monotonic() - began), 1)
        return True

    def _on_call(self, epoch: int, steps: int, images: int) -> Callable[[int], bool]:
        began = last = time.monotonic()

        def on_call(done: int) -> bool:
            nonlocal last
            if self.link.stopped():
                return False
            now = time.monotonic()
            if now - last >= PROGRESS_S:
                last = now
                speed = images * done / steps / (now - began)
                self.link.send(
                    Progress(
                        number=self.job.number, epoch=epoch, done=done / steps, images_per_s=speed
                    )
                )
            return True

        return on_call

    def _save(self, leg: Leg, row: dict[str, float]) -> None:
        epoch = self.state.epoch + 1
        policy = policies.advance(
            self.state.policy,
            epoch,
            row[f"val_{self.metric.name}"],
            maximize=self.metric.maximize,
            training=self.config.training,
        )
        history = {name: [*self.state.history.get(name, []), row[name]] for name in row}
        with self._timed("checkpoint"):
            if policy.best_epoch == epoch:
                checkpoint.save_weights(
                    checkpoint.best_path(self.folder, epoch),
                    leg.program.network.head.get_weights(),
                    leg.phase.model.trainable_stages,
                )
            self.state = self.state.model_copy(
                update={
                    "epoch": epoch,
                    "policy": policy,
                    "history": history,
                    "seconds": self._seconds(),
                }
            )
            self._spent.clear()
            self._began = time.monotonic()
            checkpoint.save(self.folder, self.state, leg.program.state())

    def _verdict(self) -> str:
        curve = self.state.history[f"val_{self.metric.name}"]
        last = {name: values[-1] for name, values in self.state.history.items()}
        with self._timed("waiting"):
            seconds = self.state.seconds.get("total", 0.0) / self.state.epoch
            self.link.send(
                EpochEnd(number=self.job.number, values=curve, metrics=last, seconds=seconds)
            )
            verdict = self.link.verdict()
        if verdict == "pause":
            raise _LaidAside
        return verdict

    def _confirm(self, reason: Reason) -> Outcome:
        """Evaluates the best epoch's weights in float32, as an export would be."""
        best = self.best_weights()
        if best is None:
            raise RuntimeError(f"The best epoch's weights are missing in {self.folder}.")
        weights, stages = checkpoint.load_weights(best)
        model = self.config.model.model_copy(update={"trainable_stages": stages})
        config = self.config.model_copy(update={"model": model})
        with self._timed("evaluation"):
            inputs = self.programs.inputs(config, self.data, self._precision())
            predictor = self.programs.predictor(config, inputs)
            predictor.network.head.set_weights(weights)
            logits, labels = predictor.logits(inputs.validation())
        value = metrics.evaluate(logits, labels, self.data.classes)[self.metric.name]
        guesses = metrics.probabilities(logits).argmax(axis=1)
        return self.outcome(reason, value).model_copy(update={"hits": Hits.of(guesses == labels)})

    def _seconds(self) -> dict[str, float]:
        now = self._spent | {"total": time.monotonic() - self._began}
        before = self.state.seconds
        return {name: before.get(name, 0.0) + now.get(name, 0.0) for name in before | now}

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._spent[phase] = self._spent.get(phase, 0.0) + time.monotonic() - began
