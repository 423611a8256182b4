"""Tests of how far the best trial can be believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import create_trial

from hpo.results.trial_rows import best_first, read_trials
from hpo.results.winner import Winner, judge_winner
from studies.hits import Hits
from studies.metrics import METRICS
from studies.record import CONFIG_KEY, Outcome
from studies.storage import open_storage
from studies.trial_config import TrialConfig
from tests.hpo.conftest import CONFIG

IMAGES = 200


def judge(folder: Path, *right: int, metric: str = "accuracy") -> Winner | None:
    """Judges the best of trials that get so many images right, the first ones of all."""
    storage = open_storage(f"sqlite:///{folder / 'studies.db'}")
    study = optuna.create_study(storage=storage, direction="maximize")
    config: TrialConfig = CONFIG
    for count in right:
        hits = Hits.of(np.arange(IMAGES) < count)
        outcome = Outcome(reason="complete", value=count / IMAGES, best_epoch=1, hits=hits)
        attributes = {CONFIG_KEY: config.model_dump(mode="json"), **outcome.attributes()}
        study.add_trial(create_trial(value=count / IMAGES, user_attrs=attributes))
    rows = best_first(read_trials(storage, study), METRICS["accuracy"])
    return judge_winner(storage, rows, METRICS[metric])


def test_ties_are_named(tmp_path: Path) -> None:
    """Trials whose difference may be nothing, and not those that are surely worse."""
    winner = judge(tmp_path, 100, 180, 179, 150)
    assert winner is not None
    assert (winner.number, winner.as_good) == (1, [2])
    assert winner.leads[3] == pytest.approx((0.15, 0.10, 0.20), abs=0.01)
    text = winner.sentences()
    assert "Trial 1 was chosen as the best of 4, which flatters it." in text
    assert "It is not surely better than trial 2: the 95 % interval" in text
    assert winner.as_json()["as_good"] == [2]


def test_the_figure_is_corrected(tmp_path: Path) -> None:
    """It is no better than the raw one, and within its interval."""
    winner = judge(tmp_path, 180, 179, 178)
    assert winner is not None
    assert winner.worth is not None
    worth = winner.worth
    assert worth.low < worth.corrected <= worth.raw == 0.9 < worth.high


def test_more_trials_that_would_not_help(tmp_path: Path) -> None:
    """Said of ten alike, not of nine, and not of ten that differ."""
    for name in "abc":
        (tmp_path / name).mkdir()
    alike = judge(tmp_path / "a", *[180] * 10)
    assert alike is not None
    assert alike.exhausted
    assert "As many trials again can be expected to add 0.0000" in alike.sentences()
    for name, counts in (("b", [180] * 9), ("c", [*range(0, 200, 20)])):
        winner = judge(tmp_path / name, *counts)
        assert winner is not None
        assert not winner.exhausted


def test_one_trial_alone_was_not_chosen(tmp_path: Path) -> None:
    """There is nothing to correct, and nothing to say."""
    winner = judge(tmp_path, 180)
    assert winner is not None
    assert winner.worth is None
    assert winner.sentences() == ""


def test_hits_say_nothing_of_another_metric(tmp_path: Path) -> None:
    """A study of the loss has no corrected figure."""
    assert judge(tmp_path, 100, 180, metric="loss") is None
