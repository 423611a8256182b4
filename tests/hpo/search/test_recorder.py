"""What is recorded of a trial, and which files are kept after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import TrialState
from optuna_dashboard import get_note

from hpo.search import notes
from hpo.search import recorder as recorder_module
from hpo.search.recorder import Recorder, TrialEndedError
from studies.hits import Hits
from studies.leases import Leases, collection_of
from studies.record import (
    CONFIG_KEY,
    HITS_KEY,
    LABEL_KEY,
    PAUSED_KEY,
    Outcome,
    value_of,
)
from studies.suggest import default_trial
from tests.hpo.search.small_study import (
    SPACE,
    claims_of,
    kept_weights,
    leave_weights,
    next_of,
    outcome_of,
    pause,
    recorder_of,
    storage_of,
    tidy,
    train,
)
from tests.studies.spaces import DIGITS


def checkpointed(recorder: Recorder) -> list[int]:
    """The trials whose checkpoints are there."""
    return sorted(int(folder.name) for folder in (recorder.files.folder / "trials").iterdir())


class TestRecorder:
    """What is written."""

    def test_reports_what_is_missing(self, study: optuna.Study, tmp_path: Path) -> None:
        """Epochs whose report was lost to a kill are made up; none is written twice."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), next_of(claims)
        recorder.report(claim, [0.1])
        recorder.report(claim, [0.1, 0.2, 0.3])
        assert study.trials[0].intermediate_values == {1: 0.1, 2: 0.2, 3: 0.3}

    def test_a_trial_that_somebody_else_ended(self, study: optuna.Study, tmp_path: Path) -> None:
        """It takes no report and stays as it was ended."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), next_of(claims)
        study.tell(claim.trial, state=TrialState.FAIL)
        with pytest.raises(TrialEndedError):
            recorder.report(claim, [0.1])
        assert recorder.has_ended(claim)
        recorder.finish(claim, outcome_of())
        assert study.trials[0].state is TrialState.FAIL
        assert claims.leases.held == set()

    def test_keeps_the_best_and_the_baselines(self, study: optuna.Study, tmp_path: Path) -> None:
        """Weights of two best trials and the baseline stay, the rest is deleted."""
        study.enqueue_trial(default_trial(SPACE, DIGITS), user_attrs={LABEL_KEY: "mine"})
        claims = claims_of(study, total=6)
        recorder = recorder_of(study, claims, tmp_path)
        for value in (0.1, 0.5, 0.4, 0.8, 0.2, 0.6):
            train(recorder, claims, next_of(claims), value)
        for number, value in ((0, 0.1), (3, 0.8), (5, 0.6)):
            assert kept_weights(recorder, number) == [value] * 4
        assert sorted(recorder.files.weights()) == [0, 3, 5]
        assert len(list((tmp_path / "artifacts").iterdir())) == 3
        assert len(get_all_artifact_meta(study)) == 3
        assert checkpointed(recorder) == [3, 5]

    def test_paused_and_resumed(self, study: optuna.Study, tmp_path: Path) -> None:
        """Its best epoch's weights are kept meanwhile, and those of a better epoch after it."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), next_of(claims)
        folder = recorder.files.checkpoints(claim.number)
        for value in (0.3, 0.4):
            pause(recorder, claims, claim, value)
            assert kept_weights(recorder, claim.number) == [value] * 4
            trial = study.trials[0]
            assert trial.state is TrialState.RUNNING
            assert value_of(trial) == value
            assert "reason" not in trial.user_attrs
            assert folder.exists()
            assert next_of(claims).number == 0  # its lease was given back
        train(recorder, claims, claim, 0.5)
        assert kept_weights(recorder, claim.number) == [0.5] * 4
        assert value_of(study.trials[0]) == 0.5
        assert PAUSED_KEY not in study.trials[0].user_attrs

    def test_what_is_paused_takes_no_other_trials_place(
        self, study: optuna.Study, tmp_path: Path
    ) -> None:
        """It may yet end without a value; then the best of the others is there still."""
        claims = claims_of(study, keep_top=1)
        recorder = recorder_of(study, claims, tmp_path)
        first, second = next_of(claims), next_of(claims)
        train(recorder, claims, first, 0.5)
        pause(recorder, claims, second, 0.6)
        assert kept_weights(recorder, 1) == [0.6] * 4
        recorder.finish(second, outcome_of(0.6, reason="diverged", value=None))
        tidy(recorder, claims, second.number)
        assert kept_weights(recorder, 0) == [0.5] * 4
        assert sorted(recorder.files.weights()) == [0]

    def test_what_was_known_of_a_paused_trial_is_forgotten_when_it_ends_otherwise(
        self, study: optuna.Study, tmp_path: Path
    ) -> None:
        """What is known of a trial is what is known of its end."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), next_of(claims)
        hits = Hits.of(np.array([True, False]))
        recorder.pause(claim, outcome_of(reason="interrupted", hits=hits, facts={"x": 1}))
        assert HITS_KEY in study.trials[0].user_attrs
        recorder.finish(claim, Outcome(reason="out of memory", message="No more."))
        kept = study.trials[0].user_attrs
        assert kept.keys() == {CONFIG_KEY, "reason", "epochs_done", "message", "timing", "history"}

    def test_a_paused_trial_that_is_pruned(self, study: optuna.Study, tmp_path: Path) -> None:
        """All that was known of it stays, as nobody trained it further; its weights go."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), next_of(claims)
        pause(recorder, claims, claim, 0.4)
        before = study.trials[0].user_attrs
        claim = next_of(claims)
        claim.pruned = True
        recorder.finish(claim, Outcome(reason="pruned"))
        tidy(recorder, claims, claim.number)
        expected = {**before, "reason": "pruned"}
        del expected[PAUSED_KEY]
        assert study.trials[0].user_attrs == expected
        assert study.trials[0].state is TrialState.PRUNED
        assert not recorder.files.weights()
        assert not recorder.files.checkpoints(claim.number).exists()

    def test_a_trial_whose_worker_could_not_tell_its_epochs(
        self, study: optuna.Study, tmp_path: Path
    ) -> None:
        """Those that it reported are kept with it."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), next_of(claims)
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
        """Tried again, everything that follows the end is done."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), next_of(claims)
        leave_weights(recorder, claim, 0.5)
        real = study.tell

        def tell(*words: Any, **more: Any) -> None:
            real(*words, **more)
            raise ConnectionError

        monkeypatch.setattr(study, "tell", tell)
        with pytest.raises(ConnectionError):
            recorder.finish(claim, outcome_of(0.5))
        recorder.finish(claim, outcome_of(0.5))
        tidy(recorder, claims, claim.number)
        assert kept_weights(recorder, claim.number) == [0.5] * 4
        assert checkpointed(recorder) == [claim.number]
        assert claims.leases.held == set()

    def test_weights_of_a_paused_trial_that_ends_among_the_worse(
        self, study: optuna.Study, tmp_path: Path
    ) -> None:
        """Those that were kept of it are not taken for those of its end."""
        claims = claims_of(study, total=4)
        recorder, first = recorder_of(study, claims, tmp_path), next_of(claims)
        pause(recorder, claims, first, 0.6)
        first = next_of(claims)
        for value in (0.7, 0.8):
            train(recorder, claims, next_of(claims), value)
        train(recorder, claims, first, 0.2)
        assert sorted(recorder.files.weights()) == [1, 2]

    def test_a_duplicate_takes_no_weights_place(self, study: optuna.Study, tmp_path: Path) -> None:
        """Not even one that had reported epochs before its worker died."""
        claims = claims_of(study, total=9)
        recorder = recorder_of(study, claims, tmp_path)
        copy, first, second = next_of(claims), next_of(claims), next_of(claims)
        recorder.report(copy, [0.1, 0.9])
        for claim, value in ((first, 0.8), (second, 0.7)):
            train(recorder, claims, claim, value)
        recorder.finish(copy, Outcome(reason="duplicate", value=0.8, message="The same."))
        tidy(recorder, claims)
        assert sorted(recorder.files.weights()) == [1, 2]

    def test_paused_before_an_epoch(self, study: optuna.Study, tmp_path: Path) -> None:
        """Nothing is written, and the lease is given back."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), next_of(claims)
        recorder.pause(claim, None)
        assert value_of(study.trials[0]) is None
        assert next_of(claims_of(study)).number == claim.number

    def test_one_process_tidies_at_a_time(
        self, study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While another does, nothing is deleted; the next time weights are kept as ever."""
        monkeypatch.setattr(recorder_module, "WAIT_S", 0.0)
        claims = claims_of(study)
        recorder = recorder_of(study, claims, tmp_path)
        first, second = next_of(claims), next_of(claims)
        other, key = Leases(storage_of(study).engine), collection_of(study._study_id)
        assert other.take(key)
        train(recorder, claims, first, 0.5)
        assert recorder.files.checkpoints(first.number).exists()
        assert recorder.files.weights() == {}
        other.release(key)
        train(recorder, claims, second, 0.4)
        assert sorted(recorder.files.weights()) == checkpointed(recorder) == [0, 1]

    def test_what_another_process_has_ended_meanwhile(
        self, study: optuna.Study, tmp_path: Path
    ) -> None:
        """Its weights are not deleted by a process that read the trials before."""
        claims, others = claims_of(study), claims_of(study)
        recorder, other = recorder_of(study, claims, tmp_path), recorder_of(study, others, tmp_path)
        mine, theirs = next_of(claims), next_of(others)
        leave_weights(recorder, mine, 0.5)
        recorder.finish(mine, outcome_of(0.5))
        asked = 0

        def keep() -> Any:
            nonlocal asked
            asked += 1
            found = claims.scheduler.keep(claims.trials())
            if asked == 1:
                train(other, others, theirs, 0.6)
            return found

        recorder.tidy(keep, mine.number)
        assert sorted(recorder.files.weights()) == [0, 1]

    def test_others_need_not_stand_aside_for_a_trial_that_is_not_among_the_best(
        self, study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its own files are deleted, and nothing else is looked at."""
        claims = claims_of(study, total=6)
        recorder, kept = recorder_of(study, claims, tmp_path), list[Any]()
        real = recorder.files.keep
        monkeypatch.setattr(recorder.files, "keep", lambda keep: (kept.append(keep), real(keep)))
        for value, times in ((0.5, 1), (0.6, 2), (0.4, 2), (0.5, 2), (0.55, 3), (0.52, 3)):
            claim = next_of(claims)
            train(recorder, claims, claim, value)
            assert len(kept) == times
            assert recorder.files.checkpoints(claim.number).exists() == (claim.number in (0, 1, 4))
        assert sorted(recorder.files.weights()) == checkpointed(recorder) == [1, 4]

    def test_a_note_of_each_trial(self, study: optuna.Study, tmp_path: Path) -> None:
        """The dashboard reads it as one of its own."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), next_of(claims)
        recorder.finish(claim, outcome_of(0.5, message="x" * 5_000))
        note = get_note(claim.trial)
        assert note.startswith("**complete** after 2 of ")
        assert note.endswith(f"```text\n{'x' * 2_000}\n```")

    def test_notes_come_to_an_end(
        self, study: optuna.Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The dashboard takes time in the square of their number."""
        monkeypatch.setattr(notes, "NOTED", 1)
        claims = claims_of(study)
        recorder = recorder_of(study, claims, tmp_path)
        first, second = next_of(claims), next_of(claims)
        for claim in (first, second):
            recorder.finish(claim, outcome_of())
        assert [bool(get_note(claim.trial)) for claim in (first, second)] == [True, False]

    def test_killed_while_it_finishes(self, study: optuna.Study, tmp_path: Path) -> None:
        """Written in part and then again, a trial is recorded once."""
        claims = claims_of(study)
        recorder, claim = recorder_of(study, claims, tmp_path), next_of(claims)
        for name, value in outcome_of(0.5).attributes().items():
            claim.trial.set_user_attr(name, value)
        train(recorder, claims, claim, 0.5)
        assert study.trials[0].user_attrs == {
            CONFIG_KEY: claim.config.model_dump(mode="json"),
            **outcome_of(0.5).attributes(),
        }
        assert study.trials[0].state is TrialState.COMPLETE
