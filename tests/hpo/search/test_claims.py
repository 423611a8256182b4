"""Getting a trial for what the scheduler decides, without a real worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from hpo.search import claims as claims_module
from hpo.search.claims import Claims
from studies import leases as leases_module
from studies.leases import LEASE_S, Leases, gate_of, owner_of
from studies.record import LABEL_KEY
from studies.scheduler import Done, Wait
from studies.suggest import default_trial
from tests.clock import Clock
from tests.hpo.search.small_study import (
    SPACE,
    claims_of,
    make_study,
    next_of,
    outcome_of,
    recorder_of,
    storage_of,
)
from tests.studies.spaces import DIGITS


def of_a_dead_process(claims: Claims) -> Claims:
    """Makes all leases of claims those of a process that has ended."""
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    claims.leases.owner = owner_of(dead.pid)
    dead.wait()
    return claims


class TestClaims:
    """Which trial comes next."""

    def test_never_more_than_the_total(self, study: optuna.Study) -> None:
        """Trials that are running, failed or pruned count."""
        claims = claims_of(study)
        first, second, third = (next_of(claims) for _ in range(3))
        assert claims.next() == Wait()
        study.tell(first.trial, state=TrialState.FAIL)
        study.tell(second.trial, 0.1)
        assert claims.next() == Wait()
        study.tell(third.trial, state=TrialState.PRUNED)
        assert claims.next() == Done()
        assert next_of(claims_of(study, total=4)).number == 3

    def test_baselines_come_first(self, study: optuna.Study) -> None:
        """Enqueued trials are claimed in their order with their label, then new ones."""
        for label in ("a", "b"):
            study.enqueue_trial(default_trial(SPACE, DIGITS), user_attrs={LABEL_KEY: label})
        claims = claims_of(study)
        assert [next_of(claims).label for _ in range(3)] == ["a", "b", None]

    def test_what_a_dead_process_left_comes_first(self, study: optuna.Study) -> None:
        """The same trial with the same settings; a living process's is left alone."""
        theirs = of_a_dead_process(claims_of(study))
        alive = claims_of(study)
        claim, second = next_of(theirs), next_of(alive)
        ours = claims_of(study)
        assert second.number == 0, "the first one's holder is dead already"
        assert not theirs.leases.renew(claim.trial_id)
        assert next_of(ours).number == 1, "the second one's holder lives"
        assert (second.number, second.config) == (claim.number, claim.config)

    def test_a_holder_that_may_be_dead(
        self, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One of another machine is waited for: either it beats, or its trial is continued.

        A study that goes on after a kill is then the same as one that was not killed.
        """
        monkeypatch.setattr(leases_module, "time", clock := Clock())
        elsewhere = [claims_of(study, total=9) for _ in range(2)]
        for index, theirs in enumerate(elsewhere):
            theirs.leases.owner = f"machine-{index}|1|0.0|a"
        first = next_of(elsewhere[0])
        ours = claims_of(study, total=9)
        assert ours.next() == Wait(0)
        clock.now += 10
        assert elsewhere[0].leases.renew(first.trial_id)
        second = next_of(ours)
        assert second.number == 1, "it lives"
        clock.now += LEASE_S
        ours.renew()
        resumed = next_of(ours)
        assert resumed.number == 0, "it lives no more"
        assert (resumed.config, resumed.reported) == (first.config, 0)

    def test_a_trial_that_others_start_meanwhile(
        self, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever took it since the leases were last read lives, and is not waited for."""
        monkeypatch.setattr(leases_module, "time", clock := Clock())
        ours, theirs = claims_of(study, total=9), claims_of(study, total=9)
        theirs.leases.owner = "machine|1|0.0|a"
        assert next_of(ours).number == 0
        ours.renew()
        clock.now += 10
        assert next_of(theirs).number == 1
        ours.renew()
        assert next_of(ours).number == 2

    def test_a_trial_killed_before_its_settings(self, study: optuna.Study, tmp_path: Path) -> None:
        """A trial that was created and no more is drawn as it would have been."""
        study.ask()  # no lease, no settings: killed at once
        claim = next_of(claims_of(study))
        assert claim.number == 0
        undisturbed = next_of(claims_of(make_study(tmp_path / "other")))
        assert claim.config == undisturbed.config

    def test_waits_for_another_that_is_claiming(self, study: optuna.Study) -> None:
        """While another process holds the gate nothing is claimed, and later it is."""
        other, claims = Leases(storage_of(study).engine), claims_of(study)
        gate = gate_of(study._study_id)
        assert other.take(gate)
        assert claims.next() == Wait()
        other.release(gate)
        assert next_of(claims)

    def test_given_back(self, study: optuna.Study) -> None:
        """A claim whose worker died is handed out next, unless its lease was lost meanwhile."""
        claims = claims_of(study)
        claim = next_of(claims)
        claims.give_back(claim)
        claims.renew()
        assert claims.next() is claim
        claims.give_back(claim)
        claims.leases.release(claim.trial_id)
        assert Leases(storage_of(study).engine).take(claim.trial_id)
        claims.renew()
        assert next_of(claims).number == 1

    def test_given_back_and_lost_before_it_is_handed_out(self, study: optuna.Study) -> None:
        """The process that has its lease by then trains it."""
        claims = claims_of(study)
        claim = next_of(claims)
        claims.give_back(claim)
        claims.leases.release(claim.trial_id)
        assert Leases(storage_of(study).engine).take(claim.trial_id)
        assert next_of(claims).number == 1

    def test_a_connection_that_is_cut_while_settings_are_drawn(
        self, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The trial that was created is what the next call claims."""
        claims = claims_of(study, total=1)
        with monkeypatch.context() as patch:
            patch.setattr(claims_module, "suggest", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                claims.next()
        claim = next_of(claims)
        assert claim.number == 0
        assert claims.leases.renew(claim.trial_id)

    @pytest.mark.parametrize("given_back", [True, False])
    @pytest.mark.parametrize("cut", ["renew", "release"])
    def test_a_connection_that_is_cut_around_a_claim(
        self, study: optuna.Study, monkeypatch: pytest.MonkeyPatch, cut: str, given_back: bool
    ) -> None:
        """Whether it was given back before or is a new one, the next call hands it out."""
        claims = claims_of(study, total=1)
        if given_back:
            claims.give_back(next_of(claims))
        if given_back or cut == "release":
            with monkeypatch.context() as patch:
                patch.setattr(claims.leases, cut, lambda _: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    claims.next()
        assert next_of(claims).number == 0
        assert claims.next() == Wait()

    def test_one_that_ends_just_before_it_is_taken(
        self, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A trial seen as running just before its holder ended it is not trained again."""
        claims, other = claims_of(study, total=1), claims_of(study, total=1)
        claim = next_of(claims)
        recorder_of(study, claims, Path()).pause(claim, None)
        real = other.leases.take

        def take(trial_id: int) -> bool:
            if trial_id == claim.trial_id and not study.trials[0].state.is_finished():
                study.tell(claim.trial, 0.5)
            return real(trial_id)

        monkeypatch.setattr(other.leases, "take", take)
        assert other.next() == Done()
        assert other.leases.held == set()

    def test_what_was_reported(self, study: optuna.Study, tmp_path: Path) -> None:
        """A resumed trial knows how many of its epochs are in the study."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), next_of(claims)
        recorder.report(claim, [0.1, 0.2])
        recorder.pause(claim, outcome_of(0.2, reason="interrupted"))
        assert next_of(claims_of(study)).reported == 2


def test_what_the_scheduler_sees(study: optuna.Study, tmp_path: Path) -> None:
    """Status, curve, value and the like of a trial of each kind."""
    study.enqueue_trial(default_trial(SPACE, DIGITS), user_attrs={LABEL_KEY: "mine"})
    study.enqueue_trial({})
    claims = claims_of(study, total=9)
    recorder, baseline = recorder_of(study, claims, tmp_path), next_of(claims)
    recorder.report(baseline, [0.25, 0.5])
    history = {"val_accuracy": [0.25, 0.5], "val_loss": [0.7, 0.6]}
    recorder.finish(baseline, outcome_of(0.5, history=history))
    paused = next_of(claims)
    recorder.report(paused, [0.3])
    recorder.pause(paused, outcome_of(0.3, reason="interrupted"))
    study.ask()
    study.tell(study.ask(), state=TrialState.FAIL)
    claims.leases.take(paused.trial_id)
    running, *_ = claims.trials(), claims.leases.release(paused.trial_id)
    assert running[1].status == "running"
    ended, waiting_or_paused, new, failed = claims.trials()
    assert (ended.status, ended.reason, ended.baseline) == ("ended", "complete", True)
    assert (ended.curve, ended.value, ended.loss, ended.best_epoch) == ((0.25, 0.5), 0.5, 0.6, 2)
    assert (ended.settings, ended.epochs) == (
        baseline.config.identity,
        baseline.config.training.epochs,
    )
    assert (waiting_or_paused.status, waiting_or_paused.value) == ("paused", 0.3)
    assert waiting_or_paused.reason is None
    assert (new.status, new.settings) == ("paused", "")
    assert (failed.status, failed.reason) == ("ended", "failed"), "as the dashboard does it"
