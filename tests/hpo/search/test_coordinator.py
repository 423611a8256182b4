"""The loop between scheduler, claims, recorder and workers, turn by turn, without a process."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from rich.console import Console

from hpo.search import coordinator as module
from hpo.search.board import new_board
from hpo.search.coordinator import HUNG_S, STOP_S, Search, StudyGoneError
from hpo.search.runner import Runner, WorkerEnd
from hpo.search.views import LineView
from hpo.training.protocol import Alive, EpochEnd, Event, Finished, Ready, Started, Stop
from studies.leases import BEAT_S, Leases
from studies.pruners import NoPruner
from studies.record import CONFIG_KEY, Outcome, value_of
from studies.scheduler import Judgement, Prune, Resume, Rule, Start, TrialRecord
from tests.clock import Clock
from tests.hpo.search.fake_runner import KILLED, FakeRunner, FakeWorker
from tests.hpo.search.small_study import (
    FEW,
    claims_of,
    next_of,
    outcome_of,
    recorder_of,
    storage_of,
)

READY = Ready(device="CPU")


class Quiet(LineView):
    """A view that keeps what it would print."""

    def __init__(self) -> None:
        super().__init__(new_board("s", "accuracy", 3), Console())
        self.shown: list[str] = []

    def show(self, message: str) -> None:
        """Keeps a line."""
        self.shown.append(message)


class Stage:
    """A search of three trials with a worker or two, which a test speaks for.

    Attributes:
        search: The search.
        runner: Its workers.
        view: What it shows.
        clock: Its time.
    """

    def __init__(
        self, study: optuna.Study, folder: Path, clock: Clock, size: int = 1, **claims: Any
    ) -> None:
        self.study, self.clock = study, clock
        self.runner, self.view = FakeRunner(size), Quiet()
        self.claims = claims_of(study, **claims)
        runner: Runner = self.runner
        recorder = recorder_of(study, self.claims, folder)
        self.search = Search(self.claims, recorder, runner, self.view)

    @property
    def worker(self) -> FakeWorker:
        """The first worker."""
        return self.runner.workers[0]

    def turn(self, *says: Event, worker: int = 0, ends: bool = False) -> bool:
        """Lets a worker say something, and the search go on for a turn; whether it is over."""
        speaker = self.runner.workers[worker]
        speaker.says, speaker.ends = list(says), ends
        return self.search.turn()

    def trial(self, number: int) -> optuna.trial.FrozenTrial:
        """A trial as the study has it."""
        return self.study.get_trials(deepcopy=False)[number]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the coordinator, not of the leases."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def stage(study: optuna.Study, tmp_path: Path, clock: Clock) -> Stage:
    """A search of three trials with one worker."""
    return Stage(study, tmp_path, clock)


def finished(**changes: Any) -> Finished:
    """A worker's word that a trial is over."""
    return Finished(outcome=outcome_of()).model_copy(update=changes)


def epoch_end(epoch: int = 1) -> EpochEnd:
    """A worker's word that an epoch is."""
    return EpochEnd(values=[0.25] * epoch, metrics={"loss": 1.0})


STARTED = Started(epoch=0)


class TestSearch:
    """The loop."""

    def test_trains_all(self, stage: Stage) -> None:
        """A ready worker gets one trial after another until there are none."""
        assert not stage.turn(READY)
        for _ in range(3):
            assert not stage.turn(STARTED, epoch_end())
            over = stage.turn(finished())
        assert over
        assert stage.worker.given == [0, 1, 2]
        assert stage.worker.verdicts == ["continue"] * 3
        assert [trial.state.name for trial in stage.study.trials] == ["COMPLETE"] * 3

    def test_a_worker_that_was_killed_in_its_start(self, stage: Stage) -> None:
        """It is replaced; three in a row end the search with what the last one printed."""
        stage.turn(ends=True)
        stage.turn(ends=True)
        stage.search.pause()  # so that the next one gets no trial
        stage.turn(READY)
        stage.turn(ends=True)
        for _ in range(2):
            stage.turn(ends=True)
            assert stage.search.failure is None
        assert stage.turn(ends=True)
        assert stage.search.failure == (
            "A worker could not start (signal SIGKILL). ValueError: the last line (see worker.log)"
        )

    def test_a_worker_that_ends_by_itself_in_its_start(self, stage: Stage) -> None:
        """An exception in its start would come again: the search ends with it at once."""
        stage.runner.end = WorkerEnd(cause="exit status 1", killed=False)
        assert stage.turn(ends=True)
        assert stage.search.failure == "A worker could not start (exit status 1)."

    def test_a_worker_that_does_not_get_ready(self, stage: Stage) -> None:
        """It is killed, and so is the next; after three the search ends and says why."""
        for _ in range(3):
            assert stage.search.failure is None
            stage.turn()
            stage.clock.now += HUNG_S + 1
            stage.turn()
        assert len(stage.runner.killed) == 3
        assert stage.search.failure is not None
        assert stage.search.failure.startswith(
            "A worker could not start (no sign of life for 600 s)."
        )

    def test_an_idle_worker_dies(self, stage: Stage) -> None:
        """It is replaced without a word."""
        stage.search.pausing = True  # so that it stays idle
        stage.turn(READY)
        stage.turn(ends=True)
        assert (stage.runner.started, stage.search.failure) == (2, None)

    def test_a_trial_that_kills_its_workers(self, stage: Stage) -> None:
        """It is continued twice and then recorded as failed; an epoch in between forgives.

        What a resumed trial says of the epochs before is no epoch.
        """
        for epoch in (1, 2, 2, 2):
            stage.turn(READY)
            assert stage.worker.given == [0]
            stage.turn(STARTED, epoch_end(epoch))
            assert len(stage.view.board.running) == 1
            stage.turn(ends=True)
            assert stage.view.board.running == {}
        assert stage.trial(0).state is TrialState.FAIL
        assert stage.trial(0).user_attrs["message"] == (
            "Its worker ended 3 times (signal SIGKILL). ValueError: the last line (see worker.log)"
        )

    def test_out_of_memory(self, stage: Stage) -> None:
        """A worker that got no more memory is replaced, its trial ended, and the study goes on."""
        stage.turn(READY)
        stage.runner.end = dataclasses.replace(KILLED, out_of_memory="No more memory.")
        stage.turn(ends=True)
        trial = stage.trial(0)
        assert trial.user_attrs["reason"] == "out of memory"
        assert trial.user_attrs["message"] == "No more memory."
        assert trial.state is TrialState.PRUNED
        stage.turn(READY)
        assert (stage.worker.given, stage.search.failure) == ([1], None)

    def test_a_worker_that_says_so_itself(self, stage: Stage) -> None:
        """It is replaced, since what it holds it may never give back."""
        stage.turn(READY)
        stage.turn(finished(outcome=Outcome(reason="out of memory")))
        assert stage.runner.started == 2

    def test_a_worker_that_ended_over_a_trial(self, stage: Stage) -> None:
        """The user is told what ended it, and that the trial is continued."""
        stage.runner.end = dataclasses.replace(KILLED, cause="it said b'x', which is no event")
        stage.turn(READY)
        stage.turn(ends=True)
        assert stage.view.shown[-1] == (
            "Trial 0: its worker ended (it said b'x', which is no event); it is continued."
        )

    def test_pause(self, stage: Stage) -> None:
        """The trial is paused at its next epoch, and its lease given back."""
        stage.turn(READY)
        stage.search.pause()
        assert not stage.turn(STARTED, epoch_end())
        assert stage.worker.verdicts == ["pause"]
        assert stage.turn(finished(outcome=outcome_of(0.4, reason="interrupted")))
        assert stage.view.board.running == {}
        assert stage.trial(0).state is TrialState.RUNNING
        assert value_of(stage.trial(0)) == 0.4
        assert next_of(claims_of(stage.study)).number == 0

    def test_pause_while_a_worker_starts(self, stage: Stage) -> None:
        """Nobody is busy, so nothing is waited for."""
        stage.search.pause()
        assert stage.turn()

    def test_deadline(self, stage: Stage) -> None:
        """The worker is told to stop within its epoch, once; one that does not is killed."""
        stage.turn(READY)
        worker = stage.worker
        stage.search.deadline_s = stage.clock.now
        stage.turn()
        stage.turn()
        assert [type(command) for command in worker.sent] == [Stop]
        stage.clock.now += STOP_S + 1
        stage.turn(Alive())
        assert stage.runner.killed == [], "it says how far its trial is"
        stage.clock.now += STOP_S + 1
        assert stage.turn()
        assert stage.runner.killed == [worker]
        assert stage.claims.leases.held == set()

    def test_the_first_trial_is_chosen_for_the_time_that_is_left(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It may be a step of the opening, whose epochs are as many as fit."""
        asked: list[float | None] = []
        claim = stage.claims.next()
        monkeypatch.setattr(stage.claims, "next", lambda left_s: [asked.append(left_s), claim][1])
        stage.search.deadline_s = stage.clock.now + 90.0
        assert stage.search.first() is not None
        assert asked == [90.0]

    def test_deadline_after_an_interruption(self, stage: Stage) -> None:
        """A worker that finishes its epoch is told that the time is up, too."""
        stage.turn(READY)
        stage.search.pause()
        stage.turn()
        assert stage.worker.sent == []
        stage.search.deadline_s = stage.clock.now
        stage.turn()
        assert [type(command) for command in stage.worker.sent] == [Stop]

    def test_deadline_while_none_is_busy(self, stage: Stage) -> None:
        """The search ends."""
        stage.search.deadline_s = stage.clock.now
        assert stage.turn()

    def test_hung(self, stage: Stage) -> None:
        """A worker that says nothing for long is killed, and its trial recorded."""
        stage.turn(READY)
        stage.turn(STARTED)
        stage.clock.now += HUNG_S + 1
        stage.turn()
        assert stage.trial(0).user_attrs["reason"] == "hung"
        assert stage.runner.started == 2
        assert [row.ended for row in stage.view.board.recent] == ["hung"]

    def test_a_worker_that_was_idle_for_long(self, stage: Stage) -> None:
        """Nothing was to be heard of it: it is given a trial and not killed."""
        stage.search.pausing = True  # so that it stays idle
        stage.turn(READY)
        stage.clock.now += HUNG_S + 1
        stage.search.pausing = False
        stage.turn()
        stage.turn()
        assert stage.worker.given == [0]
        assert stage.runner.started == 1

    def test_a_lost_lease(self, stage: Stage) -> None:
        """The worker is killed and what it says afterwards is not written."""
        stage.turn(READY)
        stage.turn(STARTED)
        lose(stage)
        stage.clock.now += BEAT_S
        stage.turn(finished())
        assert stage.runner.started == 2
        assert stage.view.board.running == {}
        assert stage.trial(0).state is TrialState.RUNNING

    def test_a_lease_lost_since_the_last_beat(self, stage: Stage) -> None:
        """A process that comes back late does not end another's trial."""
        stage.turn(READY)
        stage.turn(STARTED)
        lose(stage)
        stage.turn(finished())
        assert stage.trial(0).state is TrialState.RUNNING
        assert stage.view.board.running == {}
        assert "Trial 0 was taken over by another process." in stage.view.shown

    def test_the_same_failure_three_times(
        self, study: optuna.Study, tmp_path: Path, clock: Clock
    ) -> None:
        """The search ends with the cause."""
        stage = Stage(study, tmp_path, clock, total=9)
        failed = Outcome(reason="failed", message="Traceback\nValueError: no\n")
        stage.turn(READY)
        for _ in range(3):
            assert stage.search.failure is None
            over = stage.turn(finished(outcome=failed))
        assert stage.search.failure == "ValueError: no"
        assert over

    def test_what_is_fatal_ends_it(self, stage: Stage) -> None:
        """A full disk ends the search; the trial is as it was."""
        stage.turn(READY)
        assert stage.turn(Finished(outcome=None, fatal="The disk is full."))
        assert stage.search.failure == "The disk is full."
        assert stage.trial(0).state is TrialState.RUNNING

    def test_counts_its_own_epochs(self, stage: Stage) -> None:
        """What a resumed trial says of earlier ones does not count."""
        stage.turn(READY)
        stage.turn(STARTED, epoch_end(1), epoch_end(2), epoch_end(2))
        assert stage.search.epochs == 2


def lose(stage: Stage) -> None:
    """Lets another process take the trial that is in training."""
    leases = stage.claims.leases
    (trial_id,) = leases.held
    leases.release(trial_id)
    assert Leases(leases.engine).take(trial_id)


class TestDashboard:
    """What people do to a study while it is searched."""

    def test_a_trial_that_is_failed(self, stage: Stage) -> None:
        """At the end of its epoch it is dropped with a line, and the worker takes the next."""
        stage.turn(READY)
        stage.turn(STARTED)
        fail(stage, 0)
        stage.turn(epoch_end())
        assert stage.view.shown[-1] == "Trial 0 was ended by another program; its training stops."
        assert stage.view.board.running == {}
        assert stage.worker.verdicts == ["prune"]
        stage.turn(finished())
        assert stage.worker.given == [0, 1]
        assert stage.trial(0).state is TrialState.FAIL
        assert stage.trial(0).intermediate_values == {}
        assert stage.search.failure is None
        assert len(stage.claims.leases.held) == 1

    def test_a_trial_that_is_failed_within_a_long_epoch(self, stage: Stage) -> None:
        """The worker is told to stop, rather than trained for an hour in vain."""
        stage.turn(READY)
        stage.turn(STARTED)
        fail(stage, 0)
        stage.clock.now += BEAT_S
        stage.turn()
        stage.clock.now += BEAT_S
        stage.turn()
        assert [type(command) for command in stage.worker.sent] == [Stop]
        stage.turn(Finished(outcome=None))
        assert stage.worker.given == [0, 1]

    def test_its_worker_dies_then(self, stage: Stage) -> None:
        """Nothing is written and nothing continued."""
        stage.turn(READY)
        stage.turn(STARTED)
        fail(stage, 0)
        stage.turn(epoch_end())
        stage.turn(ends=True)
        stage.turn(READY)
        assert stage.worker.given == [1]

    def test_a_trial_that_is_failed_at_its_end(self, stage: Stage) -> None:
        """It stays as it is."""
        stage.turn(READY)
        fail(stage, 0)
        stage.turn(finished())
        assert stage.trial(0).state is TrialState.FAIL
        assert stage.worker.given == [0, 1]

    @pytest.mark.parametrize("says", [[epoch_end()], [finished()], []], ids=["epoch", "end", ""])
    def test_a_study_that_is_deleted(self, stage: Stage, says: Sequence[Event]) -> None:
        """Whatever comes next, the search ends with that and nothing else, and holds no lease."""
        stage.turn(READY)
        stage.turn(STARTED)
        optuna.delete_study(study_name="s", storage=storage_of(stage.study))
        stage.worker.says = list(says)
        stage.clock.now += BEAT_S
        with pytest.raises(StudyGoneError):
            stage.search.run()
        assert stage.claims.leases.holders() == {}


def fail(stage: Stage, number: int) -> None:
    """Does what "Fail trial" in the dashboard does."""
    storage = storage_of(stage.study)
    storage.set_trial_state_values(stage.trial(number)._trial_id, TrialState.FAIL)


class Rungs(NoPruner):
    """Pauses every trial after its first epoch; then resumes the best and prunes the rest."""

    def judge(
        self, trial: TrialRecord, trials: Sequence[TrialRecord], *, maximize: bool
    ) -> Judgement:
        """Pauses at the rung."""
        return "pause" if len(trial.curve) == 1 else "continue"

    def choose(
        self,
        paused: Sequence[TrialRecord],
        trials: Sequence[TrialRecord],
        *,
        may_start: bool,
        maximize: bool,
    ) -> Start | Resume | Prune:
        """Starts all, resumes the best, and prunes what is left."""
        if may_start:
            return Start()
        best = max(paused, key=lambda trial: trial.curve[-1])
        ended = any(trial.status == "ended" for trial in trials)
        return Prune(best.number) if ended else Resume(best.number)


def test_a_rule_that_pauses(study: optuna.Study, tmp_path: Path, clock: Clock) -> None:
    """Trials are paused one by one, the promising one is resumed, and the others end untrained."""
    rule: Rule = Rungs()
    stage = Stage(study, tmp_path, clock, rule=rule)
    stage.turn(READY)
    for value in (0.2, 0.6, 0.4):
        stage.turn(STARTED, EpochEnd(values=[value], metrics={"loss": 1.0}))
        assert stage.worker.verdicts[-1] == "pause"
        assert not stage.turn(
            finished(outcome=outcome_of(value, reason="interrupted", facts={"parameters": 9}))
        )
    assert stage.worker.given == [0, 1, 2, 1]
    stage.turn(Started(epoch=1), EpochEnd(values=[0.6, 0.7], metrics={"loss": 1.0}))
    assert stage.worker.verdicts[-1] == "continue"
    assert stage.turn(finished(outcome=outcome_of(0.7)))
    assert stage.worker.given == [0, 1, 2, 1], "nobody trains what is pruned"
    assert [trial.state.name for trial in study.trials] == ["PRUNED", "COMPLETE", "PRUNED"]
    kept = study.trials[0].user_attrs
    assert (kept["reason"], kept["parameters"], kept["epochs_done"]) == ("pruned", 9, 2)
    assert value_of(study.trials[0]) is None


class TestDuplicates:
    """A space of two different trials."""

    @pytest.fixture
    def stage(self, study: optuna.Study, tmp_path: Path, clock: Clock) -> Stage:
        """A search of nine trials."""
        return Stage(study, tmp_path, clock, total=9, space=FEW)

    def test_trained_once(self, stage: Stage) -> None:
        """The second time settings come up, the first outcome is taken."""
        stage.turn(READY)
        while not stage.turn(finished()):
            pass
        reasons = [trial.user_attrs["reason"] for trial in stage.study.trials]
        assert (reasons.count("complete"), reasons.count("duplicate")) == (2, 9)
        copy = reasons.index("duplicate")
        assert "had exactly these settings" in stage.trial(copy).user_attrs["message"]
        assert stage.trial(copy).value == 0.5

    def test_of_another_process(
        self, stage: Stage, study: optuna.Study, tmp_path: Path, clock: Clock
    ) -> None:
        """What another process has trained in the meantime is not trained again."""
        other = Stage(study, tmp_path, clock, total=9, space=FEW)
        stage.turn(READY)
        other.turn(READY)
        trained = {trial.user_attrs[CONFIG_KEY]["training"]["batch_size"] for trial in study.trials}
        while len(trained) < 2:
            stage.turn(finished())
            trained.add(study.trials[-1].user_attrs[CONFIG_KEY]["training"]["batch_size"])
        stage.search.pause()
        assert stage.turn(finished())
        before = list(other.worker.given)
        assert other.turn(finished())
        assert other.worker.given == before
        reasons = [trial.user_attrs["reason"] for trial in study.trials]
        assert reasons.count("duplicate") == 9
        assert reasons.count("complete") <= 3, "each, and one that both trained at once"
