"""The loop of a search: hands trials to workers and writes what comes back.

This process alone talks to the study; workers talk to it. It never imports TensorFlow.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from hpo.search.claims import Claim, Claims
from hpo.search.crew import Crew, Worker
from hpo.search.failures import Failures, death_of
from hpo.search.patience import patiently
from hpo.search.recorder import Recorder
from hpo.training.protocol import (
    EpochEnd,
    Event,
    Finished,
    Progress,
    Ready,
    Started,
    Stop,
    Train,
    Verdict,
)
from studies.leases import BEAT_S
from studies.record import Outcome

T = TypeVar("T")

POLL_S = 0.25
HUNG_S = 600.0
"""A worker that has said nothing for this long while training is taken for hung."""
STOP_S = 10.0
"""A worker that is silent for this long after the deadline is killed."""


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

    def finished(self, claim: Claim, outcome: Outcome) -> None:
        """A trial has ended."""

    def tick(self) -> None:
        """Time has passed."""


@dataclass(frozen=True)
class JobSettings:
    """What all trials of a search have in common: see `Train`."""

    seed: int
    metric: str
    precision: str


@dataclass
class Search:
    """One run of a search.

    Attributes:
        claims: Hands out trials.
        recorder: Writes them.
        crew: The workers.
        job: What trials have in common.
        view: What shows them.
        deadline: Monotonic time at which everything is laid aside, or None.
    """

    claims: Claims
    recorder: Recorder
    crew: Crew
    job: JobSettings
    view: View
    deadline: float | None = None
    pausing: bool = False
    failure: str | None = None
    _stopped_at: float | None = None
    _failures: Failures = field(default_factory=Failures)
    _beat_at: float = 0.0
    _exhausted: bool = False

    def run(self) -> None:
        """Runs until all trials are finished, the deadline passes, or `pause` was called."""
        while not self._over():
            self._assign()
            heard = list(self.crew.events(POLL_S))
            self._beat()  # before anything is written: after a long sleep another may train it
            for worker, events, ended in heard:
                for event in events:
                    self._handle(worker, event)
                if ended and worker in self.crew.workers:
                    self._died(worker)
            self._keep_time()
            self.view.tick()

    def first(self) -> Train | None:
        """Returns the trial that is likely to be handed out first; None where none can be had."""
        claim = self._patiently(self.claims.next)
        if claim is None:
            return None
        self.claims.give_back(claim)
        return self._job(claim)

    def pause(self) -> None:
        """Lets every trial finish its epoch, then ends `run`; safe to call from a signal."""
        self.pausing = True

    def _over(self) -> bool:
        if self.crew.busy():
            return False
        if self.pausing or self.failure:
            return True
        return self._exhausted and self._patiently(self.claims.finished)

    def _assign(self) -> None:
        self._exhausted = False
        while not (self.pausing or self.failure):
            idle = next((worker for worker in self.crew.workers if worker.idle), None)
            if idle is None:
                return
            claim = self._patiently(self.claims.next)
            if claim is None:
                self._exhausted = True
                return
            self._give(self.crew.relieve(idle), claim)

    def _give(self, worker: Worker, claim: Claim) -> None:
        twin = self.recorder.twin(claim)
        if twin and not claim.label:
            self._finish(claim, twin)
            return
        worker.claim = claim
        worker.heard_at = time.monotonic()  # of an idle one nothing is to be heard
        worker.send(self._job(claim))

    def _job(self, claim: Claim) -> Train:
        return Train(
            number=claim.number,
            config=claim.config,
            folder=str(self.recorder.folder(claim.number)),
            seed=self.job.seed,
            metric=self.job.metric,
            precision=self.job.precision,
        )

    def _handle(self, worker: Worker, event: Event) -> None:
        if isinstance(event, Ready):
            worker.ready = True
            self._failures.started()
            self.view.ready(worker, event)
        claim = worker.claim
        if claim is None:
            return
        if isinstance(event, Started):
            self.view.started(worker, claim, event)
        elif isinstance(event, Progress):
            self.view.progress(worker, event)
        elif isinstance(event, EpochEnd):
            if len(event.values) > claim.reported:  # else a continued trial says where it stands
                claim.deaths = 0
            self._patiently(lambda: self.recorder.report(claim, event.values))
            worker.send(self._verdict(claim, len(event.values)))
            self.view.epoch(worker, claim, event)
        elif isinstance(event, Finished):
            self._finished(worker, claim, event)

    def _verdict(self, claim: Claim, epoch: int) -> Verdict:
        if self.pausing or self.failure:
            return Verdict(action="pause")
        hopeless = self._patiently(lambda: self.recorder.prunes(claim, epoch))
        return Verdict(action="prune" if hopeless else "continue")

    def _finished(self, worker: Worker, claim: Claim, event: Finished) -> None:
        worker.claim = None
        self.failure = self.failure or event.fatal
        if event.outcome is None or event.outcome.reason == "interrupted":
            if self._keeps(claim):
                self._patiently(lambda: self.recorder.lay_aside(claim, event.outcome))
            return
        self._finish(claim, event.outcome)
        if event.outcome.reason == "out of memory":
            self.crew.replace(worker)
        else:
            if worker.has_grown(event.resident_bytes):
                self.crew.renew(worker)
            self._assign()  # the worker trains on while files are collected
        self._patiently(self.recorder.collect)

    def _finish(self, claim: Claim, outcome: Outcome) -> None:
        if not self._keeps(claim):
            self.view.show(f"Trial {claim.number} was taken over by another process.")
            return
        self._patiently(lambda: self.recorder.finish(claim, outcome))
        self.view.finished(claim, outcome)
        self.failure = self.failure or self._failures.of_trial(outcome)

    def _keeps(self, claim: Claim) -> bool:
        """Renews a trial's lease; False where it was lost."""
        return self._patiently(lambda: self.recorder.leases.renew(claim.trial_id))

    def _patiently(self, call: Callable[[], T]) -> T:
        return patiently(call, self.view.show)

    def _died(self, worker: Worker) -> None:
        """A worker has ended without a word (killed, or it crashed), or speaks gibberish."""
        claim, was_ready = worker.claim, worker.ready
        status = self.crew.replace(worker, at_once=bool(worker.gibberish))
        if claim is None:
            if not was_ready:
                self.failure = self.failure or self._failures.of_start(worker, status)
        elif outcome := self._failures.of_death(worker, claim, status):
            self._finish(claim, outcome)
        else:
            why = death_of(worker, status)
            self.view.show(f"Trial {claim.number}: its worker ended ({why}); it is continued.")
            self.claims.give_back(claim)

    def _keep_time(self) -> None:
        self._beat()
        now = time.monotonic()
        if self.deadline and now >= self.deadline:
            self._end_in_time(now)
        for worker in self.crew.busy():
            if now - worker.heard_at > HUNG_S:
                self._hung(worker)

    def _end_in_time(self, now: float) -> None:
        """Lays trials aside within their epoch, and kills workers that cannot be told.

        One that is told, and says how its trial stands, is heard meanwhile.
        """
        for worker in self.crew.busy():
            if self._stopped_at is None:
                worker.send(Stop())
            elif worker.claim and now - max(self._stopped_at, worker.heard_at) > STOP_S:
                self.recorder.leases.release(worker.claim.trial_id)
                worker.claim = None
                self.crew.replace(worker, at_once=True)
        self.pausing, self._stopped_at = True, self._stopped_at or now

    def _beat(self) -> None:
        """Keeps the leases of all trials in hand, and lets go of those that were lost."""
        now = time.monotonic()
        if now - self._beat_at < BEAT_S:
            return
        self._beat_at = now
        self._failures.beat()
        self._patiently(self.claims.renew)
        for worker in self.crew.busy():
            claim = worker.claim
            if claim and not self._keeps(claim):
                self.view.show(f"Trial {claim.number} was taken over by another process.")
                worker.claim = None
                self.crew.replace(worker, at_once=True)

    def _hung(self, worker: Worker) -> None:
        claim = worker.claim
        self.crew.replace(worker, at_once=True)
        if claim:
            message = f"No sign of life for {HUNG_S:.0f} s; the worker was killed."
            self._finish(claim, Outcome(reason="hung", message=message))
