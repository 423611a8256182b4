"""Claims, recorder, artifacts and the loop between them, without a real worker."""

from __future__ import annotations

import signal
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from optuna_dashboard import get_note

from hpo.search import coordinator as module
from hpo.search import memory
from hpo.search.artifacts import Artifacts
from hpo.search.claims import Claim, Claims
from hpo.search.coordinator import JobSettings, Search
from hpo.search.crew import Crew, Worker, WorkerSettings
from hpo.search.recorder import Recorder
from hpo.training.checkpoint import best_path, save_weights
from hpo.training.protocol import EpochEnd, Event, Finished, Ready, Stop, Train, Verdict
from models.config import ModelConfig
from studies.leases import Leases
from studies.record import LABEL_KEY, Outcome
from studies.samplers import Random
from studies.space import Space
from studies.stateless import StatelessSampler
from studies.storage import default_url, open_storage
from studies.suggest import default_trial
from studies.trial_config import TrialConfig
from tests.studies.spaces import DIGITS, space_of

SPACE = space_of({"backbone": "cnn"}, facts=DIGITS)
FEW = space_of(
    {
        "backbone": "cnn",
        "optimizer": "adam",
        "learning_rate": 0.001,
        "l2": 0.0,
        "dropout": 0.0,
        "head_widths": "none",
        "batch_size": [16, 32],
        "epochs": 5,
        "augmentation": "none",
    },
    facts=DIGITS,
)
"""A space of two different trials."""


def make_study(folder: Path) -> optuna.Study:
    """An empty study in a folder."""
    return optuna.create_study(
        study_name="s",
        storage=open_storage(default_url(folder)),
        direction="maximize",
        sampler=StatelessSampler(Random(), 0),
        load_if_exists=True,
    )


def storage_of(study: optuna.Study) -> RDBStorage:
    """The storage beneath Optuna's cache."""
    storage = study._storage._backend  # type: ignore[attr-defined]
    assert isinstance(storage, RDBStorage)
    return storage


def claims_of(study: optuna.Study, total: int = 3, space: Space = SPACE) -> Claims:
    """What another process would claim with."""
    return Claims(study, space, DIGITS, Leases(storage_of(study).engine), total)


def recorder_of(study: optuna.Study, claims: Claims, folder: Path, keep_top: int = 2) -> Recorder:
    """What writes that study's trials."""
    artifacts = Artifacts(study, storage_of(study), folder / "artifacts")
    trials = folder / "trials"
    trials.mkdir(exist_ok=True)
    return Recorder(study, artifacts, claims.leases, trials, "accuracy", keep_top)


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    """An empty study."""
    return make_study(tmp_path)


def outcome_of(best: float = 0.5, **changes: Any) -> Outcome:
    """How a trial of two epochs ended."""
    history = {"val_accuracy": [best / 2, best], "accuracy": [0.1, 0.2]}
    ended = Outcome(reason="complete", value=best, best_epoch=2, history=history)
    return ended.model_copy(update=changes)


def train(recorder: Recorder, claim: Claim, value: float) -> None:
    """Leaves the files of a trial that was trained, and records it."""
    folder = recorder.folder(claim.number)
    folder.mkdir(parents=True)
    save_weights(best_path(folder, 2), [np.full(4, value)], 0)
    recorder.finish(claim, outcome_of(value))
    recorder.collect()


class TestClaims:
    """Which trial comes next."""

    def test_never_more_than_the_total(self, study: optuna.Study) -> None:
        """Trials that are running, failed or pruned count."""
        claims = claims_of(study)
        first, second, third = (claims.next() for _ in range(3))
        assert first
        assert second
        assert third
        assert claims.next() is None
        assert not claims.finished()
        study.tell(first.trial, state=TrialState.FAIL)
        study.tell(second.trial, 0.1)
        assert claims.next() is None
        study.tell(third.trial, state=TrialState.PRUNED)
        assert claims.finished()
        claims.total = 4
        assert not claims.finished()
        assert claims.next()

    def test_baselines_come_first(self, study: optuna.Study) -> None:
        """Enqueued trials are claimed in their order with their label, then new ones."""
        for label in ("a", "b"):
            study.enqueue_trial(default_trial(SPACE, DIGITS), user_attrs={LABEL_KEY: label})
        claims = claims_of(study)
        claimed = [claims.next() for _ in range(4)]
        assert [claim.label for claim in claimed if claim] == ["a", "b", None]
        assert claimed[3] is None

    def test_what_a_dead_process_left_comes_first(
        self, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The same trial with the same settings; a living process's is left alone."""
        theirs = claims_of(study)
        claim = theirs.next()
        assert claim
        ours = claims_of(study)
        second = ours.next()
        assert second
        assert second.number == 1, "the other one's holder lives"
        monkeypatch.setattr("studies.leases._died_here", lambda owner: owner == theirs.leases.owner)
        again = ours.next()
        assert again
        assert (again.number, again.config) == (claim.number, claim.config)
        assert not theirs.leases.renew(claim.trial_id)

    def test_a_trial_killed_before_its_settings(self, study: optuna.Study, tmp_path: Path) -> None:
        """A trial that was created and no more is drawn as it would have been."""
        study.ask()  # no lease, no settings: killed at once
        claim = claims_of(study).next()
        assert claim
        assert claim.number == 0
        other = tmp_path / "other"
        undisturbed = claims_of(make_study(other)).next()
        assert undisturbed
        assert claim.config == undisturbed.config

    def test_waits_for_another_that_is_claiming(self, study: optuna.Study) -> None:
        """While another process holds the gate nothing is claimed, and later it is."""
        other, claims = Leases(storage_of(study).engine), claims_of(study)
        gate = -1 - study._study_id
        assert other.take(gate)
        assert claims.next() is None
        other.release(gate)
        assert claims.next()

    def test_given_back(self, study: optuna.Study) -> None:
        """A claim whose worker died is handed out next, unless its lease was lost meanwhile."""
        claims = claims_of(study)
        claim = claims.next()
        assert claim
        claims.give_back(claim)
        claims.renew()
        assert claims.next() is claim
        claims.give_back(claim)
        claims.leases.release(claim.trial_id)
        assert Leases(storage_of(study).engine).take(claim.trial_id)
        claims.renew()
        new = claims.next()
        assert new
        assert new.number == 1

    def test_one_that_ends_while_another_looks(
        self, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A trial seen as running just before its holder ended it is not trained again."""
        claims = claims_of(study, total=1)
        claim = claims.next()
        assert claim is not None
        other = claims_of(study, total=1)
        seen = study.get_trials(states=(TrialState.RUNNING,))
        study.tell(claim.trial, 0.5)
        claims.leases.release(claim.trial_id)
        stale = {(TrialState.RUNNING,): seen}
        real = study.get_trials
        monkeypatch.setattr(
            study,
            "get_trials",
            lambda deepcopy=True, states=None: stale.get(states) or real(deepcopy, states),
        )
        assert other.next() is None
        assert claim.trial_id not in other.leases.held


class TestRecorder:
    """What is written."""

    def test_reports_what_is_missing(self, study: optuna.Study, tmp_path: Path) -> None:
        """Epochs whose report was lost to a kill are made up; none is written twice."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), claims.next()
        assert claim
        recorder.report(claim, [0.1])
        recorder.report(claim, [0.1, 0.2, 0.3])
        assert study.trials[0].intermediate_values == {1: 0.1, 2: 0.2, 3: 0.3}

    def test_never_prunes_a_baseline(self, study: optuna.Study, tmp_path: Path) -> None:
        """What prunes everything prunes no trial that has a label."""
        study.pruner = optuna.pruners.ThresholdPruner(lower=2.0)
        study.enqueue_trial(default_trial(SPACE, DIGITS), user_attrs={LABEL_KEY: "mine"})
        claims = claims_of(study)
        recorder = recorder_of(study, claims, tmp_path)
        first, second = claims.next(), claims.next()
        assert first
        assert second
        assert not recorder.report(first, [0.1])
        assert recorder.report(second, [0.1])

    def test_keeps_the_best_and_the_baselines(self, study: optuna.Study, tmp_path: Path) -> None:
        """Weights of two best trials and the baseline stay, the rest is collected."""
        study.enqueue_trial(default_trial(SPACE, DIGITS), user_attrs={LABEL_KEY: "mine"})
        claims = claims_of(study, total=6)
        recorder = recorder_of(study, claims, tmp_path)
        for value in (0.1, 0.5, 0.4, 0.8, 0.2, 0.6):
            claim = claims.next()
            assert claim
            train(recorder, claim, value)
        kept = recorder.artifacts.weights()
        assert sorted(kept) == [0, 3, 5]
        for number, value in ((0, 0.1), (3, 0.8), (5, 0.6)):
            with np.load(recorder.artifacts.path(kept[number].artifact_id)) as file:
                np.testing.assert_array_equal(file["a00000"], np.full(4, value))
        metas = get_all_artifact_meta(study)
        assert len(metas) == 3
        pictures = [
            meta for t in study.trials for meta in get_all_artifact_meta(t, storage=study._storage)
        ]
        assert len(list((tmp_path / "artifacts").iterdir())) == 3 + len(pictures)
        assert not list(recorder.trials_folder.iterdir())

    def test_a_picture_of_each_trial(self, study: optuna.Study, tmp_path: Path) -> None:
        """The learning curve is valid XML, names what it shows, and hangs on its trial."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), claims.next()
        assert claim
        claim.label = '<"mine" & yours>'
        train(recorder, claim, 0.5)
        (meta,) = get_all_artifact_meta(study.trials[0], storage=study._storage)
        assert meta.filename == "learning-curve.svg"
        svg = ET.fromstring(recorder.artifacts.path(meta.artifact_id).read_text())
        texts = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
        assert 'Trial 0 (<"mine" & yours>)' in texts
        assert "accuracy over 2 epochs, best at 2" in texts
        assert len(list(svg.iter("{http://www.w3.org/2000/svg}polyline"))) == 2

    def test_a_note_of_each_trial(self, study: optuna.Study, tmp_path: Path) -> None:
        """The dashboard reads it as one of its own; after `NOTED` trials there are no more."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), claims.next()
        assert claim
        recorder.finish(claim, outcome_of(0.5, message="x" * 5_000))
        note = get_note(claim.trial)
        assert note.startswith("**complete** after 2 of ")
        assert note.endswith(f"```text\n{'x' * 2_000}\n```")

    def test_notes_come_to_an_end(
        self, study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The dashboard takes time in the square of their number."""
        monkeypatch.setattr("hpo.search.notes.NOTED", 1)
        claims = claims_of(study)
        recorder, first, second = recorder_of(study, claims, tmp_path), claims.next(), claims.next()
        assert first
        assert second
        for claim in (first, second):
            recorder.finish(claim, outcome_of())
        assert [bool(get_note(claim.trial)) for claim in (first, second)] == [True, False]

    def test_looks_at_all_trials_seldom(
        self, study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only after a trial that may be among the best; its own files go after any other."""
        claims = claims_of(study, total=6)
        recorder, looks = recorder_of(study, claims, tmp_path), []
        real = recorder._collect_all
        monkeypatch.setattr(recorder, "_collect_all", lambda: (looks.append(1), real()))
        for value, looked in ((0.5, 1), (0.6, 2), (0.4, 2), (0.5, 2), (0.55, 3), (0.52, 3)):
            claim = claims.next()
            assert claim
            train(recorder, claim, value)
            assert len(looks) == looked
            assert not list(recorder.trials_folder.iterdir())
        assert sorted(recorder.artifacts.weights()) == [1, 4]

    def test_killed_while_it_finishes(self, study: optuna.Study, tmp_path: Path) -> None:
        """Written in part and then again, a trial is recorded once, its picture too."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), claims.next()
        assert claim
        for name, value in outcome_of(0.5).attributes().items():
            claim.trial.set_user_attr(name, value)
        recorder._draw(claim, outcome_of(0.5))
        train(recorder, claim, 0.5)
        assert len(get_all_artifact_meta(study.trials[0], storage=study._storage)) == 1
        assert study.trials[0].state is TrialState.COMPLETE

    @pytest.mark.parametrize("reason", ["complete", "pruned", "diverged", "out of memory"])
    def test_twins(self, study: optuna.Study, tmp_path: Path, reason: Any) -> None:
        """Settings that were judged already end the same without training; failures do not."""
        claims = claims_of(study, space=FEW, total=30)
        recorder, claim = recorder_of(study, claims, tmp_path), claims.next()
        assert claim
        assert recorder.twin(claim) is None
        value = 0.5 if reason == "complete" else None
        recorder.finish(claim, outcome_of(0.5, reason=reason, value=value))
        for each in (recorder, recorder_of(study, claims, tmp_path)):
            twin = each.twin(claim)
            assert twin
            assert twin.reason == ("duplicate" if reason == "complete" else reason)
            assert twin.value == value
            assert twin.message == "Trial 0 had exactly these settings."

    def test_a_failed_trials_twin_is_trained(self, study: optuna.Study, tmp_path: Path) -> None:
        """A failure may have been the machine's."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), claims.next()
        assert claim
        recorder.finish(claim, Outcome(reason="failed", message="Traceback"))
        assert recorder.twin(claim) is None

    def test_duplicates_take_no_place_among_the_best(
        self, study: optuna.Study, tmp_path: Path
    ) -> None:
        """Copies of the best trial have no weights, so they do not displace the second best."""
        claims = claims_of(study, total=9)
        recorder = recorder_of(study, claims, tmp_path)
        best, second = claims.next(), claims.next()
        assert best
        assert second
        train(recorder, best, 0.9)
        for _ in range(3):
            copy = claims.next()
            assert copy
            recorder.finish(copy, Outcome(reason="duplicate", value=0.9))
        train(recorder, second, 0.4)
        assert sorted(recorder.artifacts.weights()) == [0, 1]


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
    printed: str = ""
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
        log.write_text("first line\nValueError: the last line\n")
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


READY = Ready(device="CPU", precision="float32")


def finished(number: int, **changes: Any) -> Finished:
    """A worker's word that a trial is over."""
    return Finished(number=number, outcome=outcome_of()).model_copy(update=changes)


def epoch_end(number: int) -> EpochEnd:
    """A worker's word that an epoch is."""
    return EpochEnd(number=number, values=[0.25], metrics={"loss": 1.0}, seconds=1.0)


class TestSearch:
    """The loop."""

    def test_trains_all(self, search: Search) -> None:
        """A ready worker gets one trial after another until there are none."""
        (job,) = step(search, READY)
        assert isinstance(job, Train)
        for number in range(3):
            assert not search._over()
            assert [type(c) for c in step(search, epoch_end(number))] == [Verdict]
            step(search, finished(number))
        assert search._over()
        assert [trial.state.name for trial in search.claims.study.trials] == ["COMPLETE"] * 3

    def test_a_worker_that_was_killed_in_its_start(self, search: Search) -> None:
        """It is replaced; three in a row end the search with what the last one printed."""
        crew: Any = search.crew
        step(search, ended=True)
        step(search, ended=True)
        assert search.failure is None
        step(search, READY)
        assert search._failed_starts == 0
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
        """It is continued twice and then recorded as failed; an epoch in between forgives."""
        for _ in range(2):
            (job,) = step(search, READY)
            assert job.number == 0
            step(search, epoch_end(0))
            step(search, ended=True)
        for _ in range(2):
            (job,) = step(search, READY)
            assert job.number == 0
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
        (job,) = step(search, finished(0))
        assert (crew.worker, crew.started, job.number) == (worker, 2, 1)
        crew.successor.ready = True
        assert step(search, finished(1)) == []
        assert crew.worker is not worker
        assert [job.number for job in crew.worker.sent] == [2]

    def test_out_of_memory(self, search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the kernel says that it killed somebody just now, a killed worker was it."""
        step(search, READY)
        monkeypatch.setattr(memory, "oom_kills", lambda: search._oom_kills + 1)
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
        (verdict,) = step(search, epoch_end(0))
        assert verdict.action == "pause"
        step(search, Finished(number=0, outcome=None))
        assert search._over()
        assert search.claims.study.trials[0].state is TrialState.RUNNING
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
        search.deadline -= module.STOP_S
        step(search)
        assert crew.started == 2
        assert search._over()
        assert search.recorder.leases.held == set()

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
        step(search, finished(0))
        assert search.claims.study.trials[0].state is TrialState.RUNNING

    def test_a_lease_lost_since_the_last_beat(self, search: Search) -> None:
        """Who comes back late does not end another's trial."""
        step(search, READY)
        leases = search.recorder.leases
        trial_id = next(iter(leases.held))
        leases.release(trial_id)
        assert Leases(leases.engine).take(trial_id)
        step(search, finished(0))
        assert search.claims.study.trials[0].state is TrialState.RUNNING
        assert "Trial 0 was taken over by another process." in search.view.shown  # type: ignore[attr-defined]

    def test_the_same_failure_three_times(self, search: Search) -> None:
        """The search ends with the cause, and the trial of another worker is laid aside."""
        search.claims.total = 9
        failed = Outcome(reason="failed", message="Traceback\nValueError: no\n")
        step(search, READY)
        for number in range(3):
            assert search.failure is None
            step(search, finished(number, outcome=failed))
        assert search.failure == "ValueError: no"
        assert search._over()

    def test_a_hindrance_ends_it(self, search: Search) -> None:
        """A full disk ends the search; the trial is as it was."""
        step(search, READY)
        step(search, Finished(number=0, outcome=None, hindrance="The disk is full."))
        assert search.failure == "The disk is full."
        assert search._over()
        assert search.claims.study.trials[0].state is TrialState.RUNNING


SCRIPTED = """
import sys
for line in sys.stdin.buffer:
    pass
"""


class Scripted(WorkerSettings):
    """A worker that is a few lines of Python."""

    script: str

    def command(self) -> list[str]:
        """Returns the command line."""
        import sys

        return [sys.executable, "-c", self.script]


def crew_of(folder: Path, script: str) -> Crew:
    """A crew of one such worker."""
    settings = Scripted(
        manifest=folder, image_size_px=8, device="cpu", threads=1, logs=folder, script=script
    )
    return Crew(settings, 1)


class TestCrew:
    """Real processes."""

    def test_a_worker_that_died_is_sent_a_trial(self, tmp_path: Path) -> None:
        """What it did not live to read is no error, then or when it is replaced."""
        crew = crew_of(tmp_path, "pass")
        worker = crew.workers[0]
        worker._process.wait()
        job = Train(
            number=0,
            config=TrialConfig(model=ModelConfig(backbone="cnn", image_size_px=8, classes=2)),
            seed=0,
            metric="accuracy",
            folder="x",
        )
        worker.send(job)
        ((heard, events, ended),) = crew.events(5)
        assert (heard, events, ended) == (worker, [], True)
        assert crew.replace(worker) == 0
        crew.close(at_once=True)

    def test_half_a_line(self, tmp_path: Path) -> None:
        """A worker killed in the midst of a line has said nothing; halves are joined."""
        script = (
            "import os, time\n"
            'os.write(1, b\'{"kind":"ready","dev\'); time.sleep(0.3)\n'
            'os.write(1, b\'ice":"CPU","precision":"float32"}\\n{"kind":"re\')\n'
        )
        crew = crew_of(tmp_path, script)
        said: list[Event] = []
        over = False
        while not over:
            for _, events, ended in crew.events(5):
                said, over = said + events, ended
        assert said == [READY]
        crew.close()

    @pytest.mark.parametrize(
        ("said", "heard"),
        [
            ("print('Epoch 1/5')", "b'Epoch 1/5'"),
            ('print(\'{"kind":"ready","dev{"kind":"alive"}\')', 'b\'{"kind":"ready"'),
            ('print(\'{"kind":"mood"}\')', 'b\'{"kind":"mood"}\''),
            ("print('x' * (1 << 25), end='')", "b'xxxx"),
        ],
        ids=["text", "torn", "unknown", "endless"],
    )
    def test_gibberish(self, tmp_path: Path, said: str, heard: str) -> None:
        """A worker that says what is no event is taken for broken; what it said before counts."""
        ready = READY.model_dump_json()
        crew = crew_of(
            tmp_path, f"import time; print({ready!r}, flush=True); {said}; time.sleep(60)"
        )
        worker = crew.workers[0]
        events: list[Event] = []
        over = False
        while not over:
            for _, some, ended in crew.events(5):
                events, over = events + some, ended
        assert events == [READY]
        assert worker.gibberish.startswith(heard)
        assert crew.replace(worker, at_once=True) == -signal.SIGKILL
        crew.close(at_once=True)

    def test_prints(self, tmp_path: Path) -> None:
        """What a worker printed is told apart from what those before it did."""
        (tmp_path / "worker-0.log").write_text("std::bad_alloc\n")
        crew = crew_of(tmp_path, "import sys; sys.stderr.write('mine')")
        worker = crew.workers[0]
        worker._process.wait()
        crew.close()
        assert worker.printed == "mine"

    def test_closes_what_does_not_listen(self, tmp_path: Path) -> None:
        """At once means at once."""
        crew = crew_of(tmp_path, "import time; time.sleep(60)")
        pid = crew.workers[0].pid
        crew.close(at_once=True)
        assert crew.workers[0]._process.returncode == -signal.SIGKILL
        assert pid

    def test_ends_at_the_end_of_its_input(self, tmp_path: Path) -> None:
        """A worker that reads ends by itself."""
        crew = crew_of(tmp_path, SCRIPTED)
        assert isinstance(crew.workers[0], Worker)
        crew.close()
        assert crew.workers[0]._process.returncode == 0
