"""Tests of `hpo run --from`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hpo.results.ranking import rank
from hpo.search.open_study import OpenStudy, find_study
from hpo.search.plan import Plan, make_plan
from hpo.search.prepare import prepare
from hpo.search.transfer import with_trials_of
from studies.errors import StudyError
from studies.record import TAKEN_KEY
from studies.settings import StudySettings
from tests.hpo.hand_tuned import finish, new_study, where

WIDER: dict[str, Any] = {
    "image_size_px": 8,
    "metric": "loss",
    "space": {"backbone": ["cnn", "cnn_deep"], "l2": 0.0},
}


@pytest.fixture
def source(tmp_path: Path) -> OpenStudy:
    """A study of three complete trials, of which the second has its weights."""
    opened = new_study(tmp_path)
    for right in (10, 15, 12):
        finish(opened, list(range(right)), dropout=right / 50)
    weights = tmp_path / "weights"
    weights.write_bytes(b"weights")
    opened.files.take_weights(2, weights)
    return opened


def test_a_wider_study_begins_with_the_trials_of_another(tmp_path: Path, source: OpenStudy) -> None:
    """With their figures by the new metric, and with their weights; the rest is searched."""
    said: list[str] = []

    def planned() -> Plan:
        plan = make_plan(StudySettings.model_validate(WIDER), said.append)
        return with_trials_of(source, plan, said.append)

    opened = prepare(where(tmp_path), "wider", WIDER, planned)
    ranking = rank(opened)
    assert [(row.number, row.value) for row in ranking.best] == [
        (1, pytest.approx(0.35)),
        (2, pytest.approx(0.5)),
        (0, pytest.approx(0.6)),
    ]
    taken = opened.study.trials[:3]
    assert [trial.user_attrs[TAKEN_KEY] for trial in taken] == ["hand 1", "hand 2", "hand 3"]
    assert {number: path.read_bytes() for number, path in opened.files.weights().items()} == {
        1: b"weights"
    }
    assert (
        "Took over 3 of the 3 finished trials of 'hand', which count in --trials." in said
    )  # none is left to explain
    assert len(opened.study.trials) == 3


def test_other_images_have_other_figures(source: OpenStudy) -> None:
    """Trials of another split cannot be compared with those to come."""
    plan = make_plan(StudySettings.model_validate(WIDER | {"seed": 1}), lambda _: None)
    assert plan.manifest.digest != source.record.manifest_digest
    with pytest.raises(StudyError, match=r"the same parts\. Received: --from hand"):
        with_trials_of(source, plan, lambda _: None)


def test_a_kill_while_they_are_taken_over_leaves_nothing_foreign(
    tmp_path: Path, source: OpenStudy
) -> None:
    """The same command begins the study anew."""
    plan = make_plan(StudySettings.model_validate(WIDER), lambda _: None)
    plan = with_trials_of(source, plan, lambda _: None)
    broken = replace(plan, first={"x": None})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        prepare(where(tmp_path), "wider", WIDER, lambda: broken)
    opened = prepare(where(tmp_path), "wider", WIDER, lambda: plan)
    assert len(rank(opened).best) == 3


def test_the_command_takes_the_data_from_the_other_study(tmp_path: Path, source: OpenStudy) -> None:
    """Image size and split are as they were there; typed again, nothing is taken twice."""
    (tmp_path / "wider.toml").write_text("[space]\nbackbone = ['cnn', 'cnn_deep']\nl2 = 0.0\n")
    words = ["run", "--study", "wider", "--config", "wider.toml", "--from", "hand", "--trials", "3"]
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "hpo", *words],
            cwd=tmp_path,
            env={key: value for key, value in os.environ.items() if key != "HPO_STORAGE"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "The study has its 3 trials" in done.stdout
    opened = find_study(where(tmp_path), "wider")
    assert opened.record.facts["native_size_px"] == 8
    assert len([t for t in opened.study.trials if TAKEN_KEY in t.user_attrs]) == 3


def test_a_name_is_needed(tmp_path: Path, source: OpenStudy) -> None:
    """Without one the study itself would be continued."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hpo", "run", "--from", "hand"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Received: --from hand without --study. Add --study NAME." in done.stderr
