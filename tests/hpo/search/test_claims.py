"""Which trial comes next, without a real worker."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from studies.leases import Leases
from studies.record import LABEL_KEY
from studies.suggest import default_trial
from tests.hpo.search.small_study import SPACE, claims_of, make_study, storage_of
from tests.studies.spaces import DIGITS


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

    def test_given_back_and_lost_before_it_is_handed_out(self, study: optuna.Study) -> None:
        """Whoever has its lease by then trains it."""
        claims = claims_of(study)
        claim = claims.next()
        assert claim
        claims.give_back(claim)
        claims.leases.release(claim.trial_id)
        assert Leases(storage_of(study).engine).take(claim.trial_id)
        new = claims.next()
        assert new
        assert new.number == 1

    def test_a_connection_that_is_cut_while_settings_are_drawn(
        self, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The trial that was created is what the next call claims."""
        claims = claims_of(study, total=1)
        with monkeypatch.context() as patch:
            patch.setattr("hpo.search.claims.suggest", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                claims.next()
        claim = claims.next()
        assert claim
        assert claim.number == 0
        assert claims.leases.renew(claim.trial_id)

    @pytest.mark.parametrize("cut", ["renew", "release"])
    def test_a_connection_that_is_cut_around_a_claim(
        self, study: optuna.Study, monkeypatch: pytest.MonkeyPatch, cut: str
    ) -> None:
        """Whether it was given back before or is a new one, the next call hands it out."""
        claims = claims_of(study, total=1)
        if cut == "renew":
            claim = claims.next()
            assert claim
            claims.give_back(claim)
        with monkeypatch.context() as patch:
            patch.setattr(claims.leases, cut, lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                claims.next()
        claim = claims.next()
        assert claim
        assert claim.number == 0
        assert claims.next() is None

    def test_one_that_ends_while_another_looks(
        self, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A trial seen as running just before its holder ended it is not trained again."""
        claims = claims_of(study, total=1)
        claim = claims.next()
        assert claim is not None
        other = claims_of(study, total=1)
        seen = study.get_trials()
        study.tell(claim.trial, 0.5)
        claims.leases.release(claim.trial_id)
        monkeypatch.setattr(study, "get_trials", lambda deepcopy: seen)
        assert other.next() is None
        assert claim.trial_id not in other.leases.held
