"""Trains one trial, from its settings or its last checkpoint to an outcome."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from data_pipeline.batches import EvalBatch
from hpo.training import checkpoint, metrics, mishaps, policies
from hpo.training.calibration import fast_precision
from hpo.training.checkpoint import TrialState
from hpo.training.inputs import Batch, TrialData
from hpo.training.leg import Leg, require_memory, start_leg
from hpo.training.link import LaidAside, Link, reporter
from hpo.training.phases import Phase, phase_at
from hpo.training.program import EpochSums
from hpo.training.programs import Programs
from hpo.training.protocol import Alive, EpochEnd, Finished, Started, Train
from hpo.training.saver import Saver
from hpo.training.stopwatch import Stopwatch
from studies.hits import Hits
from studies.metrics import METRICS
from studies.record import Outcome, Reason


def run_trial(job: Train, data: TrialData, programs: Programs, link: Link) -> Finished:
    """Trains one trial.

    Args:
        job: What to train.
        data: The images.
        programs: Networks already traced by this worker.
        link: To the coordinator.

    Returns:
        How it ended, or how it stands where it was laid aside.
    """
    run = _Run(job, data, programs, link)
    outcome = fatal = None
    try:
        outcome = run.train()
    except LaidAside:
        outcome = run.standing()
    except Exception as error:
        fatal = mishaps.hindrance(error)
        if starved := mishaps.starvation(error):
            outcome = run.outcome("out of memory", message=starved)
        elif not fatal:
            outcome = run.outcome("failed", message=traceback.format_exc())
    return Finished(outcome=outcome, fatal=fatal)


def make_ready(job: Train, data: TrialData, programs: Programs) -> None:
    """Builds and traces what a trial will need, before its images are there.

    A trial that is not made ready comes to the same later, so whatever goes wrong here is left
    for it to find.
    """
    with suppress(Exception):
        precision = _precision(job, data, programs)
        start_leg(phase_at(job.config, 0), job, data, programs, precision).trace()


def _precision(job: Train, data: TrialData, programs: Programs) -> str:
    """Returns the trial's Keras dtype policy: the one asked for, or what is fast here."""
    if job.precision != "auto":
        return job.precision
    return fast_precision(job.config.model, programs.device, data.cache)


@dataclass
class _Run:
    job: Train
    data: TrialData
    programs: Programs
    link: Link
    state: TrialState = field(init=False)
    facts: dict[str, str | int | float] = field(default_factory=dict)
    watch: Stopwatch = field(default_factory=Stopwatch)
    saver: Saver = field(default_factory=Saver)

    def __post_init__(self) -> None:
        self.config = self.job.config
        self.folder = Path(self.job.folder)
        self.metric = METRICS[self.job.metric]
        self.state = TrialState(identity=self._identity())

    def train(self) -> Outcome:
        """Runs epochs until the trial is over and returns how it ended, its files written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.saver:
            return self._train_to_the_end()

    def _train_to_the_end(self) -> Outcome:
        leg = self._begin()
        training = self.config.training
        while True:
            over = policies.is_over(
                self.state.policy, self.state.epoch, training, self.metric.perfect
            )
            if self.state.epoch and self._verdict() == "prune" and not over:
                return self.outcome("pruned")
            if over:
                break
            if (phase := phase_at(self.config, self.state.epoch)) != leg.phase:
                before, leg = leg, self._leg(phase)
                leg.follow(before)
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
            seconds=self.watch.seconds(),
            facts=self.facts,
            message=message,
        )

    def standing(self) -> Outcome | None:
        """Returns how the trial stands, to be of use before it is continued.

        It is continued all the same where that cannot be said, so whatever goes wrong is left.
        """
        if not self.state.epoch:
            return None
        with suppress(Exception):
            return self._confirm("interrupted")
        return None

    def _begin(self) -> Leg:
        loaded = checkpoint.load(self.folder, self.state.identity)
        if loaded:
            self.state = loaded[0]
            self.watch.add(self.state.seconds)
        with self.watch.timed("start-up"):
            precision = self.state.precision or _precision(self.job, self.data, self.programs)
            self.state = self.state.model_copy(update={"precision": precision})
        leg = self._leg(phase_at(self.config, max(0, self.state.epoch - 1)))
        require_memory(leg, self.config.training.batch_size, self.programs.device)
        if loaded:
            leg.program.set_state(loaded[1])
        self.facts |= {
            "parameters": leg.program.parameters,
            "image_size_px": leg.phase.model.image_size_px,
            "device": self.programs.device.name,
            "precision": self.state.precision,
        }
        self.link.send(Started(epoch=self.state.epoch))
        return leg

    def _identity(self) -> str:
        """Returns a hash of everything but the machine that the trial's result depends on."""
        job = self.job
        parts = [self.config.identity, job.number, job.seed, job.metric, self.data.manifest.digest]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def _leg(self, phase: Phase) -> Leg:
        with self.watch.timed("start-up"):
            return start_leg(phase, self.job, self.data, self.programs, self.state.precision)

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
        with self.watch.timed("data"):
            batches, steps = leg.batches(self.job, epoch)
        with self.watch.timed("training"):
            sums = self._train(leg, batches, steps)
        if not sums.finite:
            return False
        if not sums.complete:
            raise LaidAside
        with self.watch.timed("evaluation"):
            logits, labels = leg.program.logits(self._told(leg.inputs.validation()))
            figures = metrics.evaluate(logits, labels)
        if not np.isfinite(logits).all():
            return False
        row = {"loss": sums.loss, "accuracy": sums.accuracy, "learning_rate": rate}
        self._save(leg, row | {f"val_{name}": value for name, value in figures.items()})
        self.facts["images_per_s"] = round(len(leg.inputs) / (time.monotonic() - began), 1)
        return True

    def _told(self, batches: Iterator[EvalBatch]) -> Iterator[EvalBatch]:
        """Yields batches and tells the coordinator of each, as a large evaluation takes long."""
        for batch in batches:
            self.link.send(Alive())
            yield batch

    def _train(self, leg: Leg, batches: Iterator[Batch], steps: int) -> EpochSums:
        try:
            return leg.program.train(batches, steps, reporter(self.link, steps, len(leg.inputs)))
        except tf.errors.OpError:
            if leg.inputs.failure:
                raise leg.inputs.failure from None
            raise

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
        with self.watch.timed("checkpoint"):
            self.state = self.state.model_copy(
                update={
                    "epoch": epoch,
                    "policy": policy,
                    "history": history,
                    "seconds": self.watch.seconds(),
                }
            )
            stages = leg.phase.model.trainable_stages
            best = leg.program.network.head.get_weights() if policy.best_epoch == epoch else None
            self.saver.submit(partial(self._write, self.state, leg.program.state(), best, stages))

    def _write(
        self,
        state: TrialState,
        arrays: list[np.ndarray],
        best: list[np.ndarray] | None,
        stages: int,
    ) -> None:
        """Writes the best epoch's weights, if this is it, and then what speaks of them."""
        if best is not None:
            path = checkpoint.best_path(self.folder, state.epoch)
            checkpoint.save_weights(path, best, stages)
        checkpoint.save(self.folder, state, arrays)

    def _verdict(self) -> str:
        curve = self.state.history[f"val_{self.metric.name}"]
        last = {name: values[-1] for name, values in self.state.history.items()}
        with self.watch.timed("waiting"):
            self.link.send(EpochEnd(values=curve, metrics=last))
            verdict = self.link.verdict()
        if verdict == "pause":
            raise LaidAside
        return verdict

    def _confirm(self, reason: Reason) -> Outcome:
        """Evaluates the best epoch's weights in float32, as an export would be."""
        with self.watch.timed("checkpoint"):
            self.saver.wait()
        best = checkpoint.best_path(self.folder, self.state.policy.best_epoch)
        weights, stages = checkpoint.load_weights(best)
        model = self.config.model.model_copy(update={"trainable_stages": stages})
        config = self.config.model_copy(update={"model": model})
        with self.watch.timed("evaluation"):
            inputs = self.programs.inputs(config, self.data, self.state.precision)
            predictor = self.programs.predictor(config, inputs, self.state.precision)
            predictor.network.head.set_weights(weights)
            logits, labels = predictor.logits(self._told(inputs.validation()))
        figures = metrics.evaluate(logits, labels)
        guesses = metrics.probabilities(logits).argmax(axis=1)
        return self.outcome(reason, figures[self.metric.name]).model_copy(
            update={"figures": figures, "hits": Hits.of(guesses == labels)}
        )
