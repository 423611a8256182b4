"""Trains one trial, from its settings or its last checkpoint to an outcome."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from data_pipeline.batches import EvalBatch
from hpo.training import checkpoint, diagnosis, metrics, policies
from hpo.training.calibration import fast_precision
from hpo.training.checkpoint import TrialState
from hpo.training.inputs import Batch, TrialData
from hpo.training.link import Link, Paused, reporter
from hpo.training.phase_run import PhaseRun, start_phase
from hpo.training.phases import Phase, phase_of
from hpo.training.program import EpochSums
from hpo.training.programs import Programs
from hpo.training.protocol import Alive, EpochEnd, Finished, Started, Train
from hpo.training.saver import Saver
from hpo.training.solving import SolvedHeads
from hpo.training.stopwatch import Stopwatch
from models.config import STRENGTHS
from models.memory import evaluation_batch
from models.network import head_weights, set_head_weights, set_linear_top
from models.solved_head import LinearHead
from studies.hits import Hits
from studies.metrics import METRICS
from studies.record import Outcome, Reason

LEAST_STATISTICS_IMAGES, MOST_STATISTICS_IMAGES = 256, 1024
"""How many training images batch normalisation's statistics are taken from before an evaluation: a
tenth of all, within these bounds. Wu & Johnson (2021) find a thousand enough. On 700 photos of 48
px, 256 gave the same accuracies as all of them, at a third of the cost."""
TRAIN_SAMPLE_IMAGES = 2048
"""Training images whose accuracy is reported for the best epoch: enough for a standard error of one
point at most. A forward pass over them takes less than an epoch, and is done once a trial."""


def run_trial(job: Train, data: TrialData, programs: Programs, link: Link) -> Finished:
    """Trains one trial.

    Args:
        job: What to train.
        data: The images.
        programs: Networks already traced by this worker.
        link: To the coordinator.

    Returns:
        How it ended; of a paused trial what its best epoch comes to.
    """
    run = TrialRun(job, data, programs, link)
    outcome = fatal = None
    try:
        outcome = run.train()
    except Paused:
        outcome = run.paused_outcome()
    except Exception as error:
        fatal = diagnosis.fatal(error)
        if message := diagnosis.out_of_memory(error):
            outcome = run.outcome("out of memory", message=message)
        elif not fatal:
            outcome = run.outcome("failed", message=traceback.format_exc())
    return Finished(outcome=outcome, fatal=fatal)


def make_ready(job: Train, data: TrialData, programs: Programs) -> None:
    """Builds and traces what a trial will need, before its images are there.

    The trial's result does not depend on it, and an error is ignored: the trial meets it again,
    and reports it.
    """
    with suppress(Exception):
        precision = _precision(job, data, programs)
        start_phase(phase_of(job.config, 1), job, data, programs, precision).trace()


def _precision(job: Train, data: TrialData, programs: Programs) -> str:
    """Returns the trial's Keras dtype policy: the one asked for, or what is fast here."""
    if job.precision != "auto":
        return job.precision
    return fast_precision(job.config.model, programs.device, data.cache, programs.catalogue)


@dataclass
class TrialRun:
    """One trial while it is trained; see `run_trial`."""

    job: Train
    data: TrialData
    programs: Programs
    link: Link
    state: TrialState = field(init=False)
    facts: dict[str, str | int | float] = field(default_factory=dict)
    watch: Stopwatch = field(default_factory=Stopwatch)
    saver: Saver = field(default_factory=Saver)
    _solved: SolvedHeads | None = None

    def __post_init__(self) -> None:
        self.config = self.job.config
        self.folder = Path(self.job.folder)
        self.metric = METRICS[self.job.metric]
        self.state = TrialState(identity=self._identity(self.job))

    def train(self) -> Outcome:
        """Runs epochs until the trial is over and returns how it ended, its files written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config, perfect = self.config, self.metric.perfect
        with self.saver:
            run = self._begin()
            while True:
                over = policies.is_over(self.state.policy, self.state.epoch, config, perfect)
                # The verdict on the last epoch is asked for as on any other, since a pause may
                # come with it. But a trial that is over anyway is not pruned: its value is there.
                if self.state.epoch and self._verdict() == "prune" and not over:
                    return self.outcome("pruned")
                if over:
                    break
                phase = phase_of(self.config, self.state.epoch + 1)
                if phase.model != run.phase.model:
                    before, run = run, self._start(phase)
                    run.continue_from(before)
                elif phase != run.phase:
                    run = replace(run, phase=phase)
                finite = self._solve(run) if run.phase.solved else self._epoch(run)
                if not finite:
                    return self.outcome("diverged", message="The loss was not finite.")
            early = policies.stopped_early(self.state.policy, config, perfect)
            done = self.state.epoch >= config.epochs
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

    def paused_outcome(self) -> Outcome | None:
        """Returns what the best epoch comes to so far, for use until the trial is continued.

        The trial can be continued without it, so an error is ignored here.
        """
        if not self.state.epoch:
            return None
        with suppress(Exception):
            return self._confirm("interrupted")
        return None

    def _identity(self, job: Train) -> str:
        """Returns a hash of everything but the machine that a trial's result depends on."""
        parts = [job.config.identity, job.number, job.seed, job.metric, self.data.manifest.digest]
        if job.continues:
            parts.append(self._identity(job.continues))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def _begin(self) -> PhaseRun:
        loaded = checkpoint.load(self.folder, self.state.identity)
        if not loaded and (before := self.job.continues):
            source, identity = Path(before.folder), self._identity(before)
            checkpoint.adopt(source, identity, self.folder, self.state.identity)
            loaded = checkpoint.load(self.folder, self.state.identity)
        if loaded:
            self.state = loaded[0]
            self.watch.add(self.state.seconds)
        with self.watch.timed("start-up"):
            precision = self.state.precision or _precision(self.job, self.data, self.programs)
            self.state = self.state.model_copy(update={"precision": precision})
        # The checkpoint's arrays belong to the phase of its last epoch, even where that was the
        # phase's last: the next phase then takes the head from there.
        run = self._start(phase_of(self.config, max(1, self.state.epoch)))
        if loaded:
            run.program.set_state(loaded[1])
        elif self.config.training.solved_head and not run.phase.solved:
            # A random head would send noise through the pretrained layers above the cut.
            with self.watch.timed("solving"):
                run.begin_with(self._first_head())
        self.facts |= {
            "parameters": run.program.parameters,
            "image_size_px": run.phase.model.image_size_px,
            "device": self.programs.device.name,
            "precision": self.state.precision,
        }
        self.link.send(Started(epoch=self.state.epoch))
        return run

    def _start(self, phase: Phase) -> PhaseRun:
        with self.watch.timed("start-up"):
            return start_phase(phase, self.job, self.data, self.programs, self.state.precision)

    def _epoch(self, run: PhaseRun) -> bool:
        """Trains and evaluates one epoch and saves it; False where the loss was not finite."""
        epoch, began = self.state.epoch + 1, time.monotonic()
        with self.watch.timed("data"):
            batches, steps = run.batches(self.job, epoch)
        rates = policies.learning_rates(self.config, run.phase, self.state.policy, epoch, steps)
        with self.watch.timed("training"):
            sums = self._train(run, batches, rates)
        if not sums.finite:
            return False
        if not sums.complete:
            raise Paused
        with self.watch.timed("evaluation"), run.program.averaged():
            # Before the weights are judged and saved, batch normalisation gets the statistics that
            # belong to them. They are taken from training images as they are, since those to be
            # classified are neither augmented nor mixed: on photos that was 2 to 4 points better
            # than statistics of augmented images.
            if self.config.training.batch_norm == "precise" and run.program.follows_statistics:
                count = min(
                    max(len(run.inputs) // 10, LEAST_STATISTICS_IMAGES), MOST_STATISTICS_IMAGES
                )
                sample = run.inputs.train_sample(count, run.evaluation_batch)
                run.program.refresh_statistics(self._reporting(sample))
            figures = self._validate(run)
            weights = head_weights(run.program.network)
        if figures is None:
            return False
        row = {"loss": sums.loss, "accuracy": sums.accuracy, "learning_rate": rates[-1]}
        self._save(run, weights, row | {f"val_{name}": value for name, value in figures.items()})
        self.facts["images_per_s"] = round(len(run.inputs) / (time.monotonic() - began), 1)
        return True

    def _solve(self, run: PhaseRun) -> bool:
        """Solves the head for one more strength of its penalty, which stands for an epoch."""
        with self.watch.timed("solving"):
            self.link.send(Alive())
            heads, number = self._heads(), self.state.epoch + 1
            head = heads.head(number)
            set_linear_top(run.program.network, head)
            train = heads.training_figures(head)
        with self.watch.timed("evaluation"):
            figures = self._validate(run)
        if figures is None:
            return False
        row = {"loss": train["loss"], "accuracy": train["accuracy"]}
        row |= {"penalty": STRENGTHS[number - 1]}
        row |= {f"val_{name}": value for name, value in figures.items()}
        self._save(run, head_weights(run.program.network), row)
        return True

    def _validate(self, run: PhaseRun) -> dict[str, float] | None:
        """Returns every metric of the validation images; None where an output is not finite."""
        validation = run.inputs.validation(run.evaluation_batch)
        logits, labels = run.program.logits(self._reporting(validation))
        return metrics.evaluate(logits, labels) if np.isfinite(logits).all() else None

    def _heads(self) -> SolvedHeads:
        if self._solved is None:
            self._solved = self._new_heads()
        return self._solved

    def _first_head(self) -> LinearHead:
        """Returns the head that fine-tuning begins with."""
        heads = self._new_heads()
        return heads.head(heads.best_number(self.metric.name))

    def _new_heads(self) -> SolvedHeads:
        """Returns heads to solve; they hold the activations of all images."""
        return SolvedHeads(self.config, self.data, self.programs, self.state.precision)

    def _reporting(self, batches: Iterator[EvalBatch]) -> Iterator[EvalBatch]:
        """Yields batches and tells the coordinator of each, as a large evaluation takes long."""
        for batch in batches:
            self.link.send(Alive())
            yield batch

    def _train(self, run: PhaseRun, batches: Iterator[Batch], rates: list[float]) -> EpochSums:
        report = reporter(self.link, len(rates), len(run.inputs))
        try:
            return run.program.train(batches, rates, report)
        except tf.errors.OpError:
            if run.inputs.failure:
                raise run.inputs.failure from None
            raise

    def _save(self, run: PhaseRun, weights: dict[str, np.ndarray], row: dict[str, float]) -> None:
        """Saves an epoch, and the weights that were evaluated if it is the best."""
        epoch = self.state.epoch + 1
        policy = policies.advance(
            self.state.policy,
            epoch,
            row[f"val_{self.metric.name}"],
            maximize=self.metric.maximize,
            training=self.config.training,
            phase=run.phase,
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
            stages = run.phase.model.trainable_stages
            best = weights if policy.best_epoch == epoch else None
            # Both are copies, as the next epoch is trained while they are written.
            self.saver.submit(partial(self._write, self.state, run.program.state(), best, stages))

    def _write(
        self,
        state: TrialState,
        arrays: dict[str, np.ndarray],
        best: dict[str, np.ndarray] | None,
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
            raise Paused
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
            # Batch normalisation's statistics are among the weights, and belong to them.
            set_head_weights(predictor.network, weights)
            batch = evaluation_batch(
                predictor.network,
                config.training.batch_size,
                on_features=predictor.on_features,
            )
            logits, labels = predictor.logits(self._reporting(inputs.validation(batch)))
            # The running figures of an epoch are of augmented, perhaps mixed images, under dropout
            # and changing weights. Beside validation's only these mean anything.
            sample = inputs.train_sample(TRAIN_SAMPLE_IMAGES, batch)
            train = metrics.evaluate(*predictor.logits(self._reporting(sample)))
        self.facts["train_accuracy_clean"] = train["accuracy"]
        self.facts["train_loss_clean"] = train["loss"]
        self.facts["weights_bytes"] = sum(array.nbytes for array in weights.values())
        figures = metrics.evaluate(logits, labels)
        if costs := self.job.costs:
            measured = self.programs.costs(self.config.model)
            figures = figures | {name: measured[name] for name in costs}
        guesses = metrics.probabilities(logits).argmax(axis=1)
        return self.outcome(reason, figures[self.metric.name]).model_copy(
            update={
                "figures": figures,
                "hits": Hits.of(guesses == labels),
                "confusion": metrics.confusion(guesses, labels, self.data.manifest.classes),
            }
        )
