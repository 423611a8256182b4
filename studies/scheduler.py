"""What becomes of each trial: the one place that decides it, over plain values.

There is no storage, no clock and no Optuna here, so the same object drives a real study and a
simulation of recorded curves. It never proposes settings: `Start` means that the sampler is asked.
"""

from __future__ import annotations

import heapq
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from studies.patience import LEAST_TRIALS, expected_gain, standard_error

if TYPE_CHECKING:
    from studies.record import Reason  # at run time it brings NumPy, which `hpo --help` waits for

Status = Literal["waiting", "running", "doubtful", "paused", "ended"]
"""Of a trial: enqueued; trained by a live process; held by a process that may have died; free to be
resumed; over."""
Judgement = Literal["continue", "pause", "prune"]

LEAST_EPOCHS = 4
"""Before a deadline, fewer epochs than these are hardly worth a trial's time."""
SIZE_SHARE, BACKBONE_SHARE = 0.4, 0.2
"""Before a deadline, a racer may take this share of the time at most: to try another image size, or
another backbone, which decides about less."""
NEARLY = 1.25
"""Before a deadline, a cheaper head stands in for the best if its error is no larger than this many
times that one's: the validation images hardly tell the two apart."""
MOST_GROWTH = 3.0
"""A proposal may cost this many times what the dearest trial before it was planned to cost: costs
rise step by step, as in cost-frugal search (Wu, Wang & Huang 2021)."""
USUAL_PASSES = 2.4
"""What an epoch of a proposed trial costs, about: that of one that trains two stages."""
DUPLICATES_A_TRIAL = 1
"""A study may have as many duplicates as trials that count, and then ends: its space is used up."""
MOST_KEPT = 30
"""At most so many trials keep their weights for an ensemble, so that choosing one takes seconds."""

COMPLETE = frozenset({"complete", "stopped early", "duplicate", "imported"})
"""Reasons of trials that have a value."""
REPEATABLE = frozenset({"complete", "stopped early", "pruned", "diverged", "out of memory"})
"""Reasons that the same settings would end with again; a failure may have been the machine's."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial as the scheduler sees it.

    Attributes:
        number: Its number in its study; the first is 0, and there are no gaps.
        status: Whether it waits, is trained, can be resumed or is over.
        curve: Objective of every epoch so far, the first one first.
        value: Objective of its best epoch, once it is complete or while it is paused; else None.
        loss: Validation loss of that epoch, which decides between equal values; None if unknown.
        best_epoch: That epoch, from 1; None where it has no weights.
        weights_bytes: Size of what was trained of it: a head alone is small. None if unknown.
        epochs: Epochs that it may train.
        epoch_cost: What an epoch costs in multiply-adds; 1.0 while that is unknown.
        settings: Identity of its settings.
        baseline: Whether a person chose its settings. It is never paused, pruned or shared.
        solved: Whether its head was solved instead of trained, and no epoch of it compares with
            one of another trial.
        step: Name of the step of the opening that it is; empty if the sampler proposed it.
        continues: Number of the trial that it continues from the last checkpoint; None if it begins
            anew.
        seconds: Seconds that its work has taken so far, without what comes once a worker; less than
            its cost tells where activations had been kept.
        reason: Why it ended; None before.
    """

    number: int
    status: Status
    curve: Sequence[float] = ()
    value: float | None = None
    loss: float | None = None
    best_epoch: int | None = None
    weights_bytes: int | None = None
    epochs: int = 0
    epoch_cost: float = 1.0
    settings: str = ""
    baseline: bool = False
    solved: bool = False
    step: str = ""
    continues: int | None = None
    seconds: float = 0.0
    reason: Reason | None = None


@dataclass(frozen=True)
class Planned:
    """A step of the opening as the scheduler sees it.

    Attributes:
        name: Its name.
        races: Whether it is a solved head, whose best one the other steps take after.
        epoch_passes: What an epoch of it costs, in forward passes over the training images.
        relative: What a pass of it costs, in passes of the backbone that races first, at the same
            image size.
        work: What all of it costs in multiply-adds; None where that depends on the best head.
    """

    name: str
    races: bool = False
    epoch_passes: float = 0.0
    relative: float = 1.0
    work: float | None = None


@dataclass(frozen=True)
class Start:
    """Start a trial: the first that waits, or one whose settings the sampler proposes.

    Attributes:
        step: Name of the step of the opening to start instead; empty for none.
        like: Number of the solved head whose backbone and image size the step takes over.
        work: Multiply-adds that fit into the time that is left; None if it need not fit.
        quick: Whether only a head on features that are there already has time; then it is on those
            of `like`.
    """

    step: str = ""
    like: int | None = None
    work: float | None = None
    quick: bool = False


@dataclass(frozen=True)
class Resume:
    """Resume this paused trial from its checkpoint."""

    number: int


@dataclass(frozen=True)
class Prune:
    """End this paused trial without training it further."""

    number: int


@dataclass(frozen=True)
class Wait:
    """Nothing can be done now.

    Attributes:
        doubtful: The trial whose holder may have died; None where all are trained by others.
    """

    doubtful: int | None = None


@dataclass(frozen=True)
class Done:
    """Every trial has ended."""


Decision = Start | Resume | Prune | Wait | Done


@dataclass(frozen=True)
class Keep:
    """What a study keeps of its trials; all else is deleted.

    Attributes:
        weights: Number of a trial to its best epoch, whose weights are kept.
        checkpoints: Numbers of the trials whose checkpoints are kept.
    """

    weights: Mapping[int, int]
    checkpoints: frozenset[int]


class Rule(Protocol):
    """What ends or pauses a trial early, and which paused one goes on: see `studies.pruners`."""

    def judge(
        self, trial: TrialRecord, trials: Sequence[TrialRecord], *, maximize: bool
    ) -> Judgement:
        """Returns what happens to a trial after an epoch.

        It must depend on these values alone: after a kill it is asked again.

        Args:
            trial: The trial, with the curve up to that epoch.
            trials: All trials, this one among them.
            maximize: Whether more of the objective is better.
        """

    def choose(
        self,
        paused: Sequence[TrialRecord],
        trials: Sequence[TrialRecord],
        *,
        may_start: bool,
        maximize: bool,
    ) -> Start | Resume | Prune:
        """Returns what to do while trials are paused.

        Args:
            paused: The paused trials, at least one.
            trials: All trials.
            may_start: Whether another trial may be started instead.
            maximize: Whether more of the objective is better.
        """


def rank(
    value: float | None, loss: float | None, number: int, *, maximize: bool
) -> tuple[float, float, int]:
    """Returns a key that sorts trials, the best first.

    Equal values go to the lower validation loss, and then to the earlier trial.
    """
    if value is None:
        return math.inf, math.inf, number
    return -value if maximize else value, math.inf if loss is None else loss, number


@dataclass(frozen=True)
class Scheduler:
    """Decides about the trials of one study.

    Attributes:
        rule: What ends or pauses trials early.
        total: How many trials the study has in the end, imported ones not counted.
        keep_top: How many trials' weights are kept, whatever their size.
        keep_bytes: Bytes for weights of the next best ones, which an ensemble is chosen from.
        maximize: Whether more of the objective is better.
        opening: The steps that come before the sampler's proposals.
        perfect: The best value that the objective can have; None if it has no end.
        patient_images: Number of validation images, if no more trials are to be started once they
            cannot be expected to help; 0 if all are to be trained.
    """

    rule: Rule
    total: int
    keep_top: int = 1
    keep_bytes: int = 0
    maximize: bool = True
    opening: tuple[Planned, ...] = ()
    perfect: float | None = None
    patient_images: int = 0

    def next(self, trials: Sequence[TrialRecord], remaining_s: float | None = None) -> Decision:
        """Returns what a worker that is free does next.

        Args:
            trials: All trials, in the order of their numbers.
            remaining_s: Seconds until the search ends; None if it has no deadline. Only with a
                deadline does a decision depend on what trials took.
        """
        begun = [t for t in trials if t.status != "waiting" and t.reason != "imported"]
        paused = [t for t in begun if t.status == "paused"]
        # What was proposed twice took no time, and shall not cost a trial that would.
        counted = len([t for t in begun if t.reason != "duplicate"])
        repeats = len(begun) - counted
        used_up = counted >= self.total or repeats >= DUPLICATES_A_TRIAL * self.total
        may_start = not used_up and not self.exhausted(trials)
        for trial in paused:
            if trial.baseline:  # paused by a kill or by the user, never by the rule
                return Resume(trial.number)
        if paused:
            decision = self.rule.choose(paused, trials, may_start=may_start, maximize=self.maximize)
            if not isinstance(decision, Start):
                return decision
        # What the next trial is depends on this one. Waiting until it is known whether somebody
        # trains it makes a study that was killed the same as one that was not.
        for trial in begun:
            if trial.status == "doubtful":
                return Wait(trial.number)
        if may_start:
            return self._start(trials, remaining_s)
        return Done() if {t.status for t in begun} <= {"ended"} else Wait()

    def _start(self, trials: Sequence[TrialRecord], remaining_s: float | None) -> Start | Wait:
        if [trial for trial in trials if trial.status == "waiting"]:
            return Start()
        begun = {trial.step for trial in trials}
        left = [step for step in self.opening if step.name not in begun]
        solved = [trial for trial in trials if trial.solved and trial.value is not None]
        racers = {step.name for step in self.opening if step.races}
        racing = any(t.status == "running" and t.step in racers for t in trials)
        if left and not left[0].races and racing and not solved:
            # A recipe is made for a winner. Of many workers some come for one before there is any.
            return Wait()
        heads = sorted(solved, key=self._rank)
        rate = seconds_a_unit(trials)
        if remaining_s is not None and rate is not None and heads:
            return self._in_time(left, heads, remaining_s / rate)
        work = None if remaining_s is None or rate is None else remaining_s / rate
        if left:
            return Start(left[0].name, heads[0].number if heads else None, work)
        return Start(work=work)

    def _in_time(self, left: Sequence[Planned], heads: Sequence[TrialRecord], work: float) -> Start:
        """Returns the first of the steps that gets far enough before a deadline.

        Args:
            left: The steps that have not begun.
            heads: The solved heads, the best first.
            work: Multiply-adds that fit into the time.
        """
        most = NEARLY * self._error(heads[0])
        near = [head for head in heads if self._error(head) <= most]
        for step in left:
            if step.races and step.work is not None and step.work <= SIZE_SHARE * work:
                return Start(step.name, heads[0].number)
            other = step.relative * _pass_of(heads[0])
            if step.races and step.work is None and other <= BACKBONE_SHARE * work:
                return Start(step.name, heads[0].number)
            for head in [] if step.races else near:
                if LEAST_EPOCHS * step.epoch_passes * _pass_of(head) <= work:
                    return Start(step.name, head.number, work)
        quick = all(LEAST_EPOCHS * USUAL_PASSES * _pass_of(head) > work for head in near)
        return Start(like=near[0].number if quick else None, work=work, quick=quick)

    def most_work(self, trials: Sequence[TrialRecord]) -> float:
        """Returns the multiply-adds that a proposal may cost, whatever time there is."""
        planned = [t.epochs * t.epoch_cost for t in trials if t.status == "ended" and t.epochs]
        return MOST_GROWTH * max(planned, default=math.inf)

    def _error(self, head: TrialRecord) -> float:
        assert head.value is not None
        return abs((1.0 if self.perfect is None else self.perfect) - head.value)

    def judge(self, trial: TrialRecord, trials: Sequence[TrialRecord]) -> Judgement:
        """Returns what happens to a trial after an epoch.

        Args:
            trial: The trial, with the curve up to that epoch.
            trials: All trials, this one among them.
        """
        if trial.solved:
            return "continue"  # its next strength takes a second
        if trial.baseline or trial.continues is not None:
            return "continue"  # a person asked for its epochs
        if len(trial.curve) >= trial.epochs:
            return "continue"  # after its last epoch there is nothing to save
        # Nothing is better than perfect. A trial that is slower to get there than one before it
        # was, is not worth the rest of its epochs.
        perfect = [t for t in trials if t.value == self.perfect and not t.solved]
        quickest = [t.best_epoch for t in perfect if t.best_epoch]
        if quickest and self.perfect not in trial.curve and len(trial.curve) >= min(quickest):
            return "prune"
        return self.rule.judge(trial, trials, maximize=self.maximize)

    def exhausted(self, trials: Sequence[TrialRecord]) -> bool:
        """Whether no trial is started any more because more of them cannot be expected to help.

        That is so when as many trials again would add less, in the mean, than the error of the
        best figure on so many validation images.

        Args:
            trials: All trials.
        """
        values = [t.value for t in trials if t.status == "ended" and t.value is not None]
        if not self.patient_images or len(values) < LEAST_TRIALS:
            return False
        if not {step.name for step in self.opening} <= {trial.step for trial in trials}:
            return False  # what comes first is no sample of what may come
        return expected_gain(values) < standard_error(max(values), self.patient_images)

    def duplicate_of(self, trial: TrialRecord, trials: Sequence[TrialRecord]) -> TrialRecord | None:
        """Returns the trial whose outcome this one shares; None where it has to be trained."""
        if trial.baseline or not trial.settings:
            return None
        same = [t for t in trials if t.settings == trial.settings and t.reason in REPEATABLE]
        return next((t for t in same if t.number != trial.number), None)

    def keep(self, trials: Sequence[TrialRecord]) -> Keep:
        """Returns whose weights and whose checkpoints stay.

        A paused trial takes no complete one's place: it may yet end without a value.
        """
        has_weights = [
            t
            for t in trials
            if t.best_epoch and t.value is not None and t.reason not in ("duplicate", "imported")
        ]
        complete = [t for t in has_weights if t.status == "ended"]
        best = heapq.nsmallest(self.keep_top, complete, key=self._rank)
        kept = [
            *best,
            *heapq.nsmallest(self.keep_top, has_weights, key=self._rank),
            *[t for t in has_weights if t.baseline],
            *self._that_fit(complete),
        ]
        open_ones = [t for t in trials if t.status != "ended"]
        return Keep(
            weights={t.number: t.best_epoch for t in kept if t.best_epoch},
            # The best may be given more epochs later on.
            checkpoints=frozenset(
                [
                    *(t.number for t in open_ones),
                    *(t.continues for t in open_ones if t.continues is not None),
                    *(t.number for t in best if not t.solved),
                ]
            ),
        )

    def _that_fit(self, complete: Sequence[TrialRecord]) -> Iterator[TrialRecord]:
        """Yields the best trials whose weights fit together into `keep_bytes`."""
        left = self.keep_bytes
        for trial in heapq.nsmallest(MOST_KEPT, complete, key=self._rank):
            if trial.weights_bytes is not None and trial.weights_bytes <= left:
                left -= trial.weights_bytes
                yield trial

    def _rank(self, trial: TrialRecord) -> tuple[float, float, int]:
        return rank(trial.value, trial.loss, trial.number, maximize=self.maximize)


def _pass_of(head: TrialRecord) -> float:
    """Returns the multiply-adds of one pass over the training images with a head's backbone."""
    return head.epochs * head.epoch_cost


def seconds_a_unit(trials: Sequence[TrialRecord]) -> float | None:
    """Returns about how many seconds a multiply-add takes here; None before anything was trained.

    Solved heads tell best, as they are one pass over the images and hardly anything else. Of those
    with the most work the slowest counts: what comes once weighs little there, and one whose
    activations had been kept took less than it costs.
    """
    timed = [t for t in trials if t.seconds and t.epoch_cost > 1.0]
    heads = [t for t in timed if t.solved and t.value is not None]
    most = max((_pass_of(head) for head in heads), default=0.0)
    if heads:
        return max(t.seconds / _pass_of(t) for t in heads if _pass_of(t) >= most / 2)
    trained = [t.seconds / (len(t.curve) * t.epoch_cost) for t in timed if t.curve]
    return statistics.median(trained[-5:]) if trained else None
