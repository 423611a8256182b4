"""Tests of `hpo run --learn-from`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hpo.search.learning import with_lessons_of
from hpo.search.open_study import OpenStudy, find_study
from hpo.search.plan import Plan, make_plan
from hpo.search.prepare import prepare
from studies.errors import StudyError
from studies.settings import StudySettings
from tests.hpo.hand_tuned import finish, new_study, where

OTHER: dict[str, Any] = {
    "image_size_px": 8,
    "seed": 1,
    "metric": "loss",
    "space": {"backbone": ["cnn", "cnn_deep"], "l2": 0.0},
}
"""Of other images, and with another metric."""


@pytest.fixture
def teacher(tmp_path: Path) -> OpenStudy:
    """A study of three complete trials."""
    opened = new_study(tmp_path)
    for right in (10, 15, 12):
        finish(opened, list(range(right)), dropout=right / 50)
    return opened


def plan_of(settings: dict[str, Any], teacher: OpenStudy, said: list[str]) -> Plan:
    """What a study would be created with that learns from another one."""
    plan = make_plan(StudySettings.model_validate(settings), said.append)
    return with_lessons_of([teacher], plan, said.append)


def test_lessons_are_kept_with_the_study(tmp_path: Path, teacher: OpenStudy) -> None:
    """The other study may be deleted, and this one still goes on as it would have."""
    said: list[str] = []
    opened = prepare(where(tmp_path), "new", OTHER, lambda: plan_of(OTHER, teacher, said))
    assert "Learns from 3 trials of 'hand'." in said
    assert find_study(where(tmp_path), "new").record.learned_from == ("hand",)
    (lessons,) = opened.files.read_lessons()
    assert [lesson.params["dropout"] for lesson in lessons.trials] == [0.3, 0.24, 0.2]
    opened.files.lessons.unlink()
    with pytest.raises(StudyError, match=r"learned\.json"):
        opened.files.read_lessons()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"sampler": "random"}, r"Received: sampler = 'random'\. Set it to tpe"),
        ({"against": ["latency"]}, r"one objective\. Received: .*Leave out --against"),
        ({"space": {"dropout": 0.5}}, r"'hand', of whose trials all of the 3 have settings out"),
    ],
)
def test_nothing_to_learn(teacher: OpenStudy, changes: dict[str, Any], match: str) -> None:
    """A user who asks for it is told why it cannot be, before anything is created."""
    with pytest.raises(StudyError, match=match):
        plan_of(OTHER | changes, teacher, [])


def test_some_lie_outside(teacher: OpenStudy) -> None:
    """The rest is learned from."""
    said: list[str] = []
    space = OTHER["space"] | {"dropout": {"low": 0.22, "high": 0.5}}
    plan = plan_of(OTHER | {"space": space}, teacher, said)
    assert len(plan.learned[0].trials) == 2
    assert (
        "Learns from 2 trials of 'hand'. Left out: 1 with settings outside this study's space, "
        "or no figure for cross-entropy." in said
    )


def test_the_command(tmp_path: Path, teacher: OpenStudy) -> None:
    """A study that is there already learns nothing more, and says so."""
    words = ["run", "--study", "hand", "--learn-from", "hand", "--trials", "3"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hpo", *words],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "HPO_STORAGE"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "--learn-from counts when a study is created." in done.stdout
