"""The loop of a search: hands trials to workers and writes what comes back.

This process alone talks to the study; workers talk to it. It never imports TensorFlow. What
becomes of a trial is the scheduler's decision, and never made here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from hpo.search.claims import Claim, Claims
from hpo.search.failures import Failures
from hpo.search.recorder import Recorder, TrialEndedError
from hpo.search.retry import retry
from hpo.search.runner import Job, Runner, Worker, WorkerEnd
from hpo.training.protocol import (
    EpochEnd,
    Event,
    Finished,
    Progress,
    Ready,
    Started,
    Stop,
    Verdict,
)
from studies.leases import BEAT_S
from studies.record import Outcome
from studies.scheduler import Done, Keep, Wait

T = TypeVar("T")

POLL_S = 0.25
HUNG_S = 600.0
"""A worker that has said nothing for this long while it trains or gets ready is taken for hung."""
STOP_S = 10.0
"""A worker that is silent for this long after the deadline is killed."""


class StudyGoneError(Exception):
    """The study was deleted, or renamed in the dashboard, while it was searched."""


class View(Protocol):
    """What shows a search to people."""

    def show(self, message: str) -> None:
        """Shows a line."""

    def ready(self, worker: Worker, event: Ready) -> None:
        """A worker can be used."""

    def started(self, worker: Worker, claim: Claim, event: Started) -> None:
        """A trial has begun."""

    def progress(self, worker: Worker, event: Progress) -> None:
        """A trial goes on."""

    def epoch(self, worker: Worker, claim: Claim, event: EpochEnd) -> None:
        """An epoch has ended."""

    def left(self, worker: Worker) -> None:
        """A worker trains no trial any more: it was paused, or goes on elsewhere."""

    def finished(self, claim: Claim, outcome: Outcome) -> None:
        """A trial has ended."""

    def tick(self) -> None:
        """Time has passed."""


@dataclass
class Search:
    """One run of a search.

    Attributes:
        claims: Hands out trials.
        recorder: Writes them.
        runner: Has the workers.
        view: What shows them.
        deadline_s: Time on the monotonic clock at which every trial is paused; None without.
        pausing: Whether every trial is to be paused, and the search to end.
        failure: Why the search ends before its time; None if nothing went wrong.
        epochs: Epochs that were trained until now.
        training: Which trial each worker has; only these are busy.
    """

    claims: Claims
    recorder: Recorder
    runner: Runner
    view: View
    deadline_s: float | None = None
    pausing: bool = False
    failure: str | None = None
    epochs: int = 0
    training: dict[Worker, Claim] = field(default_factory=dict)
    _failures: Failures = field(default_factory=Failures)
    _heard_s: dict[Worker, float] = field(default_factory=dict)
    _dropped: set[Worker] = field(default_factory=set)
    _stopped_s: float | None = None
    _beat_s: float = 0.0
    _done: bool = False
    _waits_for: int | None = None

    def run(self) -> None:
        """Runs until all trials have ended, the deadline passes, or `pause` was called.

        Raises:
            StudyGoneError: The study was deleted meanwhile; no worker has a trial any more.
        """
        try:
            self._tidy()
            while not self.turn():
                pass
            self._tidy()
        except StudyGoneError:
            self.let_go()
            raise

    def let_go(self) -> None:
        """Gives all trials back, to whoever continues them."""
        for key in frozenset(self.recorder.leases.held):
            self.recorder.leases.release(key)

    def first(self) -> Job | None:
        """Returns the trial that is likely to be handed out first."""
        claim = self._stored(lambda: self.claims.next(self._remaining_s))
        if not isinstance(claim, Claim):
            return None
        self.claims.give_back(claim)
        return claim.job

    def pause(self) -> None:
        """Lets every trial finish its epoch, then ends `run`; safe to call from a signal."""
        self.pausing = True

    def turn(self) -> bool:
        """Waits a moment for what workers say, writes it, and hands out trials.

        Returns:
            Whether the search is over.
        """
        heard = list(self.runner.events(POLL_S))
        self._beat()  # before anything is written: after a long sleep another may train it
        for each in heard:
            self._heard_s[each.worker] = time.monotonic()
            for event in each.events:
                self._handle(each.worker, event)
            if each.ended and each.worker in self.runner.workers:
                self._died(each.worker, self.runner.replace(each.worker))
        self._keep_time()
        self._assign()
        self.view.tick()
        return not self.training and bool(self.pausing or self.failure or self._done)

    @property
    def _remaining_s(self) -> float | None:
        """Seconds until the deadline; None without."""
        return None if self.deadline_s is None else max(0.0, self.deadline_s - time.monotonic())

    def _assign(self) -> None:
        self._done = False
        while not (self.pausing or self.failure):
            idle = (w for w in self.runner.workers if w.ready and w not in self.training)
            if (worker := next(idle, None)) is None:
                return
            claim = self._stored(lambda: self.claims.next(self._remaining_s))
            if not isinstance(claim, Claim):
                self._done = isinstance(claim, Done)
                self._say_what_is_waited_for(claim)
                return
            self._give(worker, claim)

    def _say_what_is_waited_for(self, why: Wait | Done) -> None:
        number = why.doubtful if isinstance(why, Wait) else None
        if number is not None and number != self._waits_for:
            self.view.show(
                f"Trial {number} may be in training elsewhere; waiting up to a minute to find out."
            )
        self._waits_for = number

    def _give(self, worker: Worker, claim: Claim) -> None:
        """Gives a worker a trial, unless how it ends is known already."""
        if claim.pruned:
            self._finish(claim, Outcome(reason="pruned"))
            return
        trials = self._stored(self.claims.trials)
        if same := self.claims.scheduler.duplicate_of(trials[claim.number], trials):
            assert same.reason is not None
            is_complete = same.value is not None
            self._finish(
                claim,
                Outcome(
                    reason="duplicate" if is_complete else same.reason,
                    value=same.value,
                    figures=dict(self._stored(lambda: self.claims.figures(same.number))),
                    message=f"Trial {same.number} had exactly these settings.",
                ),
            )
            return
        self.training[worker] = claim
        self._heard_s[worker] = time.monotonic()  # while it was idle, it had nothing to say
        worker.train(claim.job)

    def _handle(self, worker: Worker, event: Event) -> None:
        if isinstance(event, Ready):
            self._failures.started()
            self.view.ready(worker, event)
        claim = self.training.get(worker)
        if claim is None:
            return
        if worker in self._dropped:
            self._handle_dropped(worker, event)
        elif isinstance(event, Started):
            self.view.started(worker, claim, event)
        elif isinstance(event, Progress):
            self.view.progress(worker, event)
        elif isinstance(event, EpochEnd):
            self._epoch(worker, claim, event)
        elif isinstance(event, Finished):
            self._finished(worker, claim, event)

    def _epoch(self, worker: Worker, claim: Claim, event: EpochEnd) -> None:
        if len(event.values) > claim.reported:  # else a resumed trial says how far it is
            claim.deaths = 0
            self.epochs += 1
        try:
            self._stored(lambda: self.recorder.report(claim, event.values))
        except TrialEndedError:
            self._drop(worker, claim)
            worker.send(Verdict(action="prune"))
            return
        worker.send(self._verdict(claim, len(event.values)))
        self.view.epoch(worker, claim, event)

    def _verdict(self, claim: Claim, epoch: int) -> Verdict:
        if self.pausing or self.failure:
            return Verdict(action="pause")
        if epoch < claim.reported:
            # Resumed from before its last report: it was judged then and is not judged again.
            return Verdict(action="continue")
        trials = self._stored(self.claims.trials)
        return Verdict(action=self.claims.scheduler.judge(trials[claim.number], trials))

    def _finished(self, worker: Worker, claim: Claim, event: Finished) -> None:
        del self.training[worker]
        self.failure = self.failure or event.fatal
        outcome = event.outcome
        if outcome is None or outcome.reason == "interrupted":
            self.view.left(worker)
            if self._keeps(claim):
                self._stored(lambda: self.recorder.pause(claim, outcome))
                self._tidy()
            return
        self._finish(claim, outcome, tidy=False)
        self.view.left(worker)
        if outcome.reason == "out of memory":
            self.runner.replace(worker)
        else:
            self._assign()  # the worker trains on while files are tidied
        self._tidy(claim.number)

    def _finish(self, claim: Claim, outcome: Outcome, *, tidy: bool = True) -> None:
        if not self._keeps(claim):
            self.view.show(f"Trial {claim.number} was taken over by another process.")
            return
        self._stored(lambda: self.recorder.finish(claim, outcome))
        self.view.finished(claim, outcome)
        self.failure = self.failure or self._failures.of_trial(
            claim, outcome, len(self.claims.space.values("backbone"))
        )
        if tidy:
            self._tidy(claim.number)

    def _drop(self, worker: Worker, claim: Claim) -> None:
        """Lets a worker go of a trial that was ended in the dashboard, at the end of its epoch."""
        self.view.show(f"Trial {claim.number} was ended by another program; its training stops.")
        self.view.left(worker)
        self._dropped.add(worker)

    def _handle_dropped(self, worker: Worker, event: Event) -> None:
        if isinstance(event, EpochEnd):
            worker.send(Verdict(action="prune"))
        elif isinstance(event, Finished):
            self._let_go(worker, self.training.pop(worker))

    def _let_go(self, worker: Worker, claim: Claim) -> None:
        self._dropped.discard(worker)
        self._release(claim)
        self._tidy(claim.number)

    def _tidy(self, ended: int | None = None) -> None:
        def keep() -> Keep:
            return self.claims.scheduler.keep(self.claims.trials())

        self._stored(lambda: self.recorder.tidy(keep, ended))

    def _keeps(self, claim: Claim) -> bool:
        """Renews a trial's lease; False if it was lost."""
        return self._stored(lambda: self.recorder.leases.renew(claim.trial_id))

    def _release(self, claim: Claim) -> None:
        self._stored(lambda: self.recorder.leases.release(claim.trial_id))

    def _stored(self, call: Callable[[], T]) -> T:
        """Calls what reads or writes the study, and waits while its server is away.

        Raises:
            StudyGoneError: The study was deleted.
        """
        try:
            return retry(call, self.view.show)
        except KeyError as error:  # what Optuna raises where there is no such study or trial
            if self.recorder.exists():
                raise
            raise StudyGoneError from error

    def _died(self, worker: Worker, end: WorkerEnd) -> None:
        """Handles a worker that was killed, crashed, or sent something that is no event."""
        claim = self.training.pop(worker, None)
        if claim is None:
            if not worker.ready:
                self.failure = self.failure or self._failures.of_start(end)
        elif worker in self._dropped:
            self._let_go(worker, claim)
        elif outcome := self._failures.of_death(claim, end):
            self._finish(claim, outcome)
        else:
            self.view.show(
                f"Trial {claim.number}: its worker ended ({end.cause}); it is continued."
            )
            self.claims.give_back(claim)
        self.view.left(worker)

    def _keep_time(self) -> None:
        self._beat()
        now = time.monotonic()
        if self.deadline_s and now >= self.deadline_s:
            self._end_in_time(now)
        # Of one that was just started, time counts from now.
        self._heard_s = {worker: self._heard_s.get(worker, now) for worker in self.runner.workers}
        for worker, heard_s in list(self._heard_s.items()):
            if now - heard_s > HUNG_S and (worker in self.training or not worker.ready):
                self._hung(worker)

    def _end_in_time(self, now: float) -> None:
        """Pauses trials within their epoch, and kills workers that do not listen.

        One that listens, and says how far its trial is, is waited for.
        """
        for worker, claim in list(self.training.items()):
            if self._stopped_s is None:
                worker.send(Stop())
            elif now - max(self._stopped_s, self._heard_s[worker]) > STOP_S:
                self._kill(worker)
                self.view.left(worker)
                self._release(claim)
        self.pausing, self._stopped_s = True, self._stopped_s or now

    def _beat(self) -> None:
        """Keeps the leases of all trials that this process has, and lets go of lost ones."""
        now = time.monotonic()
        if now - self._beat_s < BEAT_S:
            return
        self._beat_s = now
        self._stored(self.claims.renew)
        for worker, claim in list(self.training.items()):
            if worker in self._dropped:
                continue
            if not self._keeps(claim):
                self.view.show(f"Trial {claim.number} was taken over by another process.")
                self._kill(worker)
                self.view.left(worker)
            elif self._stored(lambda claim=claim: self.recorder.has_ended(claim)):  # type: ignore[misc]
                self._drop(worker, claim)
                worker.send(Stop())

    def _hung(self, worker: Worker) -> None:
        claim, dropped = self.training.get(worker), worker in self._dropped
        end = self._kill(worker)
        silence = f"no sign of life for {HUNG_S:.0f} s"
        if claim is None:
            self.failure = self.failure or self._failures.of_start(replace(end, cause=silence))
        elif dropped:
            self._let_go(worker, claim)
        else:
            message = f"No sign of life for {HUNG_S:.0f} s; the worker was killed."
            self._finish(claim, Outcome(reason="hung", message=message))
        self.view.left(worker)

    def _kill(self, worker: Worker) -> WorkerEnd:
        """Kills a worker, which loses its trial."""
        self.training.pop(worker, None)
        self._dropped.discard(worker)
        return self.runner.replace(worker, at_once=True)
