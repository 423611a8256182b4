"""The loop between claims, recorder and workers, without a real worker."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from hpo.search import coordinator as module
from hpo.search import memory
from hpo.search.claims import Claim
from hpo.search.coordinator import JobSettings, Search
from hpo.training.protocol import Alive, EpochEnd, Event, Finished, Ready, Stop, Train, Verdict
from studies.leases import Leases
from studies.record import Outcome, value_of
from tests.hpo.search.small_study import claims_of, outcome_of, recorder_of


class Quiet:
    """A view that keeps what it is told to show."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def show(self, message: str) -> None:
        """Keeps a line."""
        self.shown.append(message)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@dataclass
class FakeWorker:
    """A worker that trains each trial in one epoch, or does what its script says."""

    index: int
    log: Path
    claim: Claim | None = None
    ready: bool = False
    heard_at: float = 0.0
    sent: list[Any] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    ended: bool = False
    gibberish: str = ""
    printed: str = "first line\nValueError: the last line\n"
    grown: bool = False

    @property
    def idle(self) -> bool:
        """As a real one."""
        return self.ready and self.claim is None

    def send(self, command: Any) -> None:
        """Keeps it."""
        self.sent.append(command)

    def has_grown(self, resident_bytes: int) -> bool:
        """Whether the test says so."""
        return self.grown


class FakeCrew:
    """Workers whose next words a test writes."""

    def __init__(self, folder: Path, status: int = -signal.SIGKILL) -> None:
        self.folder, self.status, self.started = folder, status, 0
        self.successor: FakeWorker | None = None
        self.workers = [self._start(0)]

    def _start(self, index: int) -> FakeWorker:
        self.started += 1
        log = self.folder / "worker.log"
        return FakeWorker(index, log, heard_at=module.time.monotonic())

    @property
    def worker(self) -> FakeWorker:
        """The only one."""
        return self.workers[0]

    def busy(self) -> list[FakeWorker]:
        """As a real one."""
        return [worker for worker in self.workers if worker.claim]

    def events(self, timeout_s: float) -> Iterator[tuple[FakeWorker, list[Event], bool]]:
        """What the workers said since."""
        for worker in list(self.workers):
            events, worker.events = worker.events, []
            yield worker, events, worker.ended

    def replace(self, worker: FakeWorker, *, at_once: bool = False) -> int:
        """As a real one."""
        self.workers[self.workers.index(worker)] = self.successor or self._start(worker.index)
        self.successor = None
        return self.status

    def renew(self, worker: FakeWorker) -> None:
        """As a real one."""
        self.successor = self.successor or self._start(worker.index)

    def relieve(self, worker: FakeWorker) -> FakeWorker:
        """As a real one."""
        if self.successor and self.successor.ready:
            self.replace(worker)
        return self.worker


@pytest.fixture
def search(study: optuna.Study, tmp_path: Path) -> Search:
    """A search of three trials with one worker."""
    claims = claims_of(study)
    recorder = recorder_of(study, claims, tmp_path)
    job = JobSettings(0, "accuracy", "float32")
    return Search(claims, recorder, FakeCrew(tmp_path), job, Quiet())  # type: ignore[arg-type]


def step(search: Search, *events: Event, ended: bool = False) -> list[Any]:
    """One turn of the loop after the worker said something; returns what it was sent."""
    crew: Any = search.crew
    worker = crew.worker
    worker.events, worker.ended, worker.sent = list(events), ended, []
    heard = list(crew.events(0))
    for each, said, over in heard:
        for event in said:
            search._handle(each, event)
        if over and each in crew.workers:
            search._died(each)
    search._keep_time()
    search._assign()
    return list(worker.sent)


READY = Ready(device="CPU")


def finished(**changes: Any) -> Finished:
    """A worker's word that a trial is over."""
    return Finished(outcome=outcome_of()).model_copy(update=changes)


def epoch_end(epoch: int = 1) -> EpochEnd:
    """A worker's word that an epoch is."""
    return EpochEnd(values=[0.25] * epoch, metrics={"loss": 1.0})


class TestSearch:
    """The loop."""

    def test_trains_all(self, search: Search) -> None:
        """A ready worker gets one trial after another until there are none."""
        (job,) = step(search, READY)
        assert isinstance(job, Train)
        for _ in range(3):
            assert not search._over()
            assert [type(c) for c in step(search, epoch_end())] == [Verdict]
            step(search, finished())
        assert search._over()
        assert [trial.state.name for trial in search.claims.study.trials] == ["COMPLETE"] * 3

    def test_a_worker_that_was_killed_in_its_start(self, search: Search) -> None:
        """It is replaced; three in a row end the search with what the last one printed."""
        crew: Any = search.crew
        step(search, ended=True)
        step(search, ended=True)
        assert search.failure is None
        step(search, READY)
        assert search._failures._failed_starts == 0
        crew.worker.ready, crew.worker.claim = False, None
        for _ in range(3):
            step(search, ended=True)
        assert search.failure == (
            f"A worker could not start. ValueError: the last line (see {crew.worker.log})"
        )

    def test_a_worker_that_ends_by_itself_in_its_start(self, search: Search) -> None:
        """An exception in its start would come again: the search ends with it at once."""
        crew: Any = search.crew
        crew.status = 1
        step(search, ended=True)
        assert search.failure is not None
        assert search._over()

    def test_an_idle_worker_dies(self, search: Search) -> None:
        """It is replaced without a word."""
        crew: Any = search.crew
        search.pausing = True  # so that it stays idle
        step(search, READY)
        step(search, ended=True)
        assert (crew.started, search.failure) == (2, None)

    def test_a_trial_that_kills_its_workers(self, search: Search) -> None:
        """It is continued twice and then recorded as failed; an epoch in between forgives.

        What a continued trial says of the epochs before is no epoch.
        """
        for epoch in (1, 2, 2, 2):
            (job,) = step(search, READY)
            assert job.number == 0
            step(search, epoch_end(epoch))
            step(search, ended=True)
        trial = search.claims.study.trials[0]
        assert trial.state is TrialState.FAIL
        assert trial.user_attrs["message"].startswith("Its worker ended 3 times, -9. ")

    def test_a_worker_that_has_grown(self, search: Search) -> None:
        """It trains on until its successor is ready, which then trains the next trial."""
        crew: Any = search.crew
        worker = crew.worker
        step(search, READY)
        worker.grown = True
        (job,) = step(search, finished())
        assert (crew.worker, crew.started, job.number) == (worker, 2, 1)
        crew.successor.ready = True
        assert step(search, finished()) == []
        assert crew.worker is not worker
        assert [job.number for job in crew.worker.sent] == [2]

    def test_out_of_memory(self, search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the kernel says that it killed somebody just now, a killed worker was it."""
        step(search, READY)
        monkeypatch.setattr(memory, "oom_kills", lambda: search._failures._oom_kills + 1)
        step(search, ended=True)
        trial = search.claims.study.trials[0]
        assert trial.user_attrs["reason"] == "out of memory"
        assert trial.state is TrialState.PRUNED

    def test_an_abort_for_want_of_memory(self, search: Search) -> None:
        """A worker that C++ ended with bad_alloc is replaced, and the study goes on."""
        crew: Any = search.crew
        crew.status = -signal.SIGABRT
        step(search, READY)
        crew.worker.printed = "terminate called\n  what():  std::bad_alloc\n  @ 0x1 main\n"
        step(search, ended=True)
        trial = search.claims.study.trials[0]
        assert trial.user_attrs["reason"] == "out of memory"
        assert trial.user_attrs["message"] == (
            "The worker got no more memory: what():  std::bad_alloc"
        )
        (job,) = step(search, READY)
        assert (job.number, search.failure) == (1, None)

    def test_a_worker_that_speaks_gibberish(self, search: Search) -> None:
        """It is replaced and its trial continued; three times, and the trial has failed."""
        crew: Any = search.crew
        for _ in range(3):
            (job,) = step(search, READY)
            assert job.number == 0
            crew.worker.gibberish = "b'Epoch 1/5'"
            step(search, ended=True)
        words = "its worker ended (it said b'Epoch 1/5', which is no event); it is continued."
        assert search.view.shown == [f"Trial 0: {words}"] * 2  # type: ignore[attr-defined]
        trial = search.claims.study.trials[0]
        assert trial.state is TrialState.FAIL
        assert "it said b'Epoch 1/5', which is no event. " in trial.user_attrs["message"]

    def test_pause(self, search: Search) -> None:
        """The trial is laid aside at its next epoch, and its lease given back."""
        step(search, READY)
        search.pause()
        (verdict,) = step(search, epoch_end())
        assert verdict.action == "pause"
        step(search, finished(outcome=outcome_of(0.4, reason="interrupted")))
        assert search._over()
        assert search.claims.study.trials[0].state is TrialState.RUNNING
        assert value_of(search.claims.study.trials[0]) == 0.4
        again = claims_of(search.claims.study).next()
        assert again
        assert again.number == 0

    def test_pause_while_a_worker_starts(self, search: Search) -> None:
        """Nobody is busy, so nothing is waited for."""
        search.pause()
        assert search._over()

    def test_deadline(self, search: Search) -> None:
        """The worker is told to stop within its epoch, once; one that does not is killed."""
        crew: Any = search.crew
        step(search, READY)
        search.deadline = module.time.monotonic() - 1
        assert [type(command) for command in step(search)] == [Stop]
        assert step(search) == []
        search._stopped_at -= module.STOP_S
        assert step(search, Alive()) == [], "it says how its trial stands"
        crew.worker.heard_at -= module.STOP_S
        step(search)
        assert crew.started == 2
        assert search._over()
        assert search.recorder.leases.held == set()

    def test_deadline_after_an_interruption(self, search: Search) -> None:
        """Whoever finishes the epoch is told that the time is up, too."""
        step(search, READY)
        search.pause()
        assert step(search) == []
        search.deadline = module.time.monotonic() - 1
        assert [type(command) for command in step(search)] == [Stop]

    def test_deadline_while_none_is_busy(self, search: Search) -> None:
        """The search ends."""
        search.deadline = module.time.monotonic() - 1
        search._keep_time()
        assert search._over()

    def test_hung(self, search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
        """A worker that says nothing for long is killed, and its trial recorded."""
        crew: Any = search.crew
        step(search, READY)
        crew.worker.heard_at -= module.HUNG_S + 1
        step(search)
        assert search.claims.study.trials[0].user_attrs["reason"] == "hung"
        assert crew.started == 2

    def test_a_worker_that_was_idle_for_long(self, search: Search) -> None:
        """Of it nothing was to be heard: it is given the trial of one that died."""
        crew: Any = search.crew
        search.pausing = True  # so that it stays idle
        step(search, READY)
        crew.worker.heard_at -= module.HUNG_S + 1
        search.pausing = False
        (job,) = step(search)
        step(search)
        assert crew.worker.claim.number == job.number == 0
        assert crew.started == 1

    def test_a_lost_lease(self, search: Search) -> None:
        """The worker is killed and what it says afterwards is not written."""
        step(search, READY)
        leases = search.recorder.leases
        trial_id = next(iter(leases.held))
        leases.release(trial_id)
        other = Leases(leases.engine)
        assert other.take(trial_id)
        search._beat_at = 0.0
        search._beat()
        assert not search.crew.busy()
        step(search, finished())
        assert search.claims.study.trials[0].state is TrialState.RUNNING

    def test_a_lease_lost_since_the_last_beat(self, search: Search) -> None:
        """Who comes back late does not end another's trial."""
        step(search, READY)
        leases = search.recorder.leases
        trial_id = next(iter(leases.held))
        leases.release(trial_id)
        assert Leases(leases.engine).take(trial_id)
        step(search, finished())
        assert search.claims.study.trials[0].state is TrialState.RUNNING
        assert "Trial 0 was taken over by another process." in search.view.shown  # type: ignore[attr-defined]

    def test_the_same_failure_three_times(self, search: Search) -> None:
        """The search ends with the cause, and the trial of another worker is laid aside."""
        search.claims.total = 9
        failed = Outcome(reason="failed", message="Traceback\nValueError: no\n")
        step(search, READY)
        for _ in range(3):
            assert search.failure is None
            step(search, finished(outcome=failed))
        assert search.failure == "ValueError: no"
        assert search._over()

    def test_a_fatal_error_ends_it(self, search: Search) -> None:
        """A full disk ends the search; the trial is as it was."""
        step(search, READY)
        step(search, Finished(outcome=None, fatal="The disk is full."))
        assert search.failure == "The disk is full."
        assert search._over()
        assert search.claims.study.trials[0].state is TrialState.RUNNING
