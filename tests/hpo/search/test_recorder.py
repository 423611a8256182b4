"""What is recorded of a trial, and which files are kept."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import TrialState
from optuna_dashboard import get_note

from hpo.search.recorder import Recorder
from hpo.training.checkpoint import load_weights
from studies.hits import Hits
from studies.leases import COLLECTION, Leases
from studies.pruners import Halving, make_pruner
from studies.record import (
    CONFIG_KEY,
    HITS_KEY,
    HOPELESS_KEY,
    LABEL_KEY,
    STANDING_KEY,
    Outcome,
    value_of,
)
from studies.suggest import default_trial
from tests.hpo.search.small_study import (
    FEW,
    SPACE,
    claims_of,
    lay_aside,
    leave_weights,
    outcome_of,
    recorder_of,
    storage_of,
    train,
)
from tests.studies.spaces import DIGITS


def kept_weights(recorder: Recorder, number: int) -> list[float]:
    """The weights of a trial that are kept."""
    kept = recorder.artifacts.weights()[number]
    weights, _ = load_weights(recorder.artifacts.path(kept.artifact_id))
    values: list[float] = weights["logits/bias"].tolist()
    return values


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
        for claim in (first, second):
            recorder.report(claim, [0.1])
        assert not recorder.prunes(first, 1)
        assert recorder.prunes(second, 1)

    def test_a_trial_is_judged_by_no_epoch_that_it_lost(
        self, study: optuna.Study, tmp_path: Path
    ) -> None:
        """Continued from before the last epoch that was reported, it goes on until there."""
        study.pruner = optuna.pruners.ThresholdPruner(lower=0.2, n_warmup_steps=1)
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), claims.next()
        assert claim
        recorder.report(claim, [0.1, 0.1])
        recorder.report(claim, [0.1])
        assert not recorder.prunes(claim, 1)
        recorder.report(claim, [0.1, 0.1])
        assert recorder.prunes(claim, 2)

    def test_a_verdict_stands(self, study: optuna.Study, tmp_path: Path) -> None:
        """Successive halving counts a rung as passed once it was asked, so it is asked once."""
        study.pruner = make_pruner(Halving(min_epochs=1))
        claims = claims_of(study)
        recorder = recorder_of(study, claims, tmp_path)
        for value in (0.9, 0.1):
            claim = claims.next()
            assert claim
            recorder.report(claim, [value])
            hopeless = recorder.prunes(claim, 1)
        assert hopeless
        assert recorder.prunes(claim, 1)
        assert HOPELESS_KEY in study.trials[1].system_attrs
        claims.leases.release(claim.trial_id)  # killed before the trial was ended
        again = claims_of(study).next()
        assert again
        assert again.number == claim.number == 1
        assert recorder.prunes(again, 1)

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
            assert kept_weights(recorder, number) == [value] * 4
        metas = get_all_artifact_meta(study)
        assert len(metas) == 3
        pictures = [
            meta for t in study.trials for meta in get_all_artifact_meta(t, storage=study._storage)
        ]
        assert len(list((tmp_path / "artifacts").iterdir())) == 3 + len(pictures)
        assert not list(recorder.trials_folder.iterdir())

    def test_laid_aside_and_continued(self, study: optuna.Study, tmp_path: Path) -> None:
        """Its best epoch's weights are kept meanwhile, and those of a better epoch after it."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), claims.next()
        assert claim
        folder = recorder.folder(claim.number)
        for value in (0.3, 0.4):
            lay_aside(recorder, claim, value)
            assert kept_weights(recorder, claim.number) == [value] * 4
            trial = study.trials[0]
            assert trial.state is TrialState.RUNNING
            assert value_of(trial) == value
            assert "reason" not in trial.user_attrs
            assert folder.exists()
            assert claims.next()  # its lease was given back
        train(recorder, claim, 0.5)
        assert kept_weights(recorder, claim.number) == [0.5] * 4
        assert value_of(study.trials[0]) == 0.5
        assert STANDING_KEY not in study.trials[0].user_attrs
        assert not folder.exists()

    def test_what_is_laid_aside_takes_no_other_trials_place(
        self, study: optuna.Study, tmp_path: Path
    ) -> None:
        """It may yet end without a value; then the best of the others is there still."""
        claims = claims_of(study)
        recorder = recorder_of(study, claims, tmp_path, keep_top=1)
        first, second = claims.next(), claims.next()
        assert first
        assert second
        train(recorder, first, 0.5)
        lay_aside(recorder, second, 0.6)
        assert kept_weights(recorder, 1) == [0.6] * 4
        recorder.finish(second, outcome_of(0.6, reason="diverged", value=None))
        recorder.collect()
        assert kept_weights(recorder, 0) == [0.5] * 4

    def test_how_it_stood_is_forgotten_when_it_ends_otherwise(
        self, study: optuna.Study, tmp_path: Path
    ) -> None:
        """What is known of a trial is what is known of its end."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), claims.next()
        assert claim
        hits = Hits.of(np.array([True, False]))
        recorder.lay_aside(claim, outcome_of(reason="interrupted", hits=hits, facts={"x": 1}))
        assert HITS_KEY in study.trials[0].user_attrs
        recorder.finish(claim, Outcome(reason="out of memory", message="No more."))
        kept = study.trials[0].user_attrs
        assert kept.keys() == {CONFIG_KEY, "reason", "epochs_done", "message", "timing", "history"}

    def test_a_trial_whose_worker_could_not_tell_its_epochs(
        self, study: optuna.Study, tmp_path: Path
    ) -> None:
        """Those that it reported are kept with it."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), claims.next()
        assert claim
        recorder.report(claim, [0.1, 0.4, 0.3])
        recorder.finish(claim, Outcome(reason="hung", message="No sign of life."))
        kept = study.trials[0].user_attrs
        assert (kept["epochs_done"], kept["best_epoch"]) == (3, 2)
        assert kept["history"] == {"val_accuracy": [0.1, 0.4, 0.3]}
        assert "seconds" not in kept
        assert "after 3 of" in get_note(claim.trial)

    def test_ended_though_the_server_did_not_say_so(
        self, study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Typed again, what follows the end in this process follows all the same."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), claims.next()
        assert claim
        folder = recorder.folder(claim.number)
        leave_weights(recorder, claim, 0.5)
        real = study.tell

        def tell(*words: Any, **more: Any) -> None:
            real(*words, **more)
            raise ConnectionError

        monkeypatch.setattr(study, "tell", tell)
        with pytest.raises(ConnectionError):
            recorder.finish(claim, outcome_of(0.5))
        recorder.finish(claim, outcome_of(0.5))
        recorder.collect()
        assert kept_weights(recorder, claim.number) == [0.5] * 4
        assert not folder.exists()
        assert recorder.twin(claim)

    def test_weights_of_how_it_stood_are_no_longer_its(
        self, study: optuna.Study, tmp_path: Path
    ) -> None:
        """Where it ends with others that are not worth keeping, there are none."""
        claims = claims_of(study, total=9)
        recorder = recorder_of(study, claims, tmp_path, keep_top=1)
        first = claims.next()
        assert first
        lay_aside(recorder, first, 0.6)
        first = claims.next()
        for value in (0.5, 0.9):
            claim = claims.next()
            assert claim
            train(recorder, claim, value)
        assert first
        train(recorder, first, 0.7)
        assert first.number not in recorder.artifacts.weights()
        places = len(list(recorder.artifacts.folder.glob("*")))
        for value in (0.95, 0.97):
            claim = claims.next()
            assert claim
            train(recorder, claim, value)
            assert kept_weights(recorder, claim.number) == [value] * 4
        assert len(list(recorder.artifacts.folder.glob("*"))) == places + 2  # their pictures

    def test_a_duplicate_takes_no_weights_place(self, study: optuna.Study, tmp_path: Path) -> None:
        """Not even one that had reported epochs before its worker died."""
        claims = claims_of(study, total=9)
        recorder = recorder_of(study, claims, tmp_path, keep_top=2)
        twin, first, second = claims.next(), claims.next(), claims.next()
        assert twin
        recorder.report(twin, [0.1, 0.9])
        for claim, value in ((first, 0.8), (second, 0.7)):
            assert claim
            train(recorder, claim, value)
        recorder.finish(twin, Outcome(reason="duplicate", value=0.8, message="The same."))
        recorder._due = True
        recorder.collect()
        assert sorted(recorder.artifacts.weights()) == [1, 2]

    def test_laid_aside_before_an_epoch(self, study: optuna.Study, tmp_path: Path) -> None:
        """Nothing is written, and the lease is given back."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), claims.next()
        assert claim
        recorder.lay_aside(claim, None)
        assert value_of(study.trials[0]) is None
        again = claims_of(study).next()
        assert again
        assert again.number == claim.number

    def test_ends_below_the_best_after_an_interruption(
        self, study: optuna.Study, tmp_path: Path
    ) -> None:
        """Weights that were kept of it are not taken for those of its end."""
        claims = claims_of(study, total=4)
        recorder, first = recorder_of(study, claims, tmp_path), claims.next()
        assert first
        lay_aside(recorder, first, 0.1)
        first = claims.next()
        for value in (0.7, 0.8):
            claim = claims.next()
            assert claim
            train(recorder, claim, value)
        assert first
        recorder.finish(first, outcome_of(0.2))
        recorder.collect()
        assert sorted(recorder.artifacts.weights()) == [1, 2]

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

    def test_one_process_collects_at_a_time(
        self, study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While another does, nothing is deleted; the next time weights are kept as ever."""
        monkeypatch.setattr("hpo.search.recorder.WAIT_S", 0.0)
        claims = claims_of(study)
        recorder, first, second = recorder_of(study, claims, tmp_path), claims.next(), claims.next()
        assert first
        assert second
        other, key = Leases(storage_of(study).engine), COLLECTION - study._study_id
        assert other.take(key)
        train(recorder, first, 0.5)
        assert recorder.folder(first.number).exists()
        assert recorder.artifacts.weights() == {}
        other.release(key)
        train(recorder, second, 0.4)
        assert sorted(recorder.artifacts.weights()) == [0, 1]
        assert not list(recorder.trials_folder.iterdir())

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
